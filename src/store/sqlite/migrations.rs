//! The schema's steps: one file of `migrations/` each, applied in order by the writer at start, one transaction each.
//!
//! Files are only ever added: what landed never changes, so that every file in the field can be led to today's schema.

use rusqlite::{Connection, Transaction};
use rusqlite_migration::{M, Migrations};

mod rows;

/// All steps by file name, in order; a database's `user_version` counts those that it has.
pub(super) const STEPS: &[(&str, &str)] = &[
    ("0001_create_base", include_str!("../../../migrations/0001_create_base.sql")),
    ("0002_add_docker_kinds", include_str!("../../../migrations/0002_add_docker_kinds.sql")),
    ("0003_add_host_kinds", include_str!("../../../migrations/0003_add_host_kinds.sql")),
    ("0004_add_recorder_kinds", include_str!("../../../migrations/0004_add_recorder_kinds.sql")),
    ("0005_create_metric", include_str!("../../../migrations/0005_create_metric.sql")),
    ("0006_add_mesos_kinds", include_str!("../../../migrations/0006_add_mesos_kinds.sql")),
    ("0007_add_marathon_kinds", include_str!("../../../migrations/0007_add_marathon_kinds.sql")),
    ("0008_add_zookeeper_kinds", include_str!("../../../migrations/0008_add_zookeeper_kinds.sql")),
    ("0009_add_registry_kinds", include_str!("../../../migrations/0009_add_registry_kinds.sql")),
    ("0010_add_swarm_kinds", include_str!("../../../migrations/0010_add_swarm_kinds.sql")),
    ("0011_create_blocks", include_str!("../../../migrations/0011_create_blocks.sql")),
    ("0012_add_container_process", include_str!("../../../migrations/0012_add_container_process.sql")),
    (CREATE_JOURNAL, include_str!("../../../migrations/0013_create_journal.sql")),
    ("0014_create_rollups", include_str!("../../../migrations/0014_create_rollups.sql")),
];

/// The step after which rows of samples move into the journal.
const CREATE_JOURNAL: &str = "0013_create_journal";

/// The version that these steps lead to.
pub(super) fn version_of(steps: &[(&str, &str)]) -> i64 {
    i64::try_from(steps.len()).unwrap_or(i64::MAX)
}

/// Leads a database to the newest version, a transaction a step.
pub(super) fn apply(connection: &mut Connection, steps: &[(&str, &str)]) -> rusqlite_migration::Result<()> {
    let migrations = Migrations::new(steps.iter().map(|(name, sql)| step(name, sql)).collect());
    let applied = usize::from(migrations.current_version(connection)?);
    for version in applied..steps.len() {
        migrations.to_version(connection, version + 1)?;
    }
    Ok(())
}

fn step<'a>(name: &str, sql: &'a str) -> M<'a> {
    if name == CREATE_JOURNAL {
        return M::up_with_hook(sql, |transaction: &Transaction<'_>| Ok(rows::move_all(transaction)?));
    }
    M::up(sql)
}

#[cfg(test)]
mod older;
#[cfg(test)]
mod tests;
