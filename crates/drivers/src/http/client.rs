//! The HTTP clients of a device, set up so that a command leaves at most once.
//!
//! Questions share a pool of connections. Commands do not: each opens its own. A pooled connection may be closed by the
//! target just as the command is written to it, and the library would then send the command again on its own where it
//! believes that nothing was written; on a fresh connection it never does (hyper-util, `legacy::Client`: only a *reused*
//! connection is retried). The library's other retries are off for both. With a fresh connection, what failed before it
//! stood surely never left, which is what `is_connect` then tells.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect, retry};
use rustls::crypto::ring;

use super::error::HttpError;

const REDIRECTS_MAX: usize = 3;
// 2 s: a target on a local network connects within milliseconds; one lost SYN is sent again after 1 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Question,
    Command,
}

/// Makes `ring` the crypto provider of this process, unless one is already set. Calling twice is harmless.
pub fn install_tls() {
    // An error says that another provider is already there, which is as good.
    let _ = ring::default_provider().install_default();
}

/// One client for questions and one for commands.
#[derive(Clone, Debug)]
struct Pair {
    questions: Client,
    commands: Client,
}

/// The clients of a device; the system's root certificates are read only when something is first called over https.
#[derive(Debug)]
pub(super) struct Clients {
    plain: Pair,
    tls: OnceLock<Result<Pair, String>>,
}

impl Clients {
    pub(super) fn new() -> Result<Self, HttpError> {
        install_tls();
        let plain = pair(|builder| builder.tls_certs_only([])).map_err(|problem| HttpError::Tls { problem })?;
        Ok(Self { plain, tls: OnceLock::new() })
    }

    pub(super) fn get(&self, purpose: Purpose, scheme: &str) -> Result<&Client, HttpError> {
        let pair = match scheme {
            "https" => self.tls.get_or_init(|| pair(|builder| builder.https_only(true))).as_ref(),
            _ => Ok(&self.plain),
        };
        let pair = pair.map_err(|problem| HttpError::Tls { problem: problem.clone() })?;
        Ok(if purpose == Purpose::Question { &pair.questions } else { &pair.commands })
    }
}

fn pair(setup: impl Fn(ClientBuilder) -> ClientBuilder) -> Result<Pair, String> {
    let questions = setup(common()).redirect(same_place()).pool_idle_timeout(Duration::from_secs(30));
    let commands = setup(common()).redirect(redirect::Policy::none()).http1_only().pool_max_idle_per_host(0);
    let build = |builder: ClientBuilder| builder.build().map_err(|error| error.to_string());
    Ok(Pair { questions: build(questions)?, commands: build(commands)? })
}

fn common() -> ClientBuilder {
    Client::builder()
        .no_proxy()
        .retry(retry::never())
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("sinew/", env!("CARGO_PKG_VERSION")))
}

/// Follows a redirect within one scheme, host and port; one that leads elsewhere is handed back as the answer it is.
fn same_place() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let stays = attempt.previous().last().is_some_and(|from| from.origin() == attempt.url().origin());
        if stays && attempt.previous().len() <= REDIRECTS_MAX { attempt.follow() } else { attempt.stop() }
    })
}
