//! The tables as data: what routes are found by and the OpenAPI document is made of.
//!
//! Must not know: how a table is answered.

use std::ops::RangeInclusive;

use crate::query::request::{
    CAPACITY_PARAMETERS, CHART_PARAMETERS, CPUS_MAX, DIFF_PARAMETERS, ENTITIES_MAX, ENTITIES_PARAMETERS, EVENTS_MAX,
    EVENTS_PARAMETERS, HEADROOM_PARAMETERS, INSTANCES_MAX, PANEL_HEIGHT_PX, RANGE_PARAMETERS, SAMPLES_PARAMETERS,
    SERIES_MAX, SNAPSHOT_PARAMETERS, THRESHOLD_MAX, WIDTH_PX,
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
    /// Those of the parameters without which there is no answer.
    pub(crate) needed: &'static [&'static str],
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
        needed: &[],
        example: "",
        has_tag: false,
    },
    Table {
        name: "kinds",
        is_of_kind: true,
        summary: "One kind: attributes and columns with type, unit and help; as CSV its dictionary.",
        parameters: &[],
        filters: Filters::None,
        needed: &[],
        example: "",
        has_tag: false,
    },
    Table {
        name: "entities",
        is_of_kind: true,
        summary: "What was alive in a range, with attributes as of its end, first and last seen, and end.",
        parameters: ENTITIES_PARAMETERS,
        filters: Filters::OfKind,
        needed: &[],
        example: "start=-6h&limit=100",
        has_tag: false,
    },
    Table {
        name: "range",
        is_of_kind: true,
        summary: "Buckets of numbers over a range, a series an entity or a group.",
        parameters: RANGE_PARAMETERS,
        filters: Filters::OfKind,
        needed: &[],
        example: "start=-2h&step=5m&coverage=1",
        has_tag: true,
    },
    Table {
        name: CHARTS,
        is_of_kind: true,
        summary: "Buckets of numbers over a range, drawn: a panel a field, a line a series.",
        parameters: CHART_PARAMETERS,
        filters: Filters::OfKind,
        needed: &[],
        example: "start=-2h&top=10&coverage=1",
        has_tag: true,
    },
    Table {
        name: "samples",
        is_of_kind: true,
        summary: "Samples as recorded, with what is derived from each and the one before it.",
        parameters: SAMPLES_PARAMETERS,
        filters: Filters::OfKind,
        needed: &[],
        example: "start=-2h&limit=1000&attributes=all",
        has_tag: true,
    },
    Table {
        name: "snapshot",
        is_of_kind: false,
        summary: "Everything as it was at an instant, each part with its sample's age.",
        parameters: SNAPSHOT_PARAMETERS,
        filters: Filters::OfAny,
        needed: &[],
        example: "at=-1h",
        has_tag: false,
    },
    Table {
        name: "snapshot",
        is_of_kind: true,
        summary: "What there was of one kind at an instant, each with its newest sample and the sample's age.",
        parameters: SNAPSHOT_PARAMETERS,
        filters: Filters::OfKind,
        needed: &[],
        example: "at=-1h",
        has_tag: false,
    },
    Table {
        name: "diff",
        is_of_kind: false,
        summary: "What differs between two instants: things come, gone, moved, attributes changed, numbers that moved most.",
        parameters: DIFF_PARAMETERS,
        filters: Filters::OfAny,
        needed: &[],
        example: "around=-55m&window=5m&top=10",
        has_tag: false,
    },
    Table {
        name: "capacity",
        is_of_kind: false,
        summary: "When hosts, agents, clusters or applications will be full, by the trend of each day's busiest hour.",
        parameters: CAPACITY_PARAMETERS,
        filters: Filters::OfAny,
        needed: &[],
        example: "of=host&resource=memory&threshold=0.8",
        has_tag: false,
    },
    Table {
        name: "headroom",
        is_of_kind: false,
        summary: "How many more instances of a task fit on the Mesos agents, now and at the worst hour of a time.",
        parameters: HEADROOM_PARAMETERS,
        filters: Filters::None,
        needed: &["cpus", "mem"],
        example: "cpus=0.5&mem=512&instances=20",
        has_tag: false,
    },
    Table {
        name: "events",
        is_of_kind: false,
        summary: "What happened in a range; deaths with their certificates, where asked for.",
        parameters: EVENTS_PARAMETERS,
        filters: Filters::OfAny,
        needed: &[],
        example: "start=-6h&certificates=1&severity=warning,error",
        has_tag: false,
    },
    Table {
        name: "targets",
        is_of_kind: false,
        summary: "What is polled, whether it answers, and since when not.",
        parameters: &["tz", "target", "host"],
        filters: Filters::None,
        needed: &[],
        example: "target=docker/*",
        has_tag: false,
    },
    Table {
        name: "reports",
        is_of_kind: false,
        summary: "Which reports there are, with their parameters and columns; a file with a fault says which.",
        parameters: &[],
        filters: Filters::None,
        needed: &[],
        example: "",
        has_tag: false,
    },
    Table {
        name: REPORT,
        is_of_kind: false,
        summary: "What a report answers.",
        parameters: &[],
        filters: Filters::None,
        needed: &[],
        example: "",
        has_tag: false,
    },
    Table {
        name: SUMS,
        is_of_kind: true,
        summary: "Rows, bytes and SHA-256 of the CSV of a closed range, so that a truncated file is noticed.",
        parameters: SAMPLES_PARAMETERS,
        filters: Filters::OfKind,
        needed: &[],
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

/// The smallest and the largest that a counting parameter of a table may be; no largest where any will do.
pub(crate) fn count_limits(table: &str, parameter: &str) -> (u64, Option<u64>) {
    let up_to = |max: usize| (1, u64::try_from(max).ok());
    let pixels = |range: RangeInclusive<u32>| (u64::from(*range.start()), Some(u64::from(*range.end())));
    match (table, parameter) {
        (_, "top") => up_to(SERIES_MAX),
        ("entities", "limit") => up_to(ENTITIES_MAX),
        ("events", "limit") => up_to(EVENTS_MAX),
        (_, "instances") => (1, Some(INSTANCES_MAX)),
        (_, "width") => pixels(WIDTH_PX),
        (_, "height") => pixels(PANEL_HEIGHT_PX),
        _ => (1, None),
    }
}

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

/// What the value of a parameter looks like. A text that comes with it is an example.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ParameterForm {
    /// Text.
    Text(&'static str),
    /// Text that is only ever taken from an answer.
    Cursor,
    /// A time; without an example where it stands for another parameter.
    Time(Option<&'static str>),
    /// A duration.
    Duration(&'static str),
    /// The width of a bucket.
    Step(&'static str),
    /// A zone.
    Zone(&'static str),
    /// An amount of memory.
    Memory(&'static str),
    /// A number above 0, up to this.
    Amount(f64, &'static str),
    /// A whole number from 1 on.
    Count(u64),
    /// 1 or 0.
    Flag,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Fields of the kind, separated by commas.
    Fields,
    /// One of these fields, with or without a way to reduce it.
    Field,
    /// Ways to reduce over time, separated by commas.
    Aggs,
    /// Labels of the kind, separated by commas; of any kind where none is asked for.
    Labels,
}

use ParameterForm::{
    Aggs, Amount, Count, Cursor, Duration, Field, Fields, Flag, Labels, Memory, OneOf, Step, Text, Time, Zone,
};

const fn parameter(name: &'static str, form: ParameterForm, help: &'static str) -> Parameter {
    Parameter { name, help, form }
}

/// All parameters of all tables.
pub(crate) static PARAMETERS: [Parameter; 38] = [
    parameter(
        "start",
        Time(Some("-6h")),
        "From here on: RFC 3339, 2026-08, -6h, now-1d, Unix seconds or milliseconds.",
    ),
    parameter("end", Time(Some("-20m")), "Up to here, exclusive; now by default."),
    parameter("at", Time(Some("-1h")), "The instant; now by default."),
    parameter("from", Time(None), "The earlier instant."),
    parameter("to", Time(None), "The later instant; now by default."),
    parameter("around", Time(Some("-1h")), "Compares the window after this instant with the window before it."),
    parameter("window", Duration("30m"), "Length of either window that numbers are compared in; 30m by default."),
    parameter("tz", Zone("Europe/Berlin"), "Zone of times, and of steps of a day and more; UTC by default."),
    parameter("fields", Fields, "Columns, separated by commas; the headline ones by default."),
    parameter("agg", Aggs, "How values are reduced over time: increase last avg min max count p50 p90 p95 p99."),
    parameter("step", Step("5m"), "Width of a bucket: below a day any, 1d, 1w, 1mo, all."),
    parameter("group_by", Labels, "Labels to group by, separated by commas; empty for one group."),
    parameter("across", OneOf(&["sum", "avg", "min", "max"]), "How the entities of a group are combined."),
    parameter("top", Count(10), "Keeps only the largest."),
    parameter("top_by", Field, "The field that decides which are the largest."),
    parameter("coverage", Flag, "Says how much of each bucket is known, and why not all."),
    parameter("width", Count(800), "Pixels from left to right; 1000 by default."),
    parameter("height", Count(200), "Pixels of each field's panel; 220 by default."),
    parameter("attributes", OneOf(&["all", "scalar"]), "Whether lists and maps are printed too."),
    parameter("limit", Count(100), "At most so many rows; further pages follow by cursor."),
    parameter("cursor", Cursor, "Where the next page begins, as the page before said."),
    parameter("type", Text("container_died"), "Types of events, with globs."),
    parameter("severity", Text("warning,error"), "Severities of events."),
    parameter("kind", Text("container"), "Kinds of the entities that events are of."),
    parameter("kinds", Text("*"), "Kinds, with globs; all by default."),
    parameter("of", OneOf(&["host", "agent", "cluster", "app"]), "Whose capacity; host by default."),
    parameter("resource", OneOf(&["cpu", "memory", "disk"]), "Of what; of all by default."),
    parameter("threshold", Amount(THRESHOLD_MAX, "0.9"), "How full is full, as a part of the whole; 0.9 by default."),
    parameter("horizon", Duration("180d"), "How far ahead a day is sought; 180d by default."),
    parameter("cpus", Amount(CPUS_MAX, "0.5"), "Cores of one instance."),
    parameter("mem", Memory("512"), "Memory of one instance, in MiB or with a unit: 2GiB."),
    parameter("instances", Count(20), "How many are wanted; 1 by default."),
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
