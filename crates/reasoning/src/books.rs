//! Every call in the journal, without a wait of its own.
//!
//! A record is handed to the journal before its answer leaves this room, and the keeper waits for it in the answer's place:
//! what is appended later (the proposal) then never stands without it. The keeper also sets aside the next block before
//! the last one is used up.
//!
//! ```text
//! call -> draw (block) -> provider -> settle -> append, polled once -> answer
//!           └ short? keeper sets aside a block     └ keeper waits for the rest
//! ```
//!
//! Does not know models.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use bytes::Bytes;
use sinew_contract::{
    Appended, Ask, Blobs, BudgetReserved, Cause, Clock, Draft, ErrorKind, Event, Expect, Failure, Journal, Kept,
    ModelCalled, PrincipalId, Record, Scope,
};
use tokio::sync::{mpsc, oneshot};

use crate::call_error::CallError;
use crate::ledger::{Amount, Draw, Drawn, Ledger};

/// Records on their way into the journal; when full, answers wait. 1,024: a quarter of a second at the fastest.
const QUEUE_MAX: usize = 1_024;
/// Longer bodies go to the blob store: the journal is read often, they are not.
const INLINE_LEN_MAX: usize = 16 * 1024;

type Append = Pin<Box<dyn Future<Output = Result<Appended, Failure>> + Send>>;

enum Message {
    /// A record that the journal has taken and not yet made durable.
    Written(Append),
    /// The block is used up, or soon will be.
    Fill { need: Amount, done: Option<oneshot::Sender<()>> },
}

/// What the room needs of the house to write.
#[derive(Clone)]
pub struct Outside {
    /// The log.
    pub journal: Arc<dyn Journal>,
    /// For long bodies, and pictures.
    pub blobs: Arc<dyn Blobs>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// The books. Shared by all rungs that are models.
pub(crate) struct Books {
    pub(crate) outside: Outside,
    pub(crate) ledger: Ledger,
    queue: mpsc::Sender<Message>,
    broken: AtomicBool,
    principal: PrincipalId,
}

/// The one task that waits for the journal in place of answers. Without it, no call goes out.
pub struct Keeper {
    books: Arc<Books>,
    messages: mpsc::Receiver<Message>,
}

impl Books {
    pub(crate) fn open(outside: Outside, ledger: Ledger) -> (Arc<Self>, Keeper) {
        let (queue, messages) = mpsc::channel(QUEUE_MAX);
        let principal = "sinew".parse().expect("invariant: a plain name");
        let books = Arc::new(Self { outside, ledger, queue, broken: AtomicBool::new(false), principal });
        let keeper = Keeper { books: Arc::clone(&books), messages };
        (books, keeper)
    }

    /// Draws for one call; waits only where the block has to be filled first.
    pub(crate) async fn draw(&self, ask: &Ask, most: Amount) -> Result<Drawn, CallError> {
        loop {
            if self.broken.load(Ordering::Acquire) {
                return Err(CallError::Budget {
                    said: "the journal is broken, so no call can be accounted for".to_owned(),
                });
            }
            match self.ledger.draw(ask, most, self.outside.clock.now().wall)? {
                Draw::Taken { drawn, low } => {
                    if low {
                        // Full is as good: then the keeper is busy, and a later draw hints again.
                        drop(self.queue.try_send(Message::Fill { need: most, done: None }));
                    }
                    return Ok(drawn);
                }
                Draw::Short => self.fill(most).await,
            }
        }
    }

    async fn fill(&self, need: Amount) {
        let (done, filled) = oneshot::channel();
        let sent = self.queue.send(Message::Fill { need, done: Some(done) }).await.is_ok();
        if sent && filled.await.is_ok() {
            return;
        }
        // The process is ending: an answer now would be one that the next process could give better.
        std::future::pending::<()>().await;
    }

