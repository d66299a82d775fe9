//! Faults of a configuration: all of them, each with the key it belongs to.

use std::cell::RefCell;
use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where: a key path (`source.docker[0].timeout`), a variable, a file, or a line and column.
    pub place: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Everything that is wrong with a configuration; displayed one fault a line. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFaults(Vec<Fault>);

impl ConfigFaults {
    /// The only fault of a file that could not be read or parsed.
    pub(super) fn one(place: impl Into<String>, message: impl Into<String>) -> Self {
        ConfigFaults(vec![Fault { place: place.into(), message: message.into() }])
    }

    /// The faults, in the order they were found.
    pub fn faults(&self) -> &[Fault] {
        &self.0
    }
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigFaults {}

/// Faults being gathered while the parts of a configuration are checked one after the other.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    /// Adds one.
    pub(super) fn add(&self, place: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().push(Fault { place: place.into(), message: message.into() });
    }

    /// How many there are up to now.
    pub(super) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// `value`, if nothing was wrong.
    pub(super) fn into_result<T>(self, value: T) -> Result<T, ConfigFaults> {
        let faults = self.0.into_inner();
        if faults.is_empty() { Ok(value) } else { Err(ConfigFaults(faults)) }
    }
}
