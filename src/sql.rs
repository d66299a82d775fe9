//! Plain SQL over the store: each kind one table, rows and blocks alike; beside them `entity`, `event` and `poll`.
//!
//! A statement runs in a connection of its own to an empty database in memory, whose virtual tables read through the
//! store's public seam, so that it works on any backend, holds no transaction of the store and can change nothing. It
//! is bounded in time, memory and rows, and ends when nobody waits for it. Must not know: HTTP, sources, how rows are
//! printed.

use std::ops::ControlFlow;
use std::sync::Arc;

use thiserror::Error;

use crate::answer::{AnswerError, Stop};
use crate::model::{Kind, Timestamp};
use crate::query::cell::Cell;
use crate::query::request::ParameterError;
use crate::store::{Store, StoreError};

mod chunks;
mod functions;
mod guard;
mod hours;
mod kind;
mod library;
mod module;
mod report;
mod run;
mod samples;
mod wanted;
mod watch;

#[cfg(test)]
mod tests;

pub use library::{Entry, Library};
pub use report::{Answered, Fault, Parameter, ParameterType, Report, ReportColumn, Setting};
pub use run::run;

/// Where the tables get their rows, and what "now" means.
#[derive(Debug, Clone)]
pub struct Database {
    /// The recording.
    pub store: Arc<Store>,
    /// Every kind that there is a table of.
    pub kinds: &'static [&'static Kind],
    /// What `now` and `-6h` mean.
    pub now: Timestamp,
}

/// How long a statement may run, how much it may take and give.
pub struct Bounds {
    /// Ends it when nobody waits for it any more.
    pub stop: Stop,
    /// Ends it when its time is over.
    pub is_late: Box<dyn Fn() -> bool + Send>,
    /// How long that is, for messages.
    pub time_seconds: u64,
    /// Memory that it may make grow.
    pub memory_bytes: u64,
    /// Rows that it may give.
    pub rows: u64,
}

impl std::fmt::Debug for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bounds").field("memory_bytes", &self.memory_bytes).field("rows", &self.rows).finish()
    }
}

/// What a statement is given by name: `:start` and the like.
pub type Parameters = [(String, Argument)];

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// Text.
    Text(String),
    /// A whole number; an instant or a duration in milliseconds.
    Integer(i64),
    /// A number.
    Number(f64),
}

/// What comes of a statement, in this order: its columns once, then its rows.
#[derive(Debug)]
pub enum Part<'a> {
    /// The names of the columns.
    Columns(&'a [String]),
    /// The cells of a row.
    Row(&'a [Cell<'a>]),
}

/// Takes what comes of a statement, until it breaks off.
pub type Take<'a> = dyn FnMut(Part<'_>) -> ControlFlow<()> + 'a;

/// Why a statement gives no answer.
#[derive(Debug, Error)]
pub enum SqlError {
    /// The text is no statement, or names what there is not.
    #[error("line {line}: {message}")]
    Statement {
        /// Line of the text, from 1 on.
        line: usize,
        /// What is wrong, what would be right.
        message: String,
    },
    /// The statement asks for more than reading.
    #[error("{what} is not possible here: statements read, with SELECT")]
    Refused {
        /// What it asks for.
        what: String,
    },
    /// It took too long.
    #[error(
        "the statement took more than {seconds} s: ask for a shorter range or fewer entities, or compare at_ms, host and id directly"
    )]
    Late {
        /// How long it may take.
        seconds: u64,
    },
    /// It needed too much memory.
    #[error(
        "the statement needed more than {} MiB of memory: sort or group fewer rows, or group by the identity first (rows \
         come in its order, which takes no memory)",
        bytes >> 20
    )]
    Large {
        /// How much it may take.
        bytes: u64,
    },
    /// It gave too many rows.
    #[error("the answer has more than {rows} rows: narrow it, or add LIMIT")]
    Rows {
        /// How many it may have.
        rows: u64,
    },
    /// Nobody waits for it any more.
    #[error("the answer is no longer wanted")]
    Stopped,
    /// A parameter cannot be used.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// A report's file cannot be used.
    #[error(transparent)]
    Report(#[from] Fault),
    /// The store failed.
    #[error("read the recording")]
    Store(#[source] Box<StoreError>),
    /// SQLite failed by itself.
    #[error("{operation}")]
    Sqlite {
        /// What was being done.
        operation: &'static str,
        /// The cause.
        #[source]
        cause: rusqlite::Error,
    },
}

impl From<AnswerError> for SqlError {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Store(cause) => SqlError::Store(Box::new(cause)),
            AnswerError::Stopped => SqlError::Stopped,
            AnswerError::TooMany { .. } | AnswerError::Gone { .. } | AnswerError::HoursOnly { .. } => {
                SqlError::Refused { what: error.to_string() }
            }
        }
    }
}

impl SqlError {
    /// Its text with the causes behind it.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        text
    }
}

/// What all tables of a statement share.
#[derive(Debug)]
struct Shared {
    database: Database,
    watch: Arc<watch::Watch>,
}
