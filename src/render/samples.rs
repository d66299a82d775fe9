//! A sample as a row: `time,<identity…>,since,<attributes…>,<counters and gauges…>,<derived…>`.
//!
//! Must not know: how samples are read.

use std::io::{self, Write};
use std::sync::Arc;

use super::csv::Printed;
use super::json::{self, JsonWriter};
use super::rows::{Form, Rows};
use crate::model::{Attribute, Attributes, Identity, Kind, Timestamp};
use crate::query::cell::Cell;
use crate::query::request::SamplesRequest;
use crate::query::samples::SampleRow;

/// The columns of the rows of one request.
#[derive(Debug)]
pub struct SampleColumns {
    kind: &'static Kind,
    attributes: Vec<&'static Attribute>,
}

impl SampleColumns {
    /// The kind's columns, in the order of its description; lists and maps only where they are asked for.
    pub fn new(request: &SamplesRequest) -> Self {
        let is_asked = |attribute: &&Attribute| request.all_attributes || attribute.ty.is_scalar();
        SampleColumns { kind: request.kind, attributes: request.kind.attributes.iter().filter(is_asked).collect() }
    }

    /// Their names, in order.
    pub fn names(&self) -> Vec<&'static str> {
        let identity = self.kind.identity.iter().map(|key| key.name);
        let attributes = self.attributes.iter().map(|attribute| attribute.name);
        let columns = self.kind.columns.iter().map(|column| column.name);
        let derived = self.kind.derived.iter().map(|derived| derived.name);
        let head = std::iter::once("time").chain(identity).chain(std::iter::once("since"));
        head.chain(attributes).chain(columns).chain(derived).collect()
    }

    /// A row's cells, in the same order.
    pub fn cells<'a>(&'a self, row: &'a SampleRow<'a>) -> impl Iterator<Item = Cell<'a>> {
        let numbers = row.columns.iter().chain(row.derived).map(|&number| Cell::from(number));
        std::iter::once(Cell::Time(row.at)).chain(self.facts(row)).chain(numbers)
    }

    /// Those that stay the same from sample to sample.
    fn facts<'a>(&'a self, row: &'a SampleRow<'a>) -> impl Iterator<Item = Cell<'a>> {
        let identity = (0..self.kind.identity.len()).map(|index| Cell::Text(row.identity.part(index)));
        let since = row.since.map_or(Cell::Null, Cell::Time);
        let attributes =
            self.attributes.iter().map(|attribute| row.attributes.get(attribute.name).map_or(Cell::Null, Cell::Fact));
        identity.chain(std::iter::once(since)).chain(attributes)
    }
}

/// The rows of one request being written; what is said of an entity is printed once, not with each of its samples.
#[derive(Debug)]
pub struct SampleTable<W: Write> {
    columns: SampleColumns,
    rows: Rows<W>,
    facts: Option<Facts>,
}

/// What the rows before said of their entity, and how it was printed.
#[derive(Debug)]
struct Facts {
    identity: Identity,
    since: Option<Timestamp>,
    attributes: Arc<Attributes>,
    printed: Option<Printed>,
}

impl<W: Write> SampleTable<W> {
    /// A table with its header.
    pub fn new(out: W, form: Form, request: &SamplesRequest) -> io::Result<Self> {
        let columns = SampleColumns::new(request);
        let rows = Rows::new(out, form, request.zone, columns.names())?;
        Ok(SampleTable { columns, rows, facts: None })
    }

    /// Adds a sample.
    pub fn row(&mut self, row: &SampleRow<'_>) -> io::Result<()> {
        let is_same = |facts: &Facts| {
            Arc::ptr_eq(&facts.attributes, row.attributes)
                && facts.since == row.since
                && facts.identity == *row.identity
        };
        let facts = match self.facts.take().filter(is_same) {
            Some(facts) => facts,
            None => Facts {
                identity: row.identity.clone(),
                since: row.since,
                attributes: Arc::clone(row.attributes),
                printed: None,
            },
        };
        let facts = self.facts.insert(facts);
        self.rows.cell(&Cell::Time(row.at))?;
        self.rows.cells(&mut facts.printed, self.columns.facts(row))?;
        row.columns.iter().chain(row.derived).try_for_each(|number| self.rows.number(*number))?;
        self.rows.end_row()
    }

    /// Hands over what is still buffered.
    pub fn finish(self) -> io::Result<()> {
        self.rows.finish()
    }
}

/// The samples of one request being written as JSON: `{"kind","start","end","tz","samples":[…],"next"}`.
#[derive(Debug)]
pub struct SampleJson<W: Write> {
    columns: SampleColumns,
    names: Vec<&'static str>,
    json: JsonWriter<W>,
}

impl<W: Write> SampleJson<W> {
    /// The beginning.
    pub fn new(out: W, request: &SamplesRequest) -> io::Result<Self> {
        let columns = SampleColumns::new(request);
        let mut json = JsonWriter::new(out, request.zone);
        json.begin(b'{')?;
        json.key("kind")?.text(request.kind.name)?;
        json.key("start")?.bucket_time(request.range.start())?;
        json.key("end")?.bucket_time(request.range.end())?;
        json.key("tz")?.text(json::zone_name(request.zone))?;
        json.key("samples")?.begin(b'[')?;
        Ok(SampleJson { names: columns.names(), columns, json })
    }

    /// Adds a sample.
    pub fn row(&mut self, row: &SampleRow<'_>) -> io::Result<()> {
        json::row(&mut self.json, &self.names, self.columns.cells(row))
    }

    /// The end, with the cursor of the next page, if there is one.
    pub fn finish(mut self, next: Option<&str>) -> io::Result<()> {
        self.json.end(b']');
        self.json.key("next")?.text_or_null(next)?;
        self.json.end(b'}');
        self.json.finish()
    }
}
