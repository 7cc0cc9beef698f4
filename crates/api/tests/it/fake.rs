//! A house of cardboard: answers as a real one would, from made-up cards, and notes what it was asked to change.
//!
//! Shared by the tests and by the `preview` example. Every text that a real house takes from outside goes through `say`, so
//! that a test can make all of it hostile at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use serde_json::{Value, json};
use sinew_api::views::*;
use sinew_api::{Caller, House, Parts, People, PeopleStore, Person, Settings, Watch};
use sinew_contract::*;
use sinew_testkit::SimClock;
use tokio::sync::watch;

/// The key of the cardboard deployment.
pub const SECRET: [u8; 32] = [7; 32];
/// The run of the cards.
pub const RUN: &str = "r42-9f3a1c2d";
/// The gate of the cards.
pub const GATE: &str = "g57";

/// Keeps the list of tokens in memory.
#[derive(Clone, Default)]
pub struct Paper(Arc<Mutex<Option<String>>>);

impl PeopleStore for Paper {
    fn load(&self) -> Result<Option<String>, Failure> {
        Ok(self.0.lock().expect("no panic under this lock").clone())
    }

    fn save(&self, text: &str) -> Result<(), Failure> {
        *self.0.lock().expect("no panic under this lock") = Some(text.to_owned());
        Ok(())
    }
}

/// What stands in front of every text; empty for a friendly house.
pub type Hostility = &'static str;

/// The house.
pub struct Fake {
    pub clock: Arc<SimClock>,
    full: bool,
    hostility: Hostility,
    picture: Bytes,
    gate: Mutex<(GateStatus, Option<PrincipalId>, String)>,
    stops: Mutex<Vec<StopView>>,
    /// Everything that changed something, by the name of its method.
    pub changes: Mutex<Vec<String>>,
    /// The log; a test adds to it while somebody follows.
    pub log: watch::Sender<Vec<EntryRow>>,
}

impl Fake {
    pub fn new(full: bool, hostility: Hostility, picture: Bytes) -> Arc<Self> {
        let fake = Self {
            clock: Arc::new(SimClock::default()),
            full,
            hostility,
            picture,
            gate: Mutex::new((GateStatus::Waiting, None, String::new())),
            stops: Mutex::default(),
            changes: Mutex::default(),
            log: watch::Sender::new(Vec::new()),
        };
        if full {
            let rows = (1..=12).map(|seq| fake.entry(seq)).collect();
            fake.log.send_replace(rows);
        }
        Arc::new(fake)
    }

    /// A text from outside.
    fn say(&self, text: &str) -> String {
        format!("{}{text}", self.hostility)
    }

    fn ago(&self, seconds: u64) -> When {
        let micros = i64::try_from(seconds).expect("a short time") * 1_000_000;
        When(Timestamp(self.clock.now().wall.0 - micros))
    }

    fn changed(&self, what: &str) {
        self.changes.lock().expect("no panic under this lock").push(what.to_owned());
    }

    fn missing(&self, what: &str) -> Failure {
        Failure::new(ErrorKind::Missing, format!("there is no {what} here"))
    }

    fn picture_ref(&self) -> PictureRef {
        PictureRef { digest: Digest([0xab; 32]), len: self.picture.len() as u64, media_type: "image/png".into() }
    }

    /// One line of the log.
    pub fn entry(&self, seq: u64) -> EntryRow {
        let kinds = ["booted", "event", "run-started", "stepped", "recalled", "proposed", "decided", "gate-opened"];
        let kind = kinds[usize::try_from(seq - 1).expect("small") % kinds.len()];
        EntryRow {
            seq: Seq(seq),
            hash: Digest([u8::try_from(seq % 251).expect("small"); 32]),
            at: self.ago(200 - seq.min(200)),
            kind: kind.into(),
            summary: self.say("RMA-100123: the table says refund"),
            principal: "agent:return-clerk".parse().expect("plain"),
            run: (seq > 2).then(|| RUN.parse().expect("a run id")),
            effect: None,
            cause: (seq > 1).then_some(Seq(seq - 1)),
        }
    }

