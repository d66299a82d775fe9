//! Parameters, name by name: which are known, which are filters, which are neither.

use std::collections::BTreeMap;

use crate::model::{Kind, TimeRange, Timestamp};
use crate::query::civil::{SECOND_MS, format_instant};
use crate::query::filter::Filter;

use super::known::{ParameterError, listed, nearest, shown};
use super::label::{label_names, map_advice, nearest_label};
use super::time::parse_time;
use super::{Label, Zone, field};

/// Longest value of a parameter in bytes; longer than any server takes as a request line.
const VALUE_BYTES_MAX: usize = 65_536;
/// How far back a range begins where no start is asked for.
const DEFAULT_RANGE_MS: i64 = 3_600 * SECOND_MS;

/// The parameters of one request, sorted out.
#[derive(Debug)]
pub(super) struct Parameters<'a> {
    /// Values of the request's own parameters; each stands there once.
    values: BTreeMap<&'static str, &'a str>,
    /// All others, as conditions on the kind.
    pub(super) filter: Filter,
}

impl<'a> Parameters<'a> {
    /// Sorts parameters into the request's own and, where there is a kind, filters of it.
    pub(super) fn sort(
        parameters: &'a [(String, String)],
        own: &[&'static str],
        kind: Option<&'static Kind>,
    ) -> Result<Parameters<'a>, ParameterError> {
        let mut sorted = Parameters { values: BTreeMap::new(), filter: Filter::default() };
        for (name, value) in parameters {
            let fault = |why: String| ParameterError::new(name, why);
            if value.len() > VALUE_BYTES_MAX {
                return Err(fault(format!("is longer than {VALUE_BYTES_MAX} bytes")));
            }
            if let Some(&known) = own.iter().find(|own| *own == name) {
                if sorted.values.insert(known, value).is_some() {
                    return Err(fault("stands there twice; give it once".to_owned()));
                }
                continue;
            }
            let label = kind.and_then(|kind| Some((kind, Label::find(kind, name)?)));
            let (kind, label) = label.ok_or_else(|| fault(unknown(name, own, kind)))?;
            if let Some(advice) = map_advice(kind, name) {
                return Err(fault(advice));
            }
            sorted.filter.add(kind, label, value).map_err(fault)?;
        }
        Ok(sorted)
    }

    /// The value of one of the request's own parameters.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.values.get(name).copied()
    }

    /// A value through a reader, where there is one.
    pub(super) fn read<T>(
        &self,
        name: &str,
        reader: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ParameterError> {
        self.get(name).map(|value| reader(value).map_err(|why| ParameterError::new(name, why))).transpose()
    }

    /// `tz`, else UTC.
    pub(super) fn zone(&self) -> Result<Zone, ParameterError> {
        Ok(self.read("tz", parse_zone)?.unwrap_or(Zone::Utc))
    }

    /// `start` and `end`; by default the hour before `end`, and now. Now is the whole second that ends next, so that
    /// times are short and nothing recorded by now is left out.
    pub(super) fn range(&self, now: Timestamp, zone: Zone) -> Result<TimeRange, ParameterError> {
        let now = now.clamp(Timestamp::MIN, Timestamp::MAX);
        let now = next_second(now);
        let time = |text: &str| parse_time(text, now, zone);
        let (start, end) = (self.read("start", time)?, self.read("end", time)?);
        let resolved_end = end.unwrap_or(now);
        let resolved_start = start.unwrap_or_else(|| resolved_end.plus_ms(-DEFAULT_RANGE_MS).max(Timestamp::MIN));
        let range = TimeRange::new(resolved_start, resolved_end).filter(|range| !range.is_empty());
        range.ok_or_else(|| {
            let (start_text, end_text) = (format_instant(resolved_start, zone), format_instant(resolved_end, zone));
            let by_default = if end.is_some() { "" } else { ", which is now by default" };
            let at_fault = if start.is_some() { "start" } else { "end" };
            ParameterError::new(at_fault, format!("start ({start_text}) must lie before end ({end_text}{by_default})"))
        })
    }

    /// A whole number from 1 to `max`.
    pub(super) fn limit(&self, max: usize) -> Result<Option<usize>, ParameterError> {
        self.read("limit", |text| {
            let number = text.parse::<usize>().ok().filter(|number| (1..=max).contains(number));
            number.ok_or_else(|| match max {
                usize::MAX => format!("`{}` is no whole number from 1 on", shown(text)),
                _ => format!("`{}` is no whole number from 1 to {max}; further pages follow by cursor", shown(text)),
            })
        })
    }
}

