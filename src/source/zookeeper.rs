//! ZooKeeper ensembles: each server by its four-letter words or its AdminServer, and the nodes of Mesos masters.
//!
//! One target for an ensemble, which alone can tell whether it has a quorum. Must not know: the store, the sampler.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::http::{Failure, Http, Limits, SetupError, Tls};
use super::metric::{self, Facts, Growth, METRIC};
use super::{Observed, Source, Visit};
use crate::clock::Clock;
use crate::model::{
    AttributeValue, Attributes, Event, Identity, KindBatch, Observation, Outcome, Sample, Severity, TargetName,
    Timestamp,
};

pub mod kinds;
pub mod nodes;

#[cfg(test)]
mod real;
mod wire;

use kinds::ZOOKEEPER;
use wire::{Refusal, Said};

/// Largest reply: `mntr` of 3.8 is 17 kB.
const REPLY_MAX_BYTES: usize = 1024 * 1024;

/// Pause between visits.
pub const INTERVAL: Duration = Duration::from_secs(30);

/// How far the computed start of a server may move and still be the same start.
const START_TOLERANCE_MS: i64 = 5_000;

/// What the configuration says of an ensemble, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its name, and the target's after `zookeeper/`.
    pub name: String,
    /// Its servers: `host:port` for four-letter words, `http://…` or `https://…` for the AdminServer.
    pub servers: Vec<String>,
    /// Certificates for `https://`.
    pub tls: Option<Tls>,
    /// Pause between visits.
    pub interval: Duration,
}

/// One ensemble: target `zookeeper/<name>`.
#[derive(Debug)]
pub struct ZooKeeper {
    target: TargetName,
    settings: Settings,
    clock: Clock,
    servers: Vec<Server>,
    /// Whether it was without a quorum at the visit before; None at first.
    had_quorum: Option<bool>,
}

#[derive(Debug)]
struct Server {
    address: String,
    by: By,
    role: Option<String>,
    start: Option<Timestamp>,
    version: Option<String>,
}

/// What a server said, and in how many bytes.
type Answer = Result<(Said, u64), Failure>;

/// How a server is asked.
#[derive(Debug)]
enum By {
    Words,
    Admin(Http),
}

impl ZooKeeper {
    /// A source of the ensemble of these servers.
    ///
    /// # Errors
    /// When an address or a certificate cannot be used.
    pub fn new(settings: Settings, clock: Clock) -> Result<ZooKeeper, SetupError> {
        let mut servers = Vec::new();
        for server in &settings.servers {
            let (address, by) = match server.split_once("://") {
                Some((_, address)) => (address, By::Admin(Http::live_json(server, settings.tls.as_ref(), None)?)),
                None => (server.as_str(), By::Words),
            };
            servers.push(Server { address: address.to_owned(), by, role: None, start: None, version: None });
        }
        let target = TargetName::new("zookeeper", &settings.name);
        Ok(ZooKeeper { target, settings, clock, servers, had_quorum: None })
    }

    async fn visit(&mut self, visit: Visit) -> Observed {
        /// What is left for taking the answers over.
        const MARGIN: Duration = Duration::from_millis(200);
        let deadline = Instant::now() + visit.timeout.saturating_sub(MARGIN.min(visit.timeout / 10));
        let clock = &self.clock;
        let asked = self.servers.iter().map(|server| async move {
            let said = server.ask(deadline).await;
            (said, clock.now())
        });
        let answers = join_all(asked).await;
        self.observe(visit, answers)
    }

