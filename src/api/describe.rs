//! The tables as data: what routes are found by and the OpenAPI document is made of.
//!
//! Must not know: how a table is answered.

use crate::query::request::{
    CAPACITY_PARAMETERS, CHART_PARAMETERS, DIFF_PARAMETERS, ENTITIES_PARAMETERS, EVENTS_PARAMETERS,
    HEADROOM_PARAMETERS, RANGE_PARAMETERS, SAMPLES_PARAMETERS, SNAPSHOT_PARAMETERS,
};

/// A table below the base.
#[derive(Debug)]
pub(crate) struct Table {
    /// The first part of its path.
    pub(crate) name: &'static str,
    /// Whether a kind follows in the path.
    pub(crate) is_of_kind: bool,
    /// One sentence: what it gives.
    pub(crate) summary: &'static str,
    /// Names of its parameters, those of the form aside.
    pub(crate) parameters: &'static [&'static str],
    /// What else it is filtered by.
    pub(crate) filters: Filters,
    /// Names that its JSON always has.
    pub(crate) keys: &'static [&'static str],
    /// Names that it has where they are asked for.
    pub(crate) more_keys: &'static [&'static str],
    /// Parameters of a question that works.
    pub(crate) example: &'static str,
    /// Whether closed ranges carry an entity tag.
    pub(crate) has_tag: bool,
}

/// What a table is filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filters {
    /// Nothing.
    None,
    /// Identity and attributes of its kind.
    OfKind,
    /// Identity and attributes of any kind that is asked for.
    OfAny,
}

