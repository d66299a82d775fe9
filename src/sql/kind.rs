//! A kind as a table: its columns, and which conditions and orders it answers itself.
//!
//! Must not know: how rows are read.

use std::sync::Arc;

use super::Shared;
use super::hours::HourRows;
use super::module::{Asked, Condition, Op, Plan, Provider, Rows, Take};
use super::samples::SampleRows;
use crate::model::{Attribute, AttributeType, Class, Column, Kind, Repr};
use crate::query::request::Agg;
use crate::rollup::kept;

/// Rows that a kind's table is taken to have, for SQLite to choose between plans: far more than any other table.
const ROWS: i64 = 1_000_000_000;

/// What a column of the table is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    /// The sample's time as text.
    Time,
    /// The sample's time in milliseconds.
    AtMs,
    /// A part of the identity.
    Key(usize),
    /// Since when its counters count, as text.
    Since,
    /// An attribute in force at the sample.
    Attribute(&'static Attribute),
    /// A counter, a gauge or a derived column, by name.
    Number(&'static str),
    /// Hidden: since when its counters count, in milliseconds.
    SinceMs,
    /// Hidden: seconds of the stretch that ends at the sample, where it has a rate.
    StretchSeconds,
    /// Hidden: what a counter grew by over that stretch.
    Increase(&'static Column),
    /// Of an hour: a column or derived column, reduced.
    Hour(&'static str, Agg),
    /// Of an hour: how many samples it has.
    Samples,
    /// Of an hour: seconds of the stretches in it that have a rate.
    CoveredSeconds,
    /// Of an hour, hidden: since when its attributes hold.
    VersionMs,
}

/// What the rows of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowsOf {
    /// Samples.
    Samples,
    /// Hours of samples.
    Hours,
}

/// A column of a kind's table.
#[derive(Debug)]
pub(super) struct KindColumn {
    pub(super) name: String,
    pub(super) of: Of,
    sql_type: &'static str,
    is_hidden: bool,
}

/// The table of a kind.
#[derive(Debug)]
pub(super) struct KindTable {
    pub(super) kind: &'static Kind,
    pub(super) rows: RowsOf,
    pub(super) columns: Arc<[KindColumn]>,
    pub(super) shared: Arc<Shared>,
}

/// The name of the column that holds what a counter grew by.
pub(super) fn increase_name(counter: &str) -> String {
    format!("{}_increase", counter.strip_suffix("_total").unwrap_or(counter))
}

fn number_type(column: &Column) -> &'static str {
    if column.repr == (Repr::Integer { decimals: 0 }) { "INTEGER" } else { "REAL" }
}

fn attribute_type(ty: AttributeType) -> &'static str {
    match ty {
        AttributeType::Integer | AttributeType::Boolean => "INTEGER",
        AttributeType::Number => "REAL",
        AttributeType::Text | AttributeType::Time | AttributeType::List | AttributeType::Map => "TEXT",
    }
}

/// The columns of a kind's table, in order: as /samples gives them, `at_ms` after `time`; hidden ones last.
pub(super) fn columns(kind: &'static Kind) -> Vec<KindColumn> {
    let seen = |name: &str, of, sql_type| KindColumn { name: name.to_owned(), of, sql_type, is_hidden: false };
    let hidden = |name: &str, of, sql_type| KindColumn { name: name.to_owned(), of, sql_type, is_hidden: true };
    let mut columns = vec![seen("time", Of::Time, "TEXT"), seen("at_ms", Of::AtMs, "INTEGER")];
    columns.extend(kind.identity.iter().enumerate().map(|(index, key)| seen(key.name, Of::Key(index), "TEXT")));
    columns.push(seen("since", Of::Since, "TEXT"));
    let attributes = kind.attributes.iter();
    columns.extend(attributes.map(|one| seen(one.name, Of::Attribute(one), attribute_type(one.ty))));
    columns.extend(kind.columns.iter().map(|one| seen(one.name, Of::Number(one.name), number_type(one))));
    columns.extend(kind.derived.iter().map(|one| seen(one.name, Of::Number(one.name), "REAL")));
    columns.push(hidden("since_ms", Of::SinceMs, "INTEGER"));
    columns.push(hidden("stretch_seconds", Of::StretchSeconds, "REAL"));
    let counters = kind.columns.iter().filter(|column| column.class == Class::Counter);
    columns.extend(counters.map(|one| hidden(&increase_name(one.name), Of::Increase(one), number_type(one))));
    columns
}

