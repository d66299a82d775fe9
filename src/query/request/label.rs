//! Labels: what series can be named, grouped and filtered by.

use crate::model::{AttributeType, Kind};

use super::Label;
use super::known::{ParameterError, listed, nearest, shown};

/// Longest name of an entry of a map (`label.<name>`), in bytes; Docker takes longer ones, nobody reads them.
const ENTRY_BYTES_MAX: usize = 1_024;

/// How entries of a map attribute begin: `label.` for `labels`.
fn entry_prefix(attribute: &str) -> &str {
    attribute.strip_suffix('s').unwrap_or(attribute)
}

impl Label {
    /// The label of a name: an identity key, an attribute, or an entry of a map attribute.
    pub fn find(kind: &'static Kind, name: &str) -> Option<Label> {
        if let Some(index) = kind.key_index(name) {
            return Some(Label::Key(index));
        }
        if let Some(attribute) = kind.attribute(name) {
            return Some(Label::Attribute(attribute.name));
        }
        let (prefix, entry) = name.split_once('.')?;
        let map = kind.attributes.iter().filter(|attribute| attribute.ty == AttributeType::Map);
        let map = map.into_iter().find(|attribute| entry_prefix(attribute.name) == prefix)?;
        (!entry.is_empty() && entry.len() <= ENTRY_BYTES_MAX).then(|| Label::Entry(map.name, entry.to_owned()))
    }

    /// Its name, as in requests and answers.
    pub fn name(&self, kind: &Kind) -> String {
        match self {
            Label::Key(index) => kind.identity.get(*index).map_or("", |key| key.name).to_owned(),
            Label::Attribute(name) => (*name).to_owned(),
            Label::Entry(map, entry) => format!("{}.{entry}", entry_prefix(map)),
        }
    }
}

/// Names of all labels of a kind; entries of maps as `label.`.
pub(super) fn label_names(kind: &'static Kind) -> Vec<String> {
    let keys = kind.identity.iter().map(|key| key.name.to_owned());
    let attributes = kind.attributes.iter().map(|attribute| match attribute.ty {
        AttributeType::Map => format!("{}.<name>", entry_prefix(attribute.name)),
        _ => attribute.name.to_owned(),
    });
    keys.chain(attributes).collect()
}

/// The name to propose for one that is none: `labels.env` is meant as `label.env`.
pub(super) fn nearest_label(kind: &'static Kind, name: &str) -> Option<String> {
    if let Some((prefix, entry)) = name.split_once('.').filter(|(_, entry)| !entry.is_empty()) {
        let maps = kind.attributes.iter().filter(|attribute| attribute.ty == AttributeType::Map);
        let near = nearest(prefix, maps.map(|attribute| entry_prefix(attribute.name)))?;
        return Some(format!("{near}.{}", shown(entry)));
    }
    nearest(name, label_names(kind))
}

/// The advice for a map attribute that is named without an entry.
pub(super) fn map_advice(kind: &'static Kind, name: &str) -> Option<String> {
    let map = kind.attribute(name).filter(|attribute| attribute.ty == AttributeType::Map)?;
    Some(format!("{} holds texts by name; write {}.<name> for one of them", map.name, entry_prefix(map.name)))
}

/// The labels of a `group_by`; the empty text is none: one series.
pub(super) fn parse_group_by(kind: &'static Kind, list: &str) -> Result<Vec<Label>, ParameterError> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let fault = |why: String| ParameterError::new("group_by", why);
    let mut labels = Vec::new();
    for name in super::field::names("group_by", list)? {
        if let Some(advice) = map_advice(kind, name) {
            return Err(fault(advice));
        }
        let label = Label::find(kind, name).ok_or_else(|| {
            let advice = match nearest_label(kind, name) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("labels are {}", listed(&label_names(kind))),
            };
            fault(format!("{} has no label `{}`; {advice}", kind.name, shown(name)))
        })?;
        labels.push(label);
    }
    Ok(labels)
}
