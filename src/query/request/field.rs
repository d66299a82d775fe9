//! Fields and how they are reduced over time: which combinations mean something.

use crate::model::{Attribute, Class, Column, Derived, Kind};

use super::known::{ParameterError, listed, nearest, shown, suggestion};
use super::{Agg, FieldRequest, Top};

/// What counters take: any other reduction of a raw counter depends on when it started.
const OF_COUNTERS: &[Agg] = &[Agg::Increase, Agg::Last];
/// What high-water marks take: a mean of peaks means nothing.
const OF_HIGH_WATER_MARKS: &[Agg] = &[Agg::Max, Agg::Last];
/// What gauges and derived columns take.
const OF_GAUGES: &[Agg] = &[
    Agg::Avg,
    Agg::Min,
    Agg::Max,
    Agg::Last,
    Agg::Count,
    Agg::Percentile(50),
    Agg::Percentile(90),
    Agg::Percentile(95),
    Agg::Percentile(99),
];
/// Most series that can be asked to be kept: as many as an answer may have.
const TOP_MAX: usize = super::SERIES_MAX;

/// A column, derived column or number attribute of a kind.
#[derive(Debug, Clone, Copy)]
enum Field {
    Column(&'static Column),
    Derived(&'static Derived),
    Attribute(&'static Attribute),
}

impl Field {
    fn find(kind: &'static Kind, name: &str) -> Option<Field> {
        let derived = || kind.derived(name).map(Field::Derived);
        let attribute = || kind.number_attribute(name).map(Field::Attribute);
        kind.column(name).map(Field::Column).or_else(derived).or_else(attribute)
    }

    fn name(self) -> &'static str {
        match self {
            Field::Column(column) => column.name,
            Field::Derived(derived) => derived.name,
            Field::Attribute(attribute) => attribute.name,
        }
    }

    /// What it takes, the default first.
    fn aggs(self) -> &'static [Agg] {
        match self {
            Field::Column(column) if column.class == Class::Counter => OF_COUNTERS,
            Field::Column(column) if column.high_water => OF_HIGH_WATER_MARKS,
            Field::Column(_) | Field::Derived(_) | Field::Attribute(_) => OF_GAUGES,
        }
    }

    /// The field reduced as asked, by default where nothing was.
    fn reduced(self, agg: Option<Agg>) -> Result<FieldRequest, String> {
        let agg = match agg {
            None => self.aggs().first().copied().unwrap_or(Agg::Last),
            Some(agg) => agg,
        };
        if self.aggs().contains(&agg) {
            return Ok(FieldRequest { name: self.name(), agg });
        }
        Err(format!("{} does not take {}; it takes {}", self.name(), agg.name(), agg_names(self.aggs())))
    }
}

fn agg_names(aggs: &[Agg]) -> String {
    listed(&aggs.iter().map(|agg| agg.name()).collect::<Vec<_>>())
}

/// Names of all fields of a kind.
pub(crate) fn field_names(kind: &'static Kind) -> Vec<&'static str> {
    let numbers = kind.attributes.iter().filter(|attribute| attribute.ty.is_number());
    let derived = kind.derived.iter().map(|derived| derived.name);
    derived
        .chain(kind.columns.iter().map(|column| column.name))
        .chain(numbers.map(|attribute| attribute.name))
        .collect()
}

/// The headline fields of a kind in the order of its description; all gauges and derived where none is headline.
fn default_fields(kind: &'static Kind) -> Vec<Field> {
    let derived = kind.derived.iter().filter(|derived| derived.headline).map(Field::Derived);
    let columns = kind.columns.iter().filter(|column| column.headline).map(Field::Column);
    let headline: Vec<_> = derived.chain(columns).collect();
    if !headline.is_empty() {
        return headline;
    }
    kind.derived.iter().map(Field::Derived).chain(kind.columns.iter().map(Field::Column)).collect()
}

/// Texts between commas; none may be empty or come twice.
pub(super) fn names<'a>(parameter: &str, list: &'a str) -> Result<Vec<&'a str>, ParameterError> {
    let mut names = Vec::new();
    for name in list.split(',').map(str::trim) {
        if name.is_empty() {
            return Err(ParameterError::new(parameter, "a name is missing; names stand between commas"));
        }
        if names.contains(&name) {
            return Err(ParameterError::new(parameter, format!("`{}` stands there twice; name it once", shown(name))));
        }
        names.push(name);
    }
    Ok(names)
}

