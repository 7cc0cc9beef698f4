//! A log made by hand, and an engine that folds it. Answers come from a script, never from the engine.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::{Value, json};
use sinew_contract::{
    Answer, BootTime, CancelAsked, Class, Compensation, Concluded, Cost, Digest, EffectId, Entry, Event, Fault,
    GateAnswered, GateId, Header, Label, LogId, LogTag, Outcome, PrincipalId, Proposal, Proposed, Recalled, Record,
    RunEnd, RunEnded, RunId, RunStarted, Scope, Seq, TimerFired, Timestamp, Trust,
};
use sinew_planning::{ENGINE_VERSION, Effect, Engine, Known, KnownCapability, Playbook, check};

/// 2026-11-22T10:00:00Z.
pub const START: i64 = 1_795_341_600_000_000;

/// What the deployment of these tests knows.
pub fn known() -> Known {
    let capability = |name: &str, class: Class, undo: Option<(&str, &str)>| {
        let compensation = undo.map(|(capability, args_from)| Compensation {
            capability: capability.parse().expect("a plain name"),
            args_from: args_from.to_owned(),
        });
        (name.parse().expect("a plain name"), KnownCapability { class, compensation })
    };
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Known {
        capabilities: [
            capability("shop.refund", Class::Compensable, Some(("shop.refund-void", "{refund: .receipt.refund}"))),
            capability("shop.refund-void", Class::Idempotent, None),
            capability("shop.restock", Class::Compensable, Some(("shop.unstock", "{movement: .receipt.movement}"))),
            capability("shop.unstock", Class::Idempotent, None),
            capability("shop.message", Class::Irreversible, None),
            capability("http.get", Class::Pure, None),
        ]
        .into(),
        rules: names(&["return-decision"]),
        templates: names(&["return-message"]),
        roles: names(&["returns-lead", "owner"]),
        ..Known::default()
    }
}

/// A playbook without any finding.
pub fn playbook(text: &str) -> Arc<Playbook> {
    let (playbook, findings) = check(text, &known());
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    Arc::new(playbook.expect("no findings, so a playbook"))
}

/// A playbook around some tasks, which start at column 2.
pub fn with_tasks(tasks: &str) -> String {
    format!("document: {{ dsl: '1.0.3', namespace: test, name: test, version: '1.0.0' }}\ndo:\n{tasks}")
}

/// Answers a question with the records that settle it, in order; none leaves it open.
pub type Script<'s> = dyn FnMut(&Effect) -> Vec<Record> + 's;

pub struct World {
    pub engine: Engine,
    pub log: Vec<Entry>,
    pub now: i64,
    pub asked: Vec<Effect>,
}

impl World {
    pub fn new(playbook: &Arc<Playbook>) -> Self {
        Self { engine: Engine::new([Arc::clone(playbook)]), log: Vec::new(), now: START, asked: Vec::new() }
    }

    /// Appends a record a second after the last, and folds it.
    pub fn append(&mut self, run: Option<RunId>, record: Record) -> Vec<Effect> {
        self.now += 1_000_000;
        let seq = Seq(self.log.len() as u64 + 1);
        let run = match &record {
            Record::RunStarted(_) => Some(RunId { log: LogTag(7), seq }),
            _ => run.or_else(|| record.effect().map(|effect| effect.run)),
        };
        self.log.push(entry(seq, run, self.now, record));
        self.engine.apply(self.log.last().expect("just pushed"))
    }

    /// Starts a run by an event where one is given, else by hand.
    pub fn start(&mut self, playbook: &Playbook, input: Value, trigger: Option<Seq>) -> (RunId, Vec<Effect>) {
        let started = RunStarted {
            playbook: playbook.name().clone(),
            version: playbook.version().to_owned(),
            digest: playbook.digest(),
            engine: ENGINE_VERSION,
            policy: Digest::ZERO,
            catalogue: Digest::ZERO,
            trigger,
            parent: None,
            input,
        };
        let effects = self.append(None, Record::RunStarted(started));
        (RunId { log: LogTag(7), seq: Seq(self.log.len() as u64) }, effects)
    }

