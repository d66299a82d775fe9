//! The configuration: a TOML file, or the embedded default, checked as a whole.
//!
//! Every fault is found at once and names its key; what passes is plain settings that nothing has to check
//! again. Must not know: running parts. Variables and files come through [`Environment`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Table;

use crate::model::TargetName;
use crate::source::host;
use crate::source::host_names::HostNames;

mod address;
mod cluster;
mod docker;
mod environment;
mod fault;
mod host_entry;
mod hosts;
mod machine;
mod secret;
mod section;
mod server;
mod service;
mod services;
mod timing;
mod tls;
mod units;

#[cfg(test)]
mod tests;

pub use address::{DockerUrl, HttpAddress};
pub use cluster::{MarathonTarget, MesosTarget, ZooKeeperTarget};
pub use docker::DockerTarget;
pub use environment::Environment;
pub use fault::{ConfigFaults, Fault};
pub use secret::Secret;
pub use server::Server;
pub use services::{ExporterTarget, PrometheusTarget, RegistryTarget};
pub use tls::{CertificateAndKey, TlsMaterial};
pub(crate) use units::parse_duration;

use fault::Faults;
use section::Section;
use timing::{Timing, read_timing};
use tls::io_reason;

/// The complete, commented default: used when no file is given.
pub const DEFAULT_TOML: &str = include_str!("../config.toml");

/// Names are labels, parts of target names and of paths: longer ones fit no table.
const NAME_CHARS_MAX: usize = 64;
/// Requests in flight to all targets at once.
const IN_FLIGHT_DEFAULT: u32 = 512;
/// Samples, polls.
const SAMPLES_DEFAULT: Duration = seconds(90 * 86_400);
/// Rollups and events.
const LONG_DEFAULT: Duration = seconds(5 * 365 * 86_400);
/// Below an hour the newest range could be gone before it is read; above a century nothing is ever deleted.
const RETENTION_RANGE: std::ops::RangeInclusive<Duration> = seconds(3_600)..=seconds(100 * 365 * 86_400);
/// Below, the file is its own tables; above, no file system holds it.
const MAX_SIZE_RANGE: std::ops::RangeInclusive<u64> = 16 << 20..=1 << 50;

/// What the recorder is to do, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The API.
    pub server: Server,
    /// The file that everything is kept in.
    pub store_path: PathBuf,
    /// How long what is kept.
    pub retention: Retention,
    /// Where the user's own reports are, if anywhere.
    pub reports_directory: Option<PathBuf>,
    /// Requests in flight to all targets at once.
    pub in_flight_max: usize,
    /// How the log looks.
    pub log: Log,
    /// What machines are called here, where other systems call them otherwise.
    pub hosts: HostNames,
    /// Docker engines, by unique names.
    pub docker: Vec<DockerTarget>,
    /// This machine, unless it is not to be sampled.
    pub host: Option<HostTarget>,
    /// Machines that a node_exporter tells of, by unique names.
    pub exporters: Vec<ExporterTarget>,
    /// Image registries, by unique names.
    pub registries: Vec<RegistryTarget>,
    /// Pages of metrics, by unique names.
    pub pages: Vec<PrometheusTarget>,
    /// Mesos clusters, by unique names.
    pub mesos: Vec<MesosTarget>,
    /// Marathons, by unique names.
    pub marathon: Vec<MarathonTarget>,
    /// ZooKeeper ensembles, by unique names.
    pub zookeeper: Vec<ZooKeeperTarget>,
    /// For the log: what was left out and why.
    pub notes: Vec<String>,
}

/// How long what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Samples and polls.
    pub samples: Duration,
    /// Hourly rollups.
    pub rollups: Duration,
    /// Events.
    pub events: Duration,
    /// The largest size of the file; None: no limit.
    pub max_size_bytes: Option<u64>,
}

/// How the log looks and how much it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// Lines for people or for programs.
    pub format: LogFormat,
    /// The least important lines that are written.
    pub level: LogLevel,
}

/// How one line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what broke.
    Error,
    /// And what is worth a look.
    Warn,
    /// And what happens in normal work.
    Info,
    /// And how.
    Debug,
    /// And every step.
    Trace,
}

impl LogLevel {
    /// The word in the file.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// The host to be sampled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostTarget {
    /// How often.
    pub interval: Duration,
    /// How long one visit may take.
    pub timeout: Duration,
    /// What the source is told, its name included.
    pub settings: host::Settings,
}

impl Config {
    /// Reads and checks a file, or the embedded default where none is given.
    pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Config, ConfigFaults> {
        let Some(path) = path else { return Config::parse(DEFAULT_TOML, environment) };
        let place = path.display().to_string();
        let bytes = environment
            .read(path)
            .map_err(|error| ConfigFaults::one(&place, format!("cannot read: {}", io_reason(&error))))?;
        let text = String::from_utf8(bytes).map_err(|_| ConfigFaults::one(&place, "is not UTF-8 text"))?;
        Config::parse(&text, environment)
    }

    /// Checks the text of a file.
    pub fn parse(text: &str, environment: &Environment) -> Result<Config, ConfigFaults> {
        let table: Table = toml::from_str(text).map_err(|error| syntax_fault(text, &error))?;
        let faults = Faults::default();
        let config = read_config(Section::root(&table, &faults), environment, &faults);
        faults.into_result(config)
    }

