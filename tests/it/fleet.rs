//! A simulated fleet: engines on loopback that answer from recorded replies, their counters advancing with
//! time. Light on CPU, because it shares the machine with the recorder that it loads: texts are cut once, and
//! only numbers are written anew.

mod replies;
mod server;

pub(crate) use server::{Fault, Fleet};
