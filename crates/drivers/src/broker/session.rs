//! One client's connection to the broker: greet, then packets in and messages out until one side ends.
//!
//! Whatever a client sends that is not MQTT ends its own connection and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::{
    ConnAck, Connect, ConnectReturnCode, Packet, PubAck, PubComp, PubRec, Publish, QoS, SubAck, SubscribeReasonCode,
    UnsubAck,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::may_enter;
use super::switch::{Next, Seat, Switch};
use crate::mqtt::topics::{is_filter, is_topic};
use crate::mqtt::wire::{WireError, next_packet, put};

/// A message longer than this ends the connection.
const LEN_MAX: usize = 256 << 10;
/// How long a client may take to say who it is.
const GREETING_MAX: Duration = Duration::from_secs(5);
/// Bytes that wait for one socket; then messages wait in the mailbox.
const OUT_MAX: usize = 256 << 10;

/// Serves one client to its end.
pub(super) async fn serve(stream: TcpStream, users: Arc<BTreeMap<String, String>>, switch: Arc<Switch>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::warn!(%error, "a socket that cannot send at once is closed");
        return;
    }
    let mut session =
        Session { stream, heard: BytesMut::with_capacity(64 << 10), out: BytesMut::new(), halfway: BTreeSet::new() };
    let connect = match session.greeted().await {
        Ok(connect) => connect,
        Err(error) => return tracing::debug!(%error, "a client did not say who it is"),
    };
    if !may_enter(&users, connect.login.as_ref()) {
        tracing::warn!(client = connect.client_id, "a client was refused: user or password");
        return session.refuse(ConnectReturnCode::BadUserNamePassword).await;
    }
    let name = match (connect.client_id.as_str(), connect.clean_session) {
        ("", false) => return session.refuse(ConnectReturnCode::BadClientId).await,
        ("", true) => format!("\0{:?}", session.stream.peer_addr()),
        (name, _) => name.to_owned(),
    };
    let Some((seat, known)) = switch.enter(&name, connect.clean_session) else {
        return session.refuse(ConnectReturnCode::ServiceUnavailable).await;
    };
    let ended = session.talk(&seat, &switch, &connect, known).await;
    switch.leave(&seat);
    if let Err(error) = &ended {
        tracing::debug!(client = name, %error, "a client is gone");
    }
    // Only who takes leave takes the will with it (MQTT 3.1.1, section 3.14.4).
    if let (Err(_), Some(will)) = (ended, &connect.last_will) {
        let mut said = Publish::from_bytes(&will.topic, will.qos, will.message.clone());
        said.retain = will.retain;
        if is_topic(&said.topic) && !switch.publish(&said).await {
            tracing::warn!(topic = said.topic, "a last will found no room");
        }
    }
}

struct Session {
    stream: TcpStream,
    heard: BytesMut,
    out: BytesMut,
    /// QoS 2 messages that were taken and not released yet: the same number again is the same message.
    halfway: BTreeSet<u16>,
}

impl Session {
    async fn greeted(&mut self) -> Result<Connect, WireError> {
        let until = Instant::now() + GREETING_MAX;
        loop {
            match next_packet(&mut self.heard, LEN_MAX)? {
                Some(Packet::Connect(connect)) => return Ok(connect),
                Some(_) => return Err(WireError::Protocol("the first packet is not CONNECT".to_owned())),
                None => {}
            }
            let read = timeout_at(until, self.stream.read_buf(&mut self.heard)).await;
            if read.map_err(|_| WireError::Silent(GREETING_MAX))?? == 0 {
                return Err(WireError::Closed);
            }
        }
    }

    async fn refuse(&mut self, code: ConnectReturnCode) {
        self.out.clear();
        if put(&mut self.out, &Packet::ConnAck(ConnAck::new(code, false))).is_ok() {
            let until = Instant::now() + GREETING_MAX;
            // The client may be gone already.
            drop(timeout_at(until, self.stream.write_all_buf(&mut self.out)).await);
        }
    }

