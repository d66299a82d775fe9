//! Kind `metric`: a number with a name and labels that has no kind of its own, from whichever source tells it.
//!
//! Whether a number only grows is a fact of each series, not of the kind, so there are two columns: `value` holds the
//! number of every series as it was exposed, `counted_total` holds it once more for those that are counters. A counter
//! is thus increased, rated and carried across restarts like any other, and nothing adds up differences of a gauge.
//! Must not know: which source fills it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::{
    Attribute, AttributeType, AttributeValue, Attributes, Class, Column, Derived, Formula, Identity, Key, Kind,
    Observation, Repr, Sample, TargetName, Timestamp, Value,
};

/// Any number that a target exposes under a name.
pub static METRIC: Kind = Kind {
    name: "metric",
    help: "A series that a target exposes: a name, labels and a number.",
    identity: &[
        Key { name: "target", help: "Name of the target that exposes it, source/name." },
        Key { name: "name", help: "Its name, as exposed." },
        Key { name: "labels", help: "Its labels, sorted by name, as in `a=\"1\",b=\"2\"`; empty where it has none." },
    ],
    attributes: &[
        Attribute::new("label", AttributeType::Map, "Its labels by name."),
        Attribute::new(
            "metric_type",
            AttributeType::Text,
            "What it was said to be: counter, gauge, histogram, summary, info, stateset, unknown.",
        ),
        Attribute::new(
            "family",
            AttributeType::Text,
            "The family that a part belongs to, where its name is another: `x` for `x_bucket`.",
        ),
        Attribute::new("unit", AttributeType::Text, "Its unit, as the target says."),
        Attribute::new("description", AttributeType::Text, "What it is, as the target says."),
    ],
    columns: &[
        Column {
            name: "value",
            stored: "value",
            unit: "",
            help: "The number as exposed, of every series.",
            class: Class::Gauge,
            repr: Repr::Float,
            headline: true,
            additive: true,
            high_water: false,
            untold_is_none: false,
        },
        Column {
            name: "counted_total",
            stored: "value_counted",
            unit: "",
            help: "The same number, only of a series that is a counter.",
            class: Class::Counter,
            repr: Repr::Float,
            headline: false,
            additive: true,
            high_water: false,
            untold_is_none: false,
        },
    ],
    derived: &[Derived::new(
        "value_per_second",
        "per_second",
        "How fast a counter grew.",
        Formula::Rate { counters: &["counted_total"] },
    )
    .headline()],
    display: &["target", "name", "labels"],
};

/// What a target says of a series besides its number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    /// counter, gauge, histogram, summary, info, stateset or unknown.
    pub metric_type: Option<&'a str>,
    /// The family's name, where it differs from the series'.
    pub family: Option<&'a str>,
    /// Its unit.
    pub unit: Option<&'a str>,
    /// What it is.
    pub description: Option<&'a str>,
}

/// Whether a number only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// It goes up and down, or nobody said.
    Gauge,
    /// It only grows, from 0.
    Counter,
}

/// The identity of a series. Two that differ only in the order of their labels are one.
pub fn identity(target: &TargetName, name: &str, labels: &BTreeMap<String, String>) -> Identity {
    Identity::new([target.as_str(), name, labels_text(labels).as_str()])
}

/// Labels as one text: sorted by name, values quoted, `\`, `"` and line ends escaped.
pub fn labels_text(labels: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        let comma = if text.is_empty() { "" } else { "," };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        // Writing to a text cannot fail.
        let _ = write!(text, "{comma}{name}=\"{value}\"");
    }
    text
}

/// The attributes of a series.
pub fn attributes(labels: &BTreeMap<String, String>, facts: &Facts<'_>) -> Attributes {
    let texts = [
        ("metric_type", facts.metric_type),
        ("family", facts.family),
        ("unit", facts.unit),
        ("description", facts.description),
    ];
    let mut attributes: Attributes = texts
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)))
        .map(|(name, text)| (name, text.into()))
        .collect();
    if !labels.is_empty() {
        attributes.insert("label", AttributeValue::Map(labels.clone()));
    }
    attributes
}

/// The number of a series at a time; `since` only where the target tells when this very series began.
pub fn sample(at: Timestamp, since: Option<Timestamp>, value: f64, growth: Growth) -> Sample {
    let total = match growth {
        Growth::Counter => Value::Float(value),
        Growth::Gauge => Value::Null,
    };
    Sample { at, since, values: Box::new([Value::Float(value), total]) }
}

/// A series as one poll saw it.
pub fn observation(
    target: &TargetName,
    name: &str,
    labels: &BTreeMap<String, String>,
    facts: &Facts<'_>,
    sample: Sample,
) -> Observation {
    Observation {
        identity: identity(target, name, labels),
        attributes: Some(attributes(labels, facts)),
        ended: None,
        sample: Some(sample),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_order_of_labels_makes_no_difference_and_values_keep_apart() {
        let check = |pairs: &[(&str, &str)], text| assert_eq!(labels_text(&labels(pairs)), text);
        check(&[], "");
        check(&[("b", "2"), ("a", "1")], r#"a="1",b="2""#);
        check(&[("a", "1\",b=\"2")], r#"a="1\",b=\"2""#);
        check(&[("a", "x\\n\n")], r#"a="x\\n\n""#);
    }

    #[test]
    fn only_a_counter_has_a_total() {
        let at = Timestamp::from_ms(1_000);
        let values = |growth| sample(at, None, 2.5, growth).values.to_vec();
        assert_eq!(values(Growth::Counter), [Value::Float(2.5), Value::Float(2.5)]);
        assert_eq!(values(Growth::Gauge), [Value::Float(2.5), Value::Null]);
    }

    #[test]
    fn what_nobody_said_is_left_out() {
        assert!(attributes(&labels(&[]), &Facts::default()).is_empty());
        let facts = Facts { metric_type: Some("counter"), ..Facts::default() };
        let attributes = attributes(&labels(&[("code", "200")]), &facts);
        assert_eq!(attributes.keys().copied().collect::<Vec<_>>(), ["label", "metric_type"]);
    }
}
