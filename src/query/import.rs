//! Lines of a samples CSV back to samples: what `render::samples` prints, read again to the bit.
//!
//! Columns are found by name, in any order; derived ones are computed anew when read and are passed over. Must not know:
//! files, the store, how lines are told apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{AttributeType, AttributeValue, Attributes, Identity, Kind, Repr, Sample, Timestamp, Value};

use super::request::{parse_rfc3339, shown};

/// What a column of the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Time,
    Since,
    Identity(usize),
    Attribute(usize),
    Column(usize),
    /// Computed from the others when read.
    Derived,
    /// Not known of the kind.
    Unknown,
}

/// Reads the lines of one file.
#[derive(Debug)]
pub struct LineReader {
    kind: &'static Kind,
    places: Vec<Place>,
    attributes: Vec<&'static str>,
    unknown: Vec<String>,
    /// The line before, whose identity and attributes most lines repeat.
    before: Option<Before>,
}

#[derive(Debug)]
struct Before {
    cells: Vec<String>,
    identity: Identity,
    attributes: Arc<Attributes>,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Of which entity.
    pub identity: Identity,
    /// Its attributes in force, as far as the file has them.
    pub attributes: Arc<Attributes>,
    /// Its numbers.
    pub sample: Sample,
}

impl LineReader {
    /// A reader of the files that begin with this header, or what is wrong with it.
    pub fn new<'a>(kind: &'static Kind, header: impl IntoIterator<Item = &'a str>) -> Result<LineReader, String> {
        let mut places = Vec::new();
        let mut unknown = Vec::new();
        for name in header {
            let place = place(kind, name);
            if matches!(place, Place::Unknown) {
                unknown.push(shown(name));
            } else if !matches!(place, Place::Derived) && places.contains(&place) {
                return Err(format!("column {name} stands there twice"));
            }
            places.push(place);
        }
        let has = |wanted: &Place| places.contains(wanted);
        let missing: Vec<&str> = std::iter::once(("time", Place::Time))
            .chain(kind.identity.iter().enumerate().map(|(index, key)| (key.name, Place::Identity(index))))
            .filter(|(_, place)| !has(place))
            .map(|(name, _)| name)
            .collect();
        if !missing.is_empty() {
            return Err(format!(
                "its first line does not name {}, so this is no samples CSV of {}; a file begins as that of \
                 `tachograph export {} limit=1`",
                missing.join(", "),
                kind.name,
                kind.name
            ));
        }
        let attributes = places.iter().filter_map(|place| match place {
            Place::Attribute(index) => kind.attributes.get(*index).map(|attribute| attribute.name),
            _ => None,
        });
        let attributes = attributes.collect();
        Ok(LineReader { kind, places, attributes, unknown, before: None })
    }

    /// Names of the attributes that the file has columns for.
    pub fn attributes(&self) -> &[&'static str] {
        &self.attributes
    }

    /// Columns that the kind does not have; they are passed over.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// Reads a line's cells, or says what is wrong with it.
    pub fn read<'a>(&mut self, cells: impl Iterator<Item = &'a str> + Clone) -> Result<Line, String> {
        let count = cells.clone().count();
        if count != self.places.len() {
            return Err(format!("{count} cells where the first line has {}", self.places.len()));
        }
        let (identity, attributes) = self.facts(cells.clone())?;
        let (mut at, mut since) = (None, None);
        let mut values = vec![Value::Null; self.kind.columns.len()].into_boxed_slice();
        for (place, cell) in self.places.iter().zip(cells) {
            match place {
                Place::Time => at = Some(time("time", cell)?),
                Place::Since if !cell.is_empty() => since = Some(time("since", cell)?),
                Place::Column(index) if !cell.is_empty() => {
                    let column = self.kind.columns.get(*index).ok_or("a column beyond the kind's")?;
                    if let Some(value) = values.get_mut(*index) {
                        *value = number(column.repr, cell).map_err(|why| format!("{}: {why}", column.name))?;
                    }
                }
                _ => {}
            }
        }
        let at = at.ok_or("time: it has none")?;
        Ok(Line { identity, attributes, sample: Sample { at, since, values } })
    }

    /// The identity and the attributes of a line; those of the line before where it repeats them.
    fn facts<'a>(
        &mut self,
        cells: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(Identity, Arc<Attributes>), String> {
        let is_fact = |place: &Place| matches!(place, Place::Identity(_) | Place::Attribute(_));
        let of_facts = self.places.iter().zip(cells).filter(|(place, _)| is_fact(place));
        if let Some(before) = &self.before
            && before.cells.iter().map(String::as_str).eq(of_facts.clone().map(|(_, cell)| cell))
        {
            return Ok((before.identity.clone(), Arc::clone(&before.attributes)));
        }
        let mut parts = vec![""; self.kind.identity.len()];
        let mut attributes = Attributes::new();
        for (place, cell) in of_facts.clone() {
            match place {
                Place::Identity(index) => {
                    if let Some(part) = parts.get_mut(*index) {
                        *part = cell;
                    }
                }
                Place::Attribute(index) if !cell.is_empty() => {
                    let attribute = self.kind.attributes.get(*index).ok_or("an attribute beyond the kind's")?;
                    let value = fact(attribute.ty, cell).map_err(|why| format!("{}: {why}", attribute.name))?;
                    attributes.insert(attribute.name, value);
                }
                _ => {}
            }
        }
        let identity = Identity::new(parts);
        let attributes = Arc::new(attributes);
        self.before = Some(Before {
            cells: of_facts.map(|(_, cell)| cell.to_owned()).collect(),
            identity: identity.clone(),
            attributes: Arc::clone(&attributes),
        });
        Ok((identity, attributes))
    }
}

