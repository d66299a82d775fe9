//! Some entities at once: one statement tells of all of them, by their place.
//!
//! Must not know: what is told of them.

use std::rc::Rc;

use rusqlite::types::Value;
use rusqlite::vtab::array::Array;
use rusqlite::{Connection, Row, ToSql};

use super::{codec, queries};
use crate::model::{Identity, Kind};

/// Entities of the file, each in its place; nothing in the place of one that is not known.
#[derive(Debug)]
pub(super) struct Several {
    ids: Vec<Option<i64>>,
    /// Those that are known, by their ids: neighbours are in the same pages of the file.
    bound: Array,
    /// The place of each of them.
    places: Vec<usize>,
}

impl Several {
    /// The entities of a kind that have these identities.
    pub(super) fn of(connection: &Connection, kind: &Kind, identities: &[&Identity]) -> rusqlite::Result<Several> {
        let wanted = identities.iter().map(|identity| Value::Blob(codec::encode_identity(identity)));
        let wanted: Array = Rc::new(wanted.collect());
        let mut ids = vec![None; identities.len()];
        let mut statement = connection.prepare_cached(queries::ENTITIES_BY_IDENTITY)?;
        let mut rows = statement.query(&[(":identities", &wanted as &dyn ToSql), (":kind", &kind.name)])?;
        while let Some(row) = rows.next()? {
            if let Some(id) = ids.get_mut(place(row, 1)?) {
                *id = Some(row.get(0)?);
            }
        }
        Ok(Several::with(ids))
    }

    /// One entity.
    pub(super) fn one(id: i64) -> Several {
        Several::known([id])
    }

    /// Those with these ids.
    pub(super) fn known(ids: impl IntoIterator<Item = i64>) -> Several {
        Several::with(ids.into_iter().map(Some).collect())
    }

    fn with(ids: Vec<Option<i64>>) -> Several {
        let mut known: Vec<(i64, usize)> =
            ids.iter().zip(0..).filter_map(|(id, place)| Some(((*id)?, place))).collect();
        known.sort_unstable();
        let bound = known.iter().map(|(id, _)| Value::Integer(*id)).collect();
        Several { ids, bound: Rc::new(bound), places: known.into_iter().map(|(_, place)| place).collect() }
    }

    /// The entity of each place.
    pub(super) fn ids(&self) -> &[Option<i64>] {
        &self.ids
    }

    /// Runs a statement that takes `:entities` and more, and whose rows end with `wanted.rowid`: gives each row, in
    /// any order, to the one of `all` that is in its entity's place.
    pub(super) fn tell<T>(
        &self,
        connection: &Connection,
        sql: &str,
        more: &[(&str, &dyn ToSql)],
        all: &mut [T],
        take: impl Fn(&mut T, &Row<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(sql)?;
        let last = statement.column_count().saturating_sub(1);
        let entities: [(&str, &dyn ToSql); 1] = [(":entities", &self.bound)];
        let parameters: Vec<(&str, &dyn ToSql)> = entities.into_iter().chain(more.iter().copied()).collect();
        let mut rows = statement.query(parameters.as_slice())?;
        while let Some(row) = rows.next()? {
            if let Some(of) = self.places.get(place(row, last)?).and_then(|place| all.get_mut(*place)) {
                take(of, row)?;
            }
        }
        Ok(())
    }
}

/// The place that a row is of: SQLite counts from 1.
fn place(row: &Row<'_>, column: usize) -> rusqlite::Result<usize> {
    let place: i64 = row.get(column)?;
    Ok(usize::try_from(place.saturating_sub(1)).unwrap_or(usize::MAX))
}
