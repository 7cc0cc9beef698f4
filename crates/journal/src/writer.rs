//! The one thread that writes, and its queue.
//!
//! Does not know bytes. It gathers what waits into a group, has the core commit it, and hands out the answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sinew_contract::{Appended, Failure};
use tokio::sync::{mpsc, oneshot};

use crate::log::Log;
use crate::prepare::Batch;
use crate::reader::Reader;

/// A batch and where its answer goes.
pub(crate) struct Waiting {
    pub batch: Batch,
    pub answer: oneshot::Sender<Result<Appended, Failure>>,
}

/// What the writer can be told.
pub(crate) enum Message {
    Append(Waiting),
    Close,
}

/// Writes until it is told to close or nobody can tell it anything any more; then closes the log.
pub(crate) fn run(mut log: Log, mut queue: mpsc::Receiver<Message>, reader: &Arc<Reader>) {
    let mut group = Group { max: log.options.group_max.max(1), ..Group::default() };
    while let Some(first) = group.first(&mut queue) {
        group.gather(first, &mut queue);
        let (started, answered) = (Instant::now(), group.answers.len());
        let done = log.commit(std::mem::take(&mut group.batches));
        group.patience = (started.elapsed() / PATIENCE_PART).min(PATIENCE_MAX);
        group.expected = answered + queue.len();
        // Who gave up waiting has dropped the other end: the entries stand all the same.
        group.answers.drain(..).zip(done).for_each(|(answer, result)| drop(answer.send(result)));
    }
    log.close();
    reader.closed.store(true, Ordering::Release);
    reader.shared.publish(std::iter::empty());
}

/// Waiting for more may cost a quarter of a commit and saves whole ones: callers that were just answered come back at once.
const PATIENCE_PART: u32 = 4;
const PATIENCE_MAX: Duration = Duration::from_micros(500);

/// What is going to be committed together.
#[derive(Default)]
struct Group {
    batches: Vec<Batch>,
    answers: Vec<oneshot::Sender<Result<Appended, Failure>>>,
    max: usize,
    /// Batches that are likely to come: those just answered, and those that came while they were being written.
    expected: usize,
    /// How long to wait for them.
    patience: Duration,
    closing: bool,
}

impl Group {
    /// Waits for a message; once closing, takes only what is there already.
    fn first(&self, queue: &mut mpsc::Receiver<Message>) -> Option<Message> {
        if self.closing { queue.try_recv().ok() } else { queue.blocking_recv() }
    }

    /// Takes what is there, and waits a moment for what is likely to come.
    fn gather(&mut self, first: Message, queue: &mut mpsc::Receiver<Message>) {
        self.take(first, queue);
        let started = Instant::now();
        while self.batches.len() < self.max {
            match queue.try_recv() {
                Ok(message) => self.take(message, queue),
                Err(_) if self.expects_more() && started.elapsed() < self.patience => std::thread::yield_now(),
                Err(_) => return,
            }
        }
    }

    fn expects_more(&self) -> bool {
        !self.closing && self.batches.len() < self.expected
    }

    fn take(&mut self, message: Message, queue: &mut mpsc::Receiver<Message>) {
        match message {
            Message::Append(Waiting { batch, answer }) => {
                self.batches.push(batch);
                self.answers.push(answer);
            }
            Message::Close => {
                self.closing = true;
                queue.close();
            }
        }
    }
}
