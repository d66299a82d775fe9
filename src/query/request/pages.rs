//! Requests that list what was recorded, a page or a stream at a time: samples, entities, targets.

use crate::model::{Identity, Kind, TargetName, TimeRange, Timestamp};
use crate::query::filter::{Filter, Pattern};

use super::cursor::{parse_entities_cursor, parse_samples_cursor};
use super::known::{ParameterError, shown};
use super::parse::Parameters;
use super::{ENTITIES_PARAMETERS, SAMPLES_PARAMETERS, Zone};

/// Entities of a page where no limit is asked for: a cluster's containers in one page.
pub const ENTITIES_DEFAULT: usize = 1_000;
/// Most entities of a page: it is put together in memory, with all attributes.
pub const ENTITIES_MAX: usize = 10_000;

/// A samples request, everything resolved.
#[derive(Debug, Clone)]
pub struct SamplesRequest {
    /// The kind asked for.
    pub kind: &'static Kind,
    /// From when to when.
    pub range: TimeRange,
    /// The zone that times are printed in.
    pub zone: Zone,
    /// Which entities and times.
    pub filter: Filter,
    /// Whether lists and maps are printed too (`attributes=all`).
    pub all_attributes: bool,
    /// At most so many rows; None: all, as a stream.
    pub limit: Option<usize>,
    /// Only what comes after this sample, in (identity, time) order.
    pub cursor: Option<(Identity, Timestamp)>,
}

impl SamplesRequest {
    /// Reads `start end tz attributes limit cursor` and filters of the kind.
    pub fn parse(
        kind: &'static Kind,
        parameters: &[(String, String)],
        now: Timestamp,
    ) -> Result<SamplesRequest, ParameterError> {
        let parameters = Parameters::sort(parameters, SAMPLES_PARAMETERS, Some(kind))?;
        let zone = parameters.zone()?;
        Ok(SamplesRequest {
            kind,
            range: parameters.range(now, zone)?,
            zone,
            all_attributes: parameters.read("attributes", parse_attributes)?.unwrap_or(false),
            limit: parameters.limit(usize::MAX)?,
            cursor: parameters.read("cursor", |text| parse_samples_cursor(kind, text))?,
            filter: parameters.filter,
        })
    }
}

fn parse_attributes(text: &str) -> Result<bool, String> {
    match text {
        "all" => Ok(true),
        "scalar" => Ok(false),
        _ => Err(format!("`{}` is neither `all` (with lists and maps) nor `scalar` (the default)", shown(text))),
    }
}

/// An entities request, everything resolved.
#[derive(Debug, Clone)]
pub struct EntitiesRequest {
    /// The kind asked for.
    pub kind: &'static Kind,
    /// Alive at any time of this range; attributes as of its end.
    pub range: TimeRange,
    /// The zone that times are printed in.
    pub zone: Zone,
    /// Which entities.
    pub filter: Filter,
    /// At most so many.
    pub limit: usize,
    /// Only what comes after this identity, in identity order.
    pub cursor: Option<Identity>,
}

impl EntitiesRequest {
    /// Reads `start end tz limit cursor` and filters of the kind.
    pub fn parse(
        kind: &'static Kind,
        parameters: &[(String, String)],
        now: Timestamp,
    ) -> Result<EntitiesRequest, ParameterError> {
        let parameters = Parameters::sort(parameters, ENTITIES_PARAMETERS, Some(kind))?;
        let zone = parameters.zone()?;
        Ok(EntitiesRequest {
            kind,
            range: parameters.range(now, zone)?,
            zone,
            limit: parameters.limit(ENTITIES_MAX)?.unwrap_or(ENTITIES_DEFAULT),
            cursor: parameters.read("cursor", |text| parse_entities_cursor(kind, text))?,
            filter: parameters.filter,
        })
    }
}

/// A targets request, everything resolved.
#[derive(Debug, Clone)]
pub struct TargetsRequest {
    /// The zone that times are printed in.
    pub zone: Zone,
    /// Which targets, by whole name (`docker/node-1`); None: all.
    pub target: Option<Pattern>,
    /// Which targets, by configured name (`node-1`); None: all.
    pub host: Option<Pattern>,
}

impl TargetsRequest {
    /// Reads `tz target host`.
    pub fn parse(parameters: &[(String, String)]) -> Result<TargetsRequest, ParameterError> {
        let parameters = Parameters::sort(parameters, &["tz", "target", "host"], None)?;
        Ok(TargetsRequest {
            zone: parameters.zone()?,
            target: parameters.read("target", Pattern::parse)?,
            host: parameters.read("host", Pattern::parse)?,
        })
    }

    /// Whether a target is asked for.
    pub fn matches(&self, target: &TargetName) -> bool {
        let passes = |pattern: &Option<Pattern>, text| pattern.as_ref().is_none_or(|pattern| pattern.matches(text));
        passes(&self.target, target.as_str()) && passes(&self.host, target.name())
    }
}

/// Refuses any parameter, for requests that take none.
pub fn parse_none(parameters: &[(String, String)]) -> Result<(), ParameterError> {
    Parameters::sort(parameters, &[], None).map(|_| ())
}
