//! Which keys are taken, by which intent, and how that ended: a pure fold over durable entries, kept for ever.
//!
//! Does not know outcomes' texts, only where in the log they stand: a key costs some hundred bytes however large its
//! receipt is. Does not know devices or clocks.
//!
//! ```text
//! intended ----> open -+- done, refused by the target, unknown for good --> ended     (same key: the first answer again)
//!                      +- failed, to be tried again ----------------------> waiting   (only the same wish goes on)
//!                      +- failed for good, refused before it left --------> free      (key and thing may be used again)
//! ended as done, then undone by the same run ------------------------------> the thing is free, the key stays
//! ```

use std::collections::{HashMap, HashSet};

use sinew_contract::{
    CapabilityName, Class, Command, Concluded, Decided, Digest, EffectId, Entry, GateAnswered, GateId, Outcome, Record,
    RunId, Seq, Wish,
};
use sinew_expr::{digest, digest_value, mutant};

/// What stands before the key of the act that an undo takes back.
const UNDO: &str = "undo/";

/// A key's digest: short, of one length, and silent about the key's text.
type Key = Digest;

/// What the fold knows of one idempotency key.
#[derive(Clone, Debug)]
struct Taken {
    /// Digest over capability and arguments.
    what: Digest,
    effect: EffectId,
    /// The latest intent.
    latest: Seq,
    /// Intents without a word on whether they had an effect.
    open: Vec<Seq>,
    fate: Fate,
    natural: Option<Key>,
    /// The key of the act that this one undoes.
    undoes: Option<Key>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Waiting,
    Free,
    Ended { intent: Seq, concluded: Seq },
}

/// An approval that a person gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Approval {
    /// The digest that the person saw.
    pub(crate) digest: Digest,
    /// The wish whose decision has used it up.
    pub(crate) used_by: Option<EffectId>,
}

/// What the keys of a wish say; outcomes as the place of the entry that holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Fresh,
    InFlight(Seq),
    Repeat { first: Seq, concluded: Seq },
    KeyMisused { first: Seq },
    Duplicate { first: Seq, concluded: Option<Seq>, run: RunId },
}

/// The fold.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    as_of: Seq,
    keys: HashMap<Key, Taken>,
    things: HashMap<Key, Vec<Key>>,
    intents: HashMap<Seq, Key>,
    undoing: HashSet<Seq>,
    approvals: HashMap<GateId, Approval>,
}

impl Ledger {
    /// The last entry that was folded.
    pub(crate) const fn as_of(&self) -> Seq {
        self.as_of
    }

    /// Folds one entry. Folding an entry again, or an older one, changes nothing.
    pub(crate) fn observe(&mut self, entry: &Entry) {
        if entry.seq() <= self.as_of {
            return;
        }
        self.as_of = entry.seq();
        match &entry.record {
            Record::Decided(decided) => self.decided(entry.seq(), decided),
            Record::GateAnswered(answered) => self.answered(answered),
            // A look-up takes no key: asked twice is as good as once.
            Record::Intended(intended) if intended.command.class != Class::Pure => {
                self.intended(entry, &intended.command);
            }
            Record::Concluded(concluded) => self.concluded(entry.seq(), concluded),
            _ => {}
        }
    }

    /// What the keys of a wish say.
    pub(crate) fn standing(&self, wish: &Wish, natural_key: Option<&str>) -> Known {
        let key = key_of(&wish.key);
        if let Some(taken) = self.keys.get(&key) {
            if taken.what != what(&wish.capability, &wish.args) && !mutant("key-with-other-arguments") {
                return Known::KeyMisused { first: taken.latest };
            }
            match taken.fate {
                Fate::Ended { .. } if mutant("ended-key-forgotten") => {}
                Fate::Ended { intent, concluded } => return Known::Repeat { first: intent, concluded },
                Fate::Open if taken.effect == wish.effect => return Known::InFlight(taken.latest),
                Fate::Open | Fate::Waiting if taken.effect != wish.effect => return duplicate(taken),
                Fate::Open | Fate::Waiting | Fate::Free => {}
            }
        }
        let natural_key = natural_key.filter(|_| !mutant("natural-key-ignored"));
        let holders = natural_key.and_then(|natural| self.things.get(&thing_of(&wish.capability, natural)));
        let mut others = holders.into_iter().flatten().filter_map(|holder| self.keys.get(holder));
        others.find(|taken| taken.effect != wish.effect).map_or(Known::Fresh, duplicate)
    }

    /// Intents of a key before `permit` of which nobody knows whether they had an effect.
    pub(crate) fn open_before(&self, key: &str, permit: Seq) -> Vec<Seq> {
        let open = self.keys.get(&key_of(key)).map(|taken| taken.open.as_slice()).unwrap_or_default();
        open.iter().copied().filter(|seq| *seq < permit).collect()
    }

    /// The last word on a key that was said before `permit`, where it allows no further try.
    pub(crate) fn ended_before(&self, key: &str, permit: Seq) -> Option<Seq> {
        match self.keys.get(&key_of(key))?.fate {
            Fate::Ended { intent, concluded } if intent != permit => Some(concluded),
            _ => None,
        }
    }