    fn scan_view(&self, repeated: bool) -> ScanView {
        let quad = vec![[210.0, 150.0], [450.0, 156.0], [447.0, 240.0], [207.0, 233.0]];
        let claim = |pass: &str, confidence_permille| ClaimView {
            value: self.say("RMA-100123"),
            format: "code-128".into(),
            confidence_permille,
            engine: format!("rxing 0.9 {pass}"),
            quad: quad.clone(),
        };
        ScanView {
            seq: Seq(2),
            scan: self.say("dock-photo-17.png"),
            at: self.ago(190),
            image: self.picture_ref(),
            width: 640,
            height: 480,
            verdict: ReadVerdict::Read,
            code: Some(self.say("RMA-100123")),
            format: Some("code-128".into()),
            confidence_permille: 960,
            claims: vec![claim("plain", 960), claim("binarised", 910)],
            run: Some(RUN.parse().expect("a run id")),
            repeated,
        }
    }

    fn run_row(&self, seq: u64, status: RunStatus, title: &str, result: &str) -> RunRow {
        RunRow {
            run: format!("r{seq}-9f3a1c2d").parse().expect("a run id"),
            title: self.say(title),
            playbook: "return-intake".parse().expect("plain"),
            version: "1.2.0".into(),
            status,
            result: self.say(result),
            started: self.ago(190 + 37 * (42 - seq.min(42))),
            ended: status.is_over().then(|| self.ago(10)),
            took_ms: 412 + 731 * (seq % 5),
            cost_micros: 1_200,
            gate: (status == RunStatus::Waiting).then(|| GATE.parse().expect("a gate id")),
        }
    }

    fn step(&self, seq: u64, ago: u64, phase: Phase, title: &str, outcome: &str, tone: Tone) -> StepView {
        StepView {
            seq: Seq(seq),
            at: self.ago(ago),
            phase,
            title: self.say(title),
            outcome: outcome.into(),
            tone,
            took_ms: (phase == Phase::Act).then_some(38),
            cost_micros: if phase == Phase::Act { 1_200 } else { 0 },
            effect: (seq > 4).then(|| format!("{RUN}/{}", seq - 4).parse().expect("an effect id")),
            gate: (phase == Phase::Gate).then(|| GATE.parse().expect("a gate id")),
            details: vec![Detail::new("key", self.say("return-intake:RMA-100123:refund"))],
            data: (phase == Phase::Think).then(|| json!({"decision": self.say("refund"), "rule": "in-window"})),
        }
    }

    fn steps(&self) -> Vec<StepView> {
        use Phase::*;
        vec![
            self.step(2, 190, Sense, "Label read: RMA-100123 (code-128)", "read", Tone::Good),
            self.step(3, 190, Run, "Started return-intake 1.2.0", "", Tone::Plain),
            self.step(5, 190, Act, "Look up RMA-100123 in the shop", "done", Tone::Good),
            self.step(6, 189, Remember, "Recalled 2 earlier returns of Lena Vogt", "", Tone::Plain),
            self.step(7, 189, Think, "Rules say: refund in full", "in-window", Tone::Good),
            self.step(8, 189, Decide, "Policy: ask, the amount is above 150.00 EUR", "ask", Tone::Open),
            self.step(9, 189, Gate, "Asked returns-lead: refund 189.00 EUR?", "waiting", Tone::Open),
            self.step(11, 62, Gate, "Approved by person:ana", "approved", Tone::Good),
            self.step(12, 62, Act, "Refund 189.00 EUR for order 1043, line 2", "unknown", Tone::Bad),
        ]
    }

