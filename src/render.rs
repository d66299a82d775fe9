//! Frames and tables to bytes: how each value is printed, and the three forms answers take.
//!
//! Everything streams into an [`std::io::Write`]; nothing here holds a whole answer. Must not know: HTTP, the store,
//! where the values came from.

pub mod cell;
pub mod certificate;
pub mod chart;
pub mod csv;
pub mod diff;
mod digits;
pub mod explain;
pub mod json;
pub mod openmetrics;
pub mod planning;
pub mod report;
pub mod rows;
pub mod samples;
pub mod snapshot;
pub mod sum;