    fn observe(&mut self, visit: Visit, answers: Vec<(Answer, Timestamp)>) -> Observed {
        let mut servers = Vec::with_capacity(answers.len());
        let mut metrics = Vec::new();
        let mut events = Vec::new();
        let mut missing = Vec::new();
        let mut first_failure: Option<Failure> = None;
        let mut bytes = 0_u64;
        let mut serving = 0_usize;
        for (server, (answer, at)) in self.servers.iter_mut().zip(answers) {
            let (role, sample) = match answer {
                Ok((said, read)) => {
                    bytes = bytes.saturating_add(read);
                    serving = serving.saturating_add(usize::from(said.role != "not serving"));
                    let since = server.note_uptime(said.uptime_ms, at);
                    server.version = said.version.or(server.version.take());
                    for number in said.rest {
                        let mut labels = number.labels;
                        labels.insert("server".to_owned(), server.address.clone());
                        let growth = if is_counter(&number.name) { Growth::Counter } else { Growth::Gauge };
                        let metric_type = if growth == Growth::Counter { "counter" } else { "gauge" };
                        let facts = Facts { metric_type: Some(metric_type), ..Facts::default() };
                        let sample = metric::sample(at, since, number.value, growth);
                        metrics.push(metric::observation(&self.target, &number.name, &labels, &facts, sample));
                    }
                    let has_numbers = said.values.iter().any(|value| !value.is_null());
                    (said.role, has_numbers.then_some(Sample { at, since, values: said.values }))
                }
                Err(failure) => {
                    missing.push(format!("server {}: {}", server.address, failure.message));
                    first_failure = first_failure.or(Some(failure));
                    ("down".to_owned(), None)
                }
            };
            events.extend(server.role_changed(&self.target, visit, &role));
            let mut attributes =
                Attributes::from([("ensemble", self.settings.name.as_str().into()), ("role", role.as_str().into())]);
            if let Some(version) = &server.version {
                attributes.insert("version", version.as_str().into());
            }
            servers.push(Observation {
                identity: Identity::new([server.address.as_str()]),
                attributes: Some(attributes),
                ended: None,
                sample,
            });
            server.role = Some(role);
        }
        events.extend(self.quorum(visit, serving));
        if missing.len() == self.servers.len()
            && let Some(failure) = first_failure
        {
            return Observed { events, ..Observed::failed(failure.outcome, failure.message) };
        }
        let by_identity: BTreeMap<Identity, Observation> =
            metrics.into_iter().map(|observation| (observation.identity.clone(), observation)).collect();
        Observed {
            outcome: if missing.is_empty() { Outcome::Ok } else { Outcome::Partial },
            error: first_failure.map(|failure| failure.message),
            batches: vec![
                KindBatch { kind: &ZOOKEEPER, complete: true, observations: servers },
                KindBatch {
                    kind: &METRIC,
                    complete: missing.is_empty(),
                    observations: by_identity.into_values().collect(),
                },
            ],
            missing,
            bytes,
            clock_offset_ms: 0,
            events,
        }
    }

    /// An event where more than half of the servers serve no more.
    fn quorum(&mut self, visit: Visit, serving: usize) -> Option<Event> {
        let all = self.servers.len();
        let has_quorum = serving > all / 2;
        let had_quorum = self.had_quorum.replace(has_quorum);
        (had_quorum == Some(true) && !has_quorum).then(|| Event {
            at: visit.started,
            severity: Severity::Error,
            event_type: "quorum_lost",
            kind: None,
            entity: None,
            target: self.target.clone(),
            source_id: String::new(),
            message: format!("{} has no quorum: {serving} of {all} servers serve", self.settings.name),
            details: BTreeMap::from([
                ("serving".to_owned(), AttributeValue::from(i64::try_from(serving).unwrap_or(i64::MAX))),
                ("servers".to_owned(), AttributeValue::from(i64::try_from(all).unwrap_or(i64::MAX))),
            ]),
        })
    }
}

impl Source for ZooKeeper {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn poll(&mut self, visit: Visit) -> BoxFuture<'_, Observed> {
        Box::pin(self.visit(visit))
    }
}

/// Whether a number that fills no column only grows, by the endings that ZooKeeper gives counters of a distribution;
/// of the others it does not tell which are counters.
fn is_counter(name: &str) -> bool {
    ["cnt_", "sum_"].iter().any(|beginning| name.starts_with(beginning))
}

