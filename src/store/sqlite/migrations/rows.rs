//! Samples as they were kept before the journal, a row each in a table a kind: they move there, and the tables go.
//!
//! Tables and their columns are taken as the file has them. Must not know: kinds as they are today.

use rusqlite::{Connection, named_params, types::ValueRef};

use crate::model::Value;
use crate::store::sqlite::block::Layout;
use crate::store::sqlite::piece::Row;
use crate::store::sqlite::{codec, journal, layouts};

/// What a table of samples begins with; the rest of its name is the kind's.
const TABLE_OF: &str = "sample_";

/// The columns that are not the kind's own: the poll, the entity, the sample's time, and since when its counters count.
const FIXED_COLUMNS: usize = 4;

/// Moves the rows of all tables of samples into the journal and drops the tables.
pub(super) fn move_all(connection: &Connection) -> rusqlite::Result<()> {
    let mut tables = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'sample_*' ORDER BY name")?;
    let tables = tables.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    for table in tables {
        let kind = table.strip_prefix(TABLE_OF).unwrap_or(&table);
        move_rows(connection, &table, kind)?;
        connection.execute_batch(&format!("DROP TABLE \"{table}\""))?;
    }
    Ok(())
}

fn move_rows(connection: &Connection, table: &str, kind: &str) -> rusqlite::Result<()> {
    let mut columns = connection.prepare("SELECT name, type FROM pragma_table_info(:table) ORDER BY cid")?;
    let columns = columns.query_map(named_params! {":table": table}, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let columns = columns.collect::<rusqlite::Result<Vec<(String, String)>>>()?;
    // Whole numbers were kept in columns of whole numbers, floats in columns of anything.
    let lines = columns.iter().skip(FIXED_COLUMNS).map(|(name, ty)| match ty.as_str() {
        "INTEGER" => format!("i {name}\n"),
        _ => format!("f {name}\n"),
    });
    let layout = Layout::parse(&lines.collect::<String>())?;
    let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\" ORDER BY poll, entity"))?;
    let mut rows = statement.query([])?;
    let mut layout_id = None;
    let mut of_poll: Option<i64> = None;
    let mut samples: Vec<Sample> = Vec::new();
    while let Some(row) = rows.next()? {
        let id = match layout_id {
            Some(id) => id,
            None => *layout_id.insert(layouts::id_of(connection, &layout)?),
        };
        let poll: i64 = row.get(0)?;
        if let Some(before) = of_poll.replace(poll).filter(|before| *before != poll) {
            insert(connection, kind, (id, &layout), before, &samples)?;
            samples.clear();
        }
        let values = (FIXED_COLUMNS..columns.len()).map(|index| Ok(value(row.get_ref(index)?)));
        samples.push(Sample {
            entity: row.get(1)?,
            at_ms: row.get(2)?,
            since_ms: row.get(3)?,
            values: values.collect::<rusqlite::Result<_>>()?,
        });
    }
    match (of_poll, layout_id) {
        (Some(poll), Some(id)) => insert(connection, kind, (id, &layout), poll, &samples),
        _ => Ok(()),
    }
}

struct Sample {
    entity: i64,
    at_ms: i64,
    since_ms: Option<i64>,
    values: Vec<Value>,
}

fn insert<'a>(
    connection: &Connection,
    kind: &str,
    layout: (i64, &Layout),
    poll: i64,
    samples: &'a [Sample],
) -> rusqlite::Result<()> {
    let row = |sample: &'a Sample| Row {
        entity: sample.entity,
        at_ms: sample.at_ms,
        since_ms: sample.since_ms,
        values: &sample.values,
    };
    journal::insert(connection, kind, layout, poll, &mut samples.iter().map(row).collect::<Vec<_>>())
}

fn value(stored: ValueRef<'_>) -> Value {
    match codec::decode_int(stored) {
        Some(value) => Value::Int(value),
        None => codec::decode_float(stored).into(),
    }
}
