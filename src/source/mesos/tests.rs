//! The source against recorded replies of a real cluster, and against replies that are none.

mod agents;
mod bad;
mod cluster;
mod counts;
mod fixture;
mod old;
mod secrets;
mod tasks;
mod totals;
