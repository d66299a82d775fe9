//! Rules that every kind keeps: names, units, formulas.

use std::collections::BTreeSet;

use tachograph::model::kind::{AttributeType, Class, Formula};
use tachograph::query::request::{
    CHART_PARAMETERS, DIFF_PARAMETERS, ENTITIES_PARAMETERS, EVENTS_PARAMETERS, RANGE_PARAMETERS, SAMPLES_PARAMETERS,
    SNAPSHOT_PARAMETERS,
};
use tachograph::source::KINDS;

/// Units that a number's name ends with (before `_total`, and `_per_second` for rates). An empty unit is a count.
const UNITS: [&str; 7] = ["seconds", "bytes", "cores", "ratio", "percent", "pages", "per_second"];

/// Names that no label may have: it could not be filtered by.
fn parameters() -> BTreeSet<&'static str> {
    let asked = [
        RANGE_PARAMETERS,
        CHART_PARAMETERS,
        SAMPLES_PARAMETERS,
        ENTITIES_PARAMETERS,
        EVENTS_PARAMETERS,
        SNAPSHOT_PARAMETERS,
        DIFF_PARAMETERS,
    ];
    asked.into_iter().flatten().copied().collect()
}

#[test]
fn there_are_kinds_and_their_names_are_unique() {
    assert!(KINDS.len() >= 8, "{} kinds", KINDS.len());
    let names: BTreeSet<_> = KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), KINDS.len());
}

#[test]
fn counters_and_nothing_else_end_in_total() {
    for kind in KINDS {
        for column in kind.columns {
            let is_counter = column.class == Class::Counter;
            assert_eq!(column.name.ends_with("_total"), is_counter, "{}.{}", kind.name, column.name);
        }
        for derived in kind.derived {
            assert!(!derived.name.ends_with("_total"), "{}.{}", kind.name, derived.name);
        }
        for attribute in kind.attributes {
            assert!(!attribute.name.ends_with("_total"), "{}.{}", kind.name, attribute.name);
        }
    }
}

#[test]
fn the_base_unit_stands_last_in_the_name() {
    for kind in KINDS {
        for column in kind.columns {
            let name = column.name.strip_suffix("_total").unwrap_or(column.name);
            check_unit(kind.name, name, column.unit);
        }
        for derived in kind.derived {
            check_unit(kind.name, derived.name, derived.unit);
        }
    }
}

fn check_unit(kind: &str, name: &str, unit: &str) {
    if unit.is_empty() {
        for known in UNITS {
            assert!(!name.ends_with(&format!("_{known}")), "{kind}.{name} ends in a unit but has none");
        }
    } else {
        assert!(name == unit || name.ends_with(&format!("_{unit}")), "{kind}.{name} does not end in its unit {unit}");
        let base = UNITS.into_iter().any(|known| unit == known || unit.ends_with(&format!("_{known}")));
        assert!(base, "{kind}.{name}: {unit} is no base unit");
    }
}

#[test]
fn no_identity_attribute_column_and_parameter_share_a_name() {
    for kind in KINDS {
        let keys = kind.identity.iter().map(|key| key.name);
        let attributes = kind.attributes.iter().map(|attribute| attribute.name);
        let columns = kind.columns.iter().map(|column| column.name);
        let derived = kind.derived.iter().map(|derived| derived.name);
        let mut taken = parameters();
        taken.extend(["time", "since"]);
        for name in keys.chain(attributes).chain(columns).chain(derived) {
            assert!(taken.insert(name), "{}.{name} is taken twice", kind.name);
            let plain =
                name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
            assert!(plain && name.starts_with(|letter: char| letter.is_ascii_lowercase()), "{}.{name}", kind.name);
        }
        let stored: BTreeSet<_> = kind.columns.iter().map(|column| column.stored).collect();
        assert_eq!(stored.len(), kind.columns.len(), "{}: two columns are stored under one name", kind.name);
    }
}

#[test]
fn formulas_name_existing_columns_of_the_right_class() {
    for kind in KINDS {
        let class = |name: &str| kind.column(name).map(|column| column.class);
        for derived in kind.derived {
            let at = format!("{}.{}", kind.name, derived.name);
            let counter = |name: &str| assert_eq!(class(name), Some(Class::Counter), "{at} reads {name}");
            let gauge = |name: &str| assert_eq!(class(name), Some(Class::Gauge), "{at} reads {name}");
            match derived.formula {
                Formula::Rate { counters } => {
                    assert!(!counters.is_empty(), "{at}");
                    counters.iter().for_each(|name| counter(name));
                }
                Formula::IncreaseRatio { part, whole, times, .. } => {
                    counter(part);
                    counter(whole);
                    times.into_iter().for_each(gauge);
                }
                Formula::RateToAttribute { counter: above, attribute } => {
                    counter(above);
                    let ty = kind.attribute(attribute).map(|attribute| attribute.ty);
                    assert!(
                        matches!(ty, Some(AttributeType::Number | AttributeType::Integer)),
                        "{at} reads {attribute}"
                    );
                }
                Formula::Remainder { of, less } => {
                    gauge(of);
                    gauge(less);
                }
                Formula::GaugeRatio { part, less, whole } => {
                    gauge(part);
                    gauge(whole);
                    less.into_iter().for_each(gauge);
                }
            }
            assert!(!(derived.formula.is_ratio() && derived.additive), "{at}: ratios are never additive");
        }
    }
}

#[test]
fn every_kind_can_be_shown_and_explained() {
    for kind in KINDS {
        let is_label = |name: &&str| kind.key_index(name).is_some() || kind.attribute(name).is_some();
        assert!(!kind.identity.is_empty(), "{}", kind.name);
        assert!(!kind.display.is_empty() && kind.display.iter().all(is_label), "{}: {:?}", kind.name, kind.display);
        let headline =
            kind.columns.iter().any(|column| column.headline) || kind.derived.iter().any(|derived| derived.headline);
        assert!(headline, "{} has no headline column", kind.name);
        let helps =
            kind.columns.iter().map(|column| column.help).chain(kind.derived.iter().map(|derived| derived.help));
        let helps = helps.chain(kind.attributes.iter().map(|attribute| attribute.help));
        for help in helps.chain(kind.identity.iter().map(|key| key.help)).chain([kind.help]) {
            assert!(help.len() > 5 && help.ends_with(['.', '…']), "{}: {help:?} is no sentence", kind.name);
        }
    }
}

#[test]
fn families_of_metrics_never_clash() {
    use tachograph::render::openmetrics::family_name;
    let mut taken = BTreeSet::new();
    for kind in KINDS {
        for column in kind.columns {
            let family = family_name(kind, column);
            assert!(!family.ends_with("_total"), "{family}: a counter's family goes without");
            assert!(taken.insert(family), "{}.{} clashes with another family", kind.name, column.name);
        }
    }
}
