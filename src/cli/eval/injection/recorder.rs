//! The device at the end of the path: it does nothing and writes down what it was told to do. And the tool that answers look-ups
//! with a stranger's words.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};
use sinew_contract::{Command, Deadline, Device, DeviceId, ErrorKind, Failure, Reading, Reply};

/// Every command that came as far as a device.
pub(super) type Recorded = Arc<Mutex<Vec<Command>>>;

/// A device that only records.
pub(super) struct Recorder {
    id: DeviceId,
    texts: Vec<String>,
    recorded: Recorded,
}

impl Recorder {
    pub fn new(id: &str, texts: Vec<String>, recorded: Recorded) -> Self {
        Self { id: id.parse().expect("invariant: a plain name"), texts, recorded }
    }
}

#[async_trait]
impl Device for Recorder {
    fn id(&self) -> &DeviceId {
        &self.id
    }

    fn check(&self, _: &Value) -> Result<(), Failure> {
        Ok(())
    }

    /// `http://tool.local/notes/7` is the seventh text.
    async fn read(&self, _: &Value, args: &Value, _: Deadline) -> Result<Value, Failure> {
        let uri = args.get("uri").and_then(Value::as_str).unwrap_or_default();
        let at = uri.rsplit('/').next().and_then(|case| case.parse::<usize>().ok());
        let text = at.and_then(|at| self.texts.get(at));
        let text = text.ok_or_else(|| Failure::new(ErrorKind::Missing, format!("there is no note at `{uri}`")))?;
        Ok(json!({ "status": 200, "headers": {}, "content": { "note": text } }))
    }

    async fn write(&self, command: &Command) -> Result<Reply, Failure> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).push(command.clone());
        Ok(Reply::Accepted(json!({ "ok": true })))
    }

    async fn listen(&self) -> Result<Reading, Failure> {
        Err(Failure::new(ErrorKind::Missing, "it never speaks by itself"))
    }
}
