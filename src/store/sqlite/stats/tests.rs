//! What is told adds up, and shrinking changes nothing but the size.

use std::ops::ControlFlow;

use crate::model::{TimeRange, Timestamp};
use crate::store::conformance::assert_same_run;
use crate::store::conformance::fleet::FLEET;
use crate::store::sqlite::Sqlite;
use crate::store::sqlite::tests::read;
use crate::store::sqlite::tests::whole::recorded;
use crate::store::{EntityQuery, Fetch, Stats};

fn weigh(store: &Sqlite) -> Stats {
    store.stats(&mut |_| ControlFlow::Continue(())).unwrap()
}

/// What all parts weigh is what the file weighs, and what the levels of kinds hold is in the parts.
fn assert_adds_up(stats: &Stats) {
    assert_eq!(stats.parts.iter().map(|part| part.bytes).sum::<u64>(), stats.file_bytes, "{:#?}", stats.parts);
    let part = |name: &str| stats.parts.iter().find(|part| part.name == name).map_or(0, |part| part.bytes);
    let of_blocks = stats.kinds.iter().map(|kind| kind.small_blocks.bytes + kind.merged_blocks.bytes).sum::<u64>();
    assert_eq!(of_blocks, part("blocks"));
    for kind in &stats.kinds {
        let in_columns: u64 = kind.columns.iter().map(|column| column.block_bytes).sum();
        assert_eq!(in_columns, kind.small_blocks.bytes + kind.merged_blocks.bytes, "{}", kind.kind.name);
        let stored = |name: &str| kind.kind.columns.iter().any(|column| column.stored == name);
        let values: u64 =
            kind.columns.iter().filter(|column| stored(&column.name)).map(|column| column.block_values).sum();
        assert_eq!(values, kind.small_blocks.values + kind.merged_blocks.values, "{}", kind.kind.name);
    }
    // The page map of a file of so many pages: one page for each 819 others of 4096 bytes.
    let pages = stats.file_bytes / 4096;
    assert_eq!(part("page map"), pages.saturating_sub(2).div_ceil(820) * 4096);
}

#[test]
fn stats_add_up_to_the_file_and_compacting_changes_its_size_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = recorded(&path);
    let before = weigh(&store);
    assert_adds_up(&before);
    let fleet = before.kinds.iter().find(|kind| kind.kind.name == FLEET.name).unwrap();
    assert!(
        fleet.journal.samples > 0 && fleet.small_blocks.samples > 0 && fleet.merged_blocks.samples > 0,
        "{fleet:?}"
    );
    assert!(fleet.merged_blocks.bytes_a_value() < fleet.small_blocks.bytes_a_value());
    assert!(fleet.small_blocks.bytes_a_value() < fleet.journal.bytes_a_value());

    let query = EntityQuery { kind: &FLEET, seen_in: TimeRange::ALL, after: None, limit: 1000 };
    let columns: Vec<usize> = (0..FLEET.columns.len()).collect();
    let answers = || {
        let of = |entity: crate::model::EntityRecord| {
            let fetch = Fetch { kind: &FLEET, identity: &entity.identity, range: TimeRange::ALL, columns: &columns };
            (read(&store, &fetch), entity)
        };
        store.entities(&query).unwrap().into_iter().map(of).collect::<Vec<_>>()
    };
    let told = answers();
    let now = Timestamp::from_ms(20_000 * 86_400_000);
    let done = store.compact(now, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(done.sealed_samples > 0 && done.merged_blocks > 0 && done.bytes_after < done.bytes_before, "{done:?}");
    assert_eq!(done.bytes_after, path.metadata().unwrap().len());
    for ((left, left_record), (right, right_record)) in told.iter().zip(&answers()) {
        assert_same_run(left, right);
        assert_eq!(left_record, right_record);
    }
    let after = weigh(&store);
    assert_adds_up(&after);
    assert_eq!((after.file_bytes, after.wal_bytes), (done.bytes_after, 0));
    assert!(after.kinds.iter().all(|kind| kind.journal.samples == 0 && kind.small_blocks.samples == 0), "{after:?}");
    let counted = |stats: &Stats| {
        stats
            .kinds
            .iter()
            .map(|kind| (kind.journal.values + kind.small_blocks.values + kind.merged_blocks.values, kind.kind.name))
            .collect::<Vec<_>>()
    };
    assert_eq!(counted(&before), counted(&after));
}
