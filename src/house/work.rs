//! The work: scans, runs, gates.

use async_trait::async_trait;
use sinew_api::face::{Caller, House};
use sinew_api::views::{
    Blob, GateQuery, GateReply, GateRow, GateStatus, GateView, RunQuery, RunRow, RunView, ScanUpload, ScanView,
};
use sinew_contract::{Digest, ErrorKind, Failure, GateId, Record, RunId, Seq};
use sinew_memory::RunFilter;
use sinew_planning::Reply;

use super::{Inside, view};
use crate::intake::Delivery;
use crate::runtime::random;

#[async_trait]
impl House for Inside {
    async fn scan(&self, upload: ScanUpload, by: &Caller) -> Result<ScanView, Failure> {
        let id = upload.key.clone().unwrap_or_else(|| Digest(random()).to_string());
        let delivery = Delivery {
            name: upload.name.unwrap_or_else(|| "photograph".to_owned()),
            picture: upload.picture,
            source: format!("/people/{}", by.principal.as_str().trim_start_matches("person:")),
            id,
            by: by.principal.clone(),
            at: None,
        };
        let taken = self.intake.take(delivery).await?;
        let mut scan = self.scanned(taken.seq).await?;
        scan.repeated = taken.repeated;
        Ok(scan)
    }

    async fn scanned(&self, scan: Seq) -> Result<ScanView, Failure> {
        let entries = self.journal.read(scan, 1)?;
        let missing = || Failure::new(ErrorKind::Missing, format!("entry {scan} is not a scan"));
        let entry = entries.first().ok_or_else(missing)?;
        let Record::Event(event) = &entry.record else { return Err(missing()) };
        let run = self.run_of(scan).await?;
        view::scan(entry, event, run).ok_or_else(missing)
    }

    async fn runs(&self, query: &RunQuery) -> Result<Vec<RunRow>, Failure> {
        let filter = RunFilter {
            scope: self.scope(),
            status: query.status.map(view::memory_status),
            before: query.before,
            limit: usize::try_from(query.limit()).unwrap_or(50),
            ..RunFilter::default()
        };
        let rows = self.memory.list_runs(filter).await?;
        let now = self.clock.now().wall;
        let gates = self.memory.open_gates(&self.scope()).await?;
        Ok(rows.into_iter().map(|row| view::run_row(row, &gates, now)).collect())
    }

    async fn run(&self, run: RunId) -> Result<RunView, Failure> {
        let scope = self.scope();
        let row = self.memory.run(&scope, run).await?;
        let steps = self.memory.run_timeline(&scope, run).await?;
        let gates = self.memory.open_gates(&scope).await?;
        let started = self.journal.read(run.seq, 1)?;
        let Some(Record::RunStarted(started)) = started.first().map(|e| &e.record) else {
            return Err(Failure::new(ErrorKind::Missing, format!("no run `{run}`")));
        };
        Ok(view::run(row, steps, started, &gates, self.clock.now().wall))
    }

    async fn cancel(&self, run: RunId, reason: &str, by: &Caller) -> Result<RunView, Failure> {
        let row = self.memory.run(&self.scope(), run).await?;
        if row.ended.is_some() {
            return Err(Failure::new(ErrorKind::Conflict, format!("run `{run}` has ended")));
        }
        self.desk.cancel(run, by.principal.clone(), reason.to_owned()).await?;
        self.memory.wait_for(self.journal.tail().seq).await?;
        House::run(self, run).await
    }

    async fn gates(&self, query: &GateQuery) -> Result<Vec<GateRow>, Failure> {
        let scope = self.scope();
        let limit = usize::try_from(query.limit()).unwrap_or(50);
        let mut rows = Vec::new();
        if matches!(query.status, None | Some(GateStatus::Waiting)) {
            rows = self.memory.open_gates(&scope).await?;
            rows.sort_by_key(|g| g.expires);
        }
        if query.status != Some(GateStatus::Waiting) {
            let closed = self.memory.gates(&scope, query.status.and_then(view::memory_gate_status), limit).await?;
            rows.extend(closed.into_iter().filter(|g| g.status != sinew_memory::GateStatus::Open));
        }
        rows.truncate(limit);
        Ok(rows.iter().map(|row| view::gate_row(row, self.capability(row))).collect())
    }

    async fn gate(&self, gate: GateId) -> Result<GateView, Failure> {
        let scope = self.scope();
        let row = self.memory.gate(&scope, gate).await?;
        let run = self.memory.run(&scope, row.run).await?;
        let alike = self.memory.gates(&scope, None, 1_000).await?;
        let size = self.picture_size(run.trigger)?;
        let cost = run.cost.micros;
        Ok(view::gate(&row, self.capability(&row), size, cost, &alike))
    }

    async fn answer(&self, gate: GateId, reply: GateReply, by: &Caller) -> Result<GateView, Failure> {
        let answer = Reply {
            gate,
            answer: reply.answer,
            digest: reply.digest,
            by: by.principal.clone(),
            roles: by.roles.clone(),
            note: reply.note,
        };
        self.memory.wait_for(gate.0).await?;
        match self.desk.answer(answer).await {
            // The run may have ended since: memory still knows how the gate was closed.
            Err(failure) if failure.kind() == ErrorKind::Missing => self.closed_alike(gate, &reply.answer, by).await?,
            other => other?,
        }
        self.memory.wait_for(self.journal.tail().seq).await?;
        House::gate(self, gate).await
    }

    async fn blob(&self, digest: Digest) -> Result<Blob, Failure> {
        let bytes = self.blobs.get(digest).await?;
        let media_type = view::media_type(&bytes);
        Ok(Blob { bytes, media_type })
    }
}

impl Inside {
    /// The run that an event started, once there is one.
    async fn run_of(&self, event: Seq) -> Result<Option<RunId>, Failure> {
        let sql = format!("SELECT run FROM runs WHERE trigger_seq = {event} LIMIT 1");
        let table = self.memory.query(sql).await?;
        let text = table.rows.first().and_then(|row| row.first()).and_then(serde_json::Value::as_str);
        Ok(text.and_then(|id| id.parse().ok()))
    }

    fn capability(&self, row: &sinew_memory::GateRow) -> Option<&sinew_contract::Manifest> {
        let preimage = row.card.preimage.as_ref()?;
        self.manifest(&preimage.capability).map(AsRef::as_ref)
    }

    /// Width and height of the picture behind a run; zeros where there is none.
    fn picture_size(&self, trigger: Option<Seq>) -> Result<(u32, u32), Failure> {
        let Some(seq) = trigger else { return Ok((0, 0)) };
        let entries = self.journal.read(seq, 1)?;
        let Some(Record::Event(event)) = entries.first().map(|e| &e.record) else { return Ok((0, 0)) };
        Ok((view::number(&event.data, "width"), view::number(&event.data, "height")))
    }

    /// The same answer to a closed gate is harmless; another is a conflict.
    async fn closed_alike(&self, gate: GateId, answer: &sinew_contract::Answer, by: &Caller) -> Result<(), Failure> {
        let row = self.memory.gate(&self.scope(), gate).await?;
        let given = match row.status {
            sinew_memory::GateStatus::Approved => Some(sinew_contract::Answer::Approve),
            sinew_memory::GateStatus::Refused => Some(sinew_contract::Answer::Refuse),
            _ => None,
        };
        let same = given == Some(*answer) && row.by.as_deref() == Some(by.principal.as_str());
        let conflict =
            || Failure::new(ErrorKind::Conflict, format!("gate `{gate}` was {} already", row.status.as_str()));
        same.then_some(()).ok_or_else(conflict)
    }
}
