//! Where a request really goes: the logical host is checked against the allow-list, then mapped to its real base.
//!
//! Sends nothing. The allow-list names logical hosts, so a deployment reads the same in a test and in production.

use std::collections::BTreeMap;

use reqwest::Url;

use super::error::HttpError;
use super::operation::is_straight;
use crate::open::OpenError;
use crate::surroundings::Egress;

/// The map of hosts and the list of those that may be called.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    hosts: BTreeMap<String, Url>,
    egress: Egress,
}

impl Targets {
    pub(super) fn new(hosts: &BTreeMap<String, String>, egress: Egress) -> Result<Self, OpenError> {
        // A broker's address is for the driver that speaks to brokers.
        let hosts = hosts.iter().filter(|(_, base)| !base.starts_with("mqtt"));
        let hosts = hosts.map(|(name, base)| Ok((name.to_ascii_lowercase(), real_base(name, base)?)));
        Ok(Self { hosts: hosts.collect::<Result<_, OpenError>>()?, egress })
    }

    /// The real URL of a logical one.
    pub(super) fn resolve(&self, logical: &str) -> Result<Url, HttpError> {
        let wrong = |problem: &str| HttpError::Arguments { problem: format!("`{}` {problem}", excerpt(logical)) };
        if !is_straight(logical) {
            return Err(wrong("has dot segments, spaces, control characters or `\\`"));
        }
        let url = Url::parse(logical).map_err(|error| wrong(&format!("is not a URI: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(wrong("carries a user, a password or a fragment"));
        }
        let host = url.host_str().unwrap_or_default();
        if !self.egress.allows(host, url.port()) {
            return Err(HttpError::Egress { host: authority(&url) });
        }
        Ok(self.hosts.get(host).map_or_else(|| url.clone(), |base| relocated(&url, base)))
    }
}

fn real_base(name: &str, base: &str) -> Result<Url, OpenError> {
    let url = Url::parse(base).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| OpenError::config(format!("host `{name}` must map to an http or https URL, not `{base}`")))
}

/// Keeps path and query, takes the rest from `base`.
fn relocated(url: &Url, base: &Url) -> Url {
    let mut real = base.clone();
    real.set_path(&format!("{}{}", base.path().trim_end_matches('/'), url.path()));
    real.set_query(url.query());
    real
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn excerpt(text: &str) -> String {
    text.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use sinew_contract::ErrorKind;

    use super::*;

    fn targets() -> Targets {
        let hosts = [("shop.local", "http://127.0.0.1:8090"), ("erp.local", "https://erp.example/api/")];
        let hosts = hosts.map(|(name, base)| (name.to_owned(), base.to_owned())).into();
        let allow = ["shop.local", "erp.local", "plain.example", "odd.example:81"].map(str::to_owned);
        Targets::new(&hosts, Egress::new(allow)).expect("the hosts are well-formed")
    }

    #[test]
    fn a_logical_host_is_mapped_and_an_allowed_one_is_taken_as_it_is() {
        let rows = [
            ("http://shop.local/returns/a%2Fb?x=1", "http://127.0.0.1:8090/returns/a%2Fb?x=1"),
            ("http://SHOP.local/", "http://127.0.0.1:8090/"),
            ("http://erp.local/items", "https://erp.example/api/items"),
            ("https://plain.example/x", "https://plain.example/x"),
            ("http://odd.example:81/x", "http://odd.example:81/x"),
        ];
        for (logical, real) in rows {
            assert_eq!(targets().resolve(logical).map(String::from).ok().as_deref(), Some(real), "{logical}");
        }
    }

    #[test]
    fn what_is_not_allowed_or_could_be_misread_goes_nowhere() {
        let rows = [
            ("http://evil.example/", ErrorKind::Denied),
            ("http://127.0.0.1:8090/ledger", ErrorKind::Denied),
            ("http://shop.local:22/", ErrorKind::Denied),
            ("http://odd.example/", ErrorKind::Denied),
            ("http://shop.local.evil.example/", ErrorKind::Denied),
            ("http://shop.local@evil.example/", ErrorKind::Invalid),
            ("http://shop.local/returns/../ledger", ErrorKind::Invalid),
            ("http://shop.local/returns/%2e%2E/ledger", ErrorKind::Invalid),
            ("http://evil.example\\@shop.local/", ErrorKind::Invalid),
            ("http://shop.local/a b", ErrorKind::Invalid),
            ("http://shop.local/\r\nx: y", ErrorKind::Invalid),
            ("http://shop.local/#f", ErrorKind::Invalid),
            ("file:///etc/passwd", ErrorKind::Invalid),
            ("/returns/1", ErrorKind::Invalid),
            ("", ErrorKind::Invalid),
        ];
        for (logical, kind) in rows {
            assert_eq!(targets().resolve(logical).map_err(|error| error.kind()).err(), Some(kind), "{logical}");
        }
    }

    #[test]
    fn a_host_must_map_to_a_url() {
        for base in ["127.0.0.1:8090", "ftp://x", "http://"] {
            let hosts = [("shop.local".to_owned(), base.to_owned())].into();
            assert!(Targets::new(&hosts, Egress::default()).is_err(), "{base}");
        }
    }
}
