//! One protocol, one file, one device: senses and acts over one connection.
//!
//! Knows the wire and nothing behind it: no policy, no journal, no playbook. The roof opens each file of `devices/` with
//! [`open()`] and hands the devices to perception (which listens and reads) and to actuation (which alone writes).
//!
//! | module | what for |
//! |---|---|
//! | [`surroundings`] | what the roof hands to every driver: clock, hosts, egress, secrets, folder |
//! | [`open`](mod@open) | a device file becomes a device |
//! | [`http`] | JSON over HTTP |
//! | [`mqtt`] | topics of an MQTT broker: readings, events, reflexes, commands |
//! | [`broker`] | a small broker of our own, for where there is no other |
//! | [`wot`] | a thing that describes itself (W3C Web of Things) |
//! | [`sim`] | a simulated plant, for demos and tests |
//! | [`folder`] | pictures that appear in a folder |

pub mod broker;
pub mod folder;
pub mod http;
pub mod mqtt;
pub mod open;
pub mod sim;
pub mod surroundings;
pub mod wot;

pub use broker::{Broker, BrokerConfig};
pub use folder::FolderDevice;
pub use http::HttpDevice;
pub use mqtt::MqttDevice;
pub use open::{Driver, OpenError, Opened, open};
pub use surroundings::{Egress, SecretSource, Surroundings};
pub use wot::WotDevice;

/// All drivers, by the name that stands as `driver` in a device's file.
pub const DRIVERS: &[Driver] = &[
    Driver { name: "http", open: http::open_device },
    Driver { name: "mqtt", open: mqtt::open_device },
    Driver { name: "wot", open: wot::open_device },
    Driver { name: "sim", open: sim::open_device },
    Driver { name: "folder", open: folder::open_device },
];
