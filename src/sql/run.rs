//! One statement: prepared, bound, stepped through, its rows handed over.
//!
//! Must not know: reports, how rows are printed.

use std::ops::ControlFlow;
use std::sync::Arc;

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Batch, Connection, Error, OpenFlags, Statement, ToSql};

use super::chunks::{Chunked, ChunkedTable};
use super::guard::{STATEMENT_BYTES_MAX, close_off};
use super::kind::{KindTable, columns, hour_columns, hours_name};
use super::module;
use super::watch::Watch;
use super::{Argument, Bounds, Database, Parameters, Part, Shared, SqlError, Take, functions};
use crate::query::cell::Cell;
use crate::query::request::suggestion;

/// Digits of a number: as many as a float holds for certain, so that the noise of sums is not printed.
const DIGITS_AFTER_FIRST: i32 = 14;

impl ToSql for Argument {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Argument::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Argument::Integer(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Argument::Number(value) => ToSqlOutput::Owned(Value::Real(*value)),
        })
    }
}

/// Runs one statement and hands over its columns, then its rows, until `take` breaks off. Returns how many rows were
/// given.
pub fn run(
    database: &Database,
    statement: &str,
    parameters: &Parameters,
    bounds: Bounds,
    take: &mut Take<'_>,
) -> Result<u64, SqlError> {
    if statement.len() > usize::try_from(STATEMENT_BYTES_MAX).unwrap_or(usize::MAX) {
        let message = format!("the statement has more than {STATEMENT_BYTES_MAX} bytes: shorten it");
        return Err(SqlError::Statement { line: 1, message });
    }
    let rows_max = bounds.rows;
    let watch = Arc::new(Watch::new(bounds));
    let tables = Tables::of(database);
    let connection = open(database, &tables, &watch)
        .map_err(|cause| SqlError::Sqlite { operation: "prepare to run a statement", cause })?;
    step(&connection, statement, parameters, rows_max, take)
        .map_err(|failed| watch.reason().unwrap_or_else(|| failed.told(statement, &tables)))
}

/// The names that a statement may use.
struct Tables {
    names: Vec<String>,
    columns: Vec<String>,
}

impl Tables {
    fn of(database: &Database) -> Tables {
        let kinds = database.kinds.iter().flat_map(|kind| [kind.name.to_owned(), hours_name(kind)]);
        let names = kinds.chain(Chunked::ALL.iter().map(|(_, name)| (*name).to_owned())).collect();
        let of_kinds = database.kinds.iter().flat_map(|kind| columns(kind).into_iter().chain(hour_columns(kind)));
        let of_kinds = of_kinds.map(|column| column.name);
        let beside = Chunked::ALL.iter().flat_map(|(table, _)| table.columns()).map(|(name, ..)| (*name).to_owned());
        let mut columns: Vec<String> = of_kinds.chain(beside).collect();
        columns.sort_unstable();
        columns.dedup();
        Tables { names, columns }
    }
}

/// A connection to an empty database in memory, with the tables and functions, that can do nothing but read.
fn open(database: &Database, tables: &Tables, watch: &Arc<Watch>) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_MEMORY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_in_memory_with_flags(flags)?;
    let shared = Arc::new(Shared { database: database.clone(), watch: Arc::clone(watch) });
    for kind in database.kinds {
        module::create(&connection, kind.name, Arc::new(KindTable::new(kind, Arc::clone(&shared))))?;
        module::create(&connection, &hours_name(kind), Arc::new(KindTable::of_hours(kind, Arc::clone(&shared))))?;
    }
    for (table, name) in Chunked::ALL {
        module::create(&connection, name, Arc::new(ChunkedTable { table, shared: Arc::clone(&shared) }))?;
    }
    functions::create(&connection, database.now, watch)?;
    close_off(&connection, tables.names.clone(), watch)?;
    Ok(connection)
}

/// How a statement failed, before it is told.
enum Failed {
    Sqlite(Error),
    Told(SqlError),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Sqlite(error)
    }
}

fn step(
    connection: &Connection,
    text: &str,
    parameters: &Parameters,
    rows_max: u64,
    take: &mut Take<'_>,
) -> Result<u64, Failed> {
    let told = |message: &str| Failed::Told(SqlError::Statement { line: 1, message: message.to_owned() });
    let mut batch = Batch::new(connection, text);
    let mut statement = batch.next()?.ok_or_else(|| told("there is no statement"))?;
    if batch.next()?.is_some() {
        return Err(told("there are several statements: ask them one by one"));
    }
    if statement.column_count() == 0 || !statement.readonly() {
        return Err(Failed::Told(SqlError::Refused { what: "a statement without an answer".to_owned() }));
    }
    bind(&mut statement, text, parameters)?;
    let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut given = 0;
    if take(Part::Columns(&names)).is_break() {
        return Ok(given);
    }
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        if given >= rows_max {
            return Err(Failed::Told(SqlError::Rows { rows: rows_max }));
        }
        given += 1;
        let values = (0..names.len()).map(|index| row.get_ref(index)).collect::<Result<Vec<_>, _>>()?;
        // Almost never is anything in it.
        let printed: Vec<Option<String>> =
            if values.iter().any(needs_printing) { values.iter().map(printed).collect() } else { Vec::new() };
        let text = |index: usize| printed.get(index).and_then(Option::as_deref).unwrap_or_default();
        let cells: Vec<Cell<'_>> = values.iter().enumerate().map(|(index, value)| cell(*value, text(index))).collect();
        if take(Part::Row(&cells)) == ControlFlow::Break(()) {
            return Ok(given);
        }
    }
    Ok(given)
}

