//! Questions and how they are answered from runs: pure functions, values in, values out.
//!
//! `request` turns parameters into a checked request; `evaluate` folds runs into a [`frame::Frame`], `samples`
//! into rows. Must not know: where samples came from, the store, HTTP, async, the clock (now is an argument).

pub mod capacity;
pub mod cell;
pub mod certificate;
pub mod civil;
pub mod diff;
pub mod evaluate;
pub mod explain;
pub mod filter;
pub mod frame;
pub mod headroom;
pub mod import;
pub mod operand;
pub mod request;
pub mod samples;
pub mod seen;
pub mod snapshot;
pub mod trend;
