//! What tests start and ask: recorders, scratch directories, HTTP, waiting. Knows no kind and no column.

pub(crate) mod everything;
pub(crate) mod http;
pub(crate) mod machine;
pub(crate) mod random;
pub(crate) mod reaper;
pub(crate) mod recorder;
pub(crate) mod recording;
pub(crate) mod seeded;
pub(crate) mod service;
pub(crate) mod site;
pub(crate) mod table;
pub(crate) mod time;

pub(crate) use recorder::{Access, Recorder};
pub(crate) use seeded::Served;
pub(crate) use service::Service;
pub(crate) use table::Table;