fn agg_named(name: &str) -> Result<Agg, String> {
    Agg::from_name(name)
        .ok_or_else(|| format!("`{}` is no agg; {}", shown(name), suggestion(name, &Agg::ALL.map(Agg::name))))
}

fn field_named(kind: &'static Kind, name: &str) -> Result<Field, String> {
    Field::find(kind, name).ok_or_else(|| {
        if let Some((field, agg)) = name.split_once('.')
            && let (Some(field), Some(agg)) = (Field::find(kind, field), Agg::from_name(agg))
        {
            return format!("a field is asked for without its agg: fields={}&agg={}", field.name(), agg.name());
        }
        let known = field_names(kind);
        let advice = match nearest(name, known.iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("fields of {} are {}", kind.name, listed(&known)),
        };
        format!("{} has no field `{}`; {advice}", kind.name, shown(name))
    })
}

/// Every field with every agg asked for, and whether names carry the agg.
pub(super) fn parse_fields(
    kind: &'static Kind,
    fields: Option<&str>,
    aggs: Option<&str>,
) -> Result<(Vec<FieldRequest>, bool), ParameterError> {
    let fields = match fields {
        None => default_fields(kind),
        Some(list) => names("fields", list)?
            .into_iter()
            .map(|name| field_named(kind, name).map_err(|why| ParameterError::new("fields", why)))
            .collect::<Result<_, _>>()?,
    };
    let aggs: Vec<Option<Agg>> = match aggs {
        None => vec![None],
        Some(list) => names("agg", list)?
            .into_iter()
            .map(|name| agg_named(name).map(Some).map_err(|why| ParameterError::new("agg", why)))
            .collect::<Result<_, _>>()?,
    };
    let mut requests = Vec::with_capacity(fields.len().saturating_mul(aggs.len()));
    for field in fields {
        for &agg in &aggs {
            requests.push(field.reduced(agg).map_err(|why| ParameterError::new("agg", why))?);
        }
    }
    Ok((requests, aggs.len() > 1))
}

/// How many series to keep, and by what.
pub(super) fn parse_top(
    kind: &'static Kind,
    requests: &[FieldRequest],
    top: Option<&str>,
    by: Option<&str>,
) -> Result<Option<Top>, ParameterError> {
    let Some(top) = top else {
        return match by {
            None => Ok(None),
            Some(_) => Err(ParameterError::new("top_by", "says what to order by; say how many with top=10")),
        };
    };
    let count = top.parse::<usize>().ok().filter(|count| (1..=TOP_MAX).contains(count)).ok_or_else(|| {
        ParameterError::new("top", format!("`{}` is no whole number from 1 to {TOP_MAX}", shown(top)))
    })?;
    let by = match by {
        None => requests.first().cloned(),
        Some(by) => Some(parse_top_by(kind, requests, by).map_err(|why| ParameterError::new("top_by", why))?),
    };
    Ok(by.map(|by| Top { count, by }))
}

/// `field` (reduced as asked for, else by its default) or `field.agg`.
fn parse_top_by(kind: &'static Kind, requests: &[FieldRequest], by: &str) -> Result<FieldRequest, String> {
    let (name, agg) = by.split_once('.').map_or((by, None), |(name, agg)| (name, Some(agg)));
    let field = field_named(kind, name)?;
    match agg {
        Some(agg) => field.reduced(Some(agg_named(agg)?)),
        None => match requests.iter().find(|request| request.name == field.name()) {
            Some(request) => Ok(request.clone()),
            None => field.reduced(None),
        },
    }
}
