//! Processes of containers: target `docker-processes/<name>`, only where the configuration asks for it.
//!
//! A visit lists what runs and asks for the `top` of those containers whose names fit, those that waited longest first.
//! For each the engine starts a `ps`, which walks all processes of its machine; so they are asked for one after the other
//! and for no more than a tenth of the interval, and whoever is left is first the next time. Must not know: the store,
//! how `ps` prints.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::engine::Engine;
use super::inspect::{Kept, attributes_of_listed};
use super::kinds::process::CONTAINER_PROCESS;
use super::known::shared_with_parts;
use super::list::Listed;
use super::top::{self, Process, Window};
use super::{Settings, deadline, failed, redact};
use crate::clock::Clock;
use crate::model::{
    Attributes, EntityRecord, Identity, Kind, KindBatch, Observation, Outcome, Sample, TargetName, Timestamp, Value,
};
use crate::source::attribution::{Belongs, Book};
use crate::source::host::filter::is_excluded as matches_any;
use crate::source::http::{Failure, Http, Limits, SetupError};
use crate::source::{Observed, Source, Visit};

/// The part of the time that engines may be kept busy with `ps`.
const BUSY_SHARE: u32 = 10;

/// Processes remembered of one container, those with most memory; a container with more is no usual one.
const PROCESSES_MAX: usize = 4096;

/// One engine, visited for the processes of its containers.
#[derive(Debug)]
pub struct Processes {
    target: TargetName,
    settings: Settings,
    clock: Clock,
    http: Arc<Http>,
    engine: Option<Arc<Engine>>,
    book: Option<Arc<Book>>,
    /// The engine's wall clock, in its own zone, minus ours in UTC.
    wall_ms: i64,
    containers: HashMap<Box<str>, Watched>,
    visits: u64,
}

/// What is remembered of a container.
#[derive(Debug, Default)]
struct Watched {
    name: String,
    belongs: Option<Belongs>,
    /// Facts that its processes carry too; None until asked for.
    shared: Option<Attributes>,
    /// In which visit it was asked last.
    asked: Option<u64>,
    processes: HashMap<Box<str>, Known>,
}

/// What is remembered of a process.
#[derive(Debug)]
struct Known {
    identity: Identity,
    /// None: `ps` does not tell.
    start: Option<Window>,
    cpu_ms: Option<i64>,
    /// Its attributes when they were told last; None: it was never among those with most.
    told: Option<Attributes>,
}

impl Processes {
    /// A source of the processes on the engine at the configured address.
    ///
    /// # Errors
    /// When the address or a certificate cannot be used.
    pub fn new(settings: Settings, clock: Clock) -> Result<Processes, SetupError> {
        let http = settings.http()?;
        Ok(Processes::with_http(settings, clock, http))
    }

    /// The same over a client that is there already, such as recorded replies.
    pub fn with_http(settings: Settings, clock: Clock, http: Http) -> Processes {
        Processes {
            target: TargetName::new("docker-processes", &settings.name),
            settings,
            clock,
            http: Arc::new(http),
            engine: None,
            book: None,
            wall_ms: 0,
            containers: HashMap::new(),
            visits: 0,
        }
    }

    /// Takes from `book` to what containers belong that tell it neither by their environment nor by their name.
    #[must_use]
    pub fn attributed_by(mut self, book: Arc<Book>) -> Processes {
        self.book = Some(book);
        self
    }

    async fn visit(&mut self, visit: Visit) -> Observed {
        let limits = Limits::configured(deadline(visit), self.settings.reply_max_bytes);
        match self.observe(limits).await {
            Ok(observed) => observed,
            Err(failure) => {
                self.engine = None;
                failed(&failure)
            }
        }
    }

