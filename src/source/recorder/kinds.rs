//! What is recorded of the recorder and of its targets: kinds `recorder` and `target`.
//!
//! Must not know: where the numbers come from.

use crate::model::{Attribute, AttributeType, Column, Derived, Formula, Key, Kind};

/// What this process costs and does; its counters begin when it starts.
pub static RECORDER: Kind = Kind {
    name: "recorder",
    help: "A recorder process: what it costs and what it has done since it started.",
    identity: &[Key { name: "host", help: "Name of the machine the recorder runs on, as first stored." }],
    attributes: &[Attribute::new("version", AttributeType::Text, "Version of the recorder's program.")],
    columns: &[
        Column::counter(
            "cpu_seconds_total",
            "cpu_ms",
            "seconds",
            3,
            "CPU time of the process, user and system, from /proc/self/stat.",
        ),
        Column::gauge("memory_rss_bytes", "memory_rss_bytes", "bytes", 0, "Resident memory, from /proc/self/statm.")
            .headline(),
        Column::gauge(
            "memory_max_rss_bytes",
            "memory_max_rss_bytes",
            "bytes",
            0,
            "Most resident memory since the start, VmHWM of /proc/self/status.",
        )
        .high_water(),
        Column::gauge("open_files", "open_files", "", 0, "Open file descriptors, from /proc/self/fd."),
        Column::gauge("targets", "targets", "", 0, "Targets that are configured."),
        Column::gauge("targets_up", "targets_up", "", 0, "Targets whose newest poll was good."),
        Column::gauge("queue_length", "queue_length", "", 0, "Snapshots that wait for the store's writer.").headline(),
        Column::counter("polls_total", "polls", "", 0, "Visits to targets, failed ones included."),
        Column::counter(
            "ticks_skipped_total",
            "ticks_skipped",
            "",
            0,
            "Ticks without a visit because the one before still ran.",
        ),
        Column::counter(
            "snapshots_dropped_total",
            "snapshots_dropped",
            "",
            0,
            "Snapshots dropped because the store could not keep up.",
        ),
        Column::counter("samples_total", "samples", "", 0, "Samples stored."),
        Column::counter(
            "duplicate_samples_total",
            "duplicate_samples",
            "",
            0,
            "Samples left out because their entity and time were stored already.",
        ),
        Column::counter("events_total", "events", "", 0, "Events stored."),
        Column::counter("commits_total", "commits", "", 0, "Transactions of the store's writer."),
        Column::counter("commit_seconds_total", "commit_ms", "seconds", 3, "Time the store's writer spent in them."),
        Column::counter(
            "commit_failures_total",
            "commit_failures",
            "",
            0,
            "Transactions that failed; what was in them is tried again.",
        ),
        Column::gauge(
            "commit_max_seconds",
            "commit_max_ms",
            "seconds",
            3,
            "The longest of them since the sample before, with what it waited for the store's upkeep.",
        )
        .high_water(),
        Column::counter("upkeep_steps_total", "upkeep_steps", "", 0, "Steps of the store's upkeep that did something."),
        Column::counter("upkeep_seconds_total", "upkeep_ms", "seconds", 3, "Time that upkeep took, beside the writer."),
        Column::gauge(
            "upkeep_overdue_seconds",
            "upkeep_overdue_ms",
            "seconds",
            3,
            "For how long already samples wait to be sealed that could be; 0 where there are none.",
        ),
        Column::counter("sealed_samples_total", "sealed_samples", "", 0, "Samples packed into blocks."),
        Column::counter("merged_blocks_total", "merged_blocks", "", 0, "Blocks that went into larger ones."),
        Column::counter("rolled_days_total", "rolled_days", "", 0, "Days of an entity rolled up to hours."),
        Column::gauge(
            "rollup_overdue_seconds",
            "rollup_overdue_ms",
            "seconds",
            3,
            "For how long already days wait to be rolled up that could be; 0 where there are none.",
        ),
        Column::counter(
            "deleted_polls_total",
            "deleted_polls",
            "",
            0,
            "Polls that retention took, with their samples.",
        ),
        Column::gauge("file_bytes", "file_bytes", "bytes", 0, "Size of the database file.").headline(),
        Column::gauge("wal_bytes", "wal_bytes", "bytes", 0, "Size of the database's write-ahead log."),
    ],
    derived: &[
        Derived::new(
            "cpu_cores",
            "cores",
            "CPU time used per second.",
            Formula::Rate { counters: &["cpu_seconds_total"] },
        )
        .headline(),
        Derived::new(
            "samples_per_second",
            "samples_per_second",
            "Samples stored per second.",
            Formula::Rate { counters: &["samples_total"] },
        )
        .headline(),
    ],
    display: &["host"],
};

/// How the newest poll of each target went.
pub static TARGET: Kind = Kind {
    name: "target",
    help: "An address that is polled at one interval, and how its newest poll went.",
    identity: &[Key { name: "target", help: "Name of the target, source/name." }],
    attributes: &[
        Attribute::new("source", AttributeType::Text, "The source that polls it."),
        Attribute::new("host", AttributeType::Text, "Its name in the configuration."),
        Attribute::new("address", AttributeType::Text, "Where it is polled, without credentials."),
        Attribute::new("interval_seconds", AttributeType::Number, "Time from one poll to the next."),
    ],
    columns: &[
        Column::gauge("up", "up", "", 0, "1 when the newest poll was good, else 0.").headline(),
        Column::gauge("duration_seconds", "duration_ms", "seconds", 3, "How long the newest poll took.")
            .headline()
            .not_additive(),
        Column::gauge("bytes", "bytes", "bytes", 0, "Bytes of reply bodies in the newest poll.").headline(),
        Column::gauge("samples", "samples", "", 0, "Samples that the newest poll took.").headline(),
        Column::gauge(
            "clock_offset_seconds",
            "clock_offset_ms",
            "seconds",
            3,
            "The target's clock minus the recorder's, as taken off its times; 0 while they agree.",
        )
        .not_additive(),
    ],
    derived: &[],
    display: &["target"],
};
