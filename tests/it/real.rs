//! Real services, recorded by the built program: what its readers are told is what happened.

mod docker;
mod engine;
mod outage;
mod podman;
mod registry;
mod restart;
mod swarm;
mod tls;
mod world;