    fn gate_row(&self) -> GateRow {
        let (status, by, _) = self.gate.lock().expect("no panic under this lock").clone();
        GateRow {
            gate: GATE.parse().expect("a gate id"),
            run: RUN.parse().expect("a run id"),
            playbook: "return-intake".parse().expect("plain"),
            status,
            question: self.say("Refund this return in full?"),
            what: self.say("Refund 189.00 EUR to Lena Vogt for order 1043, line 2"),
            amount: Some(Money { minor: 18_900, currency: "EUR".into() }),
            why: vec![
                self.say("the amount 189.00 EUR is above the limit of 150.00 EUR"),
                self.say("rule `refund-limit`"),
            ],
            confidence_permille: 960,
            role: "returns-lead".into(),
            opened: self.ago(184),
            expires: When(self.clock.now().wall.after(Duration::from_secs(47 * 60))),
            answered: by.is_some().then(|| self.ago(20)),
            by,
        }
    }

    fn gate_view(&self) -> GateView {
        let fact = |name: &str, value: Value| EvidenceView::Fact { name: name.into(), value };
        let row = self.gate_row();
        let ScanView { image, width, height, claims, .. } = self.scan_view(false);
        let quad = claims.into_iter().next().expect("two claims").quad;
        GateView {
            digest: Digest([0x5c; 32]),
            risk: self.say("the customer has the money twice, or it is lost; the refund can be voided within a day"),
            request: Some(ExactRequest {
                capability: "shop.refund".parse().expect("plain"),
                manifest_version: 3,
                class: Class::Compensable,
                undo: Some("shop.refund-void".parse().expect("plain")),
                args: json!({"rma": "RMA-100123", "order": "1043", "line": 2, "reason": self.say("too small"),
                    "amount": {"minor": 18900, "currency": "EUR"}}),
            }),
            evidence: vec![
                EvidenceView::Image { image, width, height, quad, caption: self.say("RMA-100123 · code-128") },
                fact(
                    "the return",
                    json!({"title": self.say("Trail shoe Ridge, 42"), "condition": "opened", "days since delivery": 9}),
                ),
                fact("proposal", json!(self.say("refund in full, by rule `in-window`"))),
                EvidenceView::Memory {
                    id: "m-31".into(),
                    text: self.say("Lena Vogt returned two items in 14 months; both were refunded."),
                },
            ],
            record: TrackRecord { answered: 12, refused: 1 },
            not_by: Vec::new(),
            cost_micros: 1_200,
            note: self.gate.lock().expect("no panic under this lock").2.clone(),
            row,
        }
    }

    fn numbers(&self) -> Numbers {
        let measure = |value: f64, target: f64, wave: f64| Measure {
            value: Some(value),
            target: Some(target),
            trend: (0..24).map(|i| value * (1.0 + wave * f64::from((i * 7) % 11) / 11.0 - wave / 2.0)).collect(),
        };
        Numbers {
            latency_p50_ms: measure(142.0, 300.0, 0.3),
            latency_p95_ms: measure(388.0, 500.0, 0.4),
            cost_per_action_micros: measure(1_200.0, 10_000.0, 0.1),
            failures_permille: measure(12.0, 10.0, 0.9),
            touches_per_return: measure(0.23, 0.3, 0.2),
            runs: 212,
            actions: 641,
        }
    }
}

#[async_trait]
impl House for Fake {
    async fn scan(&self, upload: ScanUpload, by: &Caller) -> Result<ScanView, Failure> {
        if upload.picture.starts_with(b"nonsense") {
            return Err(Failure::new(ErrorKind::Invalid, "the bytes are not a picture; send JPEG or PNG"));
        }
        self.changed(&format!("scan {} bytes {:?} by {}", upload.picture.len(), upload.name, by.principal));
        Ok(self.scan_view(upload.key.as_deref() == Some("again")))
    }

    async fn scanned(&self, scan: Seq) -> Result<ScanView, Failure> {
        let found = self.full && scan == Seq(2);
        found.then(|| self.scan_view(false)).ok_or_else(|| self.missing(&format!("scan `{scan}`")))
    }

