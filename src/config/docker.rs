//! Docker engines: `[[source.docker]]`, or what the docker client's variables say, or the local socket.
//!
//! Must not know: how an engine is talked to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::address::{DockerUrl, TlsWish};
use super::environment::Environment;
use super::fault::Faults;
use super::machine::read_machine;
use super::section::Section;
use super::service::read_named;
use super::timing::{Timing, read_timing};
use super::tls::{TlsMaterial, TlsPaths};
use super::{check_name, seconds};
use crate::source::docker::{self, ProcessSettings};
use crate::source::host_names::HostNames;

/// The socket of the engine on this machine.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// How often images and disk use are asked for: the engine walks its disk for them.
const SLOW_INTERVAL: Duration = seconds(600);
/// Seldom at most once a minute, at least once a week.
const SLOW_INTERVAL_RANGE: std::ops::RangeInclusive<Duration> = seconds(60)..=seconds(7 * 86_400);
/// How often a swarm is asked: its lists change when somebody deploys or something fails.
const SWARM_INTERVAL: Duration = seconds(30);
/// Not more often than anything else that is polled, at least once a day.
const SWARM_INTERVAL_RANGE: std::ops::RangeInclusive<Duration> = seconds(2)..=seconds(86_400);
/// Every engine's machine starts a `ps` for each container; a minute holds no more than is of use.
const PROCESSES_INTERVAL_RANGE: std::ops::RangeInclusive<Duration> = seconds(2)..=seconds(3_600);
/// Stats of one engine asked for at once: one loop in the engine serves them all, and more only queue there.
const IN_FLIGHT: u32 = 256;
/// A list of some thousand containers is a few MiB.
const REPLY_BYTES_MAX: u64 = 16 << 20;
/// Below, no real list fits; above, one reply could take the machine's memory.
const REPLY_BYTES_RANGE: std::ops::RangeInclusive<u64> = 64 << 10..=1 << 30;

/// One engine to be sampled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerTarget {
    /// Name in targets and `host` labels.
    pub name: String,
    /// Where it listens.
    pub url: DockerUrl,
    /// Certificates; None: no TLS, or `https` with the machine's usual trust.
    pub tls: Option<TlsMaterial>,
    /// How often containers are sampled.
    pub interval: Duration,
    /// How long one visit may take.
    pub timeout: Duration,
    /// How often images are listed.
    pub images_interval: Duration,
    /// How often disk use is asked for.
    pub df_interval: Duration,
    /// Names of environment variables of containers that may be kept, besides those of Mesos and Marathon.
    pub env_allowed: Vec<String>,
    /// Requests in flight to this engine at once.
    pub in_flight_max: usize,
    /// The largest reply that is read.
    pub reply_bytes_max: u64,
    /// Whether it is asked about its swarm.
    pub swarm: bool,
    /// How often its swarm is asked for: at most as often as its containers.
    pub swarm_interval: Duration,
    /// What is hidden in command lines.
    pub redact: Vec<String>,
    /// Whose processes are looked at, and how.
    pub processes: ProcessSettings,
}

/// The engines of the file; where it has no `[[source.docker]]`, those of the environment. What was left out is
/// told in `notes`.
pub(super) fn read_targets(
    sections: Option<Vec<Section<'_>>>,
    common: Timing,
    environment: &Environment,
    hosts: &HostNames,
    faults: &Faults,
    notes: &mut Vec<String>,
) -> Vec<DockerTarget> {
    let Some(sections) = sections else {
        return from_environment(common, environment, hosts, faults, notes).into_iter().collect();
    };
    read_named(
        Some(sections),
        "source.docker",
        faults,
        |target: &DockerTarget| &target.name,
        |section| read_target(section, common, environment, hosts),
    )
}

