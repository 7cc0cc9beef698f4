//! A device's file becomes a device: the driver is found by its name and reads the rest.
//!
//! Does not read files: the roof parses the TOML and hands the value in.

use std::sync::Arc;

use serde_json::Value;
use sinew_contract::{Device, ErrorKind, Failure};

use crate::folder::FolderDevice;
use crate::mqtt::MqttDevice;
use crate::surroundings::Surroundings;

/// One protocol.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    /// The name in a device's file.
    pub name: &'static str,
    /// Reads the rest of the file and opens the device. Sends nothing yet.
    pub open: fn(&Value, &Surroundings) -> Result<Opened, OpenError>,
}

/// An opened device, under each face that it has.
#[derive(Clone)]
pub struct Opened {
    /// The port.
    pub device: Arc<dyn Device>,
    /// The same device where it is a watched folder, whose files must be acknowledged.
    pub folder: Option<Arc<FolderDevice>>,
    /// The same device where it stands behind an MQTT broker: to be started, and to be heard.
    pub mqtt: Option<Arc<MqttDevice>>,
}

/// A device's file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such driver.
    #[error("there is no driver `{name}`; there are {known}")]
    UnknownDriver {
        /// The name in the file.
        name: String,
        /// All names.
        known: String,
    },
    /// A field is missing, unknown or wrong.
    #[error("the device's file is not right: {problem}")]
    Config {
        /// What is wrong, and how to mend it.
        problem: String,
    },
    /// A secret cannot be had.
    #[error("cannot resolve the secret `{reference}`")]
    Secret {
        /// The reference, never the secret.
        reference: String,
        /// Why.
        #[source]
        source: Failure,
    },
    /// A thread of a device cannot be made.
    #[error("cannot make the thread `{name}`")]
    Thread {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A folder cannot be made.
    #[error("cannot make the folder `{path}`")]
    Folder {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl OpenError {
    /// Answers how the caller may react.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownDriver { .. } | Self::Config { .. } => ErrorKind::Invalid,
            Self::Secret { source, .. } => source.kind(),
            Self::Folder { .. } | Self::Thread { .. } => ErrorKind::Broken,
        }
    }

    pub(crate) fn config(problem: impl Into<String>) -> Self {
        Self::Config { problem: problem.into() }
    }
}

/// Opens the device that a parsed file of `devices/` describes.
///
/// # Errors
/// `UnknownDriver`, `Config`, `Secret`, `Folder`: see there.
pub fn open(file: &Value, surroundings: &Surroundings) -> Result<Opened, OpenError> {
    let name = file.get("driver").and_then(Value::as_str).unwrap_or_default();
    let known = || crate::DRIVERS.iter().map(|driver| driver.name).collect::<Vec<_>>().join(", ");
    match crate::DRIVERS.iter().find(|driver| driver.name == name) {
        Some(driver) => (driver.open)(file, surroundings),
        None => Err(OpenError::UnknownDriver { name: name.to_owned(), known: known() }),
    }
}
