//! A real Docker engine, recorded by the built program: what its readers are told is what happened.

mod docker;
mod engine;
mod outage;
mod registry;
mod restart;
mod tls;
mod world;
