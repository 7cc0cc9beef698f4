//! One connection to a broker that is kept up for ever: connect, subscribe, talk, and again after a pause.
//!
//! A device has two of them. The *fast* lane hears reflexes and telemetry and sends commands; it never waits for anybody, so
//! what nobody takes is dropped and counted. The *sure* lane hears events in a session that the broker keeps; it reads only
//! as fast as they are taken, and acknowledges each one only when told. A command that was written and not confirmed before
//! the connection broke is never sent again: its sender hears that nobody knows.
//!
//! ```text
//! socket -> packets -> fast: reflex -> commands -> socket      (same turn, one write)
//!                      fast: telemetry -> queue (drops, counts)
//!                      sure: event -> queue (waits) -> journal -> ack -> socket
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rumqttc::{
    Connect, ConnectReturnCode, Login, Packet, PubAck, Publish, QoS, Subscribe, SubscribeFilter, SubscribeReasonCode,
};
use sinew_contract::{Clock, Deadline, Heard, Reflex, Shot, Timestamp};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::board::Board;
use super::config::Settings;
use super::operation::Operations;
use super::wire::{self, CONNECT_MAX, WireError, next_packet, put};

// 64 KiB: one read empties a socket that 500 small messages wait in.
const READ_LEN: usize = 64 << 10;
// 1 MiB of commands that the broker does not take: from here on a reflex is told that the connection is not open.
const UNSENT_LEN_MAX: usize = 1 << 20;
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A message with what is needed to acknowledge it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Where it was said.
    pub topic: String,
    /// What was said.
    pub body: Bytes,
    /// When it was read from the socket.
    pub at: Timestamp,
    /// The broker gives it out for a second time.
    pub again: bool,
    /// What `acknowledge` wants; none where nothing has to be acknowledged.
    pub(super) ticket: Option<Ticket>,
}

/// Names one delivery of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pkid: u16,
    epoch: u64,
}

/// What the device wants of a lane.
pub(super) enum Request {
    Publish { packet: Publish, expires: Deadline, done: oneshot::Sender<Said> },
    Acknowledge(Ticket),
}

/// What became of a message that was to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The broker has it (QoS 1), or the socket (QoS 0).
    Sent,
    /// It had expired and did not leave.
    Late,
    /// There was no connection; it did not leave.
    Unsent,
}

/// What was counted since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Messages that were heard.
    pub heard: AtomicU64,
    /// Commands that reflexes sent.
    pub shot: AtomicU64,
    /// Telemetry that was dropped because its queue was full.
    pub dropped: AtomicU64,
    /// Connections that stood.
    pub connected: AtomicU64,
}

/// Where messages go.
pub(super) enum Sink {
    Fast {
        reflex: Option<Arc<dyn Reflex>>,
        operations: Arc<Operations>,
        board: Arc<Board>,
        queue: mpsc::Sender<Message>,
    },
    Sure {
        queue: mpsc::Sender<Message>,
    },
}

/// One connection, for ever.
pub(super) struct Lane {
    pub name: String,
    pub settings: Settings,
    /// The broker forgets us when the connection ends.
    pub clean: bool,
    pub filters: Vec<(String, QoS)>,
    pub sink: Sink,
    pub clock: Arc<dyn Clock>,
    pub counts: Arc<Counts>,
    pub standing: watch::Sender<bool>,
    pub epoch: u64,
}