    async fn connect(&mut self, limits: Limits) -> Result<Arc<Engine>, Failure> {
        if let Some(engine) = &self.engine {
            return Ok(Arc::clone(engine));
        }
        let engine = Arc::new(Engine::connect(Arc::clone(&self.http), &self.clock, limits).await?);
        // `ps` prints times of the engine's zone, of which only this reply tells.
        let (wall, _) = engine.get("/info", limits, wall_clock).await?;
        self.wall_ms = wall.map_or(0, |wall| wall.saturating_sub(self.clock.now().ms()));
        self.engine = Some(Arc::clone(&engine));
        Ok(engine)
    }

    async fn observe(&mut self, limits: Limits) -> Result<Observed, Failure> {
        let began = Instant::now();
        let engine = self.connect(limits).await?;
        let (listed, bytes) = engine.list(limits).await?;
        let mut bytes = bytes;
        let mut missing = Vec::new();
        let mut error = None;
        let mut wanted: Vec<Listed> = listed
            .into_iter()
            .filter(|line| line.state().has_stats() && matches_any(line.name(), &self.settings.processes.containers))
            .collect();
        self.visits += 1;
        let mut before = std::mem::take(&mut self.containers);
        for line in &wanted {
            let (id, watched) = before.remove_entry(&line.id).unwrap_or_else(|| (line.id.clone(), Watched::default()));
            self.containers.insert(id, watched);
        }
        wanted.sort_by_key(|line| self.containers.get(&line.id).and_then(|watched| watched.asked));

        let mut observations = Vec::new();
        let busy_until = began + self.settings.processes.interval / BUSY_SHARE;
        for (index, line) in wanted.iter().enumerate() {
            let now = Instant::now();
            if index > 0 && (now >= busy_until || now >= limits.deadline) {
                self.still_there(line, &mut observations);
                continue;
            }
            bytes = bytes.saturating_add(self.describe(&engine, line, limits).await);
            let path = format!("/containers/{}/top?ps_args=aux", line.id);
            let asked = match engine.get(&path, limits, top::parse).await {
                // It ended since the list, which is told with status 409 or 404.
                Err(failure) if matches!(failure.status, Some(404 | 409)) => Ok((Vec::new(), 0)),
                asked => asked,
            };
            match asked {
                Ok((processes, more)) => {
                    bytes = bytes.saturating_add(more);
                    self.take(line, processes, &mut observations);
                }
                Err(failure) => {
                    self.still_there(line, &mut observations);
                    missing.push(format!("processes of {}", line.shown()));
                    error.get_or_insert(failure.message);
                }
            }
        }
        Ok(Observed {
            outcome: if missing.is_empty() { Outcome::Ok } else { Outcome::Partial },
            error,
            missing,
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
            clock_offset_ms: 0,
            batches: vec![KindBatch { kind: &CONTAINER_PROCESS, complete: true, observations }],
            events: Vec::new(),
        })
    }

    /// Makes sure that the facts that processes carry are those of the container as it is listed.
    async fn describe(&mut self, engine: &Engine, line: &Listed, limits: Limits) -> usize {
        let belongs = self.book.as_ref().and_then(|book| book.of_name(line.name()));
        let Some(watched) = self.containers.get_mut(&line.id) else { return 0 };
        if watched.shared.is_some() && watched.name == line.name() && watched.belongs == belongs {
            return 0;
        }
        let (bytes, inspected) = engine.inspect(&line.id, limits).await;
        let is_told = inspected.is_ok();
        let kept = Kept { environment: &self.settings.environment, redact: &self.settings.redact };
        let mut facts = match inspected {
            Ok(Some(inspected)) => inspected.attributes(0, kept, |_| None),
            // What the list tells must do.
            Ok(None) | Err(_) => attributes_of_listed(line),
        };
        for (name, text) in belongs.iter().flat_map(Belongs::named) {
            facts.entry(name).or_insert(text);
        }
        watched.shared = Some(shared_with_parts(&facts));
        // One that did not answer is asked at the next visit.
        watched.name = if is_told { line.name().to_owned() } else { String::new() };
        watched.belongs = belongs;
        bytes
    }

