//! Real services, recorded by the built program: what its readers are told is what happened.

mod docker;
mod engine;
mod exporter;
mod itself;
mod outage;
mod pages;
mod podman;
mod processes;
mod reach;
mod registry;
mod restart;
mod swarm;
mod tls;
mod world;
