//! tachograph: a flight recorder for container clusters.
//!
//! Five shapes, four hops; each hop one function, value in, value out:
//!
//! ```text
//! HTTP body --observe--> Snapshot --append--> rows --read--> Run --evaluate--> Frame --render--> bytes
//!             source                store          store      query             render, api
//! ```
//!
//! The modules below stand in reading order; `ARCHITECTURE.md` says what each may use and must not know.

/// Gives memory to everything but SQLite, without a lock between threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod model;

pub mod clock;
pub mod rate;

pub mod rollup;

pub mod source;

pub mod config;

pub mod store;

pub mod sampler;

pub mod query;

pub mod answer;

pub mod sql;

pub mod render;

pub mod api;

pub mod app;

pub mod cli;