    /// Says again that processes live of a container that was not asked.
    fn still_there(&self, line: &Listed, observations: &mut Vec<Observation>) {
        let processes = self.containers.get(&line.id).into_iter().flat_map(|watched| watched.processes.values());
        observations.extend(processes.filter(|known| known.told.is_some()).map(|known| Observation {
            identity: known.identity.clone(),
            attributes: None,
            ended: None,
            sample: None,
        }));
    }

    /// Takes in a container's processes: those with most are observed, the others remembered.
    fn take(&mut self, line: &Listed, mut processes: Vec<Process>, observations: &mut Vec<Observation>) {
        let at = self.clock.now();
        let wall = wall_time(at.plus_ms(self.wall_ms));
        let visits = self.visits;
        let Some(watched) = self.containers.get_mut(&line.id) else { return };
        let was_asked = watched.asked.replace(visits).is_some();
        if processes.len() > PROCESSES_MAX {
            processes.sort_by_key(|process| std::cmp::Reverse(process.rss_bytes));
            processes.truncate(PROCESSES_MAX);
        }
        let mut before = std::mem::take(&mut watched.processes);
        let mut now: Vec<(Process, Known, Option<i64>)> = Vec::with_capacity(processes.len());
        for process in processes {
            let start = process.start.zip(wall).and_then(|(start, wall)| Window::of(start, wall));
            let known = before.remove(&process.pid).filter(|known| known.is(&process, start));
            let spent_ms = match &known {
                Some(known) => process.cpu_ms.zip(known.cpu_ms).map(|(now, before)| now.saturating_sub(before)),
                // Born since.
                None => process.cpu_ms.filter(|_| was_asked),
            };
            let known = known.unwrap_or_else(|| {
                let started = match (start, wall) {
                    (Some(start), _) => start.text(),
                    (None, Some(wall)) => format!("~{}", wall.format("%Y-%m-%dT%H:%M")),
                    (None, None) => "~".to_owned(),
                };
                let identity = Identity::new([&*self.settings.name, &*line.id, &*process.pid, &*started]);
                Known { identity, start, cpu_ms: None, told: None }
            });
            now.push((process, known, spent_ms));
        }
        let chosen = chosen(&now, self.settings.processes.top);
        let shared = watched.shared.clone().unwrap_or_default();
        for ((process, mut known, _), is_chosen) in now.into_iter().zip(chosen) {
            known.cpu_ms = process.cpu_ms;
            if is_chosen {
                let facts = attributes(&shared, &process, &self.settings);
                let is_news = known.told.as_ref() != Some(&facts);
                observations.push(Observation {
                    identity: known.identity.clone(),
                    attributes: is_news.then(|| facts.clone()),
                    ended: None,
                    sample: Some(sample(&process, at)),
                });
                known.told = Some(facts);
            } else if known.told.is_some() {
                let identity = known.identity.clone();
                observations.push(Observation { identity, attributes: None, ended: None, sample: None });
            }
            watched.processes.insert(process.pid, known);
        }
    }
}

impl Known {
    /// Whether this process is the one that is told now under its number.
    fn is(&self, process: &Process, start: Option<Window>) -> bool {
        let agrees = match (self.start, start) {
            (Some(before), Some(now)) => before.agrees(now),
            (None, _) | (_, None) => true,
        };
        let went_back = matches!((self.cpu_ms, process.cpu_ms), (Some(before), Some(now)) if now < before);
        agrees && !went_back
    }
}

