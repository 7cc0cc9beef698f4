//! A small MQTT 3.1.1 broker inside the process, so that a sensor can talk to Sinew with nothing else installed. Off unless
//! configured.
//!
//! QoS 0 and 1 (2 is taken from clients, and given to them as 1), retained messages, last wills, sessions that survive a reconnect (in memory, not a restart). Every queue is
//! bounded. What is full: a QoS 0 message is dropped and counted; a QoS 1 message waits, and its sender is not answered, so
//! nothing that was acknowledged is lost. Every socket sends at once. Not a broker for a fleet: use a real one there.
//!
//! ```text
//! socket -> session -> switch (who wants this topic?) -> mailboxes -> sessions -> sockets
//! ```

mod session;
mod switch;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Deserialize;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::open::OpenError;
use crate::surroundings::SecretSource;
pub use switch::Dropped;
use switch::Switch;

/// Connections at the same time; more are closed at once.
const CONNECTIONS_MAX: usize = 1_024;

/// `[broker]` in `sinew.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BrokerConfig {
    /// Where it listens, as in `127.0.0.1:1883`. Beyond loopback only with `users`.
    pub listen: SocketAddr,
    /// User name -> password, as a reference (`env:NAME`, `file:PATH`). Where there are any, nobody else comes in.
    #[serde(default)]
    pub users: BTreeMap<String, String>,
}

/// A broker that has its address and waits to be run.
pub struct Broker {
    listener: std::net::TcpListener,
    users: Arc<BTreeMap<String, String>>,
    switch: Arc<Switch>,
}

impl Broker {
    /// Binds the address and resolves the passwords.
    ///
    /// # Errors
    /// `Config` where it would listen beyond loopback without users, or the address cannot be had; `Secret`.
    pub fn open(config: &BrokerConfig, secrets: &SecretSource) -> Result<Self, OpenError> {
        if !config.listen.ip().is_loopback() && config.users.is_empty() {
            return Err(OpenError::config("a broker beyond loopback needs `users`; or listen at 127.0.0.1"));
        }
        let users = config.users.iter().map(|(name, reference)| {
            let secret = secrets(reference);
            let wrong = |source| OpenError::Secret { reference: reference.clone(), source };
            Ok((name.clone(), secret.map_err(wrong)?))
        });
        let users = Arc::new(users.collect::<Result<_, OpenError>>()?);
        let taken = |error| OpenError::config(format!("the broker cannot listen at {}: {error}", config.listen));
        let listener = std::net::TcpListener::bind(config.listen).map_err(taken)?;
        listener.set_nonblocking(true).map_err(taken)?;
        Ok(Self { listener, users, switch: Arc::default() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// As the socket fails.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Counts what was dropped, for the log; may be kept while it runs.
    pub fn dropped(&self) -> Dropped {
        self.switch.dropped()
    }

    /// Serves until it is dropped.
    ///
    /// # Errors
    /// Where the socket cannot be used.
    pub async fn run(self) -> std::io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) if sessions.len() < CONNECTIONS_MAX => {
                        let (users, switch) = (Arc::clone(&self.users), Arc::clone(&self.switch));
                        sessions.spawn(session::serve(stream, users, switch));
                    }
                    Ok(_) => tracing::warn!("a client was turned away: too many connections"),
                    // No file handles left: those that are connected stay, and the next may find one.
                    Err(error) => {
                        tracing::warn!(%error, "a client could not be let in");
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    }
                },
                Some(ended) = sessions.join_next() => {
                    if let Err(crash) = ended {
                        tracing::error!(%crash, "a session of the broker crashed");
                    }
                }
            }
        }
    }
}

/// Whether this user may come in with this password.
fn may_enter(users: &BTreeMap<String, String>, login: Option<&rumqttc::Login>) -> bool {
    if users.is_empty() {
        return true;
    }
    let known = login.and_then(|login| Some((users.get(&login.username)?, login)));
    known.is_some_and(|(password, login)| password.as_bytes().ct_eq(login.password.as_bytes()).into())
}