fn place(kind: &Kind, name: &str) -> Place {
    let attribute = || kind.attributes.iter().position(|attribute| attribute.name == name).map(Place::Attribute);
    match name {
        "time" => Place::Time,
        "since" => Place::Since,
        _ => (kind.key_index(name).map(Place::Identity))
            .or_else(attribute)
            .or_else(|| kind.column_index(name).map(Place::Column))
            .or_else(|| kind.derived(name).map(|_| Place::Derived))
            .unwrap_or(Place::Unknown),
    }
}

fn time(name: &str, cell: &str) -> Result<Timestamp, String> {
    parse_rfc3339(cell).ok_or_else(|| format!("{name}: `{}` is no time such as 2026-08-21T03:10:00.000Z", shown(cell)))
}

/// A number of a column: whole ones from their exact decimals, floats as they read.
fn number(repr: Repr, cell: &str) -> Result<Value, String> {
    match repr {
        Repr::Integer { decimals } => scaled(cell, decimals).map(Value::Int),
        Repr::Float => float(cell).map(Value::Float),
    }
}

/// `cell` × 10^`decimals`, where that is a whole number.
fn scaled(cell: &str, decimals: u8) -> Result<i64, String> {
    let malformed = || format!("`{}` is no number", shown(cell));
    let (digits, is_negative) = cell.strip_prefix('-').map_or((cell, false), |digits| (digits, true));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || (digits.contains('.') && fraction.is_empty()) {
        return Err(malformed());
    }
    let fraction = fraction.trim_end_matches('0');
    let decimals = usize::from(decimals);
    if fraction.len() > decimals {
        return Err(format!("`{}` has more than the {decimals} decimals that are kept", shown(cell)));
    }
    let too_large = || format!("`{}` is too large", shown(cell));
    // Counted downwards: the least number has no positive one.
    let zeros = std::iter::repeat_n(b'0', decimals.saturating_sub(fraction.len()));
    let mut value = 0_i64;
    for byte in whole.bytes().chain(fraction.bytes()).chain(zeros) {
        let digit = i64::from(byte.wrapping_sub(b'0'));
        value = value.checked_mul(10).and_then(|value| value.checked_sub(digit)).ok_or_else(too_large)?;
    }
    if is_negative { Ok(value) } else { value.checked_neg().ok_or_else(too_large) }
}

fn float(cell: &str) -> Result<f64, String> {
    match cell {
        "NaN" => Ok(f64::NAN),
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        _ => {
            let value: Option<f64> = cell.parse().ok();
            // Numbers that are not finite have the words above, and no other.
            value.filter(|value| value.is_finite()).ok_or_else(|| format!("`{}` is no number", shown(cell)))
        }
    }
}