impl Lane {
    /// Keeps the connection up until all senders of requests are gone.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut pause = PAUSE_MIN;
        loop {
            self.epoch += 1;
            let ended = self.session(&mut requests).await;
            if self.standing.send_replace(false) {
                pause = PAUSE_MIN;
            }
            let Err(error) = ended else { return };
            tracing::warn!(lane = self.name, error = %Told(&error), again_in_ms = pause.as_millis(), "not connected");
            let rest = tokio::time::sleep(pause);
            tokio::pin!(rest);
            loop {
                tokio::select! {
                    () = &mut rest => break,
                    request = requests.recv() => match request {
                        Some(Request::Publish { done, .. }) => drop(done.send(Said::Unsent)),
                        Some(Request::Acknowledge(_)) => {}
                        None => return,
                    },
                }
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// One connection from its beginning to its end; `Ok` where it was told to end.
    async fn session(&mut self, requests: &mut mpsc::Receiver<Request>) -> Result<(), WireError> {
        let address = self.settings.address.clone();
        let tcp = wire::connect_tcp(&address).await?;
        match &address.tls {
            None => {
                let (reader, writer) = tcp.into_split();
                self.talk(reader, writer, requests).await
            }
            Some(tls) => {
                let (reader, writer) = tokio::io::split(wire::secure(tcp, &address, tls).await?);
                self.talk(reader, writer, requests).await
            }
        }
    }

    async fn talk(
        &mut self,
        mut reader: impl AsyncRead + Unpin,
        mut writer: impl AsyncWrite + Unpin,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Result<(), WireError> {
        let mut talk = Talk::new(self.settings.len_max);
        self.greet(&mut talk, &mut reader, &mut writer).await?;
        self.counts.connected.fetch_add(1, Ordering::Relaxed);
        self.standing.send_replace(true);
        tracing::info!(lane = self.name, "connected");
        let silence_max = self.settings.keep_alive * 3 / 2;
        let mut beat = tokio::time::interval(self.settings.keep_alive / 2);
        loop {
            let full = self.take_all(&mut talk)?;
            // All branches are cancel safe: `read_buf`, `write_buf` and `recv` lose nothing, `reserve` takes nothing.
            tokio::select! {
                biased;
                written = writer.write_buf(&mut talk.out), if !talk.out.is_empty() => {
                    if written? == 0 { return Err(WireError::Closed) }
                }
                read = reader.read_buf(&mut talk.heard), if !full => {
                    if read? == 0 { return Err(WireError::Closed) }
                    talk.last = Instant::now();
                    talk.heard.reserve(READ_LEN / 4);
                }
                request = requests.recv(), if talk.out.len() < UNSENT_LEN_MAX => match request {
                    Some(request) => self.asked(request, &mut talk)?,
                    None => return self.part(&mut talk, &mut writer).await,
                },
                () = self.room(), if full => {}
                _ = beat.tick() => {
                    if !full && talk.last.elapsed() > silence_max { return Err(WireError::Silent(silence_max)) }
                    put(&mut talk.out, &Packet::PingReq)?;
                }
            }
        }
    }

    /// Connects, subscribes and says that it is there.
    async fn greet(
        &self,
        talk: &mut Talk,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), WireError> {
        let settings = &self.settings;
        let mut connect = Connect::new(settings.client_id.clone());
        connect.clean_session = self.clean;
        connect.keep_alive = u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX);
        connect.last_will.clone_from(&settings.will);
        connect.login = settings.login.clone().map(|(name, password)| Login::new(name, password));
        put(&mut talk.out, &Packet::Connect(connect))?;
        let until = Instant::now() + CONNECT_MAX;
        let answer = talk.exchange(reader, writer, until).await?;
        let Packet::ConnAck(answer) = answer else { return Err(unexpected(&answer)) };
        if answer.code != ConnectReturnCode::Success {
            return Err(WireError::Refused(format!("{:?}", answer.code)));
        }
        if !self.filters.is_empty() {
            let filters = self.filters.iter().map(|(path, qos)| SubscribeFilter::new(path.clone(), *qos));
            let subscribe = Subscribe { pkid: talk.number(), filters: filters.collect() };
            put(&mut talk.out, &Packet::Subscribe(subscribe))?;
        }
        if let Some(online) = &settings.online {
            let mut said = Publish::new(&online.topic, QoS::AtMostOnce, online.payload.clone());
            said.retain = online.retain;
            put(&mut talk.out, &Packet::Publish(said))?;
        }
        Ok(())
    }

    /// Ends in order; what the broker would say for us is said by ourselves.
    async fn part(&self, talk: &mut Talk, writer: &mut (impl AsyncWrite + Unpin)) -> Result<(), WireError> {
        if let Some(will) = &self.settings.will {
            let mut said = Publish::from_bytes(&will.topic, QoS::AtMostOnce, will.message.clone());
            said.retain = will.retain;
            put(&mut talk.out, &Packet::Publish(said))?;
        }
        put(&mut talk.out, &Packet::Disconnect)?;
        let sent = timeout_at(Instant::now() + Duration::from_secs(1), writer.write_all(&talk.out)).await;
        // Nobody waits for it: the other side learns of the end from the closed socket too.
        drop(sent);
        Ok(())
    }

    /// Takes every whole packet that was heard; says whether it stopped because nobody takes events.
    fn take_all(&mut self, talk: &mut Talk) -> Result<bool, WireError> {
        loop {
            if let Sink::Sure { queue } = &self.sink
                && queue.capacity() == 0
            {
                return Ok(true);
            }
            match next_packet(&mut talk.heard, talk.len_max)? {
                Some(packet) => self.take(packet, talk)?,
                None => return Ok(false),
            }
        }
    }

    fn take(&mut self, packet: Packet, talk: &mut Talk) -> Result<(), WireError> {
        match packet {
            Packet::Publish(publish) => self.hear(publish, talk),
            Packet::PubAck(ack) => {
                if let Some(done) = talk.waiting.remove(&ack.pkid) {
                    // Whoever asked may have gone.
                    let _ = done.send(Said::Sent);
                }
                Ok(())
            }
            Packet::SubAck(ack) => {
                let refused = ack.return_codes.iter().position(|code| *code == SubscribeReasonCode::Failure);
                let filter = refused.and_then(|index| self.filters.get(index));
                filter.map_or(Ok(()), |(filter, _)| Err(WireError::Unsubscribed(filter.clone())))
            }
            Packet::PingResp => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn hear(&mut self, publish: Publish, talk: &mut Talk) -> Result<(), WireError> {
        self.counts.heard.fetch_add(1, Ordering::Relaxed);
        let Publish { topic, payload: body, pkid, qos, dup: again, .. } = publish;
        let at = || self.clock.now().wall;
        match &self.sink {
            Sink::Fast { reflex, operations, board, queue } => {
                if let Some(reflex) = reflex {
                    let heard = Heard { topic: &topic, body: &body, open: talk.out.len() < UNSENT_LEN_MAX };
                    let mut shots = std::mem::take(&mut talk.shots);
                    reflex.answer(heard, &mut shots);
                    for shot in shots.drain(..) {
                        // A reflex checks its arguments against the operation when it is compiled.
                        if let Some(command) = operations.publish(shot.operation, &shot.args) {
                            talk.put_command(command, None)?;
                            self.counts.shot.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    talk.shots = shots;
                }
                if qos != QoS::AtMostOnce {
                    put(&mut talk.out, &Packet::PubAck(PubAck::new(pkid)))?;
                }
                if board.wants(&topic) {
                    let message = Message { topic, body, at: at(), again, ticket: None };
                    board.pin(&message);
                    if queue.try_send(message).is_err() {
                        self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            Sink::Sure { queue } => {
                let ticket = (qos != QoS::AtMostOnce).then_some(Ticket { pkid, epoch: self.epoch });
                let message = Message { topic, body, at: at(), again, ticket };
                queue.try_send(message).map_err(|_| WireError::Protocol("nobody takes events any more".to_owned()))?;
            }
        }
        Ok(())
    }

    fn asked(&self, request: Request, talk: &mut Talk) -> Result<(), WireError> {
        match request {
            Request::Publish { done, expires, .. } if expires.is_past(self.clock.now()) => {
                let _ = done.send(Said::Late);
                Ok(())
            }
            Request::Publish { packet, done, .. } => talk.put_command(packet, Some(done)),
            Request::Acknowledge(ticket) if ticket.epoch == self.epoch => {
                put(&mut talk.out, &Packet::PubAck(PubAck::new(ticket.pkid)))
            }
            // Of an earlier connection: the broker gives it out again, and its id tells that it is known.
            Request::Acknowledge(_) => Ok(()),
        }
    }

    /// Waits until somebody has taken an event. Cancel safe.
    async fn room(&self) {
        if let Sink::Sure { queue } = &self.sink {
            drop(queue.reserve().await);
        }
    }
}

/// The state of one connection.
struct Talk {
    heard: BytesMut,
    out: BytesMut,
    shots: Vec<Shot>,
    waiting: BTreeMap<u16, oneshot::Sender<Said>>,
    last_number: u16,
    last: Instant,
    len_max: usize,
}

impl Talk {
    fn new(len_max: usize) -> Self {
        Self {
            heard: BytesMut::with_capacity(READ_LEN),
            out: BytesMut::with_capacity(READ_LEN),
            shots: Vec::new(),
            waiting: BTreeMap::new(),
            last_number: 0,
            last: Instant::now(),
            len_max,
        }
    }

    /// The next packet identifier that nobody waits for; never 0.
    fn number(&mut self) -> u16 {
        loop {
            self.last_number = self.last_number.checked_add(1).unwrap_or(1);
            if !self.waiting.contains_key(&self.last_number) {
                return self.last_number;
            }
        }
    }

    fn put_command(&mut self, mut packet: Publish, done: Option<oneshot::Sender<Said>>) -> Result<(), WireError> {
        if packet.qos == QoS::AtMostOnce {
            put(&mut self.out, &Packet::Publish(packet))?;
            let _ = done.map(|done| done.send(Said::Sent));
            return Ok(());
        }
        // 60,000: below the 65,535 that can be told apart; a broker so far behind is as good as gone.
        if self.waiting.len() > 60_000 {
            return Err(WireError::Protocol("the broker acknowledges nothing".to_owned()));
        }
        packet.pkid = self.number();
        if let Some(done) = done {
            self.waiting.insert(packet.pkid, done);
        }
        put(&mut self.out, &Packet::Publish(packet))
    }

    /// Writes all there is, and reads one packet.
    async fn exchange(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
        until: Instant,
    ) -> Result<Packet, WireError> {
        let silent = |_| WireError::Silent(CONNECT_MAX);
        timeout_at(until, writer.write_all_buf(&mut self.out)).await.map_err(silent)??;
        loop {
            if let Some(packet) = next_packet(&mut self.heard, self.len_max)? {
                return Ok(packet);
            }
            if timeout_at(until, reader.read_buf(&mut self.heard)).await.map_err(silent)?? == 0 {
                return Err(WireError::Closed);
            }
        }
    }
}

fn unexpected(packet: &Packet) -> WireError {
    let name = format!("{packet:?}");
    let name = name.split(['(', ' ']).next().unwrap_or_default();
    WireError::Protocol(format!("`{name}` came where it has no place"))
}

/// An error with its cause, in one line.
struct Told<'e>(&'e WireError);

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match std::error::Error::source(self.0) {
            Some(cause) => write!(f, "{}: {cause}", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}
