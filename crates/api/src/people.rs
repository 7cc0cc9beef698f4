//! Who may come in: named persons with roles, a token each, one-time login links, sessions for the pages.
//!
//! Does not know HTTP, nor where the list is kept: a `PeopleStore` of the roof holds its text. Tokens, codes and session
//! ids are 256 random bits; only their hashes are kept.
//!
//! ```text
//! deployment: persons and roles ─┐
//! store: hashes of tokens ───────┴─> People ─> Caller (principal, roles)
//! link at start -> /login?code= -> POST -> session cookie ─┘
//! ```

mod secret;
mod sessions;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sinew_contract::{Clock, Digest, ErrorKind, Failure, Timestamp};

use crate::face::Caller;
pub use secret::local_token;
use secret::{Secret, hash, local_mac, random_hex, same};
use sessions::Holdings;

/// A link is used within the quarter of an hour in which it was printed, or another is asked for.
const LINK_LIVES: Duration = Duration::from_secs(15 * 60);
/// A working day.
const SESSION_LIVES: Duration = Duration::from_secs(12 * 60 * 60);
/// 1,024 sessions: every device of a small team many times over; 400 KB at most.
const SESSIONS_MAX: usize = 1_024;
/// The role that gives out tokens.
const OWNER: &str = "owner";
/// 64 links that nobody has used yet.
const LINKS_MAX: usize = 64;

/// A named person, from the deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// As in `ana`; the principal is `person:ana`.
    pub name: String,
    /// The name to show; the short one where it is empty.
    #[serde(default)]
    pub display: String,
    /// The roles that gates ask for, as in `returns-lead`.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// Where the hashes of tokens are kept, as one small JSON text. Calls may block.
pub trait PeopleStore: Send + Sync {
    /// The text as last saved; none before the first time.
    ///
    /// # Errors
    /// As the disk fails.
    fn load(&self) -> Result<Option<String>, Failure>;

    /// Replaces the text, durably and whole.
    ///
    /// # Errors
    /// As the disk fails.
    fn save(&self, text: &str) -> Result<(), Failure>;
}

/// Why people cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// A name that cannot stand in a principal.
    #[error("`{name}` cannot be a person's name; use 1 to 64 of a-z, 0-9 and - _ .")]
    BadName {
        /// The name.
        name: String,
    },
    /// A name that stands twice.
    #[error("the person `{name}` stands twice; give each a name of its own")]
    Twice {
        /// The name.
        name: String,
    },
    /// Nobody of that name.
    #[error("there is no person `{name}`; the deployment names: {known}")]
    Unknown {
        /// The name.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The stored list cannot be read.
    #[error("cannot read the stored list of tokens; remove it to give out new tokens")]
    BadList(#[source] serde_json::Error),
    /// The store failed.
    #[error("cannot keep the list of tokens")]
    Store(#[source] Failure),
    /// No randomness.
    #[error("the system gives no random bytes; no token can be made")]
    NoRandom,
    /// Bound to the world without anybody who could prove who they are.
    #[error(
        "`{addr}` can be reached from outside, and nobody has a token; bind to 127.0.0.1, or give out a token first with `sinew people token`"
    )]
    Open {
        /// The address.
        addr: SocketAddr,
    },
}

impl PeopleError {
    /// Answers how the caller may react.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::BadName { .. } | Self::Twice { .. } | Self::BadList(_) => ErrorKind::Invalid,
            Self::Unknown { .. } => ErrorKind::Missing,
            Self::Store(failure) => failure.kind(),
            Self::NoRandom => ErrorKind::Broken,
            Self::Open { .. } => ErrorKind::Denied,
        }
    }
}

/// The stored list.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// Person -> SHA-256 of the token.
    tokens: BTreeMap<String, Digest>,
}

/// What changes while the process runs.
struct Changing {
    kept: Kept,
    links: Holdings,
    sessions: Holdings,
}

/// Who may come in.
pub struct People {
    persons: Vec<Person>,
    store: Box<dyn PeopleStore>,
    secret: Secret,
    clock: Arc<dyn Clock>,
    changing: Mutex<Changing>,
}

