//! An explanation as JSON.
//!
//! Must not know: HTTP, how explanations are found.

use std::io::{self, Write};

use super::json::JsonWriter;
use crate::model::{Repr, Value};
use crate::query::cell::Cell;
use crate::query::explain::{Explained, Member, Plan};

/// Writes what was read, how long it took, and what is behind one cell.
pub fn json<W: Write>(
    json: &mut JsonWriter<W>,
    resolution: &str,
    plan: Plan,
    took_ms: i64,
    explained: Option<&Explained>,
) -> io::Result<()> {
    let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    json.object(|json| {
        json.key("resolution")?.text(resolution)?;
        json.key("entities")?.integer(whole(plan.entities))?;
        json.key("runs")?.integer(whole(plan.runs))?;
        json.key("samples")?.integer(whole(plan.samples))?;
        json.key("blocks")?.integer(whole(plan.blocks))?;
        json.key("pieces")?.integer(whole(plan.pieces))?;
        json.key("bytes")?.integer(whole(plan.bytes))?;
        json.key("hours")?.integer(whole(plan.hours))?;
        json.key("took_seconds")?.cell(&Cell::Scaled { value: took_ms, decimals: 3 })?;
        match explained {
            Some(explained) => cell(json.key("cell")?, explained),
            None => json.key("cell")?.cell(&Cell::Null),
        }
    })
}

fn cell<W: Write>(json: &mut JsonWriter<W>, explained: &Explained) -> io::Result<()> {
    json.object(|json| {
        json.key("labels")?.object(|json| {
            let mut labels = explained.labels.iter();
            labels.try_for_each(|(name, value)| json.key(name)?.text_or_null(value.as_deref()))
        })?;
        json.key("field")?.text(explained.field)?;
        json.key("agg")?.text(explained.agg.name())?;
        json.key("unit")?.text(explained.unit)?;
        json.key("start")?.bucket_time(explained.bucket.start())?;
        json.key("end")?.bucket_time(explained.bucket.end())?;
        json.key("value")?.cell(&explained.value.into())?;
        json.key("why_null")?.text_or_null(explained.why_null())?;
        json.key("formula")?.text(&explained.formula)?;
        json.key("columns")?.array(|json| {
            explained.columns.iter().try_for_each(|column| {
                json.object(|json| {
                    json.key("name")?.text(column.name)?;
                    json.key("stored")?.text(column.stored)?;
                    let conversion = match column.repr {
                        Repr::Integer { decimals: 0 } => "as stored".to_owned(),
                        Repr::Integer { decimals } => format!("{} / 10^{decimals}", column.stored),
                        Repr::Float => "as the source sent it".to_owned(),
                    };
                    json.key("conversion")?.text(&conversion)?;
                    json.key("unit")?.text(column.unit)?;
                    json.key("help")?.text(column.help)
                })
            })
        })?;
        json.key("members_total")?.integer(i64::try_from(explained.members_total).unwrap_or(i64::MAX))?;
        json.key("members")?.array(|json| explained.members.iter().try_for_each(|one| member(json, explained, one)))
    })
}

fn member<W: Write>(json: &mut JsonWriter<W>, explained: &Explained, member: &Member) -> io::Result<()> {
    json.object(|json| {
        json.key("identity")?.object(|json| {
            let mut keys = explained.kind.identity.iter().enumerate();
            keys.try_for_each(|(index, key)| json.key(key.name)?.text(member.identity.part(index)))
        })?;
        json.key("target")?.text(member.target.as_str())?;
        json.key("samples")?.array(|json| {
            member.samples.iter().try_for_each(|sample| {
                json.object(|json| {
                    json.key("time")?.cell(&Cell::Time(sample.at))?;
                    json.key("since")?.cell(&sample.since.map_or(Cell::Null, Cell::Time))?;
                    json.key("stretch")?.text_or_null(sample.stretch)?;
                    for (column, value) in explained.columns.iter().zip(&sample.values) {
                        json.key(column.stored)?.cell(&match *value {
                            Value::Null => Cell::Null,
                            Value::Int(value) => Cell::Scaled { value, decimals: 0 },
                            Value::Float(value) => Cell::Reported(value),
                        })?;
                    }
                    Ok(())
                })
            })
        })
    })
}
