//! What the roof hands to every driver, so that no driver reads the environment or a configuration by itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use sinew_contract::{Clock, Failure};

/// Resolves a reference such as `env:SHOP_TOKEN` or `file:/run/secrets/shop` to the secret's text.
pub type SecretSource = dyn Fn(&str) -> Result<String, Failure> + Send + Sync;

/// The world of a driver.
#[derive(Clone)]
pub struct Surroundings {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Logical host name -> base URL of where it really is, as in `shop.local` -> `http://127.0.0.1:8090`.
    pub hosts: BTreeMap<String, String>,
    /// What may be called at all.
    pub egress: Egress,
    /// Where secrets come from.
    pub secrets: Arc<SecretSource>,
    /// Relative paths start here.
    pub data_dir: PathBuf,
}

/// The hosts that may be called, by their logical names. Everything else is denied.
///
/// An entry `name` allows the port that its scheme implies; `name:port` allows that port alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Egress {
    allow: Vec<String>,
}

impl Egress {
    /// Allows exactly these.
    pub fn new(allow: impl IntoIterator<Item = String>) -> Self {
        Self { allow: allow.into_iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// Says whether this host may be called; `port` is none for the one that the scheme implies.
    pub fn allows(&self, host: &str, port: Option<u16>) -> bool {
        let name = match port {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        self.allow.iter().any(|allowed| name.eq_ignore_ascii_case(allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn egress_knows_whole_names_and_ports_only() {
        let egress = Egress::new(["Shop.local".to_owned(), "erp.local:8443".to_owned()]);
        let rows = [
            ("shop.local", None, true),
            ("SHOP.LOCAL", None, true),
            ("shop.local", Some(22), false),
            ("erp.local", Some(8443), true),
            ("erp.local", None, false),
            ("evil.shop.local", None, false),
            ("shop.local.evil", None, false),
            ("", None, false),
        ];
        for (host, port, expected) in rows {
            assert_eq!(egress.allows(host, port), expected, "{host} {port:?}");
        }
        assert!(!Egress::default().allows("shop.local", None), "deny by default");
    }
}
