//! Facts that are learnt after the entity they are about was first seen: from when on they hold.
//!
//! Another target tells them, at its own pace: to which application a container belongs, say. They hold from the start
//! of the entity's life, but no further back than what has settled: answers about closed ranges never change.
//! Must not know: rows, SQL, any source.

use std::sync::Arc;

use crate::model::time::SETTLE_MS;
use crate::model::{Attributes, Kind, Timestamp, Version};

/// Since when versions may still be told of late facts that are learnt at `from`: a range that ended before may be
/// closed.
pub(crate) fn reach(from: Timestamp) -> Timestamp {
    from.plus_ms(-SETTLE_MS)
}

/// What the versions of an entity become when `attributes` are reported at `from`; None where nothing in them is late.
///
/// A late fact is put into every version back to [`reach`], as far as none has a value of it. `versions` are oldest
/// first, and all that hold at any time since then; versions that have become equal to the one before are left out.
pub(crate) fn backdated(
    kind: &'static Kind,
    versions: &[Version],
    attributes: &Attributes,
    from: Timestamp,
) -> Option<Vec<Version>> {
    let newest = versions.last()?;
    let is_late = |name: &str| kind.attribute(name).is_some_and(|attribute| attribute.late);
    let mut late: Attributes = attributes
        .iter()
        .filter(|(name, _)| is_late(name) && !newest.attributes.contains_key(*name))
        .map(|(name, value)| (*name, value.clone()))
        .collect();
    if late.is_empty() {
        return None;
    }
    let edge = reach(from);
    let mut newest_first: Vec<Version> = Vec::with_capacity(versions.len() + 1);
    let mut until = None;
    for version in versions.iter().rev() {
        late.retain(|name, _| !version.attributes.contains_key(name));
        let is_reached = until.is_none_or(|until| until > edge) && !late.is_empty();
        if is_reached {
            let mut told = (*version.attributes).clone();
            told.extend(late.clone());
            newest_first.push(Version { from: version.from.max(edge), attributes: Arc::new(told) });
        }
        if !is_reached || version.from < edge {
            newest_first.push(version.clone());
        }
        until = Some(version.from);
    }
    newest_first.reverse();
    newest_first.dedup_by(|later, earlier| later.attributes == earlier.attributes);
    Some(newest_first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attribute, AttributeType};

    static KIND: Kind = Kind {
        name: "thing",
        help: "A test kind.",
        identity: &[],
        attributes: &[
            Attribute::new("app", AttributeType::Text, "").late(),
            Attribute::new("task", AttributeType::Text, "").late(),
            Attribute::new("image", AttributeType::Text, ""),
        ],
        columns: &[],
        derived: &[],
        display: &[],
    };

    /// `"0 image=a; 30 image=b app=x"`: seconds, and what holds from then on.
    fn versions(text: &str) -> Vec<Version> {
        text.split(';')
            .map(|version| {
                let mut words = version.split_whitespace();
                let seconds: i64 = words.next().unwrap().parse().unwrap();
                Version { from: Timestamp::from_ms(seconds * 1000), attributes: Arc::new(facts(words)) }
            })
            .collect()
    }

    fn facts<'a>(words: impl Iterator<Item = &'a str>) -> Attributes {
        words
            .map(|word| {
                let (name, value) = word.split_once('=').unwrap();
                (KIND.attribute(name).unwrap().name, value.into())
            })
            .collect()
    }

    fn check(before: &str, learnt_at: i64, learnt: &str, after: Option<&str>) {
        let attributes = facts(learnt.split_whitespace());
        let found = backdated(&KIND, &versions(before), &attributes, Timestamp::from_ms(learnt_at * 1000));
        assert_eq!(found, after.map(versions), "{before} + {learnt_at} {learnt}");
    }

    #[test]
    fn what_is_learnt_late_holds_from_the_start_no_further_than_what_has_settled() {
        check("0 image=a", 30, "image=a app=x", Some("0 image=a app=x"));
        // Only late facts reach back.
        check("0 image=a", 30, "image=b app=x", Some("0 image=a app=x"));
        check("0 image=a", 30, "image=b", None);
        // Through every version on the way.
        check("0 image=a; 20 image=b", 30, "image=b app=x", Some("0 image=a app=x; 20 image=b app=x"));
        // Ten minutes back, and no further: what was answered about before stays.
        check("0 image=a", 1000, "image=a app=x", Some("0 image=a; 400 image=a app=x"));
        check("0 image=a; 500 image=b", 1000, "image=b app=x", Some("0 image=a; 400 image=a app=x; 500 image=b app=x"));
        check("0 image=a; 400 image=b", 1000, "image=b app=x", Some("0 image=a; 400 image=b app=x"));
    }

    #[test]
    fn a_value_that_was_known_is_never_overwritten() {
        check("0 app=x; 20 image=a", 30, "image=a app=y", Some("0 app=x; 20 image=a app=y"));
        check("0 app=x", 30, "app=y", None);
        // Each fact goes back as far as it was unknown.
        check("0 app=x; 20 image=a", 30, "image=a app=y task=t", Some("0 app=x task=t; 20 image=a app=y task=t"));
        // Versions that differed only in what is known now are one.
        check(
            "0 image=a; 10 image=a task=t",
            30,
            "image=a task=t app=x",
            Some("0 image=a app=x; 10 image=a task=t app=x"),
        );
        check(
            "0 image=a; 10 image=b; 20 image=a",
            30,
            "app=x",
            Some("0 image=a app=x; 10 image=b app=x; 20 image=a app=x"),
        );
    }
}