/// Binds `:name` to what is given under that name.
fn bind(statement: &mut Statement<'_>, text: &str, parameters: &Parameters) -> Result<(), Failed> {
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index).map(|name| name.trim_start_matches([':', '@', '$']).to_owned());
        let value = name.as_ref().and_then(|name| parameters.iter().find(|(known, _)| known == name));
        let Some((_, value)) = value else {
            let message = match name {
                Some(ref name) => format!("the parameter :{name} is given no value"),
                None => "parameters have names, such as :start".to_owned(),
            };
            let place = name.and_then(|name| text.find(&format!(":{name}")));
            return Err(Failed::Told(SqlError::Statement { line: line_of(text, place), message }));
        };
        statement.raw_bind_parameter(index, value)?;
    }
    Ok(())
}

/// The line of a place in a text, from 1 on.
fn line_of(text: &str, place: Option<usize>) -> usize {
    place.and_then(|place| text.get(..place)).unwrap_or_default().matches('\n').count() + 1
}

/// Whether a value is no text as it stands.
fn needs_printing(value: &ValueRef<'_>) -> bool {
    match value {
        ValueRef::Blob(_) => true,
        ValueRef::Text(text) => std::str::from_utf8(text).is_err(),
        _ => false,
    }
}

fn printed(value: &ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Blob(bytes) => Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

fn cell<'a>(value: ValueRef<'a>, printed: &'a str) -> Cell<'a> {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(value) => Cell::Scaled { value, decimals: 0 },
        ValueRef::Real(value) => Cell::Reported(rounded(value)),
        ValueRef::Text(text) => Cell::Text(std::str::from_utf8(text).unwrap_or(printed)),
        ValueRef::Blob(_) => Cell::Text(printed),
    }
}

/// The number with so many digits that the noise of sums is not in it.
#[expect(clippy::cast_possible_truncation, reason = "an exponent of ten lies within 324 of 0")]
fn rounded(value: f64) -> f64 {
    /// Powers of ten that a float holds exactly.
    const EXACT: std::ops::RangeInclusive<i32> = 0..=22;
    if value.trunc() == value || !value.is_finite() {
        return value;
    }
    let places = DIGITS_AFTER_FIRST - value.abs().log10().floor() as i32;
    if EXACT.contains(&places) {
        let power = 10f64.powi(places);
        return (value * power).round() / power;
    }
    format!("{value:.*e}", usize::try_from(DIGITS_AFTER_FIRST).unwrap_or(0)).parse().unwrap_or(value)
}

impl Failed {
    /// What is told where the watch knows no reason.
    fn told(self, text: &str, tables: &Tables) -> SqlError {
        let cause = match self {
            Failed::Told(error) => return error,
            Failed::Sqlite(cause) => cause,
        };
        let (message, offset) = match &cause {
            Error::SqlInputError { msg, offset, .. } => (msg.clone(), usize::try_from(*offset).ok()),
            Error::SqliteFailure(_, Some(message)) => (message.clone(), None),
            other => (other.to_string(), None),
        };
        let advice = [("no such table: ", &tables.names), ("no such column: ", &tables.columns)];
        let unknown = advice.iter().find_map(|(what, known)| Some((message.split_once(what)?.1, known)));
        // SQLite does not say where the name of a table stands.
        let place = offset.or_else(|| unknown.and_then(|(name, _)| text.find(name)));
        let line = line_of(text, place);
        let message = match unknown {
            Some((name, known)) => format!("{message}; {}", suggestion(name.rsplit('.').next().unwrap_or(name), known)),
            None => message.clone(),
        };
        SqlError::Statement { line, message }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::rounded;

    #[test]
    fn noise_is_rounded_away() {
        for (value, expected) in [
            (0.1 + 0.2, 0.3),
            (1.0 / 3.0, 0.333_333_333_333_333),
            (123_456.789_012_345_67, 123_456.789_012_346),
            (-2.0 / 3.0 * 1e-9, -6.666_666_666_666_67e-10),
            (5.0, 5.0),
            (0.0, 0.0),
            (1e300 / 3.0, 1e300 / 3.0),
            (f64::INFINITY, f64::INFINITY),
        ] {
            assert_eq!(rounded(value), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_has_fifteen_digits_stays(whole in -999_999_999_999_999i64..1_000_000_000_000_000, places in 0i32..22) {
            let value: f64 = format!("{whole}e-{places}").parse().unwrap();
            prop_assert_eq!(rounded(value), value);
        }
    }
}
