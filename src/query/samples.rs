//! Runs to sample rows: every sample as recorded, with what is derived from it and its neighbour.
//!
//! Must not know: the store, how rows are printed.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::model::{Attributes, EntityRecord, Identity, Kind, Run, Timestamp};
use crate::rate;

use super::cell::Number;
use super::evaluate::{VersionCursor, mark};
use super::filter::Filter;
use super::operand::{ColumnSet, Operand};

/// One sample, as it is printed.
#[derive(Debug)]
pub struct SampleRow<'a> {
    /// Of which entity.
    pub identity: &'a Identity,
    /// The sample's time.
    pub at: Timestamp,
    /// When its counters began.
    pub since: Option<Timestamp>,
    /// The attributes in force.
    pub attributes: &'a Arc<Attributes>,
    /// Stored columns, in the order of the kind's description.
    pub columns: &'a [Number],
    /// Derived columns, in the order of the kind's description; those of the stretch that ends at the sample.
    pub derived: &'a [Number],
}

/// Turns the runs of a kind into rows.
#[derive(Debug)]
pub struct SampleReader {
    stored: Vec<Operand>,
    derived: Vec<Operand>,
    columns: ColumnSet,
}

impl SampleReader {
    /// A reader of all columns of a kind.
    pub fn new(kind: &'static Kind) -> Self {
        let mut columns = ColumnSet::default();
        let stored =
            kind.columns.iter().filter_map(|column| Operand::resolve(kind, column.name, &mut columns)).collect();
        let derived =
            kind.derived.iter().filter_map(|derived| Operand::resolve(kind, derived.name, &mut columns)).collect();
        SampleReader { stored, derived, columns }
    }

    /// Positions in the kind's columns that runs must bring, in this order.
    pub fn columns(&self) -> &[usize] {
        self.columns.wanted()
    }

    /// Gives the rows of the samples inside a run's range that the filter passes, later than `after`.
    pub fn rows(
        &self,
        kind: &'static Kind,
        entity: &EntityRecord,
        run: &Run,
        filter: &Filter,
        after: Option<Timestamp>,
        emit: &mut dyn FnMut(SampleRow<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let takes: Vec<bool> =
            entity.versions.iter().map(|version| filter.matches(kind, &entity.identity, &version.attributes)).collect();
        let mut versions = VersionCursor::new(&entity.versions, &takes);
        let mut columns = vec![Number::Null; self.stored.len()];
        let mut derived = vec![Number::Null; self.derived.len()];
        let inside = run.inside();
        let mut newest = inside.start.checked_sub(1).and_then(|index| mark(run, index));
        for index in inside {
            let Some(next) = mark(run, index) else { continue };
            let previous = newest.replace(next);
            let (taken, attributes) = versions.at(next.at);
            if !taken || after.is_some_and(|after| next.at <= after) {
                continue;
            }
            let stretch = rate::stretch(previous.as_ref(), &next, run.polled_before_first);
            for (cell, operand) in columns.iter_mut().zip(&self.stored) {
                *cell = operand.at_sample(run, index, attributes);
            }
            for (cell, operand) in derived.iter_mut().zip(&self.derived) {
                *cell = operand.at_end(run, index, stretch.as_ref(), attributes);
            }
            emit(SampleRow {
                identity: &entity.identity,
                at: next.at,
                since: next.since,
                attributes,
                columns: &columns,
                derived: &derived,
            })?;
        }
        ControlFlow::Continue(())
    }
}