    async fn runs(&self, query: &RunQuery) -> Result<Vec<RunRow>, Failure> {
        use RunStatus::*;
        let rows = [
            self.run_row(42, Waiting, "RMA-100123 · Trail shoe Ridge, 42", ""),
            self.run_row(38, Running, "RMA-100122 · Rain jacket, M", ""),
            self.run_row(31, Completed, "RMA-100119 · Wool socks, 3 pairs", "refunded 24.90 EUR, restocked, told"),
            self.run_row(24, Faulted, "RMA-100118 · Head lamp", "restock refused, refund voided"),
            self.run_row(17, Cancelled, "4006381333931 · several open returns", "a person took over"),
        ];
        let wanted = |row: &RunRow| self.full && query.status.is_none_or(|status| status == row.status);
        Ok(rows.into_iter().filter(wanted).take(query.limit() as usize).collect())
    }

    async fn run(&self, run: RunId) -> Result<RunView, Failure> {
        if !self.full || run.to_string() != RUN {
            return Err(self.missing(&format!("run `{run}`")));
        }
        Ok(RunView {
            row: self.run_row(42, RunStatus::Waiting, "RMA-100123 · Trail shoe Ridge, 42", ""),
            trigger: Some(Seq(2)),
            playbook_digest: Digest([1; 32]),
            policy_digest: Digest([2; 32]),
            cancel_reason: Some(self.say("a test")),
            fault: Some(self.say("the shop did not answer")),
            input: json!({"scan": self.say("dock-photo-17.png"), "code": "RMA-100123"}),
            output: None,
            steps: self.steps(),
        })
    }

    async fn cancel(&self, run: RunId, reason: &str, by: &Caller) -> Result<RunView, Failure> {
        self.changed(&format!("cancel {run} `{reason}` by {}", by.principal));
        self.run(run).await
    }

    async fn gates(&self, query: &GateQuery) -> Result<Vec<GateRow>, Failure> {
        if !self.full {
            return Ok(Vec::new());
        }
        let mut waiting = self.gate_row();
        let mut unclear = self.gate_row();
        unclear.gate = GateId(Seq(61));
        unclear.what = self.say("Choose between two open returns for EAN 4006381333931");
        unclear.question = self.say("Which of these is in the parcel?");
        (unclear.amount, unclear.confidence_permille) = (None, 480);
        unclear.why = vec![self.say("two codes were read in one picture")];
        unclear.expires = When(self.clock.now().wall.after(Duration::from_secs(9 * 60)));
        (unclear.status, unclear.by, unclear.answered) = (GateStatus::Waiting, None, None);
        let mut closed = self.gate_row();
        closed.gate = GateId(Seq(30));
        (closed.status, closed.by) = (GateStatus::Refused, Some("person:ben".parse().expect("plain")));
        closed.answered = Some(self.ago(4_000));
        waiting.opened = self.ago(184);
        let all = [unclear, waiting, closed];
        Ok(all.into_iter().filter(|gate| query.status.is_none_or(|status| status == gate.status)).collect())
    }

    async fn gate(&self, gate: GateId) -> Result<GateView, Failure> {
        let found = self.full && gate.to_string() == GATE;
        found.then(|| self.gate_view()).ok_or_else(|| self.missing(&format!("gate `{gate}`")))
    }

    async fn answer(&self, gate: GateId, reply: GateReply, by: &Caller) -> Result<GateView, Failure> {
        self.gate(gate).await?;
        let status = match reply.answer {
            Answer::Approve => GateStatus::Approved,
            Answer::Refuse => GateStatus::Refused,
        };
        {
            let mut held = self.gate.lock().expect("no panic under this lock");
            if held.0 == GateStatus::Waiting {
                self.changed(&format!("answer {gate} {} by {}", status.word(), by.principal));
                *held = (status, Some(by.principal.clone()), reply.note);
            }
        }
        self.gate(gate).await
    }

    async fn blob(&self, digest: Digest) -> Result<Blob, Failure> {
        match digest.0 {
            [0xab, ..] => Ok(Blob { bytes: self.picture.clone(), media_type: "image/png".into() }),
            [0xbb, ..] => {
                Ok(Blob { bytes: Bytes::from_static(b"<svg onload='x'/>"), media_type: "image/svg+xml".into() })
            }
            _ => Err(self.missing("such bytes")),
        }
    }
}

