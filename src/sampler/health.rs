//! Whether a target is up: what a poll's outcome changes, told once as an event and once in the log.
//!
//! Must not know: when polls happen, where events go.

use std::collections::BTreeMap;

use tracing::{info, warn};

use crate::model::{AttributeValue, Event, Poll, Severity, TargetName, Timestamp};

/// A target that stays down is logged again so seldom that the log stays readable through a long outage.
const STILL_DOWN_EVERY_MS: i64 = 3_600_000;

/// Whether a target is up, and since when not.
#[derive(Debug, Default)]
pub(super) struct Health {
    down: Option<Down>,
    is_partial: bool,
}

#[derive(Debug)]
struct Down {
    since: Timestamp,
    logged: Timestamp,
    failures: u32,
}

impl Health {
    /// Down since then, as an earlier run of the recorder left it.
    pub(super) fn down_since(since: Timestamp) -> Self {
        Health { down: Some(Down { since, logged: since, failures: 1 }), is_partial: false }
    }

    /// Failed polls in a row.
    pub(super) fn failures(&self) -> u32 {
        self.down.as_ref().map_or(0, |down| down.failures)
    }

    /// Takes in how a poll ended; gives an event where that changes whether the target is up.
    pub(super) fn observe(&mut self, poll: &Poll) -> Option<Event> {
        let error = poll.error.as_deref().unwrap_or_else(|| poll.outcome.name());
        if poll.outcome.is_good() {
            self.log_partial(poll);
            let down = self.down.take()?;
            let away_ms = poll.started.ms_since(down.since).max(0);
            info!(target = %poll.target, away_seconds = away_ms / 1000, "target is up again");
            return Some(up(poll, away_ms));
        }
        match &mut self.down {
            None => {
                warn!(target = %poll.target, outcome = poll.outcome.name(), error, "target is down");
                self.down = Some(Down { since: poll.started, logged: poll.started, failures: 1 });
                Some(down(poll, error))
            }
            Some(down) => {
                down.failures = down.failures.saturating_add(1);
                if poll.started.ms_since(down.logged).saturating_abs() >= STILL_DOWN_EVERY_MS {
                    down.logged = poll.started;
                    let failures = down.failures;
                    warn!(target = %poll.target, outcome = poll.outcome.name(), error, failures, "target is still down");
                }
                None
            }
        }
    }

    fn log_partial(&mut self, poll: &Poll) {
        let is_partial = !poll.missing.is_empty();
        if is_partial && !self.is_partial {
            let missing = poll.missing.len();
            let error = poll.error.as_deref().unwrap_or_default();
            warn!(target = %poll.target, missing, error, "target answers in part");
        } else if !is_partial && self.is_partial {
            info!(target = %poll.target, "target answers in full again");
        }
        self.is_partial = is_partial;
    }
}

fn down(poll: &Poll, error: &str) -> Event {
    let details = BTreeMap::from([
        ("outcome".to_owned(), AttributeValue::from(poll.outcome.name())),
        ("error".to_owned(), AttributeValue::from(error)),
    ]);
    of_target(poll, Severity::Error, "target_down", format!("{} is down: {error}", poll.target), details)
}

fn up(poll: &Poll, away_ms: i64) -> Event {
    let details = BTreeMap::from([("away_seconds".to_owned(), AttributeValue::from(away_ms / 1000))]);
    let message = format!("{} is up again after {}", poll.target, in_words(away_ms));
    of_target(poll, Severity::Info, "target_up", message, details)
}

/// An event of the poll's own target at the poll's time.
pub(super) fn of_target(
    poll: &Poll,
    severity: Severity,
    event_type: &'static str,
    message: String,
    details: BTreeMap<String, AttributeValue>,
) -> Event {
    event_at(poll.started, &poll.target, severity, event_type, message, details)
}

/// An event of a target, of no entity.
pub(super) fn event_at(
    at: Timestamp,
    target: &TargetName,
    severity: Severity,
    event_type: &'static str,
    message: String,
    details: BTreeMap<String, AttributeValue>,
) -> Event {
    let (target, source_id) = (target.clone(), String::new());
    Event { at, severity, event_type, kind: None, entity: None, target, source_id, message, details }
}

/// A length of time for a person, in its two largest units.
pub(super) fn in_words(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Outcome;

    fn poll(at: i64, outcome: Outcome) -> Poll {
        Poll {
            target: TargetName::new("docker", "node-1"),
            started: Timestamp::from_ms(at),
            duration_ms: 5,
            interval_ms: 10_000,
            bytes: 0,
            outcome,
            error: (!outcome.is_good()).then(|| "connect to tcp://10.0.0.5:2375: nobody listens there".to_owned()),
            missing: Vec::new(),
            clock_offset_ms: 0,
        }
    }

    #[test]
    fn down_and_up_are_told_once_each() {
        let mut health = Health::default();
        assert_eq!(health.observe(&poll(0, Outcome::Ok)), None);
        let down = health.observe(&poll(10_000, Outcome::Refused)).unwrap();
        assert_eq!((down.event_type, down.severity), ("target_down", Severity::Error));
        assert_eq!(down.message, "docker/node-1 is down: connect to tcp://10.0.0.5:2375: nobody listens there");
        assert_eq!(down.details["outcome"], AttributeValue::from("refused"));
        assert_eq!(health.observe(&poll(20_000, Outcome::Timeout)), None);
        assert_eq!(health.failures(), 2);
        let up = health.observe(&poll(105_000, Outcome::Partial)).unwrap();
        assert_eq!((up.event_type, up.message.as_str()), ("target_up", "docker/node-1 is up again after 1 min 35 s"));
        assert_eq!(health.observe(&poll(115_000, Outcome::Ok)), None);
        assert_eq!(health.failures(), 0);
    }

    #[test]
    fn an_outage_that_an_earlier_run_saw_ends_with_target_up() {
        let mut health = Health::down_since(Timestamp::from_ms(0));
        let up = health.observe(&poll(7_200_000, Outcome::Ok)).unwrap();
        assert_eq!(up.message, "docker/node-1 is up again after 2 h 0 min");
    }
}
