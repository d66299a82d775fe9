//! One reply of `containers/{id}/json`: the facts about a container, and since when its counters count.
//!
//! Pure. Must not know: when a container is inspected. Of the environment it lets through only what Mesos and
//! Marathon set and what the configuration names: the rest are secrets.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::attribution::{Clues, attribute};
use super::list::{Listed, State};
use super::redact;
use super::wire::{Count, Instant, said};
use crate::model::{AttributeValue, Attributes, Timestamp};

/// Longest command kept; a script given inline can be as long as the kernel allows, 2 MB.
const COMMAND_MAX_BYTES: usize = 4096;

/// CpuShares of one core, as Docker's own documentation and Mesos count them.
const SHARES_A_CORE: f64 = 1024.0;

/// What an engine says of a container.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Inspected {
    #[serde(default)]
    created: Instant,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    args: Option<Vec<String>>,
    state: StateWire,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    restart_count: Count,
    #[serde(default)]
    host_config: HostConfig,
    #[serde(default)]
    mounts: Option<Vec<Mount>>,
    #[serde(default)]
    config: Config,
    #[serde(default)]
    network_settings: NetworkSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StateWire {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    running: bool,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    restarting: bool,
    #[serde(rename = "OOMKilled", default)]
    oom_killed: Option<bool>,
    #[serde(default)]
    exit_code: Option<i64>,
    #[serde(default)]
    started_at: Instant,
    #[serde(default)]
    finished_at: Instant,
    #[serde(default)]
    health: Option<Health>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    #[serde(default)]
    status: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    #[serde(default)]
    network_mode: Option<String>,
    #[serde(default)]
    restart_policy: Option<RestartPolicy>,
    #[serde(default)]
    privileged: Option<bool>,
    #[serde(default)]
    cpu_shares: Count,
    #[serde(default)]
    memory: Count,
    #[serde(default)]
    nano_cpus: Count,
    #[serde(default)]
    cpu_period: Count,
    #[serde(default)]
    cpu_quota: Count,
    #[serde(default)]
    cpuset_cpus: Option<String>,
    #[serde(default)]
    memory_reservation: Count,
    #[serde(default)]
    memory_swap: Count,
    #[serde(default)]
    pids_limit: Count,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RestartPolicy {
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Mount {
    #[serde(rename = "Name", default)]
    name: Option<String>,
    #[serde(rename = "Source", default)]
    source: Option<String>,
    #[serde(rename = "Destination", default)]
    destination: Option<String>,
    #[serde(rename = "RW", default)]
    is_writable: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    hostname: Option<String>,
    #[serde(default)]
    env: Option<Vec<String>>,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    #[serde(default)]
    ports: Option<BTreeMap<String, Option<Vec<Binding>>>>,
    #[serde(default)]
    networks: Option<BTreeMap<String, Option<Network>>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    #[serde(default)]
    host_ip: Option<String>,
    #[serde(default)]
    host_port: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Network {
    #[serde(rename = "IPAddress", default)]
    address: Option<String>,
}

/// What of a container may be kept.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kept<'a> {
    /// Variables beside those of Mesos and Marathon.
    pub(super) environment: &'a [String],
    /// What is hidden in its command.
    pub(super) redact: &'a [String],
}

/// Reads a reply.
pub(super) fn parse(body: &[u8]) -> Result<Inspected, serde_json::Error> {
    serde_json::from_slice(body)
}

/// Whose network a container uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NetworkOf {
    /// Its own.
    Own,
    /// None, or the machine's.
    NoneOrHost,
    /// That of the container with this id or name.
    Container(String),
}

impl Inspected {
    /// What it does.
    pub(super) fn state(&self) -> State {
        match self.state.status.as_deref() {
            Some(word) if !word.is_empty() => State::of_word(word),
            // Engines below API 1.21 have no word, and later ones may leave it out.
            _ if self.state.paused => State::Paused,
            _ if self.state.restarting => State::Restarting,
            _ if self.state.running => State::Running,
            _ if self.state.started_at.credible().is_none() => State::Created,
            _ => State::Ended,
        }
    }

    /// When its present or last life began, by the engine's clock: from here its counters count.
    pub(super) fn started_at(&self) -> Option<Timestamp> {
        self.state.started_at.credible()
    }

    /// When its last finished life ended, by the engine's clock. While it runs that is the life before.
    pub(super) fn finished_at(&self) -> Option<Timestamp> {
        self.state.finished_at.credible()
    }

    /// Its name, without the slash.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref().map(|name| name.strip_prefix('/').unwrap_or(name)).filter(|name| !name.is_empty())
    }

    /// Whose network it uses.
    pub(super) fn network_of(&self) -> NetworkOf {
        match self.host_config.network_mode.as_deref() {
            Some("host" | "none") => NetworkOf::NoneOrHost,
            Some(mode) => {
                mode.strip_prefix("container:").map_or(NetworkOf::Own, |other| NetworkOf::Container(other.to_owned()))
            }
            None => NetworkOf::Own,
        }
    }

    /// All facts. Times are moved by the engine's clock offset; `name_of` knows the names of other containers by id.
    pub(super) fn attributes(
        &self,
        clock_offset_ms: i64,
        kept: Kept<'_>,
        name_of: impl Fn(&str) -> Option<String>,
    ) -> Attributes {
        let mut facts = Facts::default();
        let ours = |at: Timestamp| at.plus_ms(clock_offset_ms.saturating_neg());
        let env = kept_environment(self.config.env.as_deref().unwrap_or_default(), kept.environment);
        let empty = BTreeMap::new();
        let labels = self.config.labels.as_ref().unwrap_or(&empty);
        facts.text("name", self.name());
        facts.text("image", self.config.image.as_deref());
        facts.text("image_id", self.image.as_deref());
        facts.text("state", self.state.status.as_deref().or(Some(word(self.state()))));
        facts.text(
            "health",
            self.state.health.as_ref().and_then(|health| health.status.as_deref()).filter(|h| *h != "none"),
        );
        facts.put("created", self.created.credible().map(ours));
        facts.put("started_at", self.started_at().map(ours));
        facts.put("finished_at", self.finished_at().map(ours));
        // While it runs engines say 0, and before the first exit too, unless that tells why the start failed.
        let has_exited = !self.state().has_stats() && (self.finished_at().is_some() || self.state.exit_code != Some(0));
        facts.put("exit_code", self.state.exit_code.filter(|_| has_exited));
        facts.put("oom_killed", self.state.oom_killed);
        facts.put("restart_count", self.restart_count.0);
        facts.0.extend(attribute(&Clues { name: self.name().unwrap_or_default(), env: &env, labels }));
        if !labels.is_empty() {
            facts.put("labels", Some(labels.clone()));
        }
        if !env.is_empty() {
            facts.put("env", Some(env));
        }
        self.add_network(&mut facts, name_of);
        self.add_mounts(&mut facts);
        let words = self.path.iter().chain(self.args.iter().flatten());
        let command = words.map(String::as_str).collect::<Vec<_>>().join(" ");
        facts.text("command", Some(&redact::shown(&command, kept.redact, COMMAND_MAX_BYTES)));
        facts.text("hostname", self.config.hostname.as_deref());
        let policy = self.host_config.restart_policy.as_ref().and_then(|policy| policy.name.as_deref());
        facts.text("restart_policy", policy);
        facts.put("privileged", self.host_config.privileged);
        self.add_limits(&mut facts);
        facts.0
    }

    fn add_network(&self, facts: &mut Facts, name_of: impl Fn(&str) -> Option<String>) {
        let networks: BTreeMap<String, String> = self
            .network_settings
            .networks
            .iter()
            .flatten()
            .map(|(name, network)| (name.clone(), network.as_ref().and_then(|n| n.address.clone()).unwrap_or_default()))
            .collect();
        if !networks.is_empty() {
            facts.put("networks", Some(networks));
        }
        facts.text("network_mode", self.host_config.network_mode.as_deref());
        if let NetworkOf::Container(other) = self.network_of() {
            facts.put("network_of", Some(name_of(&other).unwrap_or(other)));
        }
        let mut ports: Vec<String> = Vec::new();
        for (inside, bindings) in self.network_settings.ports.iter().flatten() {
            let bindings = bindings.as_deref().unwrap_or_default();
            if bindings.is_empty() {
                ports.push(inside.clone());
            }
            for binding in bindings {
                let port = binding.host_port.as_deref().unwrap_or_default();
                ports.push(match binding.host_ip.as_deref().unwrap_or_default() {
                    "" => format!("{port}->{inside}"),
                    ip if ip.contains(':') => format!("[{ip}]:{port}->{inside}"),
                    ip => format!("{ip}:{port}->{inside}"),
                });
            }
        }
        // Engines keep no order of bindings and mounts, and a mere change of order would be a new version.
        ports.sort();
        if !ports.is_empty() {
            facts.put("ports", Some(ports));
        }
    }

    fn add_mounts(&self, facts: &mut Facts) {
        let mut mounts: Vec<String> = self
            .mounts
            .iter()
            .flatten()
            .map(|mount| {
                let source = said(mount.name.clone()).or_else(|| said(mount.source.clone())).unwrap_or_default();
                let mode = if mount.is_writable { "rw" } else { "ro" };
                format!("{source}:{}:{mode}", mount.destination.as_deref().unwrap_or_default())
            })
            .collect();
        mounts.sort();
        if !mounts.is_empty() {
            facts.put("mounts", Some(mounts));
        }
    }

    fn add_limits(&self, facts: &mut Facts) {
        let host = &self.host_config;
        let set = |count: Count| count.0.filter(|value| *value > 0);
        facts.text("cpuset_cpus", host.cpuset_cpus.as_deref());
        let of_nano = set(host.nano_cpus).map(|nano| decimal(nano) / 1e9);
        // The kernel's default period where only a quota is given.
        let of_quota = set(host.cpu_quota)
            .map(|quota| decimal(quota) / decimal(set(host.cpu_period).unwrap_or(DEFAULT_CPU_PERIOD_US)));
        facts.put("cpu_limit_cores", of_nano.or(of_quota));
        facts.put("cpu_reserved_cores", set(host.cpu_shares).map(|shares| decimal(shares) / SHARES_A_CORE));
        facts.put("memory_max_bytes", set(host.memory));
        facts.put("memory_reserved_bytes", set(host.memory_reservation));
        // 0 is no limit of its own, -1 (None here) unlimited.
        let swap = set(host.memory_swap).zip(set(host.memory)).and_then(|(both, memory)| both.checked_sub(memory));
        facts.put("swap_max_bytes", swap.filter(|swap| *swap >= 0));
        facts.put("pids_limit", set(host.pids_limit));
    }
}

