//! One process of a cluster, master or agent: how it is asked, and what is remembered of it between visits.
//!
//! Which of the two APIs is asked is decided by `/version` and by what answers, remembered, and decided anew when the
//! process failed or began anew: it may have been upgraded. Must not know: what answers mean for the cluster.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use tokio::time::Instant;

use super::numbers::{self, Numbers};
use super::shared::Leader;
use super::wire;
use crate::clock::Clock;
use crate::model::{Outcome, Timestamp};
use crate::source::http::{Failure, Http, Limits, Reply};

/// How long a process may take to gather its metrics: much less, and some are missing from the answer without a word.
const METRICS_TIMEOUT: Duration = Duration::from_secs(5);

/// How far a process' clock may be off before it counts as wrong; its `Date` has whole seconds.
const CLOCK_TOLERANCE_MS: i64 = 3_000;

/// How far the computed start of a process may move and still be the same start: its uptime is read a little before
/// the reply arrives.
const START_TOLERANCE_MS: i64 = 5_000;

/// Which API a process is asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// `POST /api/v1`, from 1.0 on.
    Operator,
    /// The endpoints before it.
    Endpoints,
}

/// What is known of a process.
#[derive(Debug)]
pub(super) struct Process {
    /// Host and port.
    pub(super) address: String,
    pub(super) http: Arc<Http>,
    /// None: to be asked.
    pub(super) known: Option<Known>,
    /// Its clock minus ours, 0 while they agree.
    pub(super) clock_offset_ms: i64,
    /// When it started, by our clock; held still while its uptime agrees with it.
    pub(super) start: Option<Timestamp>,
    /// Whether it is a master that did not lead when it last answered.
    pub(super) is_standby: bool,
    /// Numbers that fill columns in its last reply.
    pub(super) numbers_known: usize,
}

/// What a process said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) version: String,
    pub(super) api: Api,
}

/// A reply and when it came.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) reply: Reply,
    pub(super) sent: Timestamp,
    pub(super) arrived: Timestamp,
}

impl Came {
    pub(super) fn bytes(&self) -> u64 {
        u64::try_from(self.reply.body.len()).unwrap_or(u64::MAX)
    }

    /// By how much the `Date` of the reply lies outside of the time between request and reply; 0 where it does not.
    fn clock_offset_ms(&self) -> Option<i64> {
        let date = DateTime::parse_from_rfc2822(self.reply.header("date")?).ok()?;
        let theirs = Timestamp::from_ms(date.timestamp_millis());
        let fits =
            self.sent.plus_ms(-CLOCK_TOLERANCE_MS) <= theirs && theirs <= self.arrived.plus_ms(CLOCK_TOLERANCE_MS);
        Some(if fits { 0 } else { theirs.ms_since(self.arrived) })
    }
}

impl Process {
    pub(super) fn new(address: String, http: Http) -> Process {
        Process {
            address,
            http: Arc::new(http),
            known: None,
            clock_offset_ms: 0,
            start: None,
            is_standby: false,
            numbers_known: 0,
        }
    }

    /// The leader, for requests alone.
    pub(super) fn of_leader(leader: &Leader) -> Process {
        Process {
            address: leader.address.clone(),
            http: Arc::clone(&leader.http),
            known: Some(leader.known.clone()),
            clock_offset_ms: 0,
            start: None,
            is_standby: false,
            numbers_known: 0,
        }
    }

    /// Takes over what a reply's date says of the process' clock. Gives the offset before, where it changed.
    pub(super) fn note_clock(&mut self, came: &Came) -> Option<i64> {
        let measured = came.clock_offset_ms()?;
        let held = self.clock_offset_ms;
        let is_held = measured != 0 && (measured - held).abs() <= CLOCK_TOLERANCE_MS;
        if measured == held || is_held {
            return None;
        }
        self.clock_offset_ms = measured;
        Some(held)
    }

    /// A time by the process' clock, by ours.
    pub(super) fn ours(&self, at: Timestamp) -> Timestamp {
        at.plus_ms(self.clock_offset_ms.saturating_neg())
    }

    /// Whether a reply that said for how long the process has been up is of another start than the one known.
    pub(super) fn is_other_start(&self, uptime_seconds: Option<f64>, arrived: Timestamp) -> bool {
        let Some(start) = started(uptime_seconds, arrived) else { return false };
        self.start.is_none_or(|held| start.ms_since(held).abs() > START_TOLERANCE_MS)
    }

    /// When the process started, after a reply that said for how long it has been up.
    pub(super) fn note_uptime(&mut self, uptime_seconds: Option<f64>, arrived: Timestamp) -> Option<Timestamp> {
        let Some(start) = started(uptime_seconds, arrived) else {
            // An incomplete answer: it is the process that it was.
            return self.start;
        };
        if self.is_other_start(uptime_seconds, arrived) {
            if self.start.is_some() {
                // Whatever started may be of another version.
                self.known = None;
            }
            self.start = Some(start);
        }
        self.start
    }

