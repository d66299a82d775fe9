//! Kinds that stand for real ones in this module's tests.

use crate::model::{Attribute, AttributeType, AttributeValue, Attributes, Column, Derived, Formula, Key, Kind};

const fn attribute(name: &'static str, ty: AttributeType) -> Attribute {
    Attribute::new(name, ty, "")
}

/// All kinds of the tests.
pub(crate) static KINDS: &[&Kind] = &[&CONTAINER, &ROLE];

/// A kind with something of everything.
pub(crate) static CONTAINER: Kind = Kind {
    name: "container",
    help: "",
    identity: &[Key { name: "host", help: "" }, Key { name: "id", help: "" }],
    attributes: &[
        attribute("name", AttributeType::Text),
        attribute("app", AttributeType::Text),
        attribute("task", AttributeType::Text),
        attribute("exit_code", AttributeType::Integer),
        attribute("cpu_limit_cores", AttributeType::Number),
        attribute("oom_killed", AttributeType::Boolean),
        attribute("started_at", AttributeType::Time),
        attribute("ports", AttributeType::List),
        attribute("labels", AttributeType::Map),
        attribute("networks", AttributeType::Map),
    ],
    columns: &[
        Column::counter("cpu_usage_seconds_total", "cpu_usage_ns", "seconds", 9, ""),
        Column::gauge("memory_usage_bytes", "memory_usage_bytes", "bytes", 0, "").headline(),
        Column::gauge("memory_max_usage_bytes", "memory_max_usage_bytes", "bytes", 0, "").high_water(),
    ],
    derived: &[
        Derived::new("cpu_cores", "cores", "", Formula::Rate { counters: &["cpu_usage_seconds_total"] }).headline(),
        Derived::new(
            "cpu_limit_ratio",
            "ratio",
            "",
            Formula::RateToAttribute { counter: "cpu_usage_seconds_total", attribute: "cpu_limit_cores" },
        ),
    ],
    display: &["host", "name", "id"],
};

/// A kind with one key, a counter and no headline.
pub(crate) static ROLE: Kind = Kind {
    name: "role",
    help: "",
    identity: &[Key { name: "role", help: "" }],
    attributes: &[],
    columns: &[Column::counter("tasks_total", "tasks", "", 0, "")],
    derived: &[],
    display: &["role"],
};

/// Attributes of these facts.
pub(crate) fn attributes(facts: &[(&'static str, AttributeValue)]) -> Attributes {
    facts.iter().cloned().collect()
}
