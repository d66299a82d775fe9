//! A query's answer: aligned times × named columns, ready to print.

use crate::model::{Kind, Outcome, TargetName, TimeRange, Timestamp};

use super::cell::Number;
use super::request::{Agg, Step, Zone};

/// The answer to a range request.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The kind asked for.
    pub kind: &'static Kind,
    /// The resolved range.
    pub range: TimeRange,
    /// The resolved step.
    pub step: Step,
    /// The zone that times are printed in.
    pub zone: Zone,
    /// What was read: `samples`.
    pub resolution: &'static str,
    /// The columns of every series, in order.
    pub fields: Vec<FrameField>,
    /// Names of the labels of every series, in order.
    pub label_names: Vec<String>,
    /// Starts of the buckets.
    pub times: Vec<Timestamp>,
    /// The series, in printing order.
    pub series: Vec<Series>,
    /// Stretches in which targets were not seen; only where coverage was asked for.
    pub gaps: Option<Vec<Gap>>,
}

/// A column of a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameField {
    /// Name of the column or derived column.
    pub name: &'static str,
    /// How it was reduced over time.
    pub agg: Agg,
    /// Unit of the numbers.
    pub unit: &'static str,
    /// Name in the answer: `name`, or `name.agg` where several aggs were asked for.
    pub key: String,
}

/// One line of numbers, with what it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Label values in the order of [`Frame::label_names`]; None where an attribute is missing.
    pub labels: Vec<Option<String>>,
    /// For each field, a number for each bucket.
    pub values: Vec<Vec<Number>>,
    /// For each bucket, the part of its time that is known, 0 to 1; only where asked for.
    pub coverage: Option<Vec<f64>>,
}

/// A stretch of time in which a target was not seen, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// The target.
    pub target: TargetName,
    /// From when, cut at the range.
    pub start: Timestamp,
    /// Until when, cut at the range.
    pub end: Timestamp,
    /// Why.
    pub cause: Cause,
}

/// Why a target was not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its ticks ended so.
    Polls(Outcome),
    /// It had no ticks, for the recorder did not run.
    NotRunning,
    /// It had no ticks, and the recorder ran: it was not among the targets.
    NotConfigured,
}

impl Cause {
    /// The word outside: an outcome, `not_running` or `not_configured`.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Polls(outcome) => outcome.name(),
            Cause::NotRunning => "not_running",
            Cause::NotConfigured => "not_configured",
        }
    }
}
