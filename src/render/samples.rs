//! A sample as a row: `time,<identity…>,since,<attributes…>,<counters and gauges…>,<derived…>`.
//!
//! Must not know: the form the rows are printed in, how samples are read.

use crate::model::Attribute;
use crate::model::Kind;
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
        let identity = (0..self.kind.identity.len()).map(|index| Cell::Text(row.identity.part(index)));
        let since = row.since.map_or(Cell::Null, Cell::Time);
        let attributes =
            self.attributes.iter().map(|attribute| row.attributes.get(attribute.name).map_or(Cell::Null, Cell::Fact));
        let numbers = row.columns.iter().chain(row.derived).map(|&number| Cell::from(number));
        let head = std::iter::once(Cell::Time(row.at)).chain(identity).chain(std::iter::once(since));
        head.chain(attributes).chain(numbers)
    }
}
