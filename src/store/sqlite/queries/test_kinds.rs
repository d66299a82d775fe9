//! Tables for kinds that only tests know: those of the recorder stand in migrations.

use super::table_of;
use crate::model::{Kind, Repr};

/// The form of such a table.
const TABLE: &str = include_str!("../../../../tests/fixtures/kind_table.sql");

/// The table that a kind's description asks for, as a migration should create it.
pub(in crate::store::sqlite) fn table_definition(kind: &Kind) -> String {
    let column = |column: &crate::model::Column| {
        let ty = match column.repr {
            Repr::Integer { .. } => "INTEGER",
            Repr::Float => "ANY",
        };
        format!("    {} {ty},\n", column.stored)
    };
    let columns: String = kind.columns.iter().map(column).collect();
    TABLE.replace("{table}", &table_of(kind)).replace("{columns}", &columns)
}
