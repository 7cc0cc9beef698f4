//! What must hold before a device is touched: the permit is read back from the log, the approval is the right one, nobody
//! else is at the same key, stop is not pressed, and it is not too late.
//!
//! Does not know how a command is sent. Trusts no caller: a permit is a place in the log and its hash, and what is done
//! is what stands there.

use std::collections::{BTreeMap, HashMap, HashSet};

use sinew_contract::{
    BootTime, Class, Command, Decided, Digest, Entry, EntryRef, GateId, Intended, Journal, Manifest, Now, Outcome,
    PlaybookName, Record, Seq, Verdict,
};

use sinew_expr::mutant;

use crate::ledger::{Approval, Ledger, key_of};

/// Why something did not leave, in the word that stands in `Outcome::Refused` and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Refusal {
    by: &'static str,
    reason: String,
}

impl Refusal {
    pub(crate) fn new(by: &'static str, reason: impl Into<String>) -> Self {
        Self { by, reason: reason.into() }
    }

    fn permit(reason: impl Into<String>) -> Self {
        Self::new("permit", reason)
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { by: refusal.by.to_owned(), reason: refusal.reason }
    }
}

/// An intent as the log has it, with the decision that it rests on.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) permit: Seq,
    pub(crate) command: Command,
    pub(crate) decided: Decided,
}

impl Order {
    pub(crate) const fn playbook(&self) -> &PlaybookName {
        &self.decided.request.playbook
    }
}

/// Reads an intent and its decision back.
///
/// # Errors
/// A refusal by `permit` where the log does not hold exactly this intent, or its decision does not allow it.
pub(crate) fn read_back(journal: &dyn Journal, permit: EntryRef) -> Result<Order, Refusal> {
    let entry = entry_at(journal, permit.seq)?;
    let Record::Intended(Intended { command }) = &entry.record else {
        return Err(Refusal::permit(format!("entry {} is not an intent", permit.seq)));
    };
    if entry.hash != permit.hash && !mutant("permit-hash-ignored") {
        return Err(Refusal::permit(format!("entry {} has another hash than the permit", permit.seq)));
    }
    let decided = decision_of(journal, &entry, command)?;
    Ok(Order { permit: permit.seq, command: command.clone(), decided })
}

fn decision_of(journal: &dyn Journal, intended: &Entry, command: &Command) -> Result<Decided, Refusal> {
    let cause = intended.header.cause.filter(|cause| *cause < intended.seq());
    let cause = cause.ok_or_else(|| Refusal::permit(format!("intent {} cites no decision", intended.seq())))?;
    let entry = entry_at(journal, cause)?;
    let Record::Decided(decided) = &entry.record else {
        return Err(Refusal::permit(format!("intent {} cites entry {cause}, which is not a decision", intended.seq())));
    };
    let request = &decided.request;
    let same = (decided.effect == command.effect || mutant("decision-of-another-wish"))
        && (entry.header.run == intended.header.run || mutant("decision-of-another-run"))
        && entry.header.scope == intended.header.scope
        && (request.capability == command.capability || mutant("decision-of-another-capability"))
        && (request.class == command.class || mutant("decision-of-another-class"))
        && (request.device == command.device.as_str() || mutant("decision-of-another-device"))
        && (request.args == command.args || mutant("decision-of-other-arguments"));
    if !same {
        return Err(Refusal::permit(format!(
            "decision {cause} is about something else than intent {}",
            intended.seq()
        )));
    }
    if decided.decision.verdict != Verdict::Run && !mutant("verdict-ignored") {
        return Err(Refusal::permit(format!("decision {cause} does not say that intent {} may run", intended.seq())));
    }
    Ok(decided.clone())
}

fn entry_at(journal: &dyn Journal, seq: Seq) -> Result<std::sync::Arc<Entry>, Refusal> {
    let found = journal.read(seq, 1).map_err(|e| Refusal::permit(format!("cannot read entry {seq} back: {e}")))?;
    let entry = found.into_iter().next().filter(|entry| entry.seq() == seq);
    entry.ok_or_else(|| Refusal::permit(format!("the log has no entry {seq}")))
}

/// Checks that a decision which rests on a person's word cites it, for these bytes, and that nobody else has used it up.
///
/// # Errors
/// A refusal by `approval`.
pub(crate) fn check_approval(
    journal: &dyn Journal,
    order: &Order,
    approval_of: impl Fn(GateId) -> Option<Approval>,
) -> Result<(), Refusal> {
    let refuse = |reason: String| Err(Refusal::new("approval", reason));
    let Some(gate) = order.decided.approval else {
        let missing = order.decided.request.approved;
        return if missing && !mutant("approval-not-cited") {
            refuse("the decision says approved and cites no gate".to_owned())
        } else {
            Ok(())
        };
    };
    let Some(approval) = approval_of(gate) else {
        return refuse(format!("nobody approved gate {gate}"));
    };
    if approval.used_by.is_some_and(|effect| effect != order.command.effect) && !mutant("approval-used-twice") {
        return refuse(format!("the approval of gate {gate} was used up by another act"));
    }
    let entry = entry_at(journal, gate.0)?;
    let Record::GateOpened(opened) = &entry.record else {
        return refuse(format!("entry {} does not open a gate", gate.0));
    };
    let command = &order.command;
    let preimage = opened.gate.preimage.as_ref();
    let same_bytes = preimage.is_some_and(|p| {
        p.capability == command.capability && p.manifest == command.manifest && p.args == command.args
    });
    let same_digest = preimage.map(sinew_expr::digest_of) == Some(approval.digest);
    let same_bytes = same_bytes || mutant("approval-of-other-bytes");
    let same_digest = same_digest || mutant("approval-of-another-card");
    if same_bytes && same_digest { Ok(()) } else { refuse(format!("gate {gate} was approved for other bytes")) }
}