/// CFS period in microseconds where none is set.
const DEFAULT_CPU_PERIOD_US: i64 = 100_000;

#[expect(clippy::cast_precision_loss, reason = "limits in cores and microseconds stay far below 2^53")]
fn decimal(value: i64) -> f64 {
    value as f64
}

/// Facts of a container of which only the list is known.
pub(super) fn attributes_of_listed(listed: &Listed) -> Attributes {
    let mut facts = Facts::default();
    let empty = BTreeMap::new();
    let labels = listed.labels.as_ref().unwrap_or(&empty);
    facts.text("name", Some(listed.name()));
    facts.text("image", listed.image.as_deref());
    facts.text("image_id", listed.image_id.as_deref());
    facts.text("state", Some(word(listed.state())));
    facts.put("created", listed.created.0.and_then(|s| s.checked_mul(1_000)).map(Timestamp::from_ms));
    facts.0.extend(attribute(&Clues { name: listed.name(), env: &BTreeMap::new(), labels }));
    if !labels.is_empty() {
        facts.put("labels", Some(labels.clone()));
    }
    facts.0
}

/// The engine's word for a state.
pub(super) fn word(state: State) -> &'static str {
    match state {
        State::Created => "created",
        State::Running => "running",
        State::Paused => "paused",
        State::Restarting => "restarting",
        State::Ended => "exited",
    }
}

/// Of an environment, what may be kept.
fn kept_environment(env: &[String], allowed: &[String]) -> BTreeMap<String, String> {
    env.iter()
        .filter_map(|variable| variable.split_once('='))
        .filter(|(name, _)| {
            name.starts_with("MESOS_") || name.starts_with("MARATHON_") || allowed.iter().any(|allowed| allowed == name)
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Attributes that leave out what is not said.
#[derive(Default)]
pub(super) struct Facts(pub(super) Attributes);

impl Facts {
    pub(super) fn put(&mut self, name: &'static str, value: Option<impl Into<AttributeValue>>) {
        if let Some(value) = value {
            self.0.insert(name, value.into());
        }
    }

    pub(super) fn text(&mut self, name: &'static str, value: Option<&str>) {
        self.put(name, value.filter(|value| !value.is_empty()));
    }
}
