//! Requests for events: by type, severity, kind, host, app, and what the kind's entities are filtered by.

use crate::model::event::EVENT_TYPES;
use crate::model::{AttributeValue, Attributes, Event, Kind, Severity, TimeRange, Timestamp};
use crate::query::filter::{Filter, Pattern};

use super::cursor::parse_events_cursor;
use super::known::{ParameterError, shown, suggestion};
use super::parse::{Parameters, parse_flag};
use super::{EVENTS_PARAMETERS, Label, Zone, label_value};

/// Events of a page where no limit is asked for.
pub const EVENTS_DEFAULT: usize = 1_000;
/// Most events of a page: it is put together in memory.
pub const EVENTS_MAX: usize = 10_000;

/// Most events of a page with certificates: for each death up to a day of samples is read.
const CERTIFIED_MAX: usize = 500;

/// An events request, everything resolved.
#[derive(Debug, Clone)]
pub struct EventsRequest {
    /// From when to when.
    pub range: TimeRange,
    /// The zone that times are printed in.
    pub zone: Zone,
    /// Of these types, in the order of [`EVENT_TYPES`]; None: of all.
    pub types: Option<Vec<&'static str>>,
    /// Of these severities, mildest first; None: of all.
    pub severities: Option<Vec<Severity>>,
    /// Of entities of this kind; None where none or more than one was asked for: see [`EventsRequest::matches`].
    pub kind: Option<&'static Kind>,
    /// At most so many.
    pub limit: usize,
    /// Only what comes after this event, in (time, sequence) order.
    pub cursor: Option<(Timestamp, u64)>,
    /// Whether deaths come with their certificates.
    pub certificates: bool,
    kind_pattern: Option<Pattern>,
    hosts: Vec<Pattern>,
    apps: Vec<Pattern>,
    filter: Filter,
}

