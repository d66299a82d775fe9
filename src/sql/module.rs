//! What SQLite asks of a virtual table, led to two safe traits; and the size of SQLite's heap.
//!
//! All unsafe code of the program stands here: SQLite finds the tables' own state behind structs whose layout it
//! knows. Must not know: what tables there are.
#![expect(unsafe_code, reason = "the traits of virtual tables are unsafe to implement: SQLite casts pointers to them")]

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_int};
use std::sync::Arc;

use rusqlite::types::{Null, Value, ValueRef};
use rusqlite::vtab::{
    Context, DistinctMode, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConnection, VTabCursor,
    sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Error};

/// Bytes that SQLite has allocated in this process, all connections together.
pub(super) fn heap_bytes() -> u64 {
    // SAFETY: it reads a number under a lock of SQLite's own.
    let bytes = unsafe { rusqlite::ffi::sqlite3_memory_used() };
    u64::try_from(bytes).unwrap_or(0)
}

/// A comparison that a table can take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    Gt,
    Ge,
    Lt,
    Le,
}

impl Op {
    const ALL: [(Op, char); 5] = [(Op::Eq, 'e'), (Op::Gt, 'g'), (Op::Ge, 'G'), (Op::Lt, 'l'), (Op::Le, 'L')];

    fn of(op: &IndexConstraintOp) -> Option<Op> {
        Some(match op {
            IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ => Op::Eq,
            IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GT => Op::Gt,
            IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GE => Op::Ge,
            IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LT => Op::Lt,
            IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LE => Op::Le,
            _ => return None,
        })
    }
}

/// A condition that a statement puts on a column, its value not known yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition {
    pub(super) column: usize,
    pub(super) op: Op,
    /// Whether texts are compared byte by byte.
    pub(super) is_binary: bool,
}

/// What becomes of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// It is SQLite's alone.
    Leave,
    /// The table narrows its rows by it, SQLite tests them again.
    Narrow,
    /// The table gives only rows for which it holds.
    Exact,
}

/// What a statement asks of a table, as far as it is known when it is planned.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) conditions: Vec<Condition>,
    /// Columns in the order wanted, and whether downwards.
    pub(super) order: Vec<(usize, bool)>,
    /// Whether rows that are equal in these columns need only stand together.
    pub(super) is_grouped: bool,
}

/// How a table would answer.
#[derive(Debug)]
pub(super) struct Plan {
    /// For each condition what becomes of it.
    pub(super) takes: Vec<Take>,
    /// Whether rows come in the order wanted.
    pub(super) is_ordered: bool,
    /// Rows that it reckons to give; also the cost.
    pub(super) rows: i64,
}

/// A condition with its value.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) column: usize,
    pub(super) op: Op,
    pub(super) value: Value,
}

/// A cell that a table gives.
#[derive(Debug, Clone)]
pub(super) enum Given<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(Cow<'a, str>),
}

impl<'a> Given<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Given::Text(text.into())
    }
}

/// A table.
pub(super) trait Provider: Send + Sync {
    /// Its columns and its primary key, as `CREATE TABLE` lists them.
    fn declaration(&self) -> String;
    /// How it would answer what is asked.
    fn plan(&self, asked: &Asked) -> Plan;
    /// A place among its rows.
    fn open(&self) -> Box<dyn Rows>;
}

/// The rows of a table, one after the other.
pub(super) trait Rows {
    /// Begins anew with the rows that these conditions leave. Bit n of `used` says that column n is read; bit 63
    /// stands for all from 63 on.
    fn begin(&mut self, bounds: &[Bound], used: u64) -> rusqlite::Result<()>;
    /// Goes to the next row; false after the last.
    fn advance(&mut self) -> rusqlite::Result<bool>;
    /// A cell of the row.
    fn cell(&mut self, column: usize) -> rusqlite::Result<Given<'_>>;
}

/// Rows are told apart by their primary key: where a statement reads a table in several ways (`OR`), each row counts once.
const MODULE: &Module<'static, Table> = &Module::eponymous_only_module().without_rowid();

/// Makes a table known to a connection.
pub(super) fn create(connection: &Connection, name: &str, table: Arc<dyn Provider>) -> rusqlite::Result<()> {
    connection.create_module(name, MODULE, Some(table))
}

#[repr(C)]
struct Table {
    /// First, as SQLite wants it.
    base: sqlite3_vtab,
    provider: Arc<dyn Provider>,
}