    /// Who the process says it is; asked only where that is not known.
    pub(super) async fn introduce(&self, limits: Limits) -> Result<Known, Failure> {
        if let Some(known) = &self.known {
            return Ok(known.clone());
        }
        let path = "/version";
        let reply = self.http.get(path, limits).await?;
        if matches!(reply.status, 404 | 405) {
            return Ok(Known { version: String::new(), api: Api::Endpoints });
        }
        self.http.check_status(path, &reply)?;
        let version = wire::parse_version(&reply.body).map_err(|cause| self.http.malformed(path, &reply, &cause))?;
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or(0);
        let api = if major >= 1 { Api::Operator } else { Api::Endpoints };
        Ok(Known { version, api })
    }

    /// Gets a path, whatever its status.
    pub(super) async fn get(&self, path: &str, clock: &Clock, limits: Limits) -> Result<Came, Failure> {
        let sent = clock.now();
        let reply = self.http.get(path, limits).await?;
        Ok(Came { reply, sent, arrived: clock.now() })
    }

    /// Calls the operator API, whatever the status.
    pub(super) async fn call(&self, call: &Call, clock: &Clock, limits: Limits) -> Result<Came, Failure> {
        let sent = clock.now();
        let reply = self.http.post_json("/api/v1", call.body(), limits).await?;
        Ok(Came { reply, sent, arrived: clock.now() })
    }

    /// The same, and a status that is no success is a failure.
    pub(super) async fn call_ok(&self, call: &Call, clock: &Clock, limits: Limits) -> Result<Came, Failure> {
        let came = self.call(call, clock, limits).await?;
        self.check(&came, call)?;
        Ok(came)
    }

    /// The failure that a reply's status means, if it means one.
    pub(super) fn check(&self, came: &Came, call: &Call) -> Result<(), Failure> {
        let place = format!("/api/v1 {}", call.name());
        self.http
            .check_status(&place, &came.reply)
            .map_err(|failure| Failure { message: failure.message.replacen("GET ", "POST ", 1), ..failure })
    }

    /// Reads a reply, or says what is wrong with it.
    pub(super) fn parsed<T>(
        &self,
        what: &str,
        came: &Came,
        parse: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, Failure> {
        parse(&came.reply.body).map_err(|cause| self.http.malformed(what, &came.reply, &cause))
    }

    /// Gets the metrics by the older endpoint, which every process answers by itself.
    pub(super) async fn snapshot(&self, clock: &Clock, limits: Limits) -> Result<(Came, Numbers), Failure> {
        let path = format!("/metrics/snapshot?timeout={}", snapshot_timeout(limits.deadline));
        let came = self.get(&path, clock, limits).await?;
        self.http.check_status(&path, &came.reply)?;
        let numbers = self.parsed(&path, &came, numbers::parse_snapshot)?;
        Ok((came, numbers))
    }

    /// The host and port that a redirect leads to.
    pub(super) fn redirected(reply: &Reply) -> Option<String> {
        let location = reply.header("location")?;
        let rest = location.strip_prefix("//").or_else(|| location.split_once("://").map(|(_, rest)| rest))?;
        rest.split('/').next().filter(|address| !address.is_empty()).map(str::to_owned)
    }
}

/// When a process started that has been up for so long.
fn started(uptime_seconds: Option<f64>, arrived: Timestamp) -> Option<Timestamp> {
    let uptime_ms = numbers::Scale::Milli.apply(uptime_seconds?).int()?;
    Some(arrived.plus_ms(uptime_ms.saturating_neg()))
}

/// Whether a status means that a process does not have the operator API, or not for us.
pub(super) fn is_refusal(status: u16) -> bool {
    matches!(status, 400 | 403 | 404 | 405 | 406 | 415 | 501)
}

/// A failure that names no reply.
pub(super) fn failure(outcome: Outcome, message: impl Into<String>) -> Failure {
    Failure::new(outcome, message)
}

/// A call of the operator API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// All metrics, gathered within a time.
    Metrics(Duration),
    /// Who the master is and since when it leads.
    Master,
    /// Agents, for the leader.
    Agents,
    /// Frameworks, for the leader.
    Frameworks,
    /// Tasks, for the leader.
    Tasks,
    /// Who the agent is.
    Agent,
    /// Containers of executors, with their statistics.
    Containers,
}

impl Call {
    /// The metrics, with as much time as the deadline leaves.
    pub(super) fn metrics(deadline: Instant) -> Call {
        Call::Metrics(gathering_time(deadline))
    }

