//! `stats`: what everything in a recording weighs, as tables or as JSON.
//!
//! Must not know: how it is weighed.

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use serde_json::{Value as Json, json};

use super::recording::open_store;
use super::table::Table;
use super::watch::Watch;
use super::{CliError, Which};
use crate::query::cell::Cell;
use crate::query::request::Zone;
use crate::store::{KindStats, Level, Stats};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let store = open_store(config, arguments.which.store.as_deref())?;
    let mut watch = Watch::start()?;
    let stats = store.stats(&mut |progress| watch.on(progress)).map_err(CliError::of_work)?;
    drop(watch);
    let mut out = io::stdout().lock();
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &as_json(&stats)).map_err(io::Error::from)?;
        return Ok(writeln!(out)?);
    }
    tables(&stats, &mut out)
}

fn levels(kind: &KindStats) -> [(&'static str, Level); 4] {
    [
        ("journal", kind.journal),
        ("small blocks", kind.small_blocks),
        ("merged blocks", kind.merged_blocks),
        ("rollups", kind.rollups),
    ]
}

fn as_json(stats: &Stats) -> Json {
    let kind = |kind: &KindStats| {
        let levels = levels(kind).map(|(name, level)| {
            json!({
                "level": name, "count": level.count, "samples": level.samples, "values": level.values,
                "bytes": level.bytes, "bytes_a_value": level.bytes_a_value(),
            })
        });
        let columns = kind.columns.iter().map(|column| {
            json!({
                "column": column.name, "block_values": column.block_values, "block_bytes": column.block_bytes,
                "journal_values": column.journal_values, "rollup_bytes": column.rollup_bytes,
            })
        });
        json!({"kind": kind.kind.name, "levels": levels, "columns": columns.collect::<Vec<_>>()})
    };
    json!({
        "file_bytes": stats.file_bytes,
        "wal_bytes": stats.wal_bytes,
        "parts": stats.parts.iter().map(|part| json!({"part": part.name, "bytes": part.bytes})).collect::<Vec<_>>(),
        "kinds": stats.kinds.iter().map(kind).collect::<Vec<_>>(),
    })
}

fn count<'a>(number: u64) -> Cell<'a> {
    Cell::Scaled { value: i64::try_from(number).unwrap_or(i64::MAX), decimals: 0 }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for a reader")]
fn ratio<'a>(above: u64, below: u64) -> Cell<'a> {
    // As many digits as are looked at.
    if below == 0 { Cell::Null } else { Cell::Derived((above as f64 / below as f64 * 1000.0).round() / 1000.0) }
}

fn tables(stats: &Stats, out: &mut dyn Write) -> Result<(), CliError> {
    let mut table = Table::new(&mut *out, Zone::Utc, ["part", "bytes", "of the file"]);
    for part in &stats.parts {
        table.row([Cell::Text(&part.name), count(part.bytes), ratio(part.bytes, stats.file_bytes)])?;
    }
    table.row([Cell::Text("the file"), count(stats.file_bytes), ratio(stats.file_bytes, stats.file_bytes)])?;
    table.row([Cell::Text("its log, beside it"), count(stats.wal_bytes), Cell::Null])?;
    table.finish()?;
    writeln!(out)?;
    let header = ["kind", "level", "count", "samples", "values", "bytes", "bytes/value"];
    let mut table = Table::new(&mut *out, Zone::Utc, header);
    for kind in &stats.kinds {
        for (name, level) in levels(kind).into_iter().filter(|(_, level)| level.samples > 0) {
            table.row([
                Cell::Text(kind.kind.name),
                Cell::Text(name),
                count(level.count),
                count(level.samples),
                count(level.values),
                count(level.bytes),
                ratio(level.bytes, level.values),
            ])?;
        }
    }
    table.finish()?;
    writeln!(out)?;
    let header = [
        "kind",
        "column",
        "values in blocks",
        "bytes in blocks",
        "bytes/value",
        "values in journal",
        "bytes in rollups",
    ];
    let mut table = Table::new(&mut *out, Zone::Utc, header);
    for kind in &stats.kinds {
        for column in kind
            .columns
            .iter()
            .filter(|column| column.block_bytes > 0 || column.journal_values > 0 || column.rollup_bytes > 0)
        {
            table.row([
                Cell::Text(kind.kind.name),
                Cell::Text(&column.name),
                count(column.block_values),
                count(column.block_bytes),
                ratio(column.block_bytes, column.block_values),
                count(column.journal_values),
                count(column.rollup_bytes),
            ])?;
        }
    }
    Ok(table.finish()?)
}