#[async_trait]
impl Watch for Fake {
    async fn health(&self) -> HealthView {
        let stops = self.stops();
        let device =
            |name: &str, up, note: &str| DeviceView { device: name.parse().expect("plain"), up, note: note.into() };
        HealthView {
            condition: if stops.is_empty() { Condition::Ready } else { Condition::Stopped },
            reasons: Vec::new(),
            version: "0.1.0".into(),
            tail: self.tail(),
            since: self.ago(7_300),
            numbers: if self.full { self.numbers() } else { Numbers::default() },
            gates_waiting: if self.full { 2 } else { 0 },
            oldest_gate: self.full.then(|| self.ago(184)),
            runs_open: 2,
            acts_unknown: u64::from(self.full),
            devices: if self.full {
                vec![device("shop", true, "answered 12 s ago"), device("dock-1", false, "silent")]
            } else {
                Vec::new()
            },
            stops,
        }
    }

    async fn audit(&self) -> Result<AuditView, Failure> {
        Ok(AuditView {
            log: LogId([0x9f; 16]),
            entries: self.tail(),
            head: Digest([12; 32]),
            ok: self.full.then_some(true),
            verified_to: self.tail(),
            verified_at: self.full.then(|| self.ago(30)),
            problem: None,
        })
    }

    async fn entries(&self, query: &EntryQuery) -> Result<Vec<EntryRow>, Failure> {
        let before = query.before.unwrap_or(Seq(u64::MAX));
        let rows = self.log.borrow();
        Ok(rows.iter().rev().filter(|row| row.seq < before).take(query.limit() as usize).cloned().collect())
    }

    fn follow(&self, from: Seq) -> BoxStream<'static, Result<EntryRow, Failure>> {
        let log = self.log.subscribe();
        let next = |(mut log, from): (watch::Receiver<Vec<EntryRow>>, Seq)| async move {
            let found = |rows: &Vec<EntryRow>| rows.iter().find(|row| row.seq >= from).cloned();
            let row = found(&*log.wait_for(|rows| found(rows).is_some()).await.ok()?)?;
            let after = row.seq.next();
            Some((Ok(row), (log, after)))
        };
        stream::unfold((log, from), next).boxed()
    }

    fn tail(&self) -> Seq {
        self.log.borrow().last().map_or(Seq::ZERO, |row| row.seq)
    }

    fn stops(&self) -> Vec<StopView> {
        self.stops.lock().expect("no panic under this lock").clone()
    }

    async fn halt(&self, order: &StopOrder, by: &Caller) -> Result<Vec<StopView>, Failure> {
        self.changed(&format!("halt {:?} {} `{}`", order.scope, order.engaged, order.reason));
        let mut stops = self.stops.lock().expect("no panic under this lock");
        stops.retain(|stop| stop.covers != order.scope);
        if order.engaged {
            let stop = StopView {
                covers: order.scope.clone(),
                reason: order.reason.clone(),
                by: Some(by.principal.clone()),
                at: Some(self.ago(0)),
            };
            stops.push(stop);
        }
        Ok(stops.clone())
    }
}

/// Ana may answer; Ben may only look.
pub fn people(clock: Arc<SimClock>) -> Arc<People> {
    let person = |name: &str, display: &str, roles: &[&str]| Person {
        name: name.into(),
        display: display.into(),
        roles: roles.iter().map(ToString::to_string).collect(),
    };
    let persons = vec![person("ana", "Ana Costa", &["returns-lead"]), person("ben", "", &[])];
    Arc::new(People::open(persons, Box::new(Paper::default()), SECRET, clock).expect("good names"))
}

/// What `router` and `serve` take.
pub fn parts(fake: &Arc<Fake>, people: &Arc<People>) -> Parts {
    let settings = Settings {
        site: "Returns desk".into(),
        simulated: true,
        hosts: vec!["desk.example".into()],
        ..Settings::default()
    };
    Parts {
        house: Arc::clone(fake) as Arc<dyn House>,
        watch: Arc::clone(fake) as Arc<dyn Watch>,
        people: Arc::clone(people),
        clock: Arc::clone(&fake.clock) as Arc<dyn Clock>,
        settings,
    }
}