/// The name of a kind's table of hours.
pub(super) fn hours_name(kind: &Kind) -> String {
    format!("{}_1h", kind.name)
}

/// The columns of a kind's table of hours, in order.
pub(super) fn hour_columns(kind: &'static Kind) -> Vec<KindColumn> {
    let seen = |name: &str, of, sql_type| KindColumn { name: name.to_owned(), of, sql_type, is_hidden: false };
    let mut columns = vec![seen("time", Of::Time, "TEXT"), seen("at_ms", Of::AtMs, "INTEGER")];
    columns.extend(kind.identity.iter().enumerate().map(|(index, key)| seen(key.name, Of::Key(index), "TEXT")));
    let attributes = kind.attributes.iter();
    columns.extend(attributes.map(|one| seen(one.name, Of::Attribute(one), attribute_type(one.ty))));
    columns.push(seen("hour_samples", Of::Samples, "INTEGER"));
    columns.push(seen("covered_seconds", Of::CoveredSeconds, "REAL"));
    let numbers = kind.columns.iter().map(|one| (one.name, number_type(one)));
    for (field, (name, sql_type)) in numbers.chain(kind.derived.iter().map(|one| (one.name, "REAL"))).enumerate() {
        let column = kind.columns.get(field);
        if column.is_some_and(|column| column.class == Class::Counter) {
            columns.push(seen(&increase_name(name), Of::Hour(name, Agg::Increase), sql_type));
            continue;
        }
        let kept = kept(kind, field);
        let is_high_water = column.is_some_and(|column| column.high_water);
        let aggs = [
            (!is_high_water, Agg::Avg, "REAL"),
            (kept.extremes && !is_high_water, Agg::Min, sql_type),
            (kept.extremes, Agg::Max, sql_type),
            (kept.last, Agg::Last, sql_type),
            (kept.extremes || kept.last, Agg::Count, "INTEGER"),
        ];
        let percentiles = PERCENTILES.map(|percent| (kept.bins, Agg::Percentile(percent), "REAL"));
        for (_, agg, sql_type) in aggs.into_iter().chain(percentiles).filter(|(is_kept, ..)| *is_kept) {
            columns.push(seen(&format!("{name}_{}", agg.name()), Of::Hour(name, agg), sql_type));
        }
    }
    columns.push(KindColumn { name: "version_ms".to_owned(), of: Of::VersionMs, sql_type: "INTEGER", is_hidden: true });
    columns
}

/// Percentiles of an hour that have a column.
const PERCENTILES: [u8; 4] = [50, 90, 95, 99];

/// Columns and primary key as `CREATE TABLE` lists them; the type says that a column is hidden.
pub(super) fn declaration<'a>(
    columns: impl Iterator<Item = (&'a str, &'a str, bool)>,
    key: impl Iterator<Item = &'a str>,
) -> String {
    let columns = columns
        .map(|(name, sql_type, is_hidden)| format!("\"{name}\" {sql_type}{}", if is_hidden { " HIDDEN" } else { "" }));
    let key = key.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    columns.chain([format!("PRIMARY KEY ({key})")]).collect::<Vec<_>>().join(", ")
}

impl KindTable {
    pub(super) fn new(kind: &'static Kind, shared: Arc<Shared>) -> KindTable {
        KindTable { kind, rows: RowsOf::Samples, columns: columns(kind).into(), shared }
    }