/// All tables.
pub(crate) static TABLES: [Table; 16] = [
    Table {
        name: "kinds",
        is_of_kind: false,
        summary: "What is recorded: every kind with its attributes and columns.",
        parameters: &[],
        filters: Filters::None,
        keys: &["kinds"],
        more_keys: &[],
        example: "",
        has_tag: false,
    },
    Table {
        name: "kinds",
        is_of_kind: true,
        summary: "One kind: attributes and columns with type, unit and help; as CSV its dictionary.",
        parameters: &[],
        filters: Filters::None,
        keys: &["name", "help", "identity", "attributes", "columns", "display"],
        more_keys: &[],
        example: "",
        has_tag: false,
    },
    Table {
        name: "entities",
        is_of_kind: true,
        summary: "What was alive in a range, with attributes as of its end, first and last seen, and end.",
        parameters: ENTITIES_PARAMETERS,
        filters: Filters::OfKind,
        keys: &["kind", "start", "end", "tz", "entities", "next"],
        more_keys: &[],
        example: "start=-6h&limit=100",
        has_tag: false,
    },
    Table {
        name: "range",
        is_of_kind: true,
        summary: "Buckets of numbers over a range, a series an entity or a group.",
        parameters: RANGE_PARAMETERS,
        filters: Filters::OfKind,
        keys: &[
            "kind",
            "start",
            "end",
            "step_seconds",
            "step",
            "tz",
            "resolution",
            "filters",
            "group_by",
            "across",
            "top",
            "top_by",
            "coverage",
            "fields",
            "times",
            "series",
        ],
        more_keys: &["gaps", "explain"],
        example: "start=-2h&step=5m&coverage=1",
        has_tag: true,
    },
    Table {
        name: CHARTS,
        is_of_kind: true,
        summary: "Buckets of numbers over a range, drawn: a panel a field, a line a series.",
        parameters: CHART_PARAMETERS,
        filters: Filters::OfKind,
        keys: &[],
        more_keys: &[],
        example: "start=-2h&top=10&coverage=1",
        has_tag: true,
    },
    Table {
        name: "samples",
        is_of_kind: true,
        summary: "Samples as recorded, with what is derived from each and the one before it.",
        parameters: SAMPLES_PARAMETERS,
        filters: Filters::OfKind,
        keys: &["kind", "start", "end", "tz", "samples", "next"],
        more_keys: &[],
        example: "start=-2h&limit=1000&attributes=all",
        has_tag: true,
    },
    Table {
        name: "snapshot",
        is_of_kind: false,
        summary: "Everything as it was at an instant, each part with its sample's age.",
        parameters: SNAPSHOT_PARAMETERS,
        filters: Filters::OfAny,
        keys: &["at", "tz", "targets", "kinds"],
        more_keys: &[],
        example: "at=-1h",
        has_tag: false,
    },
    Table {
        name: "snapshot",
        is_of_kind: true,
        summary: "What there was of one kind at an instant, each with its newest sample and the sample's age.",
        parameters: SNAPSHOT_PARAMETERS,
        filters: Filters::OfKind,
        keys: &["at", "tz", "targets", "kinds"],
        more_keys: &[],
        example: "at=-1h",
        has_tag: false,
    },
    Table {
        name: "diff",
        is_of_kind: false,
        summary: "What differs between two instants: things come, gone, moved, attributes changed, numbers that moved most.",
        parameters: DIFF_PARAMETERS,
        filters: Filters::OfAny,
        keys: &[
            "from", "to", "tz", "before", "after", "kinds", "group_by", "come", "gone", "moved", "changed", "numbers",
        ],
        more_keys: &[],
        example: "around=-55m&window=5m&top=10",
        has_tag: false,
    },
    Table {
        name: "capacity",
        is_of_kind: false,
        summary: "When hosts, agents, clusters or applications will be full, by the trend of each day's busiest hour.",
        parameters: CAPACITY_PARAMETERS,
        filters: Filters::OfAny,
        keys: &["start", "end", "tz", "threshold", "horizon_seconds", "outlooks"],
        more_keys: &[],
        example: "of=host&resource=memory&threshold=0.8",
        has_tag: false,
    },
    Table {
        name: "headroom",
        is_of_kind: false,
        summary: "How many more instances of a task fit on the Mesos agents, now and at the worst hour of a time.",
        parameters: HEADROOM_PARAMETERS,
        filters: Filters::None,
        keys: &[
            "start",
            "end",
            "tz",
            "cpus",
            "memory_bytes",
            "instances",
            "fits_now",
            "is_enough_now",
            "fits_at_worst",
            "is_enough_at_worst",
            "worst_hour",
            "agents",
        ],
        more_keys: &[],
        example: "cpus=0.5&mem=512&instances=20",
        has_tag: false,
    },
    Table {
        name: "events",
        is_of_kind: false,
        summary: "What happened in a range; deaths with their certificates, where asked for.",
        parameters: EVENTS_PARAMETERS,
        filters: Filters::OfAny,
        keys: &["start", "end", "tz", "events", "next"],
        more_keys: &[],
        example: "start=-6h&certificates=1&severity=warning,error",
        has_tag: false,
    },
    Table {
        name: "targets",
        is_of_kind: false,
        summary: "What is polled, whether it answers, and since when not.",
        parameters: &["tz", "target", "host"],
        filters: Filters::None,
        keys: &["targets"],
        more_keys: &[],
        example: "target=docker/*",
        has_tag: false,
    },
    Table {
        name: "reports",
        is_of_kind: false,
        summary: "Which reports there are, with their parameters and columns; a file with a fault says which.",
        parameters: &[],
        filters: Filters::None,
        keys: &["reports"],
        more_keys: &[],
        example: "",
        has_tag: false,
    },
    Table {
        name: REPORT,
        is_of_kind: false,
        summary: "What a report answers.",
        parameters: &[],
        filters: Filters::None,
        keys: &["report", "title", "parameters", "columns", "rows"],
        more_keys: &[],
        example: "",
        has_tag: false,
    },
    Table {
        name: SUMS,
        is_of_kind: true,
        summary: "Rows, bytes and SHA-256 of the CSV of a closed range, so that a truncated file is noticed.",
        parameters: SAMPLES_PARAMETERS,
        filters: Filters::OfKind,
        keys: &["kind", "start", "end", "tz", "file", "rows", "bytes", "sha256"],
        more_keys: &[],
        example: "start=-2h&end=-20m",
        has_tag: true,
    },
];

/// The table of sums, which is found by what follows the kind: `/samples/{kind}.csv.sum`.
pub(crate) const SUMS: &str = "sums";
/// What follows the name of a kind where the sum of its CSV is asked for.
pub(crate) const SUM_SUFFIX: &str = ".csv.sum";

/// The table of pictures, which have one form: `/chart/{kind}.svg`.
pub(crate) const CHARTS: &str = "chart";
/// What follows the name of a kind where it is drawn.
pub(crate) const CHART_SUFFIX: &str = ".svg";