impl People {
    /// Reads the list of tokens for these persons. `secret` is the key of the deployment, the same at every start.
    ///
    /// # Errors
    /// `Invalid` for a name that cannot stand in a principal or stands twice, or a list that cannot be read.
    pub fn open(
        persons: Vec<Person>,
        store: Box<dyn PeopleStore>,
        secret: [u8; 32],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PeopleError> {
        check_names(&persons)?;
        let kept = match store.load().map_err(PeopleError::Store)? {
            Some(text) => serde_json::from_str(&text).map_err(PeopleError::BadList)?,
            None => Kept { version: 1, tokens: BTreeMap::new() },
        };
        let links = Holdings::new(LINKS_MAX, LINK_LIVES);
        let sessions = Holdings::new(SESSIONS_MAX, SESSION_LIVES);
        let changing = Mutex::new(Changing { kept, links, sessions });
        Ok(Self { persons, store, secret: Secret::new(secret), clock, changing })
    }

    /// The persons of the deployment.
    pub fn persons(&self) -> &[Person] {
        &self.persons
    }

    /// The person who gives out tokens, whom the login link and the local command line stand for: the first one with the
    /// role `owner`, else the first one.
    pub fn owner(&self) -> Option<&Person> {
        let owner = self.persons.iter().find(|person| person.roles.iter().any(|role| role == OWNER));
        owner.or(self.persons.first())
    }

    /// Says whether a caller has the role `owner`, or is the first person where nobody has it.
    pub fn is_owner(&self, caller: &Caller) -> bool {
        let first = || self.owner().is_some_and(|owner| caller.principal.as_str() == format!("person:{}", owner.name));
        caller.has_role(OWNER) || first()
    }

    /// Says whether a person of the deployment has a token.
    pub fn has_token(&self, name: &str) -> bool {
        self.person(name).is_some() && self.lock().kept.tokens.contains_key(name)
    }

    /// Gives a person a new token and returns it, for the only time. The old one and all sessions end. May block.
    ///
    /// # Errors
    /// `Missing` for an unknown person; the store's.
    pub fn issue_token(&self, name: &str) -> Result<String, PeopleError> {
        self.known(name)?;
        let token = format!("sinew-{}", random_hex().ok_or(PeopleError::NoRandom)?);
        let mut changing = self.lock();
        let before = changing.kept.tokens.insert(name.into(), hash(&token));
        let text = serde_json::to_string_pretty(&changing.kept).expect("invariant: a map of text is JSON");
        if let Err(failure) = self.store.save(&text) {
            // What was not kept must not open the door either: it would cease to at the next start.
            match before {
                Some(old) => changing.kept.tokens.insert(name.into(), old),
                None => changing.kept.tokens.remove(name),
            };
            return Err(PeopleError::Store(failure));
        }
        changing.sessions.drop_all_of(name);
        Ok(token)
    }

    /// Makes a login code for `/login?code=…`: works once, within 15 minutes, in this process.
    ///
    /// # Errors
    /// `Missing` for an unknown person.
    pub fn issue_link(&self, name: &str) -> Result<String, PeopleError> {
        self.known(name)?;
        let code = random_hex().ok_or(PeopleError::NoRandom)?;
        self.lock().links.add(&code, name, self.now());
        Ok(code)
    }

    /// Who presents this bearer token: a person's own, or a local one.
    pub fn by_bearer(&self, token: &str) -> Option<Caller> {
        match token.strip_prefix("local:") {
            Some(rest) => self.by_local(rest),
            None => self.by_own_token(token),
        }
    }

    fn by_local(&self, rest: &str) -> Option<Caller> {
        let (name, mac) = rest.rsplit_once(':')?;
        let given: Digest = mac.parse().ok()?;
        same(given, local_mac(&self.secret, name)).then(|| self.caller(name))?
    }

    fn by_own_token(&self, token: &str) -> Option<Caller> {
        let wanted = hash(token);
        let changing = self.lock();
        // All are compared, so that the time taken does not tell whose it is.
        let mut found = None;
        for (name, kept) in &changing.kept.tokens {
            if same(*kept, wanted) {
                found = Some(name.clone());
            }
        }
        drop(changing);
        self.caller(&found?)
    }

    /// Whom a login code is for, without using it up: what the page shows before anybody has pressed anything.
    pub fn peek_link(&self, code: &str) -> Option<Caller> {
        let name = self.lock().links.owner(code, self.now())?;
        self.caller(&name)
    }

    /// Uses a login code up and starts a session; returns its id for the cookie.
    pub fn redeem_link(&self, code: &str) -> Option<String> {
        let id = random_hex()?;
        let now = self.now();
        let mut changing = self.lock();
        let name = changing.links.take(code, now)?;
        self.person(&name)?;
        changing.sessions.add(&id, &name, now);
        Some(id)
    }

    /// Starts a session for whoever presents this token; returns its id for the cookie.
    pub fn sign_in(&self, token: &str) -> Option<String> {
        let caller = self.by_bearer(token)?;
        let name = caller.principal.as_str().strip_prefix("person:")?;
        let id = random_hex()?;
        self.lock().sessions.add(&id, name, self.now());
        Some(id)
    }

    /// Whose session this is, while it lasts.
    pub fn by_session(&self, id: &str) -> Option<Caller> {
        let name = self.lock().sessions.owner(id, self.now())?;
        self.caller(&name)
    }

    /// Ends a session.
    pub fn sign_out(&self, id: &str) {
        self.lock().sessions.take(id, self.now());
    }

    /// How long a login link works.
    pub fn link_lives(&self) -> Duration {
        self.lock().links.lives()
    }

    /// How long a session lasts.
    pub fn session_lives(&self) -> Duration {
        self.lock().sessions.lives()
    }

    /// The token that a form of this session must bring to be taken at `path`.
    pub fn form_token(&self, session: &str, path: &str) -> String {
        self.secret.mac(&["form", session, path]).to_string()
    }

    /// Says whether a form brings the token for this session and path.
    pub fn check_form(&self, session: &str, path: &str, token: &str) -> bool {
        let expected = self.secret.mac(&["form", session, path]);
        token.parse().is_ok_and(|given| same(given, expected))
    }

    /// The name of the session cookie: one per deployment, since cookies do not tell ports apart.
    pub fn cookie_name(&self) -> String {
        let mut name = format!("sinew-{}", self.secret.mac(&["cookie"]));
        name.truncate("sinew-".len() + 8);
        name
    }

    fn person(&self, name: &str) -> Option<&Person> {
        self.persons.iter().find(|person| person.name == name)
    }

    fn known(&self, name: &str) -> Result<&Person, PeopleError> {
        self.person(name).ok_or_else(|| {
            let known = self.persons.iter().map(|person| person.name.as_str()).collect::<Vec<_>>().join(", ");
            PeopleError::Unknown { name: name.chars().take(80).collect(), known }
        })
    }

    fn caller(&self, name: &str) -> Option<Caller> {
        let person = self.person(name)?;
        let principal = format!("person:{}", person.name).parse().ok()?;
        let shown = if person.display.is_empty() { &person.name } else { &person.display };
        Some(Caller { principal, name: shown.clone(), roles: person.roles.clone() })
    }

    fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    /// The tables are whole between any two statements, so a panic elsewhere does not spoil them.
    fn lock(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn check_names(persons: &[Person]) -> Result<(), PeopleError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    for (at, Person { name, .. }) in persons.iter().enumerate() {
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(PeopleError::BadName { name: name.chars().take(80).collect() });
        }
        if persons.iter().take(at).any(|other| other.name == *name) {
            return Err(PeopleError::Twice { name: name.clone() });
        }
    }
    Ok(())
}

/// Refuses an address that others can reach while nobody has a token.
///
/// # Errors
/// `Denied` then.
pub fn check_bind(addr: SocketAddr, people: &People) -> Result<(), PeopleError> {
    let guarded = people.persons().iter().any(|person| people.has_token(&person.name));
    if addr.ip().is_loopback() || guarded { Ok(()) } else { Err(PeopleError::Open { addr }) }
}
