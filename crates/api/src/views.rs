//! What goes over the wire, and what the pages show: this room's own types, so that stored types may change behind them.
//!
//! Does not know where the values come from: the roof fills them. Ids are text, times are RFC 3339, money is in minor
//! units, what a thing cost us is in millionths of the deployment's currency.

mod gate;
mod health;
mod run;
mod scan;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sinew_contract::Timestamp;
use utoipa::{PartialSchema, ToSchema, openapi};

pub use gate::*;
pub use health::*;
pub use run::*;
pub use scan::*;

/// A moment, as RFC 3339 text in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct When(pub Timestamp);

impl From<Timestamp> for When {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for When {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        let at: jiff::Timestamp = text.parse()?;
        Ok(Self(Timestamp(at.as_microsecond())))
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl PartialSchema for When {
    fn schema() -> openapi::RefOr<openapi::Schema> {
        openapi::ObjectBuilder::new()
            .schema_type(openapi::schema::Type::String)
            .format(Some(openapi::SchemaFormat::KnownFormat(openapi::KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for When {}

/// Money that moves, in minor units of its own currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Money {
    /// In minor units: cents.
    pub minor: i64,
    /// ISO 4217 code.
    pub currency: String,
}

impl fmt::Display for Money {
    /// `42.00 EUR`; currencies without minor units (ISO 4217, exponent 0) without a fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self.currency.as_str(), "JPY" | "KRW" | "CLP" | "ISK" | "VND") {
            return write!(f, "{} {}", self.minor, self.currency);
        }
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        write!(f, "{sign}{}.{:02} {}", minor / 100, minor % 100, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_what_they_write() {
        let at = When(Timestamp(1_795_338_000_123_456));
        let json = serde_json::to_string(&at).expect("a time is text");
        assert_eq!(json, "\"2026-11-22T09:00:00.123456Z\"");
        assert_eq!(serde_json::from_str::<When>(&json).expect("own text"), at);
        assert!(serde_json::from_str::<When>("\"yesterday\"").is_err());
    }

    #[test]
    fn money_is_written_in_its_own_currency() {
        let money = |minor, currency: &str| Money { minor, currency: currency.into() }.to_string();
        assert_eq!(money(4200, "EUR"), "42.00 EUR");
        assert_eq!(money(-5, "EUR"), "-0.05 EUR");
        assert_eq!(money(i64::MIN, "USD"), "-92233720368547758.08 USD");
        assert_eq!(money(500, "JPY"), "500 JPY");
    }
}
