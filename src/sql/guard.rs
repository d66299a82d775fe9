//! What a statement may do, and how large anything in it may be: nothing but reading, the tables there are, and
//! SQLite's own limits far below their defaults.
//!
//! Must not know: what the statement asks.

use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, Authorization};
use rusqlite::limits::Limit;

use super::watch::Watch;

/// Steps of SQLite's machine between two looks at the watch: some microseconds. Each can make one value, so that this
/// many of the largest are made at most before the watch sees them.
const STEPS_UNWATCHED: i32 = 200;

/// Bytes of one value or row. The lists and labels that are recorded are far smaller.
const VALUE_BYTES_MAX: i32 = 512 * 1024;
/// Bytes of a statement: some hundred lines.
pub(super) const STATEMENT_BYTES_MAX: i32 = 64 * 1024;
/// Columns of a table or an answer: twice those of the widest kind. A row of largest values is held at once.
const COLUMNS_MAX: i32 = 250;
/// Depth of an expression: each level is one of the C stack too.
const EXPRESSION_DEPTH_MAX: i32 = 200;
/// Parts of a UNION.
const COMPOUND_MAX: i32 = 50;
/// Arguments of a function.
const ARGUMENTS_MAX: i32 = 64;
/// Bytes of a LIKE pattern: matching takes the product of its length and the text's.
const PATTERN_BYTES_MAX: i32 = 200;
/// Instructions of a compiled statement; nothing written by hand comes near.
const INSTRUCTIONS_MAX: i32 = 100_000;
/// Parameters of a statement.
const PARAMETERS_MAX: i32 = 100;

/// Tables of SQLite's own that are functions of their arguments.
const TABLE_FUNCTIONS: [&str; 2] = ["json_each", "json_tree"];
/// Beginnings of the names of SQLite's other tables.
const OWN_TABLES: [&str; 5] = ["sqlite_", "pragma_", "dbstat", "fts3tokenize", "fts5vocab"];
/// Functions that reach beyond the statement, or make bulk of nothing.
const REFUSED_FUNCTIONS: [&str; 5] = ["load_extension", "fts3_tokenizer", "randomblob", "zeroblob", "readfile"];

/// Makes a connection harmless. Tables and functions are created before.
pub(super) fn close_off(connection: &Connection, tables: Vec<String>, watch: &Arc<Watch>) -> rusqlite::Result<()> {
    // Sorts stay in memory, where they are watched; in files they would fill a disk.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // A name in double quotes that is not known is a fault, not a text.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, STATEMENT_BYTES_MAX),
        (Limit::SQLITE_LIMIT_COLUMN, COLUMNS_MAX),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, EXPRESSION_DEPTH_MAX),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, COMPOUND_MAX),
        (Limit::SQLITE_LIMIT_VDBE_OP, INSTRUCTIONS_MAX),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, ARGUMENTS_MAX),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PATTERN_BYTES_MAX),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, PARAMETERS_MAX),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, value)?;
    }
    let refusing = Arc::clone(watch);
    connection.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| {
        match refusal(&context.action, &tables) {
            None => Authorization::Allow,
            Some(what) => {
                refusing.refuse(what);
                Authorization::Deny
            }
        }
    }))?;
    let watching = Arc::clone(watch);
    connection.progress_handler(STEPS_UNWATCHED, Some(move || watching.is_over()))
}

/// What of an action is refused; None: it may be done.
fn refusal(action: &AuthAction<'_>, tables: &[String]) -> Option<String> {
    match action {
        AuthAction::Select | AuthAction::Recursive => None,
        AuthAction::Read { table_name, column_name } => {
            let is_known = tables.iter().any(|table| table == table_name) || TABLE_FUNCTIONS.contains(table_name);
            // Where no column is read, parts of the statement itself (WITH) are told by their name too.
            let is_part = column_name.is_empty() && !OWN_TABLES.iter().any(|own| table_name.starts_with(own));
            (!is_known && !is_part).then(|| format!("to read {table_name}"))
        }
        AuthAction::Function { function_name } => {
            let is_refused = REFUSED_FUNCTIONS.iter().any(|refused| refused.eq_ignore_ascii_case(function_name));
            is_refused.then(|| format!("the function {function_name}()"))
        }
        AuthAction::Pragma { pragma_name, .. } => Some(format!("PRAGMA {pragma_name}")),
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Some("to attach or detach a database".to_owned()),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => Some("a transaction".to_owned()),
        // Whatever is created, changed or dropped is so in the schema's table first.
        AuthAction::Insert { table_name } if !is_schema(table_name) => Some(format!("to insert into {table_name}")),
        AuthAction::Update { table_name, .. } if !is_schema(table_name) => Some(format!("to update {table_name}")),
        AuthAction::Delete { table_name } if !is_schema(table_name) => Some(format!("to delete from {table_name}")),
        _ => Some("to create, change or drop anything".to_owned()),
    }
}

fn is_schema(table: &str) -> bool {
    table.starts_with("sqlite_")
}