    /// The table of its hours.
    pub(super) fn of_hours(kind: &'static Kind, shared: Arc<Shared>) -> KindTable {
        KindTable { kind, rows: RowsOf::Hours, columns: hour_columns(kind).into(), shared }
    }

    fn of(&self, column: usize) -> Option<Of> {
        self.columns.get(column).map(|column| column.of)
    }

    fn take(&self, condition: &Condition) -> Take {
        match self.of(condition.column) {
            Some(Of::AtMs) => Take::Exact,
            Some(Of::Time) if condition.is_binary => Take::Narrow,
            Some(Of::Key(_)) if condition.op == Op::Eq && condition.is_binary => Take::Narrow,
            Some(Of::Attribute(attribute)) if condition.op == Op::Eq && attribute.ty.is_scalar() => {
                if condition.is_binary { Take::Narrow } else { Take::Leave }
            }
            _ => Take::Leave,
        }
    }

    /// Whether rows by identity, then time, are in the order that is asked for.
    fn is_ordered(&self, asked: &Asked) -> bool {
        let keys = self.kind.identity.len();
        let is_fixed = |key: usize| {
            let of_key = |one: &Condition| matches!(self.of(one.column), Some(Of::Key(index)) if index == key);
            asked.conditions.iter().any(|one| of_key(one) && one.op == Op::Eq && one.is_binary)
        };
        let mut named = vec![false; keys];
        let mut next = 0;
        let mut has_time = false;
        for (column, is_down) in &asked.order {
            while next < keys && is_fixed(next) {
                next += 1;
            }
            match self.of(*column) {
                Some(Of::Key(key)) if is_fixed(key) => {}
                Some(Of::Key(key)) if asked.is_grouped => {
                    named.iter_mut().skip(key).take(1).for_each(|one| *one = true);
                }
                Some(Of::Key(key)) if key == next && !is_down && !has_time => next += 1,
                Some(Of::Time | Of::AtMs) if asked.is_grouped => has_time = true,
                Some(Of::Time | Of::AtMs) if next == keys && !is_down => has_time = true,
                _ => return false,
            }
        }
        if !asked.is_grouped {
            return true;
        }
        let is_named = |key: usize| is_fixed(key) || named.get(key) == Some(&true);
        let prefix = (0..keys).take_while(|key| is_named(*key)).count();
        (prefix..keys).all(|key| !is_named(key) || is_fixed(key)) && (!has_time || prefix == keys)
    }
}

impl Provider for KindTable {
    fn declaration(&self) -> String {
        let columns = self.columns.iter();
        let key = self.kind.identity.iter().map(|key| key.name).chain(["at_ms"]);
        let key = key.chain((self.rows == RowsOf::Hours).then_some("version_ms"));
        declaration(columns.map(|column| (column.name.as_str(), column.sql_type, column.is_hidden)), key)
    }

    fn plan(&self, asked: &Asked) -> Plan {
        let takes: Vec<Take> = asked.conditions.iter().map(|condition| self.take(condition)).collect();
        let taken = asked.conditions.iter().zip(&takes).filter(|(_, take)| **take != Take::Leave);
        let rows = taken.fold(ROWS, |rows, (condition, _)| match (self.of(condition.column), condition.op) {
            (Some(Of::Key(_)), _) => rows / 100,
            (Some(Of::AtMs | Of::Time), Op::Eq) => rows / 10_000,
            _ => rows / 10,
        });
        Plan { takes, is_ordered: self.is_ordered(asked), rows: rows.max(1) }
    }

    fn open(&self) -> Box<dyn Rows> {
        let (kind, columns, shared) = (self.kind, Arc::clone(&self.columns), Arc::clone(&self.shared));
        match self.rows {
            RowsOf::Samples => Box::new(SampleRows::new(kind, columns, shared)),
            RowsOf::Hours => Box::new(HourRows::new(kind, columns, shared)),
        }
    }
}
