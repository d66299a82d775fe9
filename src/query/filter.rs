//! Filters: conditions on identity and attributes by name, with globs.

use crate::model::{Attributes, Identity, Kind};

/// Conditions that must all hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {}

impl Filter {
    /// Whether an entity with these attributes passes.
    pub fn matches(&self, _kind: &Kind, _identity: &Identity, _attributes: &Attributes) -> bool {
        true
    }
}
