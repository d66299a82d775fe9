//! Polls: one visit to one target, and how it went. Another program's failure is data.

use std::fmt;
use std::sync::Arc;

use super::time::Timestamp;

/// The first part of the name of the target that a recorder is to itself.
pub const RECORDER_SOURCE: &str = "recorder";

/// A target: one address read at one cadence, named `<source>/<configured name>` (`docker/node-1`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetName(Arc<str>);

impl TargetName {
    /// The target of a source by its configured name.
    pub fn new(source: &str, name: &str) -> Self {
        TargetName(format!("{source}/{name}").into())
    }

    /// The target whose whole name is known, as read back from the store.
    pub fn from_full(name: &str) -> Self {
        TargetName(name.into())
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a recorder itself, which visits itself as long as it runs.
    pub fn is_recorder(&self) -> bool {
        self.source() == RECORDER_SOURCE
    }

    /// The part before the first slash.
    pub fn source(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(source, _)| source)
    }

    /// The part after the first slash: the name in the configuration.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(_, name)| name)
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How one tick of one target ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Everything asked for came.
    Ok,
    /// The list came, not every entity did; what did not is named in the poll's `missing`.
    Partial,
    /// No whole answer within the timeout.
    Timeout,
    /// Nobody listens at the address.
    Refused,
    /// No route, no such host, no such socket, or the connection broke.
    Unreachable,
    /// The TLS handshake failed.
    Tls,
    /// The target wants other credentials (401, 403).
    Unauthorized,
    /// Any other HTTP status that is not a success.
    Status,
    /// The reply exceeds the limit.
    TooLarge,
    /// The reply is not what the protocol says.
    Malformed,
    /// Not polled: the poll before was still running at this tick.
    Skipped,
    /// Polled, but the store could not keep up and the snapshot was dropped.
    Dropped,
}

impl Outcome {
    /// All, in the order of their stored numbers.
    pub const ALL: [Outcome; 12] = [
        Outcome::Ok,
        Outcome::Partial,
        Outcome::Timeout,
        Outcome::Refused,
        Outcome::Unreachable,
        Outcome::Tls,
        Outcome::Unauthorized,
        Outcome::Status,
        Outcome::TooLarge,
        Outcome::Malformed,
        Outcome::Skipped,
        Outcome::Dropped,
    ];

    /// The word outside.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Partial => "partial",
            Outcome::Timeout => "timeout",
            Outcome::Refused => "refused",
            Outcome::Unreachable => "unreachable",
            Outcome::Tls => "tls",
            Outcome::Unauthorized => "unauthorized",
            Outcome::Status => "status",
            Outcome::TooLarge => "too_large",
            Outcome::Malformed => "malformed",
            Outcome::Skipped => "skipped",
            Outcome::Dropped => "dropped",
        }
    }

    /// The outcome a word means.
    pub fn from_name(name: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.name() == name)
    }

    /// Whether the target's list came: absence from it then means that the thing was gone.
    pub fn is_good(self) -> bool {
        matches!(self, Outcome::Ok | Outcome::Partial)
    }
}

/// One tick of one target: a visit and how it went, or why there was none.
#[derive(Debug, Clone, PartialEq)]
pub struct Poll {
    /// Who was visited.
    pub target: TargetName,
    /// When the visit began (for skipped ticks: when it should have).
    pub started: Timestamp,
    /// How long it took.
    pub duration_ms: i64,
    /// The polling interval in force.
    pub interval_ms: i64,
    /// Bytes of reply bodies.
    pub bytes: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// For a person: what went wrong. Never holds a secret.
    pub error: Option<String>,
    /// What did not come although the list did (`partial`), by name.
    pub missing: Vec<String>,
    /// The target's clock minus ours that was taken off its times; 0 while they agree.
    pub clock_offset_ms: i64,
}

impl Poll {
    /// When the visit ended.
    pub fn finished(&self) -> Timestamp {
        self.started.plus_ms(self.duration_ms)
    }
}

/// A poll as the store gives it back.
#[derive(Debug, Clone, PartialEq)]
pub struct PollRecord {
    /// The poll.
    pub poll: Poll,
    /// Up to when the target was seen by it: the newest of its samples' times, else when the visit ended.
    pub seen_until: Timestamp,
    /// Number of samples kept from it.
    pub samples: u64,
}

/// Ticks of one target that went alike and followed each other without a break: what is left of polls once nobody asks
/// for each of them any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollChain {
    /// How each ended; good ones may be whole or partial.
    pub outcome: Outcome,
    /// The first of them.
    pub first: PollLink,
    /// The last of them.
    pub last: PollLink,
}

/// What a chain knows of its first and its last tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollLink {
    /// When the visit began.
    pub started: Timestamp,
    /// Up to when the target was seen by it, or by one before it in the chain.
    pub seen_until: Timestamp,
    /// The polling interval in force.
    pub interval_ms: i64,
}
