//! A CSV answer, read by the `csv` crate, and its numbers exactly.

/// A header and rows as long as it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    /// Names of the columns.
    pub(crate) header: Vec<String>,
    /// The cells.
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads a CSV answer; a row of another length than the header's is an error.
    #[track_caller]
    pub(crate) fn read(text: &[u8]) -> Table {
        let mut reader = ::csv::ReaderBuilder::new().flexible(false).from_reader(text);
        let own = |record: &::csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
        let header = own(reader.headers().expect("a header"));
        let rows = reader.records().map(|row| own(&row.expect("a row as long as the header"))).collect();
        Table { header, rows }
    }

    /// Position of a column.
    #[track_caller]
    pub(crate) fn position(&self, name: &str) -> usize {
        let position = self.header.iter().position(|column| column == name);
        position.unwrap_or_else(|| panic!("no column {name} in {:?}", self.header))
    }

    /// The cells of a column.
    #[track_caller]
    pub(crate) fn column(&self, name: &str) -> Vec<&str> {
        let position = self.position(name);
        self.rows.iter().map(|row| row[position].as_str()).collect()
    }

    /// The numbers of a column; None where a cell is empty.
    #[track_caller]
    pub(crate) fn numbers(&self, name: &str) -> Vec<Option<f64>> {
        let number = |cell: &str| cell.parse().unwrap_or_else(|_| panic!("{name}: {cell:?} is no number"));
        self.column(name).into_iter().map(|cell| (!cell.is_empty()).then(|| number(cell))).collect()
    }

    /// The one cell of a column of a table of one row.
    #[track_caller]
    pub(crate) fn only(&self, name: &str) -> &str {
        assert_eq!(self.rows.len(), 1, "one row expected: {self:?}");
        self.column(name)[0]
    }
}

/// A decimal number as a whole number of 10^-9: exact, as sums that must be equal need it.
#[track_caller]
pub(crate) fn billionths(cell: &str) -> i128 {
    let (negative, digits) = cell.strip_prefix('-').map_or((false, cell), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    assert!(fraction.len() <= 9, "{cell:?} has more than nine decimals");
    let units: i128 = format!("{whole}{fraction:0<9}").parse().unwrap_or_else(|_| panic!("{cell:?} is no number"));
    if negative { -units } else { units }
}