/// The table of one report, which is found by its name: `/reports/{name}`.
pub(crate) const REPORT: &str = "report";

/// The table of a name.
pub(crate) fn table(name: &str, is_of_kind: bool) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name && table.is_of_kind == is_of_kind)
}

/// What a parameter of any table means.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    /// What its value looks like.
    pub(crate) form: ParameterForm,
}

/// What the value of a parameter looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ParameterForm {
    /// Text; the second is an example.
    Text(&'static str),
    /// A whole number from 1 on.
    Count,
    /// 1 or 0.
    Flag,
    /// One of these.
    OneOf(&'static [&'static str]),
}

use ParameterForm::{Count, Flag, OneOf, Text};

const fn parameter(name: &'static str, form: ParameterForm, help: &'static str) -> Parameter {
    Parameter { name, help, form }
}

/// All parameters of all tables.
pub(crate) static PARAMETERS: [Parameter; 38] = [
    parameter("start", Text("-6h"), "From here on: RFC 3339, 2026-08, -6h, now-1d, Unix seconds or milliseconds."),
    parameter("end", Text("now"), "Up to here, exclusive; now by default."),
    parameter("at", Text("-1h"), "The instant; now by default."),
    parameter("from", Text("-1d"), "The earlier instant."),
    parameter("to", Text("now"), "The later instant; now by default."),
    parameter("around", Text("-1h"), "Compares the window after this instant with the window before it."),
    parameter("window", Text("30m"), "Length of either window that numbers are compared in; 30m by default."),
    parameter("tz", Text("Europe/Berlin"), "Zone of times, and of steps of a day and more; UTC by default."),
    parameter("fields", Text("all"), "Columns, separated by commas; the headline ones by default."),
    parameter(
        "agg",
        Text("avg,max"),
        "How values are reduced over time: increase last avg min max count p50 p90 p95 p99.",
    ),
    parameter("step", Text("5m"), "Width of a bucket: below a day any, 1d, 1w, 1mo, all."),
    parameter("group_by", Text("host"), "Labels to group by, separated by commas; empty for one group."),
    parameter("across", OneOf(&["sum", "avg", "min", "max"]), "How the entities of a group are combined."),
    parameter("top", Count, "Keeps only the largest."),
    parameter("top_by", Text("cpu_cores.max"), "The field that decides which are the largest."),
    parameter("coverage", Flag, "Says how much of each bucket is known, and why not all."),
    parameter("width", Count, "Pixels from left to right; 1000 by default."),
    parameter("height", Count, "Pixels of each field's panel; 220 by default."),
    parameter("attributes", OneOf(&["all", "scalar"]), "Whether lists and maps are printed too."),
    parameter("limit", Count, "At most so many rows; further pages follow by cursor."),
    parameter("cursor", Text(""), "Where the next page begins, as the page before said."),
    parameter("type", Text("container_died"), "Types of events, with globs."),
    parameter("severity", Text("warning,error"), "Severities of events."),
    parameter("kind", Text("container"), "Kinds of the entities that events are of."),
    parameter("kinds", Text("*"), "Kinds, with globs; all by default."),
    parameter("of", OneOf(&["host", "agent", "cluster", "app"]), "Whose capacity; host by default."),
    parameter("resource", OneOf(&["cpu", "memory", "disk"]), "Of what; of all by default."),
    parameter("threshold", Text("0.9"), "How full is full, as a part of the whole; 0.9 by default."),
    parameter("horizon", Text("180d"), "How far ahead a day is sought; 180d by default."),
    parameter("cpus", Text("0.5"), "Cores of one instance."),
    parameter("mem", Text("512"), "Memory of one instance, in MiB or with a unit: 2GiB."),
    parameter("instances", Count, "How many are wanted; 1 by default."),
    parameter("certificates", Flag, "Gives deaths their certificates."),
    parameter("target", Text("docker/*"), "Names of targets, with globs."),
    parameter("host", Text("*"), "Configured names, with globs."),
    parameter("app", Text("/shop/*"), "Applications, with globs."),
    parameter("explain", Flag, "Says how the answer came about, and what is behind one number of it."),
    parameter(
        "formulas",
        OneOf(&["keep", "neutral"]),
        "Whether text that a spreadsheet would run begins with an apostrophe.",
    ),
];