    /// Names of all targets that this configuration asks for, the recorder's own not among them.
    pub fn targets(&self) -> Vec<TargetName> {
        let engines = self.docker.iter().map(|target| TargetName::new("docker", &target.name));
        let images = self.docker.iter().map(|target| TargetName::new("docker-images", &target.name));
        let swarms = self.docker.iter().filter(|target| target.swarm);
        let swarms = swarms.map(|target| TargetName::new("swarm", &target.name));
        let host = self.host.iter().map(|target| TargetName::new("host", &target.settings.name));
        let exporters = self.exporters.iter().map(|target| TargetName::new("host", &target.settings.host.name));
        let registries = self.registries.iter().map(|target| TargetName::new("registry", &target.settings.name));
        let pages = self.pages.iter().map(|target| TargetName::new("prometheus", &target.settings.name));
        let mesos = self.mesos.iter().flat_map(|target| {
            ["mesos", "mesos-tasks", "mesos-agents", "mesos-metrics"]
                .map(|source| TargetName::new(source, &target.settings.name))
        });
        let marathon = self.marathon.iter().map(|target| TargetName::new("marathon", &target.settings.name));
        let zookeeper = self.zookeeper.iter().map(|target| TargetName::new("zookeeper", &target.settings.name));
        let clusters = mesos.chain(marathon).chain(zookeeper);
        let services = exporters.chain(registries).chain(pages);
        engines.chain(images).chain(swarms).chain(host).chain(clusters).chain(services).collect()
    }
}

fn read_config(mut root: Section<'_>, environment: &Environment, faults: &Faults) -> Config {
    let mut notes = Vec::new();
    let server = server::read_server(root.section("server"), environment);
    let store_path = read_store(root.section("store"));
    let retention = read_retention(root.section("retention"));
    let mut reports = root.section("reports");
    let reports_directory = reports.path("directory");
    reports.finish();
    let mut sampler = root.section("sampler");
    let common = read_timing(&mut sampler, Timing::DEFAULT);
    let in_flight = sampler.integer("in_flight", IN_FLIGHT_DEFAULT, 1..=16_384);
    sampler.finish();
    let hosts = hosts::read_host_names(&root.section("hosts"));
    let mut source = root.section("source");
    let (host, exporters) = host_entry::read_hosts(&mut source, common, environment, &hosts, &mut notes);
    let docker = docker::read_targets(source.sections("docker"), common, environment, &hosts, faults, &mut notes);
    let registries = services::read_registries(source.sections("registry"), environment, &hosts, faults);
    let pages = services::read_pages(source.sections("prometheus"), common, environment, &hosts, faults);
    let mesos = cluster::read_mesos(source.sections("mesos"), common, environment, &hosts, faults);
    let marathon = cluster::read_marathon(source.sections("marathon"), common, environment, &hosts, faults);
    let zookeeper = cluster::read_zookeeper(source.sections("zookeeper"), common, environment, faults);
    source.finish();
    let log = read_log(root.section("log"));
    root.finish();
    Config {
        server,
        store_path,
        retention,
        reports_directory,
        in_flight_max: usize::try_from(in_flight).unwrap_or(usize::MAX),
        log,
        hosts,
        docker,
        host,
        exporters,
        registries,
        pages,
        mesos,
        marathon,
        zookeeper,
        notes,
    }
}

fn read_store(mut section: Section<'_>) -> PathBuf {
    let path = section.path("path").unwrap_or_else(|| PathBuf::from("tachograph.db"));
    section.finish();
    path
}

fn read_retention(mut section: Section<'_>) -> Retention {
    let samples = section.duration("samples", RETENTION_RANGE).unwrap_or(SAMPLES_DEFAULT);
    let rollups = section.duration("rollups", RETENTION_RANGE).unwrap_or(LONG_DEFAULT.max(samples));
    let events = section.duration("events", RETENTION_RANGE).unwrap_or(LONG_DEFAULT);
    let max_size_bytes = section.size("max_size", MAX_SIZE_RANGE);
    if rollups < samples {
        let (rollups, samples) = (units::duration_text(rollups), units::duration_text(samples));
        section.fault("rollups", format!("must not be shorter than samples ({rollups} < {samples})"));
    }
    section.finish();
    Retention { samples, rollups, events, max_size_bytes }
}

fn read_log(mut section: Section<'_>) -> Log {
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
    let format = section.word("format", &formats, LogFormat::Text);
    let level = section.word("level", &levels.map(|level| (level.name(), level)), LogLevel::Info);
    section.finish();
    Log { format, level }
}

/// Whether a text can name a target.
fn check_name(name: &str) -> Result<(), String> {
    let is_char = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    let fits = !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.as_bytes().iter().all(is_char);
    // As part of a path these two would mean a directory.
    if fits && !matches!(name, "." | "..") {
        return Ok(());
    }
    Err(format!("{name:?} is no name: 1 to {NAME_CHARS_MAX} characters of A-Z a-z 0-9 _ . -"))
}

/// The one fault of a text that is not TOML, by line and column.
fn syntax_fault(text: &str, error: &toml::de::Error) -> ConfigFaults {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    ConfigFaults::one(format!("line {line}, column {column}"), error.message().replace('\n', ", "))
}

/// Whole seconds.
const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
