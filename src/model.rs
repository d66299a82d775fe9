//! The nouns of the recorder: time, kinds, entities, samples, polls, events, snapshots, runs.
//!
//! Plain values and their own rules, nothing else. Must not know: serde, SQL, async, HTTP, the clock,
//! nor the name of any system that is recorded.

pub mod entity;
pub mod event;
pub mod hours;
pub mod kind;
pub mod poll;
pub mod run;
pub mod sketch;
pub mod snapshot;
pub mod time;
pub mod value;

pub use entity::{Attributes, EntityRecord, Identity, Version};
pub use event::{Event, Severity};
pub use hours::{HOUR_MS, HourCell, HourRow, Hours, Pick, Presence, Stay, Total, Wanted};
pub use kind::{Attribute, AttributeType, Class, Column, Derived, Formula, Key, Kind, Repr};
pub use poll::{Outcome, Poll, PollChain, PollLink, PollRecord, RECORDER_SOURCE, TargetName};
pub use run::{ColumnValues, Run};
pub use sketch::Sketch;
pub use snapshot::{KindBatch, Observation, Sample, Snapshot};
pub use time::{TimeRange, Timestamp};
pub use value::{AttributeValue, Value};
