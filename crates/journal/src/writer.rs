//! The one thread that writes, and its queue.
//!
//! Does not know bytes. It gathers what waits into a group, has the core commit it, and hands out the answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

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
    let group_max = log.options.group_max.max(1);
    let mut closing = false;
    while let Some(first) = next(&mut queue, closing) {
        let (mut batches, mut answers) = (Vec::new(), Vec::new());
        let mut message = Some(first);
        while let Some(received) = message {
            match received {
                Message::Append(waiting) => {
                    batches.push(waiting.batch);
                    answers.push(waiting.answer);
                }
                Message::Close => {
                    closing = true;
                    queue.close();
                }
            }
            message = if batches.len() < group_max { queue.try_recv().ok() } else { None };
        }
        let done = log.commit(batches);
        // Who gave up waiting has dropped the other end: the entries stand all the same.
        answers.into_iter().zip(done).for_each(|(answer, result)| drop(answer.send(result)));
    }
    log.close();
    reader.closed.store(true, Ordering::Release);
    reader.shared.publish(std::iter::empty());
}

/// Waits for a message; once closing, takes only what is there already.
fn next(queue: &mut mpsc::Receiver<Message>, closing: bool) -> Option<Message> {
    if closing { queue.try_recv().ok() } else { queue.blocking_recv() }
}