/// What the docker client would talk to, told nothing else.
fn from_environment(
    common: Timing,
    environment: &Environment,
    hosts: &HostNames,
    faults: &Faults,
    notes: &mut Vec<String>,
) -> Option<DockerTarget> {
    let Some(host) = environment.variable("DOCKER_HOST") else {
        if !environment.exists(Path::new(DEFAULT_SOCKET)) {
            notes.push(format!("no Docker engine: {DEFAULT_SOCKET} does not exist and nothing names another"));
            return None;
        }
        let url = DockerUrl::Unix(DEFAULT_SOCKET.into());
        return Some(plain_target(hosts.name_of(environment.machine_name()).to_owned(), url, None, common));
    };
    let verify = environment.variable("DOCKER_TLS_VERIFY").is_some();
    let wish = if verify { TlsWish::Given } else { TlsWish::None };
    let url = match DockerUrl::parse_client(&host, wish) {
        Ok(url) => url,
        Err(message) => {
            faults.add("DOCKER_HOST", message);
            return None;
        }
    };
    let tls = if verify && !matches!(url, DockerUrl::Unix(_)) {
        let directory = match environment.variable("DOCKER_CERT_PATH") {
            Some(directory) => PathBuf::from(directory),
            None => Path::new(&environment.variable("HOME").unwrap_or_default()).join(".docker"),
        };
        let paths = TlsPaths::client_directory(&directory, environment);
        Some(paths.load(environment, |_| "DOCKER_CERT_PATH".to_owned(), faults)?)
    } else {
        None
    };
    let name = hosts.name_of(url.host().unwrap_or(environment.machine_name())).to_owned();
    if let Err(message) = check_name(&name) {
        faults.add("DOCKER_HOST", format!("{message}; write a [[source.docker]] with a name of its own"));
        return None;
    }
    Some(plain_target(name, url, tls, common))
}

fn plain_target(name: String, url: DockerUrl, tls: Option<TlsMaterial>, common: Timing) -> DockerTarget {
    DockerTarget {
        name,
        url,
        tls,
        interval: common.interval,
        timeout: common.timeout,
        images_interval: SLOW_INTERVAL,
        df_interval: SLOW_INTERVAL,
        env_allowed: Vec::new(),
        in_flight_max: usize::try_from(IN_FLIGHT).unwrap_or(usize::MAX),
        reply_bytes_max: REPLY_BYTES_MAX,
        swarm: false,
        swarm_interval: SWARM_INTERVAL,
        redact: default_redact(),
        processes: ProcessSettings::default(),
    }
}

fn default_redact() -> Vec<String> {
    docker::REDACTED.iter().map(|&pattern| pattern.to_owned()).collect()
}

/// Where an engine is and what it is called unless the file names it.
struct Place {
    url: DockerUrl,
    tls: Option<TlsMaterial>,
    default_name: String,
}

fn read_target(
    mut section: Section<'_>,
    common: Timing,
    environment: &Environment,
    hosts: &HostNames,
) -> Option<DockerTarget> {
    let name = section.text("name").map(str::to_owned);
    let place = read_place(&mut section, environment);
    let timing = read_timing(&mut section, common);
    let images_interval = section.duration("images_interval", SLOW_INTERVAL_RANGE).unwrap_or(SLOW_INTERVAL);
    let df_interval = section.duration("df_interval", SLOW_INTERVAL_RANGE).unwrap_or(SLOW_INTERVAL);
    let env_allowed = section.texts("env").unwrap_or_default();
    for (index, variable) in env_allowed.iter().enumerate() {
        if variable.contains(['=', '*', ' ']) {
            section.fault(&format!("env[{index}]"), format!("{variable:?} is not the whole name of one variable"));
        }
    }
    let in_flight = section.integer("in_flight", IN_FLIGHT, 1..=4096);
    let reply_bytes_max = section.size("reply_max", REPLY_BYTES_RANGE).unwrap_or(REPLY_BYTES_MAX);
    let swarm = section.boolean("swarm", false);
    let swarm_interval = section.duration("swarm_interval", SWARM_INTERVAL_RANGE).unwrap_or(SWARM_INTERVAL);
    let redact = section.texts("redact").unwrap_or_else(default_redact);
    let processes = read_processes(&mut section);
    let name = match (name, &place) {
        (Some(name), _) => check_name(&name).map_err(|message| section.fault("name", message)).ok().map(|()| name),
        (None, None) => None,
        (None, Some(place)) => {
            let name = hosts.name_of(&place.default_name);
            let checked = check_name(name).map_err(|message| section.fault("name", format!("needed here: {message}")));
            checked.ok().map(|()| name.to_owned())
        }
    };
    section.finish();
    let (name, place) = (name?, place?);
    Some(DockerTarget {
        name,
        url: place.url,
        tls: place.tls,
        interval: timing.interval,
        timeout: timing.timeout,
        images_interval,
        df_interval,
        env_allowed,
        in_flight_max: usize::try_from(in_flight).unwrap_or(usize::MAX),
        reply_bytes_max,
        swarm,
        swarm_interval,
        redact,
        processes,
    })
}

