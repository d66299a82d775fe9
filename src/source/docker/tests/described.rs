//! The descriptions of kinds hold together.

use std::collections::BTreeSet;

use crate::model::{AttributeType, Class, Kind};
use crate::source::docker::kinds::process::CONTAINER_PROCESS;
use crate::source::docker::kinds::{CONTAINER, CONTAINER_DEVICE, CONTAINER_INTERFACE, ENGINE, IMAGE_KIND};

static KINDS: [&Kind; 6] =
    [&CONTAINER, &CONTAINER_INTERFACE, &CONTAINER_DEVICE, &CONTAINER_PROCESS, &ENGINE, &IMAGE_KIND];

/// Names of request parameters, which nothing of a kind may have.
const PARAMETERS: &str = "fields agg start end step tz group_by across top top_by coverage limit cursor at from to \
                          format attributes explain type severity kind kinds around window certificates formulas";

#[test]
fn no_two_things_of_a_kind_share_a_name() {
    for kind in KINDS {
        let mut names: BTreeSet<&str> = PARAMETERS.split_whitespace().collect();
        let all = (kind.identity.iter().map(|key| key.name))
            .chain(kind.attributes.iter().map(|attribute| attribute.name))
            .chain(kind.columns.iter().map(|column| column.name))
            .chain(kind.derived.iter().map(|derived| derived.name));
        for name in all {
            assert!(names.insert(name), "{}: {name}", kind.name);
        }
        let stored: BTreeSet<&str> = kind.columns.iter().map(|column| column.stored).collect();
        assert_eq!(stored.len(), kind.columns.len(), "{}", kind.name);
    }
}

#[test]
fn names_end_as_their_units_want() {
    for kind in KINDS {
        for column in kind.columns {
            assert_eq!(column.class == Class::Counter, column.name.ends_with("_total"), "{}", column.name);
            let bare = column.name.trim_end_matches("_total");
            assert!(column.unit.is_empty() || bare.ends_with(column.unit), "{}", column.name);
        }
        for derived in kind.derived {
            assert!(derived.name.ends_with(derived.unit), "{}", derived.name);
        }
    }
}

#[test]
fn formulas_and_labels_name_what_there_is() {
    for kind in KINDS {
        for derived in kind.derived {
            for column in derived.formula.columns() {
                assert!(kind.column(column).is_some(), "{}: {column}", derived.name);
            }
            if let crate::model::Formula::RateToAttribute { attribute, .. } = derived.formula {
                assert_eq!(kind.attribute(attribute).unwrap().ty, AttributeType::Number);
            }
        }
        for label in kind.display {
            assert!(kind.key_index(label).is_some() || kind.attribute(label).is_some(), "{}: {label}", kind.name);
        }
        let headlines = kind.columns.iter().filter(|column| column.headline).count()
            + kind.derived.iter().filter(|derived| derived.headline).count();
        assert!(headlines > 0, "{}", kind.name);
    }
}