/// Which processes are among the first `top` by CPU time spent of late (before it is known, by the share over their
/// life), or by resident memory. Where `ps` tells of neither, the first by number are taken.
fn chosen(processes: &[(Process, Known, Option<i64>)], top: usize) -> Vec<bool> {
    let mut chosen = vec![false; processes.len()];
    let mut take = |order: &mut Vec<usize>| {
        for index in order.drain(..).take(top) {
            if let Some(is_chosen) = chosen.get_mut(index) {
                *is_chosen = true;
            }
        }
    };
    let key = |index: &usize| {
        processes
            .get(*index)
            .map(|(process, _, spent_ms)| (spent_ms.unwrap_or(0), process.cpu_percent_tenths.unwrap_or(0)))
    };
    let memory = |index: &usize| processes.get(*index).and_then(|(process, ..)| process.rss_bytes);
    let mut order: Vec<usize> = (0..processes.len()).collect();
    // Those that did nothing are no users of CPU.
    let mut by_cpu: Vec<usize> = order.iter().copied().filter(|index| key(index) > Some((0, 0))).collect();
    by_cpu.sort_by_key(|index| std::cmp::Reverse(key(index)));
    take(&mut by_cpu);
    order.sort_by_key(|index| std::cmp::Reverse(memory(index)));
    take(&mut order);
    chosen
}

fn attributes(shared: &Attributes, process: &Process, settings: &Settings) -> Attributes {
    let mut facts = shared.clone();
    if let Some(user) = &process.user {
        facts.insert("user", user.as_str().into());
    }
    let command = redact::shown(&process.command, &settings.redact, settings.processes.command_max_bytes);
    if !command.is_empty() {
        facts.insert("command", command.into());
    }
    facts
}

fn sample(process: &Process, at: Timestamp) -> Sample {
    let values = [process.cpu_percent_tenths, process.rss_bytes, process.virtual_bytes, process.cpu_ms];
    Sample { at, since: None, values: values.map(Value::from).into() }
}

/// The engine's wall clock in its own zone, as if it were UTC, in milliseconds.
fn wall_clock(body: &[u8]) -> Result<Option<i64>, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Info {
        #[serde(rename = "SystemTime", default)]
        time: Option<String>,
    }
    let told = serde_json::from_slice::<Info>(body)?.time;
    let told = told.and_then(|text| DateTime::parse_from_rfc3339(&text).ok());
    Ok(told.map(|at| at.naive_local().and_utc().timestamp_millis()))
}

fn wall_time(at: Timestamp) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_millis(at.ms()).map(|at| at.naive_utc())
}

impl Source for Processes {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn recalls(&self) -> &'static [&'static Kind] {
        static KINDS: [&Kind; 1] = [&CONTAINER_PROCESS];
        &KINDS
    }

    fn recalls_only_listed(&self) -> bool {
        true
    }

    /// So that a process keeps its identity although `ps` tells its start in coarser words by now.
    fn recall(&mut self, _kind: &'static Kind, entity: &EntityRecord) {
        let (container, pid, started) = (entity.identity.part(1), entity.identity.part(2), entity.identity.part(3));
        let told = entity.versions.last().map(|version| Attributes::clone(&version.attributes));
        let known = Known { identity: entity.identity.clone(), start: Window::parse(started), cpu_ms: None, told };
        self.containers.entry(container.into()).or_default().processes.insert(pid.into(), known);
    }

    fn poll<'a>(&'a mut self, visit: Visit) -> BoxFuture<'a, Observed> {
        Box::pin(self.visit(visit))
    }
}

/// How processes are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessSettings {
    /// Names of the containers; `*` and `?` allowed. Empty: no processes are looked at.
    pub containers: Vec<String>,
    /// Pause between visits.
    pub interval: Duration,
    /// How many by CPU and how many by memory are kept of a container.
    pub top: usize,
    /// Longest command line kept.
    pub command_max_bytes: usize,
}

/// Pause between visits: some four looks in the minute before a container dies.
pub const PROCESSES_INTERVAL: Duration = Duration::from_secs(15);

impl Default for ProcessSettings {
    fn default() -> Self {
        ProcessSettings { containers: Vec::new(), interval: PROCESSES_INTERVAL, top: 5, command_max_bytes: 256 }
    }
}

#[cfg(test)]
mod tests;