/// The whole second at or after an instant.
fn next_second(at: Timestamp) -> Timestamp {
    let floor_ms = at.ms().div_euclid(SECOND_MS).saturating_mul(SECOND_MS);
    let next_ms = if floor_ms == at.ms() { floor_ms } else { floor_ms.saturating_add(SECOND_MS) };
    Timestamp::from_ms(next_ms).min(Timestamp::MAX)
}

/// Takes `formulas` out of the parameters of a table: whether text that a spreadsheet would run is neutralised.
pub fn take_formulas(parameters: &mut Vec<(String, String)>) -> Result<bool, ParameterError> {
    let mut is_neutral = None;
    for (_, value) in parameters.extract_if(.., |(name, _)| name == "formulas") {
        let fault = |why: String| Err(ParameterError::new("formulas", why));
        let value = match value.as_str() {
            "neutral" => true,
            "keep" => false,
            _ => return fault(format!("`{}` is neither `neutral` nor `keep` (the default)", shown(&value))),
        };
        if is_neutral.replace(value).is_some() {
            return fault("stands there twice; give it once".to_owned());
        }
    }
    Ok(is_neutral.unwrap_or(false))
}

/// A whole number of pixels within bounds.
pub(super) fn parse_size(text: &str, bounds: std::ops::RangeInclusive<u32>) -> Result<u32, String> {
    let size = text.parse::<u32>().ok().filter(|size| bounds.contains(size));
    let (least, most) = (bounds.start(), bounds.end());
    size.ok_or_else(|| format!("`{}` is no whole number of pixels from {least} to {most}", shown(text)))
}

/// Yes or no.
pub(super) fn parse_flag(text: &str) -> Result<bool, String> {
    match text {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(format!("`{}` is neither 1 (or true) nor 0 (or false)", shown(text))),
    }
}

/// A zone of the tz database. A `+` that arrives as a space is one (`Etc/GMT+5`): no zone has a space in its name.
pub(crate) fn parse_zone(text: &str) -> Result<Zone, String> {
    text.replace(' ', "+").parse().map(Zone::Named).map_err(|_| {
        let zones = chrono_tz::TZ_VARIANTS.iter().map(|tz| tz.name());
        match nearest(text, zones) {
            Some(near) => format!("there is no zone `{}`; did you mean `{near}`?", shown(text)),
            None => format!("there is no zone `{}`; zones are named like Europe/Berlin or UTC", shown(text)),
        }
    })
}

/// What to say of a name that is neither a parameter nor a filter.
fn unknown(name: &str, own: &[&'static str], kind: Option<&'static Kind>) -> String {
    let Some(kind) = kind else {
        let advice = match nearest(name, own.iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if own.is_empty() => "there are none here".to_owned(),
            None => format!("parameters are {}", listed(own)),
        };
        return format!("is no parameter; {advice}");
    };
    let takes_fields = own.contains(&"fields");
    let fields = field::field_names(kind);
    if let Some(field) = fields.iter().find(|field| **field == name) {
        return if takes_fields {
            format!("is a field of {}, not a filter; ask for it with fields={field}", kind.name)
        } else {
            format!("is a field of {}, not a filter; filters are {}", kind.name, listed(&label_names(kind)))
        };
    }
    let labels = label_names(kind).into_iter().chain(nearest_label(kind, name));
    let names: Vec<String> = own.iter().map(|own| (*own).to_owned()).chain(labels).collect();
    let names =
        if takes_fields { names.into_iter().chain(fields.iter().map(|f| (*f).to_owned())).collect() } else { names };
    match nearest(name, &names) {
        Some(near) if fields.contains(&near.as_str()) => {
            format!("is no parameter of this request and no filter of {}; did you mean fields={near}?", kind.name)
        }
        Some(near) => {
            format!("is no parameter of this request and no filter of {}; did you mean `{near}`?", kind.name)
        }
        None => format!(
            "is no parameter of this request ({}) and no filter of {} ({})",
            listed(own),
            kind.name,
            listed(&label_names(kind))
        ),
    }
}