/// Which containers' processes are looked at.
fn read_processes(section: &mut Section<'_>) -> ProcessSettings {
    let defaults = ProcessSettings::default();
    let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let containers = section.texts("processes").unwrap_or_default();
    let interval = section.duration("processes_interval", PROCESSES_INTERVAL_RANGE).unwrap_or(defaults.interval);
    let top = section.integer("processes_top", whole(defaults.top), 1..=100);
    let command_max = section.integer("processes_command_max", whole(defaults.command_max_bytes), 16..=4096);
    if containers.is_empty() && section.has("processes_interval") {
        section.fault("processes_interval", "needs `processes`, the names of containers: processes = [\"*\"]");
    }
    ProcessSettings { containers, interval, top: size(top), command_max_bytes: size(command_max) }
}

/// Address and certificates, from `url` and paths or from `machine`.
fn read_place(section: &mut Section<'_>, environment: &Environment) -> Option<Place> {
    let url = section.text("url");
    let machine = section.text("machine");
    let given = TlsPaths { ca: section.path("ca"), cert: section.path("cert"), key: section.path("key") };
    let cert_path = section.path("cert_path");
    if given.any() && cert_path.is_some() {
        section.fault("cert_path", "names ca.pem, cert.pem and key.pem; leave out ca, cert and key beside it");
        return None;
    }
    let has_tls = given.any() || cert_path.is_some();
    match (url, machine) {
        (Some(_), Some(_)) => {
            section.fault("machine", "gives the address itself; leave out url beside it");
            None
        }
        (None, None) => {
            if !section.has("url") && !section.has("machine") {
                section.fault("url", "needed: such as \"unix:///var/run/docker.sock\", or machine = \"<name>\"");
            }
            None
        }
        (None, Some(_)) if has_tls => {
            section.fault("machine", "brings its own certificates; leave out ca, cert, key and cert_path beside it");
            None
        }
        (None, Some(name)) => {
            let (url, tls) = read_machine(name, environment, &section.path_of("machine"), section.faults())?;
            Some(Place { url, tls: Some(tls), default_name: name.to_owned() })
        }
        (Some(url), None) => {
            let wish = if has_tls { TlsWish::Given } else { TlsWish::None };
            let url = DockerUrl::parse(url, wish).map_err(|message| section.fault("url", message)).ok();
            let tls = match cert_path {
                Some(directory) => {
                    let paths = TlsPaths::whole_directory(&directory);
                    Some(paths.load(environment, |_| section.path_of("cert_path"), section.faults())?)
                }
                None if has_tls => Some(given.load(environment, |key| section.path_of(key), section.faults())?),
                None => None,
            };
            let url = url?;
            let default_name = url.host().unwrap_or(environment.machine_name()).to_owned();
            Some(Place { url, tls, default_name })
        }
    }
}