    /// Keeps a body as it is: short texts in the record, all else in the blob store.
    pub(crate) async fn keep(&self, body: Bytes, media_type: &str) -> Result<Kept, Failure> {
        if body.len() <= INLINE_LEN_MAX
            && let Ok(text) = std::str::from_utf8(&body)
        {
            return Ok(Kept::Text(text.to_owned()));
        }
        self.outside.blobs.put(body, media_type).await.map(Kept::Blob)
    }

    /// Journals an event that is about a question, and returns when it is durable.
    pub(crate) async fn announce(&self, ask: &Ask, event: Event) -> Result<(), Failure> {
        let mut draft = Draft::new(self.principal.clone(), Record::Event(event));
        draft.scope = ask.more.scope.clone().unwrap_or_else(Scope::main);
        self.outside.journal.append(vec![draft], Expect::Anything).await.map(drop)
    }

    /// Hands a record to the journal and returns when the journal has taken it; the keeper waits until it is durable.
    ///
    /// # Errors
    /// Whatever the journal says at once; it is then broken for good.
    pub(crate) async fn write(&self, ask: &Ask, called: ModelCalled) -> Result<(), Failure> {
        let mut draft = Draft::new(self.principal.clone(), Record::ModelCalled(called)).of_run(ask.effect.run);
        draft.cause = Cause::Entry(ask.effect.run.seq);
        draft.scope = ask.more.scope.clone().unwrap_or_else(Scope::main);
        let journal = Arc::clone(&self.outside.journal);
        let mut append: Append = Box::pin(async move { journal.append(vec![draft], Expect::Anything).await });
        // One poll numbers the record before anything that is appended later; `Pending` means "taken, not yet on disk".
        match poll_fn(|cx| Poll::Ready(append.as_mut().poll(cx))).await {
            Poll::Ready(done) => done.map(drop),
            Poll::Pending => match self.queue.send(Message::Written(append)).await {
                Ok(()) => Ok(()),
                // The keeper has ended: this one waits for itself.
                Err(mpsc::error::SendError(Message::Written(append))) => append.await.map(drop),
                Err(_) => Err(Failure::new(ErrorKind::Broken, "the keeper of the books has ended")),
            },
        }
    }
}

impl Keeper {
    /// Runs until `until` is done; then gives back what was set aside and not used, where nothing is under way.
    ///
    /// # Errors
    /// Whatever kept a record from the journal: from then on no call goes out.
    pub async fn run(mut self, until: impl Future<Output = ()> + Send) -> Result<(), Failure> {
        let mut until = std::pin::pin!(until);
        loop {
            // Cancel safe: `recv` says so, and `until` is polled in place.
            let message = tokio::select! {
                message = self.messages.recv() => message,
                () = &mut until => break,
            };
            let Some(message) = message else { break };
            self.take(message).await?;
        }
        self.close().await
    }

    async fn take(&self, message: Message) -> Result<(), Failure> {
        let done = match message {
            Message::Written(append) => append.await.map(drop),
            Message::Fill { need, done } => self.fill(need).await.map(|()| {
                // Who asked may have gone; the block stands all the same.
                let _ = done.map(|done| done.send(()));
            }),
        };
        if done.is_err() {
            self.books.broken.store(true, Ordering::Release);
        }
        done
    }

    async fn fill(&self, need: Amount) -> Result<(), Failure> {
        let books = &self.books;
        let Some(block) = books.ledger.next_block(need, books.outside.clock.now().wall) else { return Ok(()) };
        self.append(block.clone()).await?;
        books.ledger.filled(&block);
        Ok(())
    }

    async fn close(mut self) -> Result<(), Failure> {
        self.messages.close();
        while let Some(message) = self.messages.recv().await {
            if let Message::Written(append) = message {
                append.await?;
            }
        }
        if self.books.ledger.is_open_and_idle() {
            self.append(BudgetReserved { calls: 0, tokens: 0, micros: 0, closed: true }).await?;
        }
        Ok(())
    }

    async fn append(&self, block: BudgetReserved) -> Result<(), Failure> {
        let draft = Draft::new(self.books.principal.clone(), Record::BudgetReserved(block));
        self.books.outside.journal.append(vec![draft], Expect::Anything).await.map(drop)
    }
}