// SAFETY: the struct is repr(C) and begins with sqlite3_vtab.
unsafe impl VTab<'_> for Table {
    type Aux = Arc<dyn Provider>;
    type Cursor = Cursor;

    fn connect(
        _: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        name: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Self)> {
        let provider = aux.ok_or_else(|| Error::ModuleError("a table without its rows".to_owned()))?;
        // Under its own name: reading the key is asked of the authorizer.
        let name = String::from_utf8_lossy(name);
        let declaration = CString::new(format!("CREATE TABLE \"{name}\"({}) WITHOUT ROWID", provider.declaration()))?;
        Ok((declaration.into(), Table { base: sqlite3_vtab::default(), provider: Arc::clone(provider) }))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        let usable: Vec<(usize, usize, Op)> = (info.constraints().enumerate())
            .filter(|(_, constraint)| constraint.is_usable())
            .filter_map(|(index, constraint)| {
                Some((index, usize::try_from(constraint.column()).ok()?, Op::of(&constraint.operator())?))
            })
            .collect();
        let is_binary = |index: usize| info.collation(index).is_ok_and(|collation| collation == "BINARY");
        let conditions: Vec<Condition> =
            usable.iter().map(|&(index, column, op)| Condition { column, op, is_binary: is_binary(index) }).collect();
        let order = (info.order_bys()).map(|by| Some((usize::try_from(by.column()).ok()?, by.is_order_by_desc())));
        let order: Option<Vec<(usize, bool)>> = order.collect();
        let asked = Asked {
            conditions,
            is_grouped: matches!(info.distinct(), DistinctMode::Grouped | DistinctMode::Distinct),
            order: order.clone().unwrap_or_default(),
        };
        let plan = self.provider.plan(&asked);
        let mut text = format!("{:x}", info.col_used());
        let mut arguments: c_int = 0;
        for ((index, column, op), take) in usable.into_iter().zip(&plan.takes) {
            if *take == Take::Leave {
                continue;
            }
            arguments = arguments.saturating_add(1);
            let mut usage = info.constraint_usage(index);
            usage.set_argv_index(arguments);
            usage.set_omit(*take == Take::Exact);
            let letter = Op::ALL.iter().find(|(known, _)| *known == op).map_or('?', |(_, letter)| *letter);
            text.push_str(&format!(" {letter}{column}"));
        }
        info.set_idx_str(&text);
        info.set_order_by_consumed(plan.is_ordered && order.is_some_and(|order| !order.is_empty()));
        info.set_estimated_rows(plan.rows);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        info.set_estimated_cost(plan.rows as f64);
        Ok(true)
    }

    fn open(&mut self) -> rusqlite::Result<Cursor> {
        let rows = RefCell::new(self.provider.open());
        Ok(Cursor { base: sqlite3_vtab_cursor::default(), rows, is_over: true })
    }
}

#[repr(C)]
struct Cursor {
    /// First, as SQLite wants it.
    base: sqlite3_vtab_cursor,
    /// Cells are made when they are asked for, through a shared reference.
    rows: RefCell<Box<dyn Rows>>,
    is_over: bool,
}

// SAFETY: the struct is repr(C) and begins with sqlite3_vtab_cursor.
unsafe impl VTabCursor for Cursor {
    fn filter(&mut self, _: c_int, text: Option<&str>, arguments: &Filters<'_>) -> rusqlite::Result<()> {
        let mut words = text.unwrap_or_default().split(' ');
        let used = words.next().and_then(|used| u64::from_str_radix(used, 16).ok()).unwrap_or(u64::MAX);
        let bounds = words.zip(arguments.iter()).filter_map(|(word, value)| {
            let (letter, column) = word.split_at_checked(1)?;
            let (op, _) = Op::ALL.iter().find(|(_, known)| letter.starts_with(*known))?;
            Some(Bound { column: column.parse().ok()?, op: *op, value: value_of(value) })
        });
        let bounds: Vec<Bound> = bounds.collect();
        self.rows.get_mut().begin(&bounds, used)?;
        self.next()
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.is_over = !self.rows.get_mut().advance()?;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.is_over
    }

    fn column(&self, context: &mut Context, column: c_int) -> rusqlite::Result<()> {
        let mut rows = self.rows.borrow_mut();
        match rows.cell(usize::try_from(column).unwrap_or(usize::MAX))? {
            Given::Null => context.set_result(&Null),
            Given::Int(value) => context.set_result(&value),
            Given::Real(value) => context.set_result(&value),
            Given::Text(text) => context.set_result(&text.as_ref()),
        }
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Err(Error::ModuleError("rows have no id".to_owned()))
    }
}

fn value_of(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}
