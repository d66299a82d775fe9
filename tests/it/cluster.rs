//! A simulated Mesos cluster on loopback, recorded by the whole program: failovers, agents that come back or are
//! replaced, answers that are none, and what all of it adds up to.

mod agents;
mod apps;
mod bad;
mod engine;
mod failover;
mod large;
mod lives;
mod marathon;
mod masters;
mod old;
mod secure;
mod servers;
mod world;
mod zookeeper;
