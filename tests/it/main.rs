//! The program from outside: a real server on real or simulated engines, asked as its readers ask it.
//!
//! Needs nothing beyond loopback. What needs Docker says `not run: …` where it is missing, and fails instead
//! with `TACHOGRAPH_REAL=required`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod harness;

mod api;
mod cluster;
mod commands;
mod contract;
mod csv;
mod exports;
mod files;
mod fleet;
mod fuzz;
mod guarded;
mod happenings;
mod hostile;
mod hours;
mod kill;
mod kill_upkeep;
mod kinds;
mod layers;
mod load;
mod month;
mod numbers;
mod pages;
mod promises;
mod readme;
mod real;
mod signals;
mod sql;
mod year;
