//! A device behind an MQTT broker (MQTT 3.1.1): hears readings and events, answers reflexes, sends commands.
//!
//! Knows topics and bytes; what a rule or an event means is for others to say. Two connections: see [`lane`]. A command is
//! done when the broker has it, or, with `confirm`, when the device itself has said so on another topic.
//!
//! ```toml
//! id = "line"
//! driver = "mqtt"
//! broker = "mqtt://plant.local"
//!
//! [[reading]]
//! topic = "line/+/scan"
//! kind = "event"
//! event-type = "line.scan.v1"
//! id = "/id"
//!
//! [[reading]]
//! topic = "line/+/temp"
//! kind = "telemetry"
//! unit = "Cel"
//! ```

mod board;
mod config;
mod lane;
mod operation;
pub(crate) mod topics;
pub(crate) mod wire;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use async_trait::async_trait;
use rumqttc::QoS;
use serde::Deserialize;
use serde_json::{Value, json};
use sinew_contract::{
    Clock, Command, Deadline, Device, DeviceId, ErrorKind, Failure, Reading, Reflex, Reflexive, Reply,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::open::{OpenError, Opened};
use crate::surroundings::Surroundings;
use board::Board;
pub use config::{Announcement, MqttConfig, ReadingConfig, ReadingKind};
pub use lane::{Counts, Message};
use lane::{Lane, Request, Said, Sink};
use operation::{Confirm, Operation, Operations};
use topics::{is_filter, overlap, takes};

/// Telemetry that waits to be taken; what comes then is dropped and counted.
const TELEMETRY_MAX: usize = 16_384;
/// Events that wait to be taken; then no more are read from the broker, which keeps them.
const EVENTS_MAX: usize = 256;
/// Commands and acknowledgements on their way to the socket; more are refused as busy.
const REQUESTS_MAX: usize = 4_096;

/// A device behind a broker.
pub struct MqttDevice {
    config: MqttConfig,
    settings: config::Settings,
    clock: Arc<dyn Clock>,
    operations: Arc<Operations>,
    board: Arc<Board>,
    counts: Arc<Counts>,
    attached: Mutex<Attached>,
    running: Mutex<Option<Running>>,
    telemetry: tokio::sync::Mutex<mpsc::Receiver<Message>>,
    telemetry_in: mpsc::Sender<Message>,
    events: tokio::sync::Mutex<mpsc::Receiver<Message>>,
    events_in: mpsc::Sender<Message>,
    told_dropped: AtomicU64,
}

/// The reflex, and the filters that it needs.
type Attached = (Vec<String>, Option<Arc<dyn Reflex>>);

/// The lanes of a device that was started; they end when this is dropped.
struct Running {
    fast: mpsc::Sender<Request>,
    sure: Option<mpsc::Sender<Request>>,
    standing: watch::Receiver<bool>,
    threads: Vec<thread::JoinHandle<()>>,
}

/// Opens a device whose file says `driver = "mqtt"`. Connects nowhere yet: see [`MqttDevice::start`].
///
/// # Errors
/// `Config` for a wrong field, `Secret` for a password that cannot be had.
pub fn open_device(file: &Value, surroundings: &Surroundings) -> Result<Opened, OpenError> {
    let config = MqttConfig::deserialize(file).map_err(|error| OpenError::config(error.to_string()))?;
    let device = Arc::new(MqttDevice::open(config, surroundings)?);
    Ok(Opened { device: device.clone(), folder: None, mqtt: Some(device) })
}

impl MqttDevice {
    /// Checks its settings.
    ///
    /// # Errors
    /// As [`open_device`].
    pub fn open(config: MqttConfig, surroundings: &Surroundings) -> Result<Self, OpenError> {
        let settings = config.settle(surroundings)?;
        let (telemetry_in, telemetry) = mpsc::channel(TELEMETRY_MAX);
        let (events_in, events) = mpsc::channel(EVENTS_MAX);
        let heard = config.reading.iter().filter(|reading| reading.kind == ReadingKind::Telemetry);
        let board = Arc::new(Board::new(heard.map(|reading| reading.topic.clone()).collect()));
        Ok(Self {
            config,
            settings,
            clock: Arc::clone(&surroundings.clock),
            operations: Arc::default(),
            board,
            counts: Arc::default(),
            attached: Mutex::default(),
            running: Mutex::default(),
            telemetry: telemetry.into(),
            telemetry_in,
            events: events.into(),
            events_in,
            told_dropped: AtomicU64::new(0),
        })
    }

    /// Connects, and stays connected until [`MqttDevice::end`]. Calling it twice is harmless.
    ///
    /// # Errors
    /// `Config` where filters overlap, so that a message would come twice; where a thread cannot be made.
    pub fn start(&self) -> Result<(), OpenError> {
        let mut running = lock(&self.running);
        if running.is_some() {
            return Ok(());
        }
        let mut threads = Vec::new();
        let (fast, requests) = mpsc::channel(REQUESTS_MAX);
        let (standing, stands) = watch::channel(false);
        threads.push(spawn(self.fast_lane(standing)?, requests)?);
        let sure = self.sure_lane().map(|lane| {
            let (sure, requests) = mpsc::channel(REQUESTS_MAX);
            threads.push(spawn(lane, requests)?);
            Ok::<_, OpenError>(sure)
        });
        *running = Some(Running { fast, sure: sure.transpose()?, standing: stands, threads });
        Ok(())
    }

    /// Takes leave of the broker, and returns when both connections are closed. Blocks for up to a second.
    pub fn end(&self) {
        if let Some(Running { fast, sure, threads, .. }) = lock(&self.running).take() {
            drop((fast, sure));
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!(device = %self.config.id, "a lane of the device crashed");
                }
            }
        }
    }

    /// Whether the connection for commands stands.
    pub fn is_connected(&self) -> bool {
        lock(&self.running).as_ref().is_some_and(|running| *running.standing.borrow())
    }

    /// Waits until whether the connection stands is no longer as it was `known`. Cancel safe.
    pub async fn changed(&self, known: bool) {
        let standing = lock(&self.running).as_ref().map(|running| running.standing.clone());
        let Some(mut standing) = standing else { return std::future::pending().await };
        // A clone of a receiver has seen nothing yet, so it is asked for the value and not for the news.
        if standing.wait_for(|stands| *stands != known).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What was counted.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Telemetry that was dropped since the last call.
    pub fn newly_dropped(&self) -> u64 {
        let dropped = self.counts.dropped.load(Ordering::Relaxed);
        dropped.saturating_sub(self.told_dropped.swap(dropped, Ordering::Relaxed))
    }

    /// The declared reading that a topic belongs to.
    pub fn reading(&self, topic: &str) -> Option<&ReadingConfig> {
        self.config.reading.iter().find(|reading| takes(&reading.topic, topic))
    }

    /// The next event. The broker keeps it until [`MqttDevice::acknowledge`]. Cancel safe.
    pub async fn next_event(&self) -> Message {
        match self.events.lock().await.recv().await {
            Some(message) => message,
            None => std::future::pending().await,
        }
    }

    /// Tells the broker that an event stands in the log. One of an earlier connection is given out again, and known then.
    pub async fn acknowledge(&self, message: &Message) {
        let sure = lock(&self.running).as_ref().and_then(|running| running.sure.clone());
        if let Some((sure, ticket)) = sure.zip(message.ticket) {
            // The lane has ended: the broker gives the event out again at the next start.
            let _ = sure.send(Request::Acknowledge(ticket)).await;
        }
    }

    /// The next message of telemetry. Cancel safe.
    pub async fn next_telemetry(&self) -> Message {
        match self.telemetry.lock().await.recv().await {
            Some(message) => message,
            None => std::future::pending().await,
        }
    }

    fn fast_lane(&self, standing: watch::Sender<bool>) -> Result<Lane, OpenError> {
        let (mut filters, reflex) = lock(&self.attached).clone();
        let heard = self.config.reading.iter().filter(|reading| reading.kind == ReadingKind::Telemetry);
        filters.extend(heard.map(|reading| reading.topic.clone()));
        filters.sort();
        filters.dedup();
        if let Some(wrong) = filters.iter().find(|filter| !is_filter(filter)) {
            return Err(OpenError::config(format!("`{wrong}` is not a topic filter")));
        }
        for (index, one) in filters.iter().enumerate() {
            if let Some(other) = filters.iter().skip(index + 1).find(|other| overlap(one, other)) {
                let problem = format!("the filters `{one}` and `{other}` overlap; a message would come twice");
                return Err(OpenError::config(problem));
            }
        }
        let sink = Sink::Fast {
            reflex,
            operations: Arc::clone(&self.operations),
            board: Arc::clone(&self.board),
            queue: self.telemetry_in.clone(),
        };
        // Delivered as it was published: at most QoS 1.
        let filters = filters.into_iter().map(|filter| (filter, QoS::AtLeastOnce)).collect();
        Ok(self.lane("", true, filters, sink, standing))
    }

    fn sure_lane(&self) -> Option<Lane> {
        let events = self.config.reading.iter().filter(|reading| reading.kind == ReadingKind::Event);
        let filters: Vec<_> = events.map(|reading| (reading.topic.clone(), QoS::AtLeastOnce)).collect();
        let sink = Sink::Sure { queue: self.events_in.clone() };
        (!filters.is_empty()).then(|| self.lane("-events", false, filters, sink, watch::Sender::new(false)))
    }

    fn lane(
        &self,
        suffix: &str,
        clean: bool,
        filters: Vec<(String, QoS)>,
        sink: Sink,
        standing: watch::Sender<bool>,
    ) -> Lane {
        let mut settings = self.settings.clone();
        settings.client_id.push_str(suffix);
        if !clean {
            // One of the two says whether we are there: the one that can act.
            (settings.will, settings.online) = (None, None);
        }
        Lane {
            name: format!("{}{suffix}", self.config.id),
            settings,
            clean,
            filters,
            sink,
            clock: Arc::clone(&self.clock),
            counts: Arc::clone(&self.counts),
            standing,
            epoch: 0,
        }
    }

    fn fast(&self) -> Result<mpsc::Sender<Request>, Failure> {
        let away = || busy(format!("device `{}` is not connected; nothing was sent", self.config.id));
        let running = lock(&self.running);
        let standing = running.as_ref().filter(|running| *running.standing.borrow());
        standing.map(|running| running.fast.clone()).ok_or_else(away)
    }

    /// Hands a message to the lane and waits for the broker.
    async fn publish(&self, packet: rumqttc::Publish, expires: Deadline) -> Result<(), Failure> {
        let (done, said) = oneshot::channel();
        let full = |_| busy(format!("the queue of device `{}` is full; nothing was sent", self.config.id));
        let fast = self.fast()?;
        fast.try_send(Request::Publish { packet, expires, done }).map_err(full)?;
        let said = tokio::time::timeout(expires.remaining(self.clock.now()), said).await;
        let lost = |what: &str| Failure::new(ErrorKind::Broken, format!("{what}; nobody knows whether it was done"));
        match said {
            Ok(Ok(Said::Sent)) => Ok(()),
            Ok(Ok(Said::Late)) => Err(Failure::new(ErrorKind::Late, "expired before it left")),
            Ok(Ok(Said::Unsent)) => {
                Err(busy(format!("device `{}` is not connected; nothing was sent", self.config.id)))
            }
            Ok(Err(_)) => Err(lost("the connection broke after it was sent")),
            Err(_) => Err(lost("the broker did not confirm it before it expired")),
        }
    }

    /// Waits until the device itself says that it was done.
    async fn confirmed(
        &self,
        confirm: &Confirm,
        command: &Command,
        mut news: tokio::sync::broadcast::Receiver<Message>,
    ) -> Result<Value, Failure> {
        let wanted = match confirm.equals.as_str() {
            "{key}" => Value::from(command.key.clone()),
            at => command.args.pointer(at).cloned().unwrap_or_default(),
        };
        let word = async {
            loop {
                match news.recv().await {
                    Ok(message) if takes(&confirm.topic, &message.topic) => {
                        let said = parse(&message);
                        if said.pointer(&confirm.at).is_some_and(|found| same(found, &wanted)) {
                            return said;
                        }
                    }
                    Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        let waited = tokio::time::timeout(command.expires.remaining(self.clock.now()), word).await;
        waited.map_err(|_| {
            let id = &self.config.id;
            Failure::new(
                ErrorKind::Broken,
                format!("sent, but device `{id}` did not confirm it; nobody knows whether it was done"),
            )
        })
    }
}

impl Drop for MqttDevice {
    /// The lanes end by themselves: nobody can ask them for anything any more.
    fn drop(&mut self) {
        drop(lock(&self.running).take());
    }
}

#[async_trait]
impl Device for MqttDevice {
    fn id(&self) -> &DeviceId {
        &self.config.id
    }

    fn check(&self, operation: &Value) -> Result<(), Failure> {
        let Operation::Publish(say) = Operation::read(operation)? else { return Ok(()) };
        match &say.confirm {
            Some(confirm)
                if !self
                    .config
                    .reading
                    .iter()
                    .any(|reading| reading.topic == confirm.topic && reading.kind == ReadingKind::Telemetry) =>
            {
                let problem = format!(
                    "`confirm.topic` `{}` must be declared as a telemetry reading of the device",
                    confirm.topic
                );
                Err(Failure::new(ErrorKind::Invalid, problem))
            }
            _ => Ok(()),
        }
    }

    async fn read(&self, operation: &Value, args: &Value, _deadline: Deadline) -> Result<Value, Failure> {
        let Operation::State(look) = Operation::read(operation)? else {
            return Err(Failure::new(ErrorKind::Invalid, "only a `state` can be looked at; to `publish` is an act"));
        };
        let topic = look.topic.fill(args)?;
        let last = self.board.last(&topic);
        let last =
            last.ok_or_else(|| Failure::new(ErrorKind::Missing, format!("nothing was said on `{topic}` yet")))?;
        let age = self.clock.now().wall.since(last.at);
        if age > look.fresh {
            return Err(busy(format!("what was said last on `{topic}` is {} ms old", age.as_millis())));
        }
        let missing =
            || Failure::new(ErrorKind::Missing, format!("`{}` stands not in what was said on `{topic}`", look.at));
        parse(&last).pointer(&look.at).cloned().ok_or_else(missing)
    }

    async fn write(&self, command: &Command) -> Result<Reply, Failure> {
        let Operation::Publish(say) = Operation::read(&command.operation)? else {
            return Err(Failure::new(ErrorKind::Invalid, "a `state` can only be looked at"));
        };
        let (packet, news) = (say.command(command)?, self.board.news());
        let (topic, qos) = (packet.topic.clone(), packet.qos as u8);
        self.publish(packet, command.expires).await?;
        let said = match &say.confirm {
            Some(confirm) => Some(self.confirmed(confirm, command, news).await?),
            None => None,
        };
        Ok(Reply::Accepted(json!({ "topic": topic, "qos": qos, "confirmed": said })))
    }

    /// The next telemetry, named by its topic.
    async fn listen(&self) -> Result<Reading, Failure> {
        let Message { topic, body, at, .. } = self.next_telemetry().await;
        let media_type = "application/json".to_owned();
        Ok(Reading { device: self.config.id.clone(), at, media_type, body, name: Some(topic) })
    }
}

impl Reflexive for MqttDevice {
    fn compile(&self, operation: &Value) -> Result<usize, Failure> {
        self.operations.add(operation)
    }

    fn attach(&self, filters: Vec<String>, reflex: Arc<dyn Reflex>) {
        *lock(&self.attached) = (filters, Some(reflex));
    }
}

/// A lane has a thread of its own: nothing else in the process can hold up a reflex.
fn spawn(lane: Lane, requests: mpsc::Receiver<Request>) -> Result<thread::JoinHandle<()>, OpenError> {
    let name = format!("mqtt-{}", lane.name);
    let failed = |source| OpenError::Thread { name: name.clone(), source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    thread::Builder::new().name(name.clone()).spawn(move || runtime.block_on(lane.run(requests))).map_err(failed)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn busy(what: String) -> Failure {
    Failure::new(ErrorKind::Busy, what)
}

/// A message as JSON; a text that is none stands for itself.
fn parse(message: &Message) -> Value {
    serde_json::from_slice(&message.body)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&message.body).into_owned()))
}

/// Equal values; numbers by what they are worth.
fn same(found: &Value, wanted: &Value) -> bool {
    match (found.as_f64(), wanted.as_f64()) {
        (Some(found), Some(wanted)) => found == wanted,
        _ => found == wanted,
    }
}

impl Message {
    /// The body as JSON; a text that is none stands for itself.
    pub fn value(&self) -> Value {
        parse(self)
    }
}
