//! How a field is combined over the entities of a group: by default, and where the request says otherwise.
//!
//! Must not know: samples, buckets, what members gave.

use super::Field;
use crate::query::request::{Across, Agg};

/// How a field is combined over the entities of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Combine {
    /// Members' means, each over the time its target was seen, added up.
    SumOfMeans,
    /// Σ above / Σ below.
    Quotient,
    /// Mean over members, each weighted by the time it was there.
    Mean,
    /// Members' numbers added up.
    Sum,
    /// Members' newest numbers added up, of those still there at the bucket's end.
    SumOfLast,
    /// Smallest.
    Min,
    /// Largest.
    Max,
    /// Percentile of all members' values together.
    Pool,
}

/// How a field is combined by default, and where `across` says otherwise.
pub(crate) fn combine(field: &Field, across: Option<Across>) -> Combine {
    if matches!(field.agg, Agg::Percentile(_)) {
        return Combine::Pool;
    }
    match across {
        Some(Across::Min) => Combine::Min,
        Some(Across::Max) => Combine::Max,
        Some(Across::Avg) => Combine::Mean,
        Some(Across::Sum) => sum(field.agg),
        None => match field.agg {
            Agg::Min => Combine::Min,
            Agg::Max => Combine::Max,
            Agg::Avg | Agg::Last if field.operand.is_ratio() => Combine::Quotient,
            Agg::Increase => Combine::Sum,
            agg if field.additive => sum(agg),
            _ => Combine::Mean,
        },
    }
}

fn sum(agg: Agg) -> Combine {
    match agg {
        Agg::Avg => Combine::SumOfMeans,
        Agg::Last => Combine::SumOfLast,
        _ => Combine::Sum,
    }
}
