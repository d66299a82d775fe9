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
    /// Why: the outcome that most ticks in it had; None where there were none (the recorder did not run).
    pub cause: Option<Outcome>,
}

impl Gap {
    /// The word outside: an outcome, or `not_running`.
    pub fn cause_name(&self) -> &'static str {
        self.cause.map_or("not_running", Outcome::name)
    }
}
