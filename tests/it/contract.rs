//! The contract of the HTTP API, sentence by sentence: a recorded world, asked over a socket, in memory and in SQLite.

mod asking;
mod asof;
mod forms;
mod numbers;
mod reports;
mod series;
pub(crate) mod world;
