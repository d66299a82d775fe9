//! The engine itself and its images, as data.
//!
//! Must not know: how the numbers are fetched. The order of `columns` is the order in which `info` and `images` fill
//! [`crate::model::Sample::values`].

use super::{HOST, fact};
use crate::model::{AttributeType, Column, Key, Kind};

/// The engine itself.
pub static ENGINE: Kind = Kind {
    name: "engine",
    help: "A Docker engine (or podman): what it holds and what machine it runs on.",
    identity: &[HOST],
    attributes: &[
        fact("product", AttributeType::Text, "docker or podman."),
        fact("engine_version", AttributeType::Text, "The engine's version."),
        fact("api_version", AttributeType::Text, "The newest API version it serves."),
        fact("api_version_min", AttributeType::Text, "The oldest API version it serves."),
        fact("api_version_used", AttributeType::Text, "The API version it is asked in."),
        fact("containerd_version", AttributeType::Text, "containerd's version."),
        fact("runc_version", AttributeType::Text, "The OCI runtime's version."),
        fact("kernel_version", AttributeType::Text, "The machine's kernel."),
        fact("os", AttributeType::Text, "The machine's operating system."),
        fact("architecture", AttributeType::Text, "The machine's processor architecture."),
        fact("hostname", AttributeType::Text, "The machine's own name."),
        fact("storage_driver", AttributeType::Text, "How image layers are stored."),
        fact("logging_driver", AttributeType::Text, "Where containers' output goes by default."),
        fact("cgroup_version", AttributeType::Text, "1 or 2."),
        fact("cgroup_driver", AttributeType::Text, "cgroupfs, systemd or none."),
        fact("data_root", AttributeType::Text, "The engine's data directory."),
        fact("swarm_state", AttributeType::Text, "inactive, pending, active, error or locked."),
        fact("swarm_node_id", AttributeType::Text, "The engine's node id in its swarm."),
        fact("live_restore", AttributeType::Boolean, "Whether containers outlive a restart of the engine."),
        fact("labels", AttributeType::List, "The engine's labels."),
    ],
    columns: &[
        Column::gauge("containers", "containers", "", 0, "Containers in all.").headline(),
        Column::gauge("containers_running", "containers_running", "", 0, "Containers running.").headline(),
        Column::gauge("containers_paused", "containers_paused", "", 0, "Containers paused."),
        Column::gauge("containers_stopped", "containers_stopped", "", 0, "Containers stopped."),
        Column::gauge("images", "images", "", 0, "Images.").headline(),
        Column::gauge("cpus", "cpus", "", 0, "CPUs of the machine.").headline(),
        Column::gauge("memory_total_bytes", "memory_total_bytes", "bytes", 0, "Memory of the machine.").headline(),
        Column::gauge(
            "disk_images_bytes",
            "disk_images_bytes",
            "bytes",
            0,
            "Disk used by image layers, each once. This and the other disk columns stand as of the last /system/df, \
             which is asked for seldom.",
        ),
        Column::gauge(
            "disk_containers_bytes",
            "disk_containers_bytes",
            "bytes",
            0,
            "Disk used by containers' writable layers.",
        ),
        Column::gauge("disk_volumes_bytes", "disk_volumes_bytes", "bytes", 0, "Disk used by volumes."),
        Column::gauge("disk_build_cache_bytes", "disk_build_cache_bytes", "bytes", 0, "Disk used by the build cache."),
    ],
    derived: &[],
    display: &["host"],
};

/// One image of an engine.
pub static IMAGE_KIND: Kind = Kind {
    name: "image",
    help: "An image that an engine holds.",
    identity: &[HOST, Key { name: "id", help: "The image's content id, sha256:…" }],
    attributes: &[
        fact("name", AttributeType::Text, "Its first tag in alphabetical order; absent where it is untagged."),
        fact("tags", AttributeType::List, "Its tags, as repository:tag."),
        fact("digests", AttributeType::List, "Its digests in registries, as repository@digest."),
        fact("created", AttributeType::Time, "When it was built."),
        fact("labels", AttributeType::Map, "Its labels."),
    ],
    columns: &[
        Column::gauge("size_bytes", "size_bytes", "bytes", 0, "Size of all its layers.").headline(),
        Column::gauge("shared_bytes", "shared_bytes", "bytes", 0, "Size of its layers that other images have too.")
            .headline(),
        Column::gauge("containers", "containers", "", 0, "Containers made from it, running or not.").headline(),
    ],
    derived: &[],
    display: &["host", "name", "id"],
};
