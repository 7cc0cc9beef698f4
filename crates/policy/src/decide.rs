//! Two questions, one verdict: may it be done unattended, and may it be done when a person says so.
//!
//! Does not know who the person is or how they are asked: that is a gate's business.
//!
//! | `ActUnattended` | `Act` | approved | verdict |
//! |---|---|---|---|
//! | permitted | not forbidden | - | run; ask where it is a duplicate that nobody approved |
//! | not permitted | permitted | no | ask |
//! | not permitted | permitted | yes | run |
//! | not permitted | not permitted | - | refuse |
//! | - | forbidden | - | refuse |
//! | permitted, but below the floor | - | no | ask |
//! | an error in either | | - | refuse |

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use cedar_policy::{Authorizer, Context, Decision as CedarDecision, Entities, EntityUid, PolicyId, PolicySet};
use sinew_contract::{CapabilityName, Class, Decision, Digest, Policy, Request, Verdict};

use crate::facts::Names;
use crate::floor;
use crate::load::{PolicyError, load};

/// 1,024 capabilities: far above any deployment; past it they are made anew each time instead of filling memory.
const CACHED_MAX: usize = 1_024;

/// Answers the `Policy` port from a checked set of Cedar policies. Cheap to share in an `Arc`.
pub struct Cedar {
    policies: PolicySet,
    digest: Digest,
    authorizer: Authorizer,
    names: Names,
    entities: RwLock<HashMap<(CapabilityName, Class), Arc<Entities>>>,
}

impl std::fmt::Debug for Cedar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cedar").field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl Cedar {
    /// Takes `(file name, text)` pairs, parses and validates them strictly against the schema.
    ///
    /// No texts at all is a valid set that refuses everything.
    ///
    /// # Errors
    /// With every finding: syntax, unknown fields and values, wrong types, a policy without `@id` or `@reason`, two
    /// policies of one name, a policy that can never apply.
    pub fn load(texts: &[(String, String)]) -> Result<Self, PolicyError> {
        let loaded = load(texts)?;
        Ok(Self {
            policies: loaded.policies,
            digest: loaded.digest,
            authorizer: Authorizer::new(),
            names: Names::new(),
            entities: RwLock::default(),
        })
    }

    /// The ids of all policies, sorted.
    pub fn ids(&self) -> Vec<String> {
        let ids: BTreeSet<_> = self.policies.policies().map(|policy| policy.id().to_string()).collect();
        ids.into_iter().collect()
    }

    fn answer(&self, request: &Request, action: &EntityUid, context: Context, entities: &Entities) -> Answer {
        let question = self.names.question(request, action, context);
        let response = self.authorizer.is_authorized(&question, &self.policies, entities);
        let errors: Vec<_> = response.diagnostics().errors().map(|e| format!("error: {e}")).collect();
        if !errors.is_empty() {
            return Answer::Error(errors);
        }
        let reasons: BTreeSet<_> = response.diagnostics().reason().map(|id| self.words(id)).collect();
        match response.decision() {
            CedarDecision::Allow => Answer::Permitted(reasons),
            CedarDecision::Deny if reasons.is_empty() => Answer::Unmentioned,
            CedarDecision::Deny => Answer::Forbidden(reasons),
        }
    }

    /// A policy's id and its reason.
    fn words(&self, id: &PolicyId) -> String {
        let reason = self.policies.annotation(id, "reason").unwrap_or_default();
        format!("{id}: {reason}")
    }

    fn entities(&self, request: &Request) -> Arc<Entities> {
        let key = (request.capability.clone(), request.class);
        let cached = self.entities.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        cached.unwrap_or_else(|| {
            let made = Arc::new(self.names.entities(&request.capability, request.class));
            let mut cache = self.entities.write().unwrap_or_else(PoisonError::into_inner);
            if cache.len() < CACHED_MAX {
                cache.insert(key, Arc::clone(&made));
            }
            made
        })
    }
}

impl Policy for Cedar {
    fn decide(&self, request: &Request) -> Decision {
        let entities = self.entities(request);
        let context = self.names.context(request);
        let unattended = self.answer(request, &self.names.act_unattended, context.clone(), &entities);
        let attended = self.answer(request, &self.names.act, context, &entities);
        let (verdict, reasons) = hold_to_floor(request, weigh(request, unattended, attended));
        Decision { verdict, reasons, policy: self.digest }
    }

