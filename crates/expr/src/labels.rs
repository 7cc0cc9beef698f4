//! The labels of a value and of what stands inside it: a tree beside the value.
//!
//! Does not know values or expressions; `jq/shape` says how an expression carries labels on.

use std::collections::BTreeMap;

use sinew_contract::{Label, LabelMap, Trust};

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The member of this name, or the item of this number.
    Named(String),
    /// Some member or item; nobody knows which.
    Any,
}

/// The labels of one value. What has no label of its own inside has that of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    own: Label,
    named: BTreeMap<String, Labels>,
    any: Option<Box<Labels>>,
    /// It is one of a list that was closed before anybody could choose: an enumeration of a schema, a truth value.
    closed: bool,
}

impl From<Label> for Labels {
    fn from(own: Label) -> Self {
        Self { own, named: BTreeMap::new(), any: None, closed: false }
    }
}

impl Labels {
    /// What stands in the playbook itself.
    pub fn owned() -> Self {
        Label::owned().into()
    }

    /// A value with these members; their names are our own.
    pub fn object(members: impl IntoIterator<Item = (String, Self)>) -> Self {
        Self { named: members.into_iter().collect(), ..Self::owned() }
    }

    /// A list of which each item has these labels.
    pub fn list_of(item: Self) -> Self {
        Self { own: item.whole(), named: BTreeMap::new(), any: Some(Box::new(item)), closed: false }
    }

    /// The labels of what stands one step further in.
    #[must_use]
    pub fn at(&self, step: &Step) -> Self {
        let all = || self.any.as_deref().cloned().unwrap_or_else(|| self.own.clone().into());
        match step {
            Step::Named(name) => self.named.get(name).cloned().unwrap_or_else(all),
            Step::Any => self.named.values().fold(all(), |either, one| either.or(one)),
        }
    }

    /// The labels of what stands some steps further in.
    #[must_use]
    pub fn inside(&self, steps: &[Step]) -> Self {
        let Some((first, rest)) = steps.split_first() else { return self.clone() };
        rest.iter().fold(self.at(first), |labels, step| labels.at(step))
    }

    /// The labels of what stands at a JSON pointer; the whole for `""`.
    #[must_use]
    pub fn at_pointer(&self, pointer: &str) -> Self {
        let steps = pointer.split('/').skip(1).map(unescape).map(Step::Named);
        steps.fold(self.clone(), |labels, step| labels.at(&step))
    }

    /// One label for all of it.
    pub fn whole(&self) -> Label {
        let inside = self.named.values().chain(self.any.as_deref());
        inside.fold(self.own.clone(), |all, labels| all.join(&labels.whole()))
    }

    /// The labels of a value that is either the one or the other, nobody knows which.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let names = self.named.keys().chain(other.named.keys()).cloned();
        let both = |name: String| {
            let step = Step::Named(name.clone());
            (name, self.at(&step).or(&other.at(&step)))
        };
        let rest = |labels: &Self| labels.any.as_deref().cloned().unwrap_or_else(|| labels.own.clone().into());
        let any = (self.any.is_some() || other.any.is_some()).then(|| Box::new(rest(self).or(&rest(other))));
        Self {
            named: names.map(both).collect(),
            any,
            own: self.own.clone().join(&other.own),
            closed: self.is_closed() && other.is_closed(),
        }
    }

    /// The labels of an object with the members of another laid over it.
    #[must_use]
    pub fn overlaid(mut self, members: &Self) -> Self {
        self.named.extend(members.named.iter().map(|(name, labels)| (name.clone(), labels.clone())));
        self.own = self.own.join(&members.own);
        self.closed = false;
        self
    }

    /// The same, where something with this label has had a say in it.
    #[must_use]
    pub fn under(mut self, label: &Label) -> Self {
        self.own = self.own.join(label);
        self.named = self.named.into_iter().map(|(name, labels)| (name, labels.under(label))).collect();
        self.any = self.any.map(|any| Box::new(any.under(label)));
        self
    }

    /// Gives what stands at a JSON pointer labels of its own; `*` as a step stands for every item or member.
    pub fn set(&mut self, pointer: &str, labels: Self) {
        let mut at = self;
        for step in pointer.split('/').skip(1) {
            let rest: Self = at.any.as_deref().cloned().unwrap_or_else(|| at.own.clone().into());
            at = match step {
                "*" => at.any.get_or_insert_with(|| Box::new(rest)),
                step => at.named.entry(unescape(step)).or_insert(rest),
            };
        }
        *at = labels;
    }

    /// Says of it that it is one of a closed list.
    #[must_use]
    pub fn closed(mut self) -> Self {
        self.closed = true;
        self
    }

    /// Says whether it is one of a closed list, or our own.
    pub fn is_closed(&self) -> bool {
        self.closed || self.whole().trust == Trust::Owned
    }

    /// As a flat map under a prefix, for a record; `*` for every item or member.
    pub fn to_map(&self, prefix: &str) -> LabelMap {
        let mut map = LabelMap::new();
        let mut open = vec![(prefix.to_owned(), self)];
        while let Some((pointer, labels)) = open.pop() {
            let named = labels.named.iter().map(|(name, inside)| (format!("{pointer}{}", escape(name)), inside));
            open.extend(named.chain(labels.any.iter().map(|inside| (format!("{pointer}/*"), &**inside))));
            map.insert(pointer, labels.own.clone());
        }
        map
    }
}

fn escape(name: &str) -> String {
    crate::json::pointer_step(name)
}

/// RFC 6901, section 4.
fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(origin: &str, trust: Trust) -> Labels {
        Label::new(origin, trust).into()
    }

    #[test]
    fn what_has_no_label_of_its_own_has_that_of_the_whole() {
        let mut labels = of("shop", Trust::Observed);
        labels.set("/matches/*/order", of("shop", Trust::Verified));
        let check =
            |pointer: &str, expected| assert_eq!(labels.at_pointer(pointer).whole().trust, expected, "{pointer}");
        check("/matches/0/order", Trust::Verified);
        check("/matches/7/order/deep", Trust::Verified);
        check("/matches/0/remark", Trust::Observed);
        check("/matches/0", Trust::Observed);
        check("/other", Trust::Observed);
        check("", Trust::Observed);
    }

    #[test]
    fn a_step_that_nobody_knows_may_be_any() {
        let labels = Labels::object([("a".into(), of("a", Trust::Owned)), ("b".into(), of("b", Trust::Untrusted))]);
        assert_eq!(labels.at(&Step::Any).whole().trust, Trust::Untrusted);
        assert_eq!(labels.at(&Step::Named("a".into())).whole().trust, Trust::Owned);
        let other = Labels::object([("a".into(), of("c", Trust::Observed))]);
        assert_eq!(labels.or(&other).at_pointer("/a").whole().trust, Trust::Observed);
        assert_eq!(labels.clone().overlaid(&other).at_pointer("/b").whole().trust, Trust::Untrusted);
        assert_eq!(labels.under(&Label::new("if", Trust::Untrusted)).at_pointer("/a").whole().trust, Trust::Untrusted);
    }

    #[test]
    fn a_member_named_star_is_only_itself() {
        let labels = of("mail", Trust::Untrusted).overlaid(&Labels::object([("*".into(), Labels::owned())]));
        assert_eq!(labels.at_pointer("/other").whole().trust, Trust::Untrusted);
    }
}