impl EventsRequest {
    /// Reads `start end tz type severity kind certificates limit cursor`, the filters `host` and `app`, and with one `kind` any
    /// filter of it.
    pub fn parse(
        kinds: &[&'static Kind],
        parameters: &[(String, String)],
        now: Timestamp,
    ) -> Result<EventsRequest, ParameterError> {
        let (mut hosts, mut apps, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value) in parameters {
            let patterns = match name.as_str() {
                "host" => &mut hosts,
                "app" => &mut apps,
                _ => {
                    others.push((name.clone(), value.clone()));
                    continue;
                }
            };
            patterns.push(Pattern::parse(value).map_err(|why| ParameterError::new(name, why))?);
        }
        let kind_names: Vec<_> = kinds.iter().map(|kind| kind.name).collect();
        let kind_values: Vec<_> = others.iter().filter(|(name, _)| name == "kind").collect();
        let kind_pattern = match kind_values.first() {
            Some((_, value)) => {
                Some(parse_words("kind", value, &kind_names).map_err(|why| ParameterError::new("kind", why))?)
            }
            None => None,
        };
        let kind = kind_pattern.as_ref().and_then(|pattern| {
            let mut only = pattern.only()?;
            let name = only.next().filter(|_| only.next().is_none())?;
            kinds.iter().copied().find(|kind| kind.name == name)
        });
        let parameters =
            Parameters::sort(&others, EVENTS_PARAMETERS, kind).map_err(|error| without_kind(kinds, kind, error))?;
        let zone = parameters.zone()?;
        let types = parameters.read("type", |text| parse_words("type", text, EVENT_TYPES))?;
        let certificates = parameters.read("certificates", parse_flag)?.unwrap_or(false);
        let limit_max = if certificates { CERTIFIED_MAX } else { EVENTS_MAX };
        let severity_names = Severity::ALL.map(Severity::name);
        let severities = parameters.read("severity", |text| parse_words("severity", text, &severity_names))?;
        Ok(EventsRequest {
            range: parameters.range(now, zone)?,
            zone,
            types: types.map(|types| EVENT_TYPES.iter().copied().filter(|name| types.matches(name)).collect()),
            severities: severities.map(|severities| {
                Severity::ALL.into_iter().filter(|severity| severities.matches(severity.name())).collect()
            }),
            kind,
            limit: parameters.limit(limit_max)?.unwrap_or(EVENTS_DEFAULT.min(limit_max)),
            cursor: parameters.read("cursor", parse_events_cursor)?,
            certificates,
            kind_pattern,
            hosts,
            apps,
            filter: parameters.filter,
        })
    }

    /// The mildest severity asked for; None where none can match.
    pub fn least_severity(&self) -> Option<Severity> {
        match &self.severities {
            None => Some(Severity::Info),
            Some(severities) => severities.first().copied(),
        }
    }

    /// Whether [`EventsRequest::matches`] looks at the attributes of entities.
    pub fn needs_attributes(&self) -> bool {
        !self.apps.is_empty() || !self.filter.is_of_identity()
    }

    /// Whether an event is asked for, its time aside. `kind` is the event's kind, `attributes` those of its entity at
    /// its time, where they are known. Its host is that of its entity, else its target's; its app that of its
    /// entity, else the one in its details.
    pub fn matches(&self, event: &Event, kind: Option<&Kind>, attributes: Option<&Attributes>) -> bool {
        if self.types.as_ref().is_some_and(|types| !types.contains(&event.event_type))
            || self.severities.as_ref().is_some_and(|severities| !severities.contains(&event.severity))
            || self.kind_pattern.as_ref().is_some_and(|pattern| !pattern.matches(event.kind.unwrap_or_default()))
        {
            return false;
        }
        let entity = event.entity.as_ref();
        let key = kind.and_then(|kind| kind.key_index("host")).zip(entity);
        let host = key.map_or(event.target.name(), |(index, identity)| identity.part(index));
        if !self.hosts.iter().all(|pattern| pattern.matches(host)) {
            return false;
        }
        if !self.apps.iter().all(|pattern| pattern.matches(&app(event, kind, attributes))) {
            return false;
        }
        if self.filter.is_trivial() {
            return true;
        }
        let (Some(kind), Some(identity)) = (kind, entity) else { return false };
        self.filter.matches(kind, identity, attributes.unwrap_or(&Attributes::new()))
    }
}

/// The app an event belongs to; empty where it belongs to none.
fn app(event: &Event, kind: Option<&Kind>, attributes: Option<&Attributes>) -> String {
    let of_entity = kind
        .zip(event.entity.as_ref())
        .zip(attributes)
        .and_then(|((kind, identity), attributes)| label_value(kind, identity, attributes, &Label::Attribute("app")));
    of_entity.unwrap_or_else(|| match event.details.get("app") {
        Some(AttributeValue::Text(app)) => app.clone(),
        _ => String::new(),
    })
}

/// A pattern over known words: each alternative must be one, or match one.
pub(super) fn parse_words(what: &str, text: &str, known: &[&'static str]) -> Result<Pattern, String> {
    let pattern = Pattern::parse(text)?;
    for word in pattern.literals() {
        // `kind=` asks for events of no entity.
        let is_none = word.is_empty() && what == "kind";
        if !is_none && !known.contains(&word) {
            return Err(format!("there is no {what} `{}`; {}", shown(word), suggestion(word, known)));
        }
    }
    for glob in pattern.globs() {
        if !known.iter().any(|word| glob.matches(word)) {
            let glob = glob.to_string();
            return Err(format!("no {what} is like `{}`; {}", shown(&glob), suggestion(&glob, known)));
        }
    }
    Ok(pattern)
}

/// Adds what would make a filter of some kind work where no one kind was asked for.
fn without_kind(kinds: &[&'static Kind], kind: Option<&'static Kind>, mut error: ParameterError) -> ParameterError {
    let having = kinds.iter().find(|having| Label::find(having, &error.parameter).is_some());
    if let (None, Some(having), false) = (kind, having, EVENTS_PARAMETERS.contains(&error.parameter.as_str())) {
        error.message = format!("is a filter of kind {}; add kind={}", having.name, having.name);
    }
    error
}
