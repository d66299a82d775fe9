//! What a kind is: identity, attributes, columns and derived columns, described once, as data.
//!
//! API, CSV, storage and documentation learn a kind from its description. The descriptions themselves
//! stand beside the sources that fill them.

/// A table of like things, such as containers.
#[derive(Debug)]
pub struct Kind {
    /// Name in paths and files, singular snake case.
    pub name: &'static str,
    /// One sentence: what one entity is.
    pub help: &'static str,
    /// What together is unique, in order; values are given by [`super::Identity`].
    pub identity: &'static [Key],
    /// Facts with a time, in the order they are printed.
    pub attributes: &'static [Attribute],
    /// What is stored of each sample, in the order of [`super::Sample::values`].
    pub columns: &'static [Column],
    /// What is computed from stored columns.
    pub derived: &'static [Derived],
    /// Identity keys and attributes that label a series of one entity, in order.
    pub display: &'static [&'static str],
}

impl Kind {
    /// Position of a stored column by outside name.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// A stored column by outside name.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// A derived column by name.
    pub fn derived(&self, name: &str) -> Option<&'static Derived> {
        self.derived.iter().find(|derived| derived.name == name)
    }

    /// An attribute by name.
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// An attribute by name that is a number, and so can be asked for as a field.
    pub fn number_attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attribute(name).filter(|attribute| attribute.ty.is_number())
    }

    /// Position of an identity key by name.
    pub fn key_index(&self, name: &str) -> Option<usize> {
        self.identity.iter().position(|key| key.name == name)
    }
}

/// One part of what makes an entity unique.
#[derive(Debug)]
pub struct Key {
    /// Name as label, filter and CSV column.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
}

/// A fact about an entity that can change.
#[derive(Debug)]
pub struct Attribute {
    /// Name as filter, label and CSV column.
    pub name: &'static str,
    /// How its values look.
    pub ty: AttributeType,
    /// One sentence.
    pub help: &'static str,
    /// Whether it may be learnt after the entity was first seen, because another target tells it.
    ///
    /// Such a fact holds from the start of the entity's life too, no further back than what has settled.
    pub late: bool,
}

/// How the values of an attribute look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeType {
    /// Text.
    Text,
    /// Whole number.
    Integer,
    /// Number with a fraction.
    Number,
    /// true or false.
    Boolean,
    /// Instant.
    Time,
    /// List of texts.
    List,
    /// Texts by name; filtered as `<singular>.<key>=` (`label.env=prod`).
    Map,
}

impl Attribute {
    /// A fact that is known when the entity is first seen, or begins when it is first reported.
    pub const fn new(name: &'static str, ty: AttributeType, help: &'static str) -> Attribute {
        Attribute { name, ty, help, late: false }
    }

    /// The same fact, told by another target and perhaps later.
    #[must_use]
    pub const fn late(mut self) -> Attribute {
        self.late = true;
        self
    }

    /// The unit of a number, which its name ends in; empty for plain counts.
    pub fn unit(&self) -> &'static str {
        let is_of = |unit: &&str| self.name.strip_suffix(unit).is_some_and(|stem| stem.ends_with('_'));
        UNITS.iter().copied().find(is_of).filter(|_| self.ty.is_number()).unwrap_or("")
    }

    /// Whether a sum over entities means something: of what is set aside for each, and of nothing else.
    pub fn is_additive(&self) -> bool {
        matches!(self.unit(), "cores" | "bytes")
    }
}

/// Units that names of attributes end in.
const UNITS: [&str; 4] = ["cores", "bytes", "seconds", "ratio"];

impl AttributeType {
    /// Whether its values are numbers.
    pub fn is_number(self) -> bool {
        matches!(self, AttributeType::Integer | AttributeType::Number)
    }

    /// Whether one value fits one cell without JSON.
    pub fn is_scalar(self) -> bool {
        !matches!(self, AttributeType::List | AttributeType::Map)
    }
}

/// A stored number.
#[derive(Debug)]
pub struct Column {
    /// Outside name: base unit last, counters end in `_total`.
    pub name: &'static str,
    /// Inside name: native unit last (`cpu_usage_ns`); the name in the store.
    pub stored: &'static str,
    /// Outside unit: `seconds`, `bytes`, or empty for plain counts.
    pub unit: &'static str,
    /// One sentence: what it counts and where it comes from.
    pub help: &'static str,
    /// Whether it only grows.
    pub class: Class,
    /// How it is stored.
    pub repr: Repr,
    /// Shown when no fields are asked for.
    pub headline: bool,
    /// Whether a sum over entities means something.
    pub additive: bool,
    /// A high-water mark: only `max` and `last` of it mean something.
    pub high_water: bool,
    /// Where a formula takes it away from another column and it was not told, nothing is taken away.
    pub untold_is_none: bool,
}

/// Whether a column only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Grows from 0 since the entity's `since`; starts again with a new life.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// How a column is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repr {
    /// A whole number of native units; outside it is divided by 10^`decimals` (9 for ns to seconds).
    Integer {
        /// Decimal digits after the point outside.
        decimals: u8,
    },
    /// A floating-point number, the same inside and outside.
    Float,
}

