//! What SQL says, against numbers computed by hand and against what /samples says of the same recording.

mod functions;
mod hostile;
mod hours;
mod library;
mod reports;
mod tables;
mod world;