    /// Journals notes and ends, and lets the script answer, until nothing is left; returns how the run ended, where it did.
    pub fn settle(&mut self, effects: Vec<Effect>, script: &mut Script<'_>) -> Option<RunEnd> {
        let mut queue = VecDeque::from(effects);
        let mut ended = None;
        while let Some(effect) = queue.pop_front().or_else(|| self.next_timer(ended.is_some())) {
            if let Effect::Timer { effect: id, due } = &effect
                && self.asked.contains(&effect)
            {
                self.now = self.now.max(due.0);
                queue.extend(self.append(None, Record::TimerFired(TimerFired { effect: *id })));
                continue;
            }
            self.asked.push(effect.clone());
            let (run, records) = match &effect {
                Effect::Note { run, stepped, .. } => (Some(*run), vec![Record::Stepped(stepped.clone())]),
                Effect::End { run, end, .. } => {
                    ended = Some(end.clone());
                    (Some(*run), vec![Record::RunEnded(RunEnded { end: end.clone() })])
                }
                Effect::Timer { .. } => continue,
                question => (None, script(question)),
            };
            for record in records {
                queue.extend(self.append(run, record));
            }
        }
        ended
    }

    /// The timer that fires first of those that somebody waits for, once nothing else is left to do.
    fn next_timer(&self, ended: bool) -> Option<Effect> {
        let due = |effect: &Effect| if let Effect::Timer { due, .. } = effect { Some(*due) } else { None };
        let pending = self.engine.pending().into_iter().filter(|_| !ended);
        pending.filter(|effect| due(effect).is_some()).min_by_key(|effect| due(effect))
    }

    /// Runs a playbook from an input to its end.
    pub fn run(&mut self, playbook: &Playbook, input: Value, script: &mut Script<'_>) -> RunEnd {
        let (_, effects) = self.start(playbook, input, None);
        let end = self.settle(effects, script).expect("the run ends");
        assert_eq!(self.engine.divergences(), [], "the log proves the fold");
        end
    }

    /// The questions that were asked, each in a few words.
    pub fn questions(&self) -> Vec<String> {
        self.asked.iter().filter_map(in_words).collect()
    }
}

/// A question in a few words; none for notes.
pub fn in_words(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Note { .. } => return None,
        Effect::Infer(ask) => format!("infer {}", ask.role),
        Effect::Recall(ask) => format!("recall {}", ask.subject.clone().unwrap_or_default()),
        Effect::Remember(ask) => format!("remember {}", ask.fact.subject),
        Effect::Act(ask) if ask.wish.capability.as_str() == "http.get" => {
            format!("get {}", ask.wish.args["uri"].as_str().unwrap_or_default())
        }
        Effect::Act(ask) => format!("act {}", ask.wish.capability),
        Effect::Approve(ask) if ask.proposal.is_some() => "approve a proposal".to_owned(),
        Effect::Approve(_) => "approve".to_owned(),
        Effect::Timer { .. } => "timer".to_owned(),
        Effect::End { end: RunEnd::Completed { .. }, .. } => "completed".to_owned(),
        Effect::End { end: RunEnd::Faulted { .. }, .. } => "faulted".to_owned(),
        Effect::End { end: RunEnd::Cancelled { .. }, .. } => "cancelled".to_owned(),
        Effect::Spawn(ask) => format!("run {}", ask.playbook),
        Effect::Emit(_, event) => format!("emit {}", event.event_type),
    })
}

/// The output of a run that completed.
pub fn output(end: RunEnd) -> Value {
    match end {
        RunEnd::Completed { output } => output,
        other => panic!("the run did not complete: {other:?}"),
    }
}

/// The error of a run that faulted.
pub fn error(end: RunEnd) -> Fault {
    match end {
        RunEnd::Faulted { error } => error,
        other => panic!("the run did not fault: {other:?}"),
    }
}

