//! Filters: conditions on identity and attributes by name, with globs.
//!
//! Must not know: where entities come from, requests' other parameters.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::model::{AttributeType, AttributeValue, Attributes, Identity, Kind};

use super::civil::format_instant;
use super::request::{Label, Zone, parse_rfc3339};

mod pattern;

pub use pattern::{GLOB_BYTES_MAX, PATTERN_BYTES_MAX, Pattern};

/// Most conditions of one filter: more than a kind has names, and each is tried on every entity.
const CONDITIONS_MAX: usize = 100;

/// Conditions that must all hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    conditions: Vec<Condition>,
}

/// One name and what its value must look like.
#[derive(Debug, Clone)]
struct Condition {
    label: Label,
    pattern: Pattern,
}

impl Filter {
    /// Adds the condition that a label of the kind be as a pattern says, or says what is malformed.
    pub fn add(&mut self, kind: &Kind, label: Label, pattern: &str) -> Result<(), String> {
        if self.conditions.len() >= CONDITIONS_MAX {
            return Err(format!("there are more than {CONDITIONS_MAX} conditions; put alternatives between commas"));
        }
        let ty = match label {
            Label::Attribute(name) => kind.attribute(name).map(|attribute| attribute.ty),
            Label::Key(_) | Label::Entry(..) => None,
        };
        let pattern = Pattern::parse(pattern)?;
        let pattern = match ty {
            Some(ty) => pattern.with_literals(|literal| canonical(ty, literal))?,
            None => pattern,
        };
        self.conditions.push(Condition { label, pattern });
        Ok(())
    }

    /// Whether an entity with these attributes passes.
    pub fn matches(&self, kind: &Kind, identity: &Identity, attributes: &Attributes) -> bool {
        debug_assert!(identity.parts().len() == kind.identity.len());
        self.conditions.iter().all(|condition| condition.matches(identity, attributes))
    }

    /// Whether an entity of this identity passes with any attributes at all: false saves reading them.
    pub fn may_match(&self, identity: &Identity) -> bool {
        let of_identity = |condition: &&Condition| matches!(condition.label, Label::Key(_));
        let none = BTreeMap::new();
        self.conditions.iter().filter(of_identity).all(|condition| condition.matches(identity, &none))
    }

    /// Whether everything passes.
    pub fn is_trivial(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether it looks at nothing but identity, so that it holds for an entity's whole life or not at all.
    pub fn is_of_identity(&self) -> bool {
        self.conditions.iter().all(|condition| matches!(condition.label, Label::Key(_)))
    }

    /// For each key of the kind the only text the filter lets through, where it names one.
    pub fn keys(&self, kind: &Kind) -> Vec<Option<String>> {
        let only = |index: usize| {
            let of_key = self.conditions.iter().filter(|condition| condition.label == Label::Key(index));
            of_key.into_iter().find_map(|condition| {
                let mut only = condition.pattern.only()?;
                only.next().filter(|_| only.next().is_none()).map(str::to_owned)
            })
        };
        (0..kind.identity.len()).map(only).collect()
    }

    /// The only identity the filter lets through, where it names one text for every key.
    pub fn only_identity(&self, kind: &Kind) -> Option<Identity> {
        let parts = self.keys(kind).into_iter().collect::<Option<Vec<_>>>();
        parts.filter(|parts| !parts.is_empty()).map(Identity::new)
    }
}

impl Condition {
    fn matches(&self, identity: &Identity, attributes: &Attributes) -> bool {
        match &self.label {
            Label::Key(index) => self.pattern.matches(identity.part(*index)),
            Label::Entry(map, entry) => self.pattern.matches(entry_of(attributes, map, entry).unwrap_or_default()),
            Label::Attribute(name) => match attributes.get(name) {
                None => self.pattern.matches(""),
                Some(AttributeValue::List(texts)) => self.pattern.matches_any(texts.iter().map(String::as_str)),
                Some(value) => self.pattern.matches(&attribute_text(value)),
            },
        }
    }
}

/// What a label says of an entity; None where it is not known or empty (a part of the identity is always known).
pub fn label_value(kind: &Kind, identity: &Identity, attributes: &Attributes, label: &Label) -> Option<String> {
    debug_assert!(identity.parts().len() == kind.identity.len());
    let text = match label {
        Label::Key(index) => return Some(identity.part(*index).to_owned()),
        Label::Entry(map, entry) => entry_of(attributes, map, entry)?.to_owned(),
        Label::Attribute(name) => attribute_text(attributes.get(name)?).into_owned(),
    };
    Some(text).filter(|text| !text.is_empty())
}

fn entry_of<'a>(attributes: &'a Attributes, map: &str, entry: &str) -> Option<&'a str> {
    match attributes.get(map) {
        Some(AttributeValue::Map(texts)) => texts.get(entry).map(String::as_str),
        _ => None,
    }
}