    /// An approval that a person gave, unless it was refused or never answered.
    pub(crate) fn approval(&self, gate: GateId) -> Option<Approval> {
        self.approvals.get(&gate).copied()
    }

    fn decided(&mut self, seq: Seq, decided: &Decided) {
        if decided.request.compensates {
            self.undoing.insert(seq);
        }
        let approval = decided.approval.and_then(|gate| self.approvals.get_mut(&gate));
        if let Some(approval) = approval {
            approval.used_by.get_or_insert(decided.effect);
        }
    }

    fn answered(&mut self, answered: &GateAnswered) {
        let approved = answered.answer == sinew_contract::Answer::Approve || mutant("refusal-is-approval");
        if approved && (answered.by.is_some() || mutant("expiry-is-approval")) {
            self.approvals.insert(answered.gate, Approval { digest: answered.digest, used_by: None });
        }
    }

    fn intended(&mut self, entry: &Entry, command: &Command) {
        let key = key_of(&command.key);
        let natural = command.natural_key.as_ref().map(|natural| thing_of(&command.capability, natural));
        let undoes = self.undoes(entry, command);
        let taken = self.keys.entry(key).or_insert_with(|| Taken {
            what: what(&command.capability, &command.args),
            effect: command.effect,
            latest: entry.seq(),
            open: Vec::new(),
            fate: Fate::Open,
            natural,
            undoes,
        });
        taken.effect = command.effect;
        taken.latest = entry.seq();
        taken.open.push(entry.seq());
        if !matches!(taken.fate, Fate::Ended { .. }) {
            taken.fate = Fate::Open;
        }
        self.intents.insert(entry.seq(), key);
        if let Some(natural) = natural {
            let holders = self.things.entry(natural).or_default();
            if !holders.contains(&key) {
                holders.push(key);
            }
        }
    }

    /// The key that a command takes back: named after it, in the same run, on a decision that said so.
    fn undoes(&mut self, entry: &Entry, command: &Command) -> Option<Key> {
        let decided = entry.header.cause.is_some_and(|cause| self.undoing.remove(&cause));
        let original = command.key.strip_prefix(UNDO).map(key_of)?;
        let same_run = self.keys.get(&original)?.effect.run == command.effect.run || mutant("undone-by-another-run");
        (decided && same_run).then_some(original)
    }

    fn concluded(&mut self, seq: Seq, concluded: &Concluded) {
        let Some(intent) = concluded.intent else { return };
        let Some(key) = self.intents.get(&intent).copied() else { return };
        let Some(taken) = self.keys.get_mut(&key) else { return };
        let ended = Fate::Ended { intent, concluded: seq };
        let (fate, resolved) = match &concluded.outcome {
            Outcome::Done { .. } => (ended, true),
            // The last hop refused this call and not the intent: another call may be under way.
            Outcome::Refused { by, .. } if by == "key" => return,
            Outcome::Refused { by, .. } if by == "target" => (ended, true),
            Outcome::Failed { .. } if !concluded.last => (Fate::Waiting, true),
            Outcome::Refused { .. } | Outcome::Failed { .. } => (Fate::Free, true),
            Outcome::Unknown { .. } if concluded.last && mutant("unknown-for-good-is-free") => (Fate::Free, true),
            Outcome::Unknown { .. } if concluded.last => (ended, false),
            Outcome::Unknown { .. } => (Fate::Open, false),
        };
        if resolved {
            taken.open.retain(|open| *open != intent);
            self.intents.remove(&intent);
        }
        let done = matches!(concluded.outcome, Outcome::Done { .. });
        let other_ended = matches!(taken.fate, Fate::Ended { intent: other, .. } if other != intent);
        if !done && (other_ended || taken.latest != intent) {
            return;
        }
        taken.fate = fate;
        let (natural, undoes) = (taken.natural, taken.undoes);
        if resolved && !done && fate != Fate::Waiting {
            self.release(natural, key);
        }
        if let Some(original) = undoes.filter(|_| done) {
            let natural = self.keys.get(&original).and_then(|taken| taken.natural);
            self.release(natural, original);
        }
    }

    /// Lets go of a thing, where this key holds it.
    fn release(&mut self, natural: Option<Key>, key: Key) {
        let Some(natural) = natural else { return };
        if let Some(holders) = self.things.get_mut(&natural) {
            holders.retain(|holder| *holder != key);
            if holders.is_empty() {
                self.things.remove(&natural);
            }
        }
    }
}

fn duplicate(taken: &Taken) -> Known {
    let (first, concluded) = match taken.fate {
        Fate::Ended { intent, concluded } => (intent, Some(concluded)),
        _ => (taken.latest, None),
    };
    Known::Duplicate { first, concluded, run: taken.effect.run }
}

/// The digest under which a key is kept.
pub(crate) fn key_of(key: &str) -> Key {
    digest(key.as_bytes())
}

fn thing_of(capability: &CapabilityName, natural_key: &str) -> Key {
    // A capability's name has no space, so the two parts cannot run into each other.
    digest(format!("{capability} {natural_key}").as_bytes())
}

fn what(capability: &CapabilityName, args: &serde_json::Value) -> Digest {
    digest_value(&serde_json::json!([capability, args]))
}