/// Nobody answers.
pub fn silence(_: &Effect) -> Vec<Record> {
    Vec::new()
}

pub fn principal(name: &str) -> PrincipalId {
    name.parse().expect("a plain name")
}

pub fn entry(seq: Seq, run: Option<RunId>, at: i64, record: Record) -> Entry {
    let header = Header {
        format: 1,
        log: LogId([7; 16]),
        epoch: 1,
        seq,
        previous: Digest::ZERO,
        scope: Scope::main(),
        kind: record.code(),
        run,
        cause: None,
        principal: principal("sinew"),
        observed: Timestamp(at),
        recorded: Timestamp(at),
        boot: BootTime(0),
        subjects: Vec::new(),
        touches: Vec::new(),
        labels: Digest::ZERO,
        payload: Digest::ZERO,
    };
    let remembered = matches!(record, Record::Recalled(_)).then(|| Label::new("memory", Trust::Observed));
    let labels = remembered.map(|label| (String::new(), label)).into_iter().collect();
    Entry { header, hash: Digest::ZERO, record, labels }
}

pub fn proposed(effect: EffectId, value: Value) -> Record {
    let proposal = Proposal {
        value,
        rung: "rules".to_owned(),
        because: vec!["row-1".to_owned()],
        asked: Digest::ZERO,
        cost: Cost::default(),
        label: Label::new("rules", Trust::Observed),
    };
    Record::Proposed(Proposed { effect, answer: Ok(proposal) })
}

pub fn recalled(effect: EffectId, items: &Value) -> Record {
    Record::Recalled(Recalled { effect, answer: Ok(json!({ "items": items, "as_of": 1 })) })
}

pub fn concluded(effect: &Effect, outcome: Outcome) -> Record {
    let Effect::Act(ask) = effect else { panic!("only acts conclude: {effect:?}") };
    let (effect, capability) = (ask.wish.effect, ask.wish.capability.clone());
    Record::Concluded(Concluded { effect, intent: None, capability, outcome, cost: Cost::default(), last: true })
}

pub fn done(receipt: Value) -> Outcome {
    Outcome::Done { receipt, first: None }
}

pub fn refused(by: &str) -> Outcome {
    Outcome::Refused { by: by.to_owned(), reason: format!("{by} says no") }
}

pub fn answered(effect: EffectId, answer: Answer, by: Option<&str>) -> Record {
    Record::GateAnswered(GateAnswered {
        effect,
        gate: GateId(Seq(57)),
        answer,
        by: by.map(principal),
        digest: Digest::ZERO,
        note: "looked at it".to_owned(),
    })
}

pub fn cancel(run: RunId) -> Record {
    Record::CancelAsked(CancelAsked { run, reason: "wrong parcel".to_owned() })
}

pub fn scan(verdict: &str, codes: &[&str]) -> Event {
    let claims: Vec<Value> = codes
        .iter()
        .map(|code| {
            json!({ "value": code, "format": "code-128", "confidence_permille": 1000, "engine": "rxing",
                    "quad": [[1.0, 2.0], [3.0, 2.0], [3.0, 4.0], [1.0, 4.0]] })
        })
        .collect();
    let digest = "ab".repeat(32);
    let confidence = if verdict == "read" { 1000 } else { 0 };
    Event {
        id: "scan-1".to_owned(),
        source: "/devices/dock-1".to_owned(),
        event_type: "sinew.scan.v1".to_owned(),
        time: Timestamp(START),
        subject: Some("01.jpg".to_owned()),
        data: json!({
            "scan": "01.jpg", "image": { "digest": digest, "len": 10, "media_type": "image/jpeg" }, "width": 640,
            "height": 480, "verdict": verdict, "code": codes.first().filter(|_| verdict == "read"),
            "format": "code-128", "confidence_permille": confidence, "claims": claims,
        }),
    }
}

/// A capability's name.
pub fn name<T: FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a plain name")
}
