//! Docker engines.

pub mod kinds;
