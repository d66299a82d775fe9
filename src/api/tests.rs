//! What the API answers, over a store seeded by hand: goldens, negotiation, hostile requests, sockets.

mod charts;
mod exports;
mod forms;
mod hostile;
mod openapi;
mod questions;
mod seed;
mod sockets;
mod streams;
mod tables;
mod world;