/// A number computed when read, from one sample or from two neighbours.
#[derive(Debug)]
pub struct Derived {
    /// Outside name, unit last.
    pub name: &'static str,
    /// Unit: `cores`, `bytes`, `ratio`, `percent`, `bytes_per_second`, ….
    pub unit: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// How it is computed.
    pub formula: Formula,
    /// Shown when no fields are asked for.
    pub headline: bool,
    /// Whether a sum over entities means something; ratios are never additive.
    pub additive: bool,
}

/// How a derived column is computed. Column and attribute names are those of the same kind.
///
/// The first three are *of a stretch* between two samples: a numerator and a denominator each, so that a
/// mean over any time or group is Σ numerator / Σ denominator. The last two are *of one sample*.
#[derive(Debug, Clone, Copy)]
pub enum Formula {
    /// Σ increases of the counters (in outside units) / seconds.
    Rate {
        /// Counters added up; all must be there.
        counters: &'static [&'static str],
    },
    /// `factor` × increase(part) / increase(whole), times the gauge `times` of the later sample.
    IncreaseRatio {
        /// Counter above the line.
        part: &'static str,
        /// Counter below the line.
        whole: &'static str,
        /// Gauge of the stretch's later sample to multiply with.
        times: Option<&'static str>,
        /// Constant to multiply with.
        factor: f64,
    },
    /// increase(counter) / (seconds × the number attribute in force).
    RateToAttribute {
        /// Counter above the line.
        counter: &'static str,
        /// Attribute of type Number or Integer below the line; absent or 0 gives nothing.
        attribute: &'static str,
    },
    /// `of` − `less`, at least 0.
    Remainder {
        /// Gauge to take from.
        of: &'static str,
        /// Gauge taken away.
        less: &'static str,
    },
    /// (`part` − `less`, at least 0) / `whole`; nothing where `whole` is 0.
    GaugeRatio {
        /// Gauge above the line.
        part: &'static str,
        /// Gauge taken away from `part` first.
        less: Option<&'static str>,
        /// Gauge below the line.
        whole: &'static str,
    },
}

impl Formula {
    /// Whether it needs two neighbouring samples.
    pub fn is_of_stretch(&self) -> bool {
        matches!(self, Formula::Rate { .. } | Formula::IncreaseRatio { .. } | Formula::RateToAttribute { .. })
    }

    /// Whether it is a ratio, combined as Σ/Σ and never summed.
    pub fn is_ratio(&self) -> bool {
        matches!(self, Formula::IncreaseRatio { .. } | Formula::RateToAttribute { .. } | Formula::GaugeRatio { .. })
    }

    /// Names of the stored columns it reads.
    pub fn columns(&self) -> Vec<&'static str> {
        match *self {
            Formula::Rate { counters } => counters.to_vec(),
            Formula::IncreaseRatio { part, whole, times, .. } => [part, whole].into_iter().chain(times).collect(),
            Formula::RateToAttribute { counter, .. } => vec![counter],
            Formula::Remainder { of, less } => vec![of, less],
            Formula::GaugeRatio { part, less, whole } => [part, whole].into_iter().chain(less).collect(),
        }
    }
}

impl Column {
    /// A counter of whole native units, additive over entities.
    pub const fn counter(
        name: &'static str,
        stored: &'static str,
        unit: &'static str,
        decimals: u8,
        help: &'static str,
    ) -> Column {
        Column {
            name,
            stored,
            unit,
            help,
            class: Class::Counter,
            repr: Repr::Integer { decimals },
            headline: false,
            additive: true,
            high_water: false,
            untold_is_none: false,
        }
    }

    /// A gauge of whole native units, additive over entities.
    pub const fn gauge(
        name: &'static str,
        stored: &'static str,
        unit: &'static str,
        decimals: u8,
        help: &'static str,
    ) -> Column {
        Column {
            name,
            stored,
            unit,
            help,
            class: Class::Gauge,
            repr: Repr::Integer { decimals },
            headline: false,
            additive: true,
            high_water: false,
            untold_is_none: false,
        }
    }

    /// The same column, shown when no fields are asked for.
    #[must_use]
    pub const fn headline(mut self) -> Column {
        self.headline = true;
        self
    }

    /// The same column, not to be summed over entities.
    #[must_use]
    pub const fn not_additive(mut self) -> Column {
        self.additive = false;
        self
    }

    /// The same column as a high-water mark.
    #[must_use]
    pub const fn high_water(mut self) -> Column {
        self.high_water = true;
        self.additive = false;
        self
    }

    /// The same column, of which nothing is taken away where it was not told.
    #[must_use]
    pub const fn untold_is_none(mut self) -> Column {
        self.untold_is_none = true;
        self
    }

    /// Decimal digits between the stored integer and the outside number; 0 for floats.
    pub const fn decimals(&self) -> u8 {
        match self.repr {
            Repr::Integer { decimals } => decimals,
            Repr::Float => 0,
        }
    }
}

impl Derived {
    /// A derived column that can be summed over entities unless its formula is a ratio.
    pub const fn new(name: &'static str, unit: &'static str, help: &'static str, formula: Formula) -> Derived {
        let additive = matches!(formula, Formula::Rate { .. } | Formula::Remainder { .. });
        Derived { name, unit, help, formula, headline: false, additive }
    }

    /// The same column, shown when no fields are asked for.
    #[must_use]
    pub const fn headline(mut self) -> Derived {
        self.headline = true;
        self
    }
}