    fn digest(&self) -> Digest {
        self.digest
    }
}

/// What Cedar says to one of the two questions.
enum Answer {
    Permitted(BTreeSet<String>),
    Forbidden(BTreeSet<String>),
    Unmentioned,
    Error(Vec<String>),
}

/// What policy lets run by itself may still rest on something that anybody could have written.
fn hold_to_floor(request: &Request, (verdict, reasons): (Verdict, Vec<String>)) -> (Verdict, Vec<String>) {
    let mut below = if verdict == Verdict::Run { floor::reasons(request) } else { Vec::new() };
    if below.is_empty() {
        return (verdict, reasons);
    }
    below.extend(reasons);
    (Verdict::Ask, below)
}

/// The table at the head of this file.
fn weigh(request: &Request, unattended: Answer, attended: Answer) -> (Verdict, Vec<String>) {
    let list = |reasons: BTreeSet<String>| reasons.into_iter().collect::<Vec<_>>();
    match (unattended, attended) {
        (Answer::Error(errors), _) | (_, Answer::Error(errors)) => (Verdict::Refuse, errors),
        (_, Answer::Forbidden(reasons)) => (Verdict::Refuse, list(reasons)),
        (Answer::Permitted(reasons), _) if request.duplicate && !request.approved => {
            let mut reasons = list(reasons);
            reasons.insert(0, "duplicate: the same thing was asked for before, by another run".to_owned());
            (Verdict::Ask, reasons)
        }
        (Answer::Permitted(reasons), _) => (Verdict::Run, list(reasons)),
        (_, Answer::Permitted(reasons)) if request.approved => (Verdict::Run, list(reasons)),
        (_, Answer::Permitted(reasons)) => (Verdict::Ask, list(reasons)),
        (Answer::Forbidden(reasons), Answer::Unmentioned) => (Verdict::Refuse, list(reasons)),
        (Answer::Unmentioned, Answer::Unmentioned) => {
            let (principal, capability) = (&request.principal, &request.capability);
            (Verdict::Refuse, vec![format!("no policy permits `{capability}` to `{principal}`")])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(word: &str) -> BTreeSet<String> {
        BTreeSet::from([word.to_owned()])
    }
    fn permitted() -> Answer {
        Answer::Permitted(said("p"))
    }
    fn forbidden() -> Answer {
        Answer::Forbidden(said("f"))
    }
    fn error() -> Answer {
        Answer::Error(vec!["e".to_owned()])
    }

    fn request(approved: bool, duplicate: bool) -> Request {
        let request = serde_json::json!({
            "principal": "agent:x", "scope": "main", "playbook": "p", "capability": "c", "class": "pure", "device": "d",
            "amount_minor": 0, "currency": "", "args_trust": "owned", "control_trust": "owned", "evidence_age_s": 0,
            "confidence_permille": 1000, "approved": approved, "duplicate": duplicate, "compensates": false, "args": {},
        });
        serde_json::from_value(request).expect("a whole request")
    }

    #[test]
    fn two_answers_make_one_verdict() {
        let check = |unattended: fn() -> Answer, attended: fn() -> Answer, plain, approved, duplicate, both| {
            let verdict = |a, d| weigh(&request(a, d), unattended(), attended()).0;
            let found = [verdict(false, false), verdict(true, false), verdict(false, true), verdict(true, true)];
            assert_eq!(found, [plain, approved, duplicate, both]);
        };
        let nothing = || Answer::Unmentioned;
        use Verdict::{Ask, Refuse, Run};
        check(permitted, permitted, Run, Run, Ask, Run);
        check(permitted, nothing, Run, Run, Ask, Run);
        check(nothing, permitted, Ask, Run, Ask, Run);
        check(forbidden, permitted, Ask, Run, Ask, Run);
        check(permitted, forbidden, Refuse, Refuse, Refuse, Refuse);
        check(nothing, forbidden, Refuse, Refuse, Refuse, Refuse);
        check(nothing, nothing, Refuse, Refuse, Refuse, Refuse);
        check(forbidden, nothing, Refuse, Refuse, Refuse, Refuse);
        check(error, permitted, Refuse, Refuse, Refuse, Refuse);
        check(permitted, error, Refuse, Refuse, Refuse, Refuse);
    }
}