/// An attribute as text, in the form filters and labels see: numbers shortest, times in UTC with milliseconds, lists
/// and maps as JSON, and nothing for empty ones.
fn attribute_text(value: &AttributeValue) -> Cow<'_, str> {
    match value {
        AttributeValue::Text(text) => Cow::Borrowed(text),
        AttributeValue::Integer(number) => Cow::Owned(number.to_string()),
        AttributeValue::Number(number) => Cow::Owned(number_text(*number)),
        AttributeValue::Boolean(true) => Cow::Borrowed("true"),
        AttributeValue::Boolean(false) => Cow::Borrowed("false"),
        AttributeValue::Time(at) => Cow::Owned(format_instant(*at, Zone::Utc)),
        AttributeValue::List(texts) if texts.is_empty() => Cow::Borrowed(""),
        AttributeValue::Map(texts) if texts.is_empty() => Cow::Borrowed(""),
        AttributeValue::List(texts) => Cow::Owned(serde_json::json!(texts).to_string()),
        AttributeValue::Map(texts) => Cow::Owned(serde_json::json!(texts).to_string()),
    }
}

/// The shortest text that reads back as the number.
fn number_text(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        number.to_string()
    }
}

/// A literal as values of the type are printed, or what would be right: a condition that nothing can ever meet is a
/// mistake. The empty text means missing whatever the type.
fn canonical(ty: AttributeType, literal: &str) -> Result<String, String> {
    let refuse = |form: &str| Err(format!("`{}` is never its value; {form}", super::request::shown(literal)));
    match ty {
        _ if literal.is_empty() => Ok(String::new()),
        AttributeType::Text | AttributeType::List | AttributeType::Map => Ok(literal.to_owned()),
        AttributeType::Boolean if ["true", "false"].contains(&literal) => Ok(literal.to_owned()),
        AttributeType::Boolean => refuse("it is true or false"),
        AttributeType::Integer => match literal.parse::<i64>() {
            Ok(number) => Ok(number.to_string()),
            Err(_) => refuse("it is a whole number"),
        },
        AttributeType::Number => match literal.parse::<f64>() {
            Ok(number) => Ok(number_text(number)),
            Err(_) => refuse("it is a number"),
        },
        AttributeType::Time => match parse_rfc3339(literal) {
            Some(at) => Ok(format_instant(at, Zone::Utc)),
            None => {
                refuse("it is a time such as 2026-08-21T13:05:00Z; a glob such as 2026-08-21T* matches part of one")
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::test_kinds::{CONTAINER, attributes};
    use super::*;
    use crate::model::Timestamp;

    fn filter(conditions: &[(&str, &str)]) -> Result<Filter, String> {
        let mut filter = Filter::default();
        for (name, value) in conditions {
            filter.add(&CONTAINER, Label::find(&CONTAINER, name).unwrap(), value)?;
        }
        Ok(filter)
    }

    fn identity() -> Identity {
        Identity::new(["node-1", "abc"])
    }

    fn check(name: &str, value: &str, expected: bool) {
        let attributes = attributes(&[
            ("name", "web".into()),
            ("app", "/shop/cart".into()),
            ("exit_code", 137.into()),
            ("cpu_limit_cores", 0.5.into()),
            ("oom_killed", true.into()),
            ("started_at", Timestamp::from_ms(1_787_281_800_000).into()),
            ("ports", vec!["80/tcp".to_owned(), "443/tcp".to_owned()].into()),
            ("labels", BTreeMap::from([("env".to_owned(), "prod".to_owned())]).into()),
        ]);
        let passes = filter(&[(name, value)]).unwrap().matches(&CONTAINER, &identity(), &attributes);
        assert_eq!(passes, expected, "{name}={value}");
    }

    #[test]
    fn filters_are_attributes_and_identity_by_name() {
        check("host", "node-1", true);
        check("host", "node-2", false);
        check("host", "node-?", true);
        check("app", "/shop/*", true);
        check("app", "!/shop/*", false);
        check("label.env", "prod", true);
        check("label.env", "test,prod", true);
        check("label.env", "!prod", false);
    }

    #[test]
    fn missing_equals_empty() {
        check("task", "", true);
        check("app", "", false);
        check("task", "!", false);
        check("app", "!", true);
        check("label.team", "", true);
        check("label.team", "!core", true);
        check("exit_code", "", false);
        let none = Attributes::new();
        for name in ["app", "exit_code", "cpu_limit_cores", "oom_killed", "started_at", "ports", "label.env"] {
            assert!(filter(&[(name, "")]).unwrap().matches(&CONTAINER, &identity(), &none), "{name}");
        }
        let empty = attributes(&[("ports", Vec::new().into()), ("labels", BTreeMap::new().into())]);
        assert!(filter(&[("ports", ""), ("label.env", "")]).unwrap().matches(&CONTAINER, &identity(), &empty));
    }

    #[test]
    fn numbers_booleans_and_times_match_as_printed() {
        check("exit_code", "137", true);
        check("exit_code", "0137", true);
        check("exit_code", "1*", true);
        check("exit_code", "0", false);
        check("cpu_limit_cores", "0.5", true);
        check("cpu_limit_cores", "0.50", true);
        check("oom_killed", "true", true);
        check("oom_killed", "false", false);
        check("started_at", "2026-08-21T03:10:00.000Z", true);
        check("started_at", "2026-08-21T05:10:00+02:00", true);
        check("started_at", "2026-08-21*", true);
    }

    #[test]
    fn a_value_that_can_never_be_is_refused_with_what_would_be_right() {
        let refused = |name, value, says: &str| {
            let why = filter(&[(name, value)]).unwrap_err();
            assert!(why.contains(says), "{why}");
        };
        refused("oom_killed", "yes", "true or false");
        refused("exit_code", "oom", "a whole number");
        refused("cpu_limit_cores", "half", "a number");
        refused("started_at", "2026-08-21", "a glob such as 2026-08-21T*");
        refused("app", r"shop\", "lone `\\`");
    }

    #[test]
    fn any_element_of_a_list_matches() {
        check("ports", "80/tcp", true);
        check("ports", "443/*", true);
        check("ports", "!80/tcp", false);
        check("ports", "22/tcp", false);
        check("ports", "", false);
    }

    #[test]
    fn conditions_must_all_hold() {
        let both = |first, second| {
            let attributes = attributes(&[("name", "web-1".into())]);
            filter(&[("name", first), ("name", second)]).unwrap().matches(&CONTAINER, &identity(), &attributes)
        };
        assert!(both("web-*", "!web-2"));
        assert!(!both("web-*", "!web-1"));
    }

    #[test]
    fn identity_alone_can_rule_out() {
        let filter = filter(&[("host", "node-2"), ("app", "x")]).unwrap();
        assert!(!filter.may_match(&identity()));
        assert!(filter.may_match(&Identity::new(["node-2", "abc"])));
        assert!(!filter.is_of_identity());
        assert!(!filter.is_trivial());
        assert!(Filter::default().is_trivial());
    }

    #[test]
    fn a_filter_of_one_entity_names_it() {
        let only = |conditions: &[_]| filter(conditions).unwrap().only_identity(&CONTAINER);
        assert_eq!(only(&[("host", "node-1"), ("id", "abc"), ("app", "x")]), Some(identity()));
        assert_eq!(only(&[("host", "node-1")]), None);
        assert_eq!(only(&[("host", "node-1"), ("id", "a*")]), None);
        assert_eq!(only(&[("host", "node-1"), ("id", "!abc")]), None);
        assert_eq!(only(&[("host", "node-1,node-2"), ("id", "abc")]), None);
    }

    #[test]
    fn labels_say_what_filters_see() {
        let attributes = attributes(&[
            ("app", "".into()),
            ("exit_code", 3.into()),
            ("cpu_limit_cores", 2.0.into()),
            ("ports", vec!["80/tcp".to_owned()].into()),
            ("labels", BTreeMap::from([("env".to_owned(), "prod".to_owned())]).into()),
        ]);
        let value = |name| label_value(&CONTAINER, &identity(), &attributes, &Label::find(&CONTAINER, name).unwrap());
        assert_eq!(value("host").as_deref(), Some("node-1"));
        assert_eq!(value("app"), None);
        assert_eq!(value("name"), None);
        assert_eq!(value("exit_code").as_deref(), Some("3"));
        assert_eq!(value("cpu_limit_cores").as_deref(), Some("2"));
        assert_eq!(value("ports").as_deref(), Some(r#"["80/tcp"]"#));
        assert_eq!(value("label.env").as_deref(), Some("prod"));
        assert_eq!(value("label.team"), None);
    }

    #[test]
    fn conditions_have_a_limit() {
        let many = vec![("app", "x"); CONDITIONS_MAX + 1];
        assert!(filter(&many).unwrap_err().contains("more than 100 conditions"));
    }
}
