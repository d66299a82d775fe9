//! What the ZooKeeper source records, as data.
//!
//! Must not know: how the numbers are fetched, nor under which names.

use crate::model::{Attribute, AttributeType, Column, Derived, Formula, Key, Kind};

const fn fact(name: &'static str, help: &'static str) -> Attribute {
    Attribute::new(name, AttributeType::Text, help)
}

const fn count(name: &'static str, help: &'static str) -> Column {
    Column::gauge(name, name, "", 0, help)
}

const fn latency(name: &'static str, stored: &'static str, help: &'static str) -> Column {
    Column::gauge(name, stored, "seconds", 9, help).not_additive()
}

/// One server.
pub static ZOOKEEPER: Kind = Kind {
    name: "zookeeper",
    help: "One ZooKeeper server.",
    identity: &[Key { name: "server", help: "Host and port of the server." }],
    attributes: &[
        fact("ensemble", "The ensemble's name in the configuration."),
        fact("role", "leader, follower, observer, standalone, read-only, not serving or down."),
        fact("version", "Its version."),
    ],
    columns: &[
        latency("latency_avg_seconds", "latency_avg_ns", "Mean latency since its start or the last reset.").headline(),
        latency("latency_min_seconds", "latency_min_ns", "Least latency since then."),
        latency("latency_max_seconds", "latency_max_ns", "Most latency since then."),
        count("connections", "Connections of clients.").headline(),
        count("outstanding_requests", "Requests that wait.").headline(),
        count("znodes", "Nodes.").not_additive().headline(),
        count("watches", "Watches."),
        count("ephemerals", "Ephemeral nodes.").not_additive(),
        count("followers", "Followers of the leader."),
        count("followers_synced", "Followers of the leader that keep up."),
        Column::gauge("data_bytes", "data_bytes", "bytes", 0, "Size of all nodes, about.").not_additive(),
        count("file_descriptors", "Open files."),
        count("file_descriptors_max", "Most files it may open."),
        Column::counter("packets_received_total", "packets_received", "", 0, "Packets received."),
        Column::counter("packets_sent_total", "packets_sent", "", 0, "Packets sent."),
    ],
    derived: &[
        Derived::new(
            "packets_received_per_second",
            "per_second",
            "Packets received.",
            Formula::Rate { counters: &["packets_received_total"] },
        ),
        Derived::new(
            "packets_sent_per_second",
            "per_second",
            "Packets sent.",
            Formula::Rate { counters: &["packets_sent_total"] },
        ),
    ],
    display: &["server"],
};