    fn name(self) -> &'static str {
        match self {
            Call::Metrics(_) => "GET_METRICS",
            Call::Master => "GET_MASTER",
            Call::Agents => "GET_AGENTS",
            Call::Frameworks => "GET_FRAMEWORKS",
            Call::Tasks => "GET_TASKS",
            Call::Agent => "GET_AGENT",
            Call::Containers => "GET_CONTAINERS",
        }
    }

    /// What is posted.
    pub(super) fn body(self) -> String {
        match self {
            Call::Metrics(timeout) => format!(
                r#"{{"type": "GET_METRICS", "get_metrics": {{"timeout": {{"nanoseconds": {}}}}}}}"#,
                timeout.as_nanos()
            ),
            other => format!(r#"{{"type": "{}"}}"#, other.name()),
        }
    }
}

/// The time that a process is given to gather its metrics: that of [`METRICS_TIMEOUT`], less where the deadline is near.
fn gathering_time(deadline: Instant) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now()).mul_f64(0.8);
    Duration::from_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(100)).min(METRICS_TIMEOUT)
}

/// The same as the older endpoint wants it: a number alone is refused.
fn snapshot_timeout(deadline: Instant) -> String {
    let time = gathering_time(deadline);
    if time == METRICS_TIMEOUT { format!("{}secs", time.as_secs()) } else { format!("{}ms", time.as_millis()) }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use reqwest::header::{HeaderMap, HeaderValue};

    fn process() -> Process {
        Process::new("m:5050".to_owned(), Http::Canned(crate::source::http::Canned::new()))
    }

    fn came(date: &'static str, sent_ms: i64, arrived_ms: i64) -> Came {
        let mut headers = HeaderMap::new();
        headers.insert("date", HeaderValue::from_static(date));
        let reply = Reply { status: 200, headers, body: Bytes::new() };
        Came { reply, sent: Timestamp::from_ms(sent_ms), arrived: Timestamp::from_ms(arrived_ms) }
    }

    #[test]
    fn a_clock_is_right_within_its_tolerance_and_held_when_wrong() {
        // 2026-11-20T21:21:41Z.
        const DATE: &str = "Fri, 20 Nov 2026 21:21:41 GMT";
        const AT: i64 = 1_795_209_701_000;
        let mut process = process();
        let mut check = |sent: i64, arrived: i64, changed: Option<i64>, offset: i64| {
            assert_eq!(process.note_clock(&came(DATE, sent, arrived)), changed);
            assert_eq!(process.clock_offset_ms, offset);
        };
        check(AT + 100, AT + 200, None, 0);
        check(AT + 2_900, AT + 2_950, None, 0);
        check(AT + 3_600_000, AT + 3_600_050, Some(0), -3_600_050);
        check(AT + 3_600_900, AT + 3_601_000, None, -3_600_050);
        check(AT, AT + 10, Some(-3_600_050), 0);
    }

    #[test]
    fn the_start_stays_still_while_the_uptime_only_jitters() {
        let mut process = process();
        process.known = Some(Known { version: "1.11.0".to_owned(), api: Api::Operator });
        let at = Timestamp::from_ms;
        assert_eq!(process.note_uptime(Some(100.0), at(1_000_000)), Some(at(900_000)));
        assert_eq!(process.note_uptime(Some(109.0), at(1_010_700)), Some(at(900_000)));
        assert_eq!(process.note_uptime(None, at(1_010_700)), Some(at(900_000)));
        assert!(process.known.is_some());
        assert_eq!(process.note_uptime(Some(1.0), at(1_020_000)), Some(at(1_019_000)));
        assert!(process.known.is_none(), "a process that began anew may have been upgraded");
    }

    #[test]
    fn a_redirect_has_no_scheme() {
        let check = |location: &'static str, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert("location", HeaderValue::from_static(location));
            let reply = Reply { status: 307, headers, body: Bytes::new() };
            assert_eq!(Process::redirected(&reply).as_deref(), expected, "{location}");
        };
        check("//localhost:5050/master/api/v1", Some("localhost:5050"));
        check("//localhost:5050", Some("localhost:5050"));
        check("http://10.0.0.1:5050/master/state", Some("10.0.0.1:5050"));
        check("/somewhere", None);
    }

    #[test]
    fn the_timeout_is_in_the_call_with_its_unit() {
        let far = Instant::now() + Duration::from_secs(60);
        assert_eq!(
            Call::metrics(far).body(),
            r#"{"type": "GET_METRICS", "get_metrics": {"timeout": {"nanoseconds": 5000000000}}}"#
        );
        assert_eq!(snapshot_timeout(far), "5secs");
        assert!(snapshot_timeout(Instant::now() + Duration::from_secs(2)).ends_with("ms"));
    }
}
