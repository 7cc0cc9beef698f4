//! Topic filters (MQTT 3.1.1, section 4.7): is one well formed, does it take a topic, do two of them overlap.
//!
//! Does not know connections. Two filters of one connection must not overlap: a broker may then deliver a message once per
//! filter, and a reflex would fire twice.

/// Longest topic or filter: what the two length bytes allow.
const LEN_MAX: usize = 65_535;

/// Says whether this is a topic that one can publish to.
pub(crate) fn is_topic(text: &str) -> bool {
    !text.is_empty() && text.len() <= LEN_MAX && !text.contains(['+', '#', '\0'])
}

/// Says whether this is a filter that one can subscribe to.
pub(crate) fn is_filter(text: &str) -> bool {
    if text.is_empty() || text.len() > LEN_MAX || text.contains('\0') {
        return false;
    }
    let whole = |level: &str| level.len() == 1 || !level.contains(['+', '#']);
    let mut levels = text.split('/').rev();
    levels.next().is_some_and(whole) && levels.all(|level| whole(level) && level != "#")
}

/// Says whether a filter takes a topic. Topics that begin with `$` are taken only by filters that begin so.
pub(crate) fn takes(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let (mut wanted, mut found) = (filter.split('/'), topic.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

/// Says whether there is a topic that both filters take.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        match (one.next(), other.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some("+"), Some(_)) | (Some(_), Some("+")) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_take_what_the_standard_says() {
        let rows = [
            ("sensor/+/temp", "sensor/1/temp", true),
            ("sensor/+/temp", "sensor/1/2/temp", false),
            ("sensor/#", "sensor", true),
            ("sensor/#", "sensor/1/2", true),
            ("#", "a/b", true),
            ("#", "$SYS/load", false),
            ("$SYS/#", "$SYS/load", true),
            ("+", "a", true),
            ("+", "/a", false),
            ("+/+", "/a", true),
            ("a/b", "a/b/", false),
        ];
        for (filter, topic, expected) in rows {
            assert_eq!(takes(filter, topic), expected, "{filter} {topic}");
        }
    }

    #[test]
    fn filters_and_topics_are_well_formed_or_not() {
        for (filter, expected) in
            [("a/+/b", true), ("#", true), ("a/#", true), ("a/#/b", false), ("a+", false), ("a/b#", false), ("", false)]
        {
            assert_eq!(is_filter(filter), expected, "{filter}");
        }
        for (topic, expected) in [("a/b", true), ("/", true), ("a/+", false), ("#", false), ("", false), ("a\0", false)]
        {
            assert_eq!(is_topic(topic), expected, "{topic}");
        }
    }

    #[test]
    fn two_filters_overlap_where_one_topic_fits_both() {
        let rows = [
            ("a/+", "a/b", true),
            ("a/+", "+/b", true),
            ("a/#", "a", true),
            ("a/+", "a/b/c", false),
            ("a/b", "a/c", false),
            ("#", "x", true),
        ];
        for (one, other, expected) in rows {
            assert_eq!((overlap(one, other), overlap(other, one)), (expected, expected), "{one} {other}");
        }
    }
}