    /// `Ok` where the client took leave.
    async fn talk(&mut self, seat: &Seat, switch: &Switch, connect: &Connect, known: bool) -> Result<(), WireError> {
        put(&mut self.out, &Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, known)))?;
        // One and a half of what it promised (MQTT 3.1.1, section 3.1.2.10); without a promise, a day.
        let patience = match connect.keep_alive {
            0 => Duration::from_secs(86_400),
            seconds => Duration::from_millis(u64::from(seconds) * 1_500),
        };
        let mut silent = Instant::now() + patience;
        loop {
            while let Some(packet) = next_packet(&mut self.heard, LEN_MAX)? {
                if self.take(packet, seat, switch).await? {
                    return Ok(());
                }
            }
            while self.out.len() < OUT_MAX {
                match switch.next(seat) {
                    Next::Give(publish) => put(&mut self.out, &Packet::Publish(publish))?,
                    Next::Wait => break,
                    Next::Leave => return Err(WireError::Protocol("another connection took its name".to_owned())),
                }
            }
            let (mut reader, mut writer) = self.stream.split();
            // All branches are cancel safe: `read_buf` and `write_buf` lose nothing, a notice stays until it is taken.
            tokio::select! {
                written = writer.write_buf(&mut self.out), if !self.out.is_empty() => {
                    if written? == 0 { return Err(WireError::Closed) }
                }
                read = reader.read_buf(&mut self.heard) => {
                    if read? == 0 { return Err(WireError::Closed) }
                    silent = Instant::now() + patience;
                }
                () = seat.wake.notified() => {}
                () = tokio::time::sleep_until(silent) => return Err(WireError::Silent(patience)),
            }
        }
    }

    /// Takes one packet; says whether the client took leave.
    async fn take(&mut self, packet: Packet, seat: &Seat, switch: &Switch) -> Result<bool, WireError> {
        let wrong = |what: &str| Err(WireError::Protocol(what.to_owned()));
        match packet {
            Packet::Publish(publish) => {
                if !is_topic(&publish.topic) || publish.topic.starts_with('$') {
                    return wrong("a topic that one cannot publish to");
                }
                let number = publish.pkid;
                let again = publish.qos == QoS::ExactlyOnce && !self.halfway.insert(number);
                if !again && !switch.publish(&publish).await {
                    return wrong("a receiver has no room; not acknowledged");
                }
                match publish.qos {
                    QoS::AtMostOnce => {}
                    QoS::AtLeastOnce => put(&mut self.out, &Packet::PubAck(PubAck::new(number)))?,
                    QoS::ExactlyOnce => put(&mut self.out, &Packet::PubRec(PubRec::new(number)))?,
                }
            }
            Packet::PubRel(release) => {
                self.halfway.remove(&release.pkid);
                put(&mut self.out, &Packet::PubComp(PubComp::new(release.pkid)))?;
            }
            Packet::PubAck(ack) => switch.acknowledged(seat, ack.pkid),
            Packet::Subscribe(subscribe) => {
                let codes = subscribe.filters.iter().map(|filter| {
                    if !is_filter(&filter.path) {
                        return SubscribeReasonCode::Failure;
                    }
                    let qos = if filter.qos == QoS::AtMostOnce { QoS::AtMostOnce } else { QoS::AtLeastOnce };
                    switch.subscribe(seat, &filter.path, qos);
                    SubscribeReasonCode::Success(qos)
                });
                let codes = codes.collect();
                put(&mut self.out, &Packet::SubAck(SubAck::new(subscribe.pkid, codes)))?;
            }
            Packet::Unsubscribe(unsubscribe) => {
                switch.unsubscribe(seat, &unsubscribe.topics);
                put(&mut self.out, &Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)))?;
            }
            Packet::PingReq => put(&mut self.out, &Packet::PingResp)?,
            Packet::Disconnect => return Ok(true),
            _ => return wrong("a packet that has no place here"),
        }
        Ok(false)
    }
}
