//! What the API answers, over a store seeded by hand: goldens, negotiation, hostile requests, sockets.

mod forms;
mod hostile;
mod seed;
mod sockets;
mod streams;
mod tables;
