//! Faults of parameters, and the nearest name that is known.

use thiserror::Error;

use crate::model::Kind;

/// Longest part of a user's text that a message repeats, in characters: enough to recognise it.
const SHOWN_MAX: usize = 80;

/// Longest list of names that a message repeats beside the nearest one: as many as are taken in at a glance.
const SHORT_LIST_MAX: usize = 12;

/// A parameter that cannot be used, with what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{parameter}: {message}")]
pub struct ParameterError {
    /// Its name.
    pub parameter: String,
    /// What is wrong, what would be right, and the nearest known name.
    pub message: String,
}

impl ParameterError {
    /// A fault of a parameter.
    pub fn new(parameter: &str, message: impl Into<String>) -> Self {
        ParameterError { parameter: shown(parameter), message: message.into() }
    }
}

/// A kind that there is none of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKind {
    /// What was asked for.
    pub name: String,
    /// The nearest known kind, if one is near.
    pub nearest: Option<&'static str>,
    /// All known kinds.
    pub known: Vec<&'static str>,
}

impl std::error::Error for UnknownKind {}

impl std::fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "there is no kind `{}`", self.name)?;
        match self.nearest {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
            None => write!(f, "; kinds are {}", self.known.join(", ")),
        }
    }
}

/// The kind of a name.
pub fn kind_named(kinds: &[&'static Kind], name: &str) -> Result<&'static Kind, UnknownKind> {
    kinds.iter().copied().find(|kind| kind.name == name).ok_or_else(|| {
        let known: Vec<_> = kinds.iter().map(|kind| kind.name).collect();
        UnknownKind { name: shown(name), nearest: nearest(name, known.iter().copied()), known }
    })
}

/// A user's text as a message repeats it: without control characters, cut where it is long.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_MAX).map(|c| if c.is_control() { '�' } else { c }).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// The known name nearest to one that is not, if any is near enough to be meant.
pub(super) fn nearest<S: AsRef<str>>(name: &str, known: impl IntoIterator<Item = S>) -> Option<S> {
    // Comparing takes the product of both lengths; nothing that long is a slip of the finger.
    if name.is_empty() || name.chars().nth(SHOWN_MAX).is_some() {
        return None;
    }
    let name = name.to_lowercase();
    let far = (name.chars().count() / 3).max(2);
    known
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.as_ref().to_lowercase();
            let distance = strsim::damerau_levenshtein(&name, &lower);
            // A beginning or an end that stands for the whole (`cpu`, `bytes`) counts as near, after slips.
            let is_part = name.len() >= 3 && (lower.starts_with(&name) || lower.ends_with(&name));
            let is_near = distance <= far && distance < name.chars().count();
            (is_near || is_part).then_some((!is_near, distance, candidate))
        })
        .min_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)))
        .map(|(_, _, candidate)| candidate)
}

/// The nearest known name, and what may stand there where that is a short list or nothing is near.
pub(crate) fn suggestion<S: AsRef<str>>(name: &str, known: &[S]) -> String {
    let all = format!("known are {}", listed(known));
    match nearest(name, known.iter().map(AsRef::as_ref)) {
        Some(nearest) if known.len() <= SHORT_LIST_MAX => format!("did you mean `{nearest}`? {all}"),
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => all,
    }
}

/// Names joined for a message.
pub(super) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::test_kinds::KINDS;
    use super::*;

    #[test]
    fn an_unknown_kind_names_the_nearest() {
        assert_eq!(kind_named(KINDS, "container").unwrap().name, "container");
        let error = kind_named(KINDS, "contaner").unwrap_err();
        assert_eq!(error.nearest, Some("container"));
        assert_eq!(error.to_string(), "there is no kind `contaner`; did you mean `container`?");
        let error = kind_named(KINDS, "xyzzy").unwrap_err();
        assert_eq!(error.to_string(), "there is no kind `xyzzy`; kinds are container, role");
    }

    #[test]
    fn nearest_takes_slips_and_parts_but_not_anything() {
        let known = ["start", "step", "cpu_cores", "memory_usage_bytes"];
        let near = |name| nearest(name, known);
        assert_eq!(near("strat"), Some("start"));
        assert_eq!(near("Setp"), Some("step"));
        assert_eq!(near("cpu"), Some("cpu_cores"));
        assert_eq!(near("memory_usage"), Some("memory_usage_bytes"));
        assert_eq!(near("xyzzy"), None);
        assert_eq!(near(""), None);
        assert_eq!(near(&"a".repeat(1_000_000)), None);
    }

    #[test]
    fn messages_repeat_no_more_than_is_needed() {
        assert_eq!(shown("a\r\nb"), "a��b");
        assert_eq!(shown(&"a".repeat(1_000)).chars().count(), SHOWN_MAX + 1);
    }
}
