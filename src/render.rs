//! Frames and tables to bytes: how each value is printed, and the three forms answers take.
//!
//! Everything streams into an [`std::io::Write`]; nothing here holds a whole answer. Must not know: HTTP, the store,
//! where the values came from.

pub mod cell;
pub mod csv;
pub mod json;
pub mod openmetrics;
pub mod samples;
