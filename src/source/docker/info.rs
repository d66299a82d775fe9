//! `/info`, `/version` and `/system/df`: the engine itself.
//!
//! Pure. Must not know: when each is asked for.

use serde::Deserialize;

use super::inspect::Facts;
use super::version::{ApiVersion, VersionReply};
use super::wire::{Count, Instant};
use crate::model::{Attributes, Timestamp, Value};

/// What of `/info` is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Info {
    #[serde(default)]
    containers: Count,
    #[serde(default)]
    containers_running: Count,
    #[serde(default)]
    containers_paused: Count,
    #[serde(default)]
    containers_stopped: Count,
    #[serde(default)]
    images: Count,
    #[serde(rename = "NCPU", default)]
    cpus: Count,
    #[serde(default)]
    mem_total: Count,
    #[serde(default)]
    system_time: Instant,
    #[serde(default)]
    driver: Option<String>,
    #[serde(default)]
    logging_driver: Option<String>,
    #[serde(default)]
    cgroup_driver: Option<String>,
    #[serde(default)]
    cgroup_version: Option<String>,
    #[serde(default)]
    kernel_version: Option<String>,
    #[serde(default)]
    operating_system: Option<String>,
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    server_version: Option<String>,
    #[serde(default)]
    docker_root_dir: Option<String>,
    #[serde(default)]
    live_restore_enabled: Option<bool>,
    #[serde(default)]
    labels: Option<Vec<String>>,
    #[serde(default)]
    swarm: Option<Swarm>,
}

#[derive(Debug, Clone, Deserialize)]
struct Swarm {
    #[serde(rename = "LocalNodeState", default)]
    state: Option<String>,
    #[serde(rename = "NodeID", default)]
    node_id: Option<String>,
}

/// Disk in use; each part null where it is not said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Disk {
    images: Option<i64>,
    containers: Option<i64>,
    volumes: Option<i64>,
    build_cache: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DiskWire {
    #[serde(default)]
    layers_size: Count,
    #[serde(default)]
    images: Option<Vec<ImageSize>>,
    #[serde(default)]
    containers: Option<Vec<ContainerSize>>,
    #[serde(default)]
    volumes: Option<Vec<Volume>>,
    #[serde(default)]
    build_cache: Option<Vec<BuildCache>>,
}

#[derive(Deserialize)]
struct ImageSize {
    #[serde(rename = "Size", default)]
    size: Count,
    #[serde(rename = "SharedSize", default)]
    shared: Count,
}

#[derive(Deserialize)]
struct ContainerSize {
    #[serde(rename = "SizeRw", default)]
    size: Count,
}

#[derive(Deserialize)]
struct Volume {
    #[serde(rename = "UsageData", default)]
    usage: Option<VolumeUsage>,
}

#[derive(Deserialize)]
struct VolumeUsage {
    #[serde(rename = "Size", default)]
    size: Count,
}

#[derive(Deserialize)]
struct BuildCache {
    #[serde(rename = "Size", default)]
    size: Count,
    #[serde(rename = "Shared", default)]
    is_shared: bool,
}

/// Reads `/info`.
pub(super) fn parse(body: &[u8]) -> Result<Info, serde_json::Error> {
    serde_json::from_slice(body)
}

/// Reads `/system/df`. Podman says 0 where it did not count the layers: then the images' own parts are added up.
pub(super) fn parse_disk(body: &[u8]) -> Result<Disk, serde_json::Error> {
    let wire: DiskWire = serde_json::from_slice(body)?;
    let sum = |sizes: &mut dyn Iterator<Item = Option<i64>>| {
        sizes.flatten().try_fold(0_i64, |sum, size| sum.checked_add(size))
    };
    let own = |image: &ImageSize| match (image.size.0, image.shared.0) {
        (Some(size), shared) => size.checked_sub(shared.unwrap_or(0)),
        _ => None,
    };
    let images = wire.images.unwrap_or_default();
    let layers = wire.layers_size.0.filter(|size| *size > 0 || images.is_empty());
    Ok(Disk {
        images: layers.or_else(|| sum(&mut images.iter().map(own))),
        // SizeRw is left out where it is 0.
        containers: wire.containers.and_then(|list| sum(&mut list.iter().map(|container| container.size.0))),
        // A volume's size is -1 where its driver cannot tell.
        volumes: wire
            .volumes
            .and_then(|list| sum(&mut list.iter().map(|volume| volume.usage.as_ref().and_then(|usage| usage.size.0)))),
        build_cache: wire
            .build_cache
            .and_then(|list| sum(&mut list.iter().filter(|entry| !entry.is_shared).map(|entry| entry.size.0))),
    })
}

impl Info {
    /// The engine's clock, where it says it.
    pub(super) fn system_time(&self) -> Option<Timestamp> {
        self.system_time.credible()
    }

    /// The columns of [`super::kinds::ENGINE`].
    pub(super) fn values(&self, disk: Disk) -> Box<[Value]> {
        [
            self.containers.0,
            self.containers_running.0,
            self.containers_paused.0,
            self.containers_stopped.0,
            self.images.0,
            self.cpus.0,
            self.mem_total.0,
            disk.images,
            disk.containers,
            disk.volumes,
            disk.build_cache,
        ]
        .map(Value::from)
        .into()
    }

    /// The attributes of [`super::kinds::ENGINE`].
    pub(super) fn attributes(&self, version: &VersionReply, used: ApiVersion, is_podman: bool) -> Attributes {
        let mut facts = Facts::default();
        let component = |names: &[&str]| {
            let components = version.components.iter().flatten();
            let mut found = components.filter(|component| names.iter().any(|name| component.name.starts_with(name)));
            // Podman's versions are several lines; the first names the version.
            found.next().and_then(|component| component.version.lines().next().map(str::to_owned))
        };
        facts.text("product", Some(if is_podman { "podman" } else { "docker" }));
        facts.text("engine_version", self.server_version.as_deref().or(version.version.as_deref()));
        facts.text("api_version", version.api_version.as_deref());
        facts.text("api_version_min", version.min_api_version.as_deref());
        facts.put("api_version_used", Some(used.to_string()));
        facts.text("containerd_version", component(&["containerd"]).as_deref());
        facts.text("runc_version", component(&["runc", "crun", "OCI Runtime"]).as_deref());
        facts.text("kernel_version", self.kernel_version.as_deref());
        facts.text("os", self.operating_system.as_deref());
        facts.text("architecture", self.architecture.as_deref());
        facts.text("hostname", self.name.as_deref());
        facts.text("storage_driver", self.driver.as_deref());
        facts.text("logging_driver", self.logging_driver.as_deref());
        facts.text("cgroup_version", self.cgroup_version.as_deref());
        facts.text("cgroup_driver", self.cgroup_driver.as_deref());
        facts.text("data_root", self.docker_root_dir.as_deref());
        facts.text("swarm_state", self.swarm.as_ref().and_then(|swarm| swarm.state.as_deref()));
        facts.text("swarm_node_id", self.swarm.as_ref().and_then(|swarm| swarm.node_id.as_deref()));
        facts.put("live_restore", self.live_restore_enabled);
        let mut labels = self.labels.clone().unwrap_or_default();
        labels.sort();
        if !labels.is_empty() {
            facts.put("labels", Some(labels));
        }
        facts.0
    }
}