/// Checks a command against today's manifest of its capability.
///
/// # Errors
/// A refusal by `manifest` where there is none or it says otherwise; by `trust` where the arguments may not be trusted
/// far enough and no person has approved them; by `interlock` for anything physical.
pub(crate) fn check_manifest(order: &Order, today: Option<(&Manifest, Digest)>) -> Result<(), Refusal> {
    let command = &order.command;
    let Some((manifest, digest)) = today else {
        return Err(Refusal::new("manifest", format!("capability `{}` does not exist any more", command.capability)));
    };
    let same = manifest.operation == command.operation && manifest.device == command.device;
    if (manifest.class != command.class || (digest == command.manifest && !same)) && !mutant("manifest-ignored") {
        return Err(Refusal::new("manifest", format!("the command is not what manifest `{}` says", manifest.name)));
    }
    let least = manifest.trust.values().max();
    let trusted = least.is_none_or(|least| order.decided.request.args_trust >= *least);
    if !trusted && order.decided.approval.is_none() && !mutant("trust-ignored") {
        return Err(Refusal::new("trust", format!("the arguments of `{}` are not trusted enough", manifest.name)));
    }
    if command.class == Class::Physical && manifest.physical.is_none() {
        return Err(Refusal::new("interlock", format!("`{}` has no terms of matter, so nothing moves", manifest.name)));
    }
    Ok(())
}

/// What this process has sent, so that it sends nothing twice, whatever its callers do.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The last entry before this process: older intents are settled, never carried out.
    born: Seq,
    /// Permits that were used, until they have expired on the boot clock and could not be used anyway.
    used: BTreeMap<Seq, BootTime>,
    /// Keys whose command is under way, or of which nobody knows what became.
    in_doubt: HashMap<Digest, Seq>,
    /// Older intents that were settled by this process.
    settled: HashSet<Seq>,
}

impl Sent {
    pub(crate) fn new(born: Seq) -> Self {
        Self { born, used: BTreeMap::new(), in_doubt: HashMap::new(), settled: HashSet::new() }
    }

    /// Takes permit and key, once.
    ///
    /// # Errors
    /// A refusal by `key`: used before, older than this process, or somebody is at that key, or it has ended.
    pub(crate) fn take(&mut self, order: &Order, ledger: &Ledger, now: Now) -> Result<(), Refusal> {
        let (permit, command) = (order.permit, &order.command);
        self.used.retain(|_, expires| *expires > now.boot);
        if permit <= self.born && !mutant("older-intents-carried-out") {
            let reason = format!("intent {permit} is older than this process; settle it");
            return Err(Refusal::new("key", reason));
        }
        if self.used.contains_key(&permit) && !mutant("permit-used-twice") {
            return Err(Refusal::new("key", format!("intent {permit} was carried out before")));
        }
        if command.class != Class::Pure {
            self.take_key(order, ledger)?;
        }
        self.used.insert(permit, command.expires.boot);
        Ok(())
    }

    fn take_key(&mut self, order: &Order, ledger: &Ledger) -> Result<(), Refusal> {
        let (permit, key) = (order.permit, &order.command.key);
        let older = ledger.open_before(key, permit);
        // Newer ones are this process' own: it knows more of them than the fold, which lags a little.
        let open = older.into_iter().find(|seq| *seq <= self.born && !self.settled.contains(seq));
        let digest = key_of(key);
        let open = open.filter(|_| !mutant("open-intent-ignored"));
        let doubt = self.in_doubt.get(&digest).copied().filter(|_| !mutant("key-in-doubt-ignored"));
        if let Some(other) = open.or(doubt) {
            return Err(Refusal::new("key", format!("nobody knows yet what became of intent {other} of the same key")));
        }
        if let Some(concluded) = ledger.ended_before(key, permit).filter(|_| !mutant("ended-key-ignored")) {
            return Err(Refusal::new("key", format!("the key was used; entry {concluded} says how it ended")));
        }
        self.in_doubt.insert(digest, permit);
        Ok(())
    }

    /// Notes what became of an intent; only an unknown leaves its key in doubt.
    pub(crate) fn landed(&mut self, permit: Seq, key: &str, outcome: &Outcome) {
        if matches!(outcome, Outcome::Unknown { .. }) && !mutant("unknown-frees-the-key") {
            return;
        }
        let digest = key_of(key);
        if self.in_doubt.get(&digest) == Some(&permit) {
            self.in_doubt.remove(&digest);
        }
        if permit <= self.born {
            self.settled.insert(permit);
        }
    }
}