/// A fact of an attribute.
fn fact(ty: AttributeType, cell: &str) -> Result<AttributeValue, String> {
    let wrong = |what: &str| format!("`{}` is no {what}", shown(cell));
    Ok(match ty {
        AttributeType::Text => AttributeValue::Text(cell.to_owned()),
        AttributeType::Integer => AttributeValue::Integer(cell.parse().map_err(|_| wrong("whole number"))?),
        AttributeType::Number => AttributeValue::Number(float(cell)?),
        AttributeType::Boolean => match cell {
            "true" => AttributeValue::Boolean(true),
            "false" => AttributeValue::Boolean(false),
            _ => return Err(wrong("`true` or `false`")),
        },
        AttributeType::Time => AttributeValue::Time(parse_rfc3339(cell).ok_or_else(|| wrong("time"))?),
        AttributeType::List => {
            let list: Vec<String> = serde_json::from_str(cell).map_err(|_| wrong("list of texts in JSON"))?;
            AttributeValue::List(list)
        }
        AttributeType::Map => {
            let map: BTreeMap<String, String> =
                serde_json::from_str(cell).map_err(|_| wrong("map of texts in JSON"))?;
            AttributeValue::Map(map)
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::request::test_kinds::CONTAINER;
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        let check = |cell: &str, decimals, expected: Result<i64, &str>| {
            let found = scaled(cell, decimals);
            match expected {
                Ok(expected) => assert_eq!(found, Ok(expected), "{cell}"),
                Err(expected) => {
                    let found = found.unwrap_err();
                    assert!(found.contains(expected), "{cell}: {found}");
                }
            }
        };
        check("1.5", 9, Ok(1_500_000_000));
        check("-0.00000001", 9, Ok(-10));
        check("9223372036.854775807", 9, Ok(i64::MAX));
        check("-9223372036854775808", 0, Ok(i64::MIN));
        check("9223372036854775808", 0, Err("too large"));
        check("1.50", 1, Ok(15));
        check("1.55", 1, Err("more than the 1 decimals"));
        check("007", 0, Ok(7));
        for cell in ["", "-", ".5", "5.", "+5", "1e3", "0x1", " 1", "1,5", "NaN", "--1"] {
            check(cell, 3, Err("is no number"));
        }
    }

    #[test]
    fn a_header_needs_time_and_identity_and_names_nothing_twice() {
        let read = |header: &str| LineReader::new(&CONTAINER, header.split(','));
        assert!(read("time,host").unwrap_err().contains("does not name id"));
        assert!(read("time,host,id,time").unwrap_err().contains("time stands there twice"));
        let reader = read("id,colour,time,host").unwrap();
        assert_eq!(reader.unknown(), ["colour"]);
    }

    #[test]
    fn a_bad_line_is_told_by_column_and_the_next_goes_on() {
        let column = CONTAINER.columns.first().unwrap().name;
        let header = ["time", "host", "id", "since", column];
        let mut reader = LineReader::new(&CONTAINER, header).unwrap();
        let mut read = |cells: &[&str]| reader.read(cells.iter().copied());
        let time = "2026-08-21T03:10:00.007Z";
        assert!(read(&["yesterday", "a", "b", "", "1"]).unwrap_err().starts_with("time: `yesterday`"));
        assert!(read(&[time, "a", "b", "never", "1"]).unwrap_err().starts_with("since: `never`"));
        assert!(read(&[time, "a", "b", "", "x"]).unwrap_err().starts_with(column));
        assert!(read(&[time, "a", "b"]).unwrap_err().contains("3 cells where the first line has 5"));
        let line = read(&["2026-08-21T05:10:00.007+02:00", "a", "b", "", ""]).unwrap();
        assert_eq!((line.sample.at.ms(), line.sample.since), (1_787_281_800_007, None));
        assert_eq!(line.identity, Identity::new(["a", "b"]));
        assert!(line.sample.values.iter().all(|value| value.is_null()));
    }

    proptest! {
        #[test]
        fn any_cells_are_read_or_refused(cells in prop::collection::vec("\\PC{0,12}", 5)) {
            let column = CONTAINER.columns.first().unwrap().name;
            let mut reader = LineReader::new(&CONTAINER, ["time", "host", "id", "since", column]).unwrap();
            let _ = reader.read(cells.iter().map(String::as_str));
            for ty in [AttributeType::List, AttributeType::Map, AttributeType::Number, AttributeType::Time] {
                let _ = fact(ty, &cells[0]);
            }
        }
    }
}