impl Server {
    /// When it started, held still while its uptime agrees with it.
    fn note_uptime(&mut self, uptime_ms: Option<f64>, at: Timestamp) -> Option<Timestamp> {
        // Whole milliseconds up to 2^53 are exact.
        let uptime = Duration::try_from_secs_f64(uptime_ms? / 1e3).ok()?;
        let start = at.minus(uptime);
        if self.start.is_none_or(|held| start.ms_since(held).abs() > START_TOLERANCE_MS) {
            self.start = Some(start);
        }
        self.start
    }

    fn role_changed(&self, target: &TargetName, visit: Visit, role: &str) -> Option<Event> {
        let before = self.role.as_deref()?;
        if before == role {
            return None;
        }
        let is_loss = matches!(role, "down" | "not serving");
        Some(Event {
            at: visit.started,
            severity: if is_loss { Severity::Error } else { Severity::Info },
            event_type: "role_changed",
            kind: Some("zookeeper"),
            entity: Some(Identity::new([self.address.as_str()])),
            target: target.clone(),
            source_id: self.address.clone(),
            message: format!("ZooKeeper server {} is {role}, was {before}", self.address),
            details: BTreeMap::from([("role".to_owned(), role.into()), ("role_before".to_owned(), before.into())]),
        })
    }

    async fn ask(&self, deadline: Instant) -> Answer {
        match &self.by {
            By::Admin(http) => {
                let path = "/commands/monitor";
                let reply = http.get_ok(path, Limits::fixed(deadline, REPLY_MAX_BYTES)).await?;
                let said = wire::parse_monitor(&reply.body).map_err(|refusal| refused(&http.url(path), &refusal))?;
                Ok((said, u64::try_from(reply.body.len()).unwrap_or(u64::MAX)))
            }
            By::Words => {
                let text = word(&self.address, "mntr", deadline).await?;
                let (said, text) = match wire::parse_mntr(&text) {
                    Err(Refusal::NotAllowed) => {
                        let text = word(&self.address, "srvr", deadline).await?;
                        (wire::parse_srvr(&text), text)
                    }
                    said => (said, text),
                };
                let said = said.map_err(|refusal| refused(&format!("{} (mntr, srvr)", self.address), &refusal))?;
                Ok((said, u64::try_from(text.len()).unwrap_or(u64::MAX)))
            }
        }
    }
}

fn refused(place: &str, refusal: &Refusal) -> Failure {
    let what = match refusal {
        Refusal::NotAllowed => "the command is not allowed; add `mntr` to 4lw.commands.whitelist".to_owned(),
        Refusal::Malformed(begun) => format!("no reply of a ZooKeeper server; it begins {begun:?}"),
    };
    Failure::new(Outcome::Malformed, format!("{place}: {what}"))
}

/// Sends a four-letter word and reads the reply, which ends with the connection.
async fn word(address: &str, word: &str, deadline: Instant) -> Result<String, Failure> {
    let failed = |error: &std::io::Error| {
        let (outcome, what) = match error.kind() {
            std::io::ErrorKind::ConnectionRefused => {
                (Outcome::Refused, "connection refused; start the server or correct `servers`".to_owned())
            }
            _ => (Outcome::Unreachable, format!("the connection failed or broke ({error})")),
        };
        Failure::new(outcome, format!("{word} to {address}: {what}"))
    };
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(word.as_bytes()).await?;
        let mut reply = Vec::new();
        let limit = u64::try_from(REPLY_MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        stream.take(limit).read_to_end(&mut reply).await?;
        Ok::<_, std::io::Error>(reply)
    };
    match timeout_at(deadline, talk).await {
        Ok(Ok(reply)) if reply.len() > REPLY_MAX_BYTES => Err(Failure::new(
            Outcome::TooLarge,
            format!("{word} to {address}: the reply is larger than {REPLY_MAX_BYTES} bytes"),
        )),
        Ok(Ok(reply)) => Ok(String::from_utf8_lossy(&reply).into_owned()),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => Err(Failure::new(
            Outcome::Timeout,
            format!("{word} to {address}: no whole reply in time; raise `timeout` if the server is only slow"),
        )),
    }
}
