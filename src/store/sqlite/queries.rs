//! Every statement of the store: one file of `queries/` each, listed here once.
//!
//! Holes such as `{table}` are filled from kind descriptions and nothing else; values are bound. Must not know: who
//! runs a statement, and when.

use std::fmt::Write as _;

use crate::model::Kind;

#[cfg(test)]
pub(super) use test_kinds::table_definition;

/// Makes a constant of each file, and the list of them that tests hold against the directory.
macro_rules! queries {
    ($($constant:ident = $name:literal;)*) => {
        $(pub(super) const $constant: &str = include_str!(concat!("../../../queries/", $name, ".sql"));)*

        /// All statements by file name.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$(($name, $constant)),*];
    };
}

queries! {
    ATTRIBUTE_SET_BY_HASH = "attribute_set_by_hash";
    ATTRIBUTE_SET_DELETE_UNUSED = "attribute_set_delete_unused";
    ATTRIBUTE_SET_INSERT = "attribute_set_insert";
    BLOCK_AT_OR_AFTER = "block_at_or_after";
    BLOCK_AT_OR_BEFORE = "block_at_or_before";
    BLOCK_DELETE = "block_delete";
    BLOCK_INSERT = "block_insert";
    BLOCK_KEEP_UNMERGED = "block_keep_unmerged";
    BLOCK_LAYOUT_BY_COLUMNS = "block_layout_by_columns";
    BLOCK_LAYOUT_COLUMNS = "block_layout_columns";
    BLOCK_LAYOUT_INSERT = "block_layout_insert";
    BLOCK_LAYOUTS_ALL = "block_layouts_all";
    BLOCK_NEWEST = "block_newest";
    BLOCKS_DELETE_OF_ENTITY = "blocks_delete_of_entity";
    BLOCKS_DELETE_OLD = "blocks_delete_old";
    BLOCKS_IN_RANGE = "blocks_in_range";
    BLOCKS_OF_WINDOW = "blocks_of_window";
    BLOCKS_UNMERGED = "blocks_unmerged";
    BYTES_USED = "bytes_used";
    CHECK_ATTRIBUTE_SETS_UNUSED = "check_attribute_sets_unused";
    CHECK_BLOCKS = "check_blocks";
    CHECK_BLOCKS_OVERLAPPING = "check_blocks_overlapping";
    CHECK_COUNTS = "check_counts";
    CHECK_ENTITIES_UNSEEN = "check_entities_unseen";
    CHECK_EVENTS = "check_events";
    CHECK_IDENTITIES = "check_identities";
    CHECK_INTEGRITY = "check_integrity";
    CHECK_POLL_TEXTS = "check_poll_texts";
    CHECK_POLLS = "check_polls";
    CHECK_POLLS_BETWEEN = "check_polls_between";
    CHECK_REFERENCES = "check_references";
    CHECK_ROWS = "check_rows";
    CHECK_ROWS_COUNTED = "check_rows_counted";
    CHECK_ROWS_UNDER_BLOCKS = "check_rows_under_blocks";
    CHECK_SCHEMA = "check_schema";
    CHECK_SETS = "check_sets";
    CHECK_SIGHTINGS = "check_sightings";
    ENTITIES_END_IMPORTED = "entities_end_imported";
    ENTITIES_LISTED = "entities_listed";
    ENTITIES_OVER = "entities_over";
    ENTITIES_SEEN_IN_RANGE = "entities_seen_in_range";
    ENTITY_BESIDE = "entity_beside";
    ENTITY_BY_IDENTITY = "entity_by_identity";
    ENTITY_DELETE = "entity_delete";
    ENTITY_END = "entity_end";
    ENTITY_EXISTS = "entity_exists";
    ENTITY_INSERT = "entity_insert";
    EVENT_EXISTS_IN_RANGE = "event_exists_in_range";
    EVENT_INSERT = "event_insert";
    EVENTS_DELETE_OLD = "events_delete_old";
    EVENTS_IN_RANGE = "events_in_range";
    FILE_REBUILD = "file_rebuild";
    LOG_EMPTY = "log_empty";
    META_SET = "meta_set";
    META_VALUE = "meta_value";
    PAGES_COUNT = "pages_count";
    PAGES_GIVE_BACK = "pages_give_back";
    POLL_CHAIN_EXISTS = "poll_chain_exists";
    POLL_CHAIN_GOOD_AFTER = "poll_chain_good_after";
    POLL_CHAIN_GOOD_BEFORE = "poll_chain_good_before";
    POLL_CHAIN_INSERT = "poll_chain_insert";
    POLL_CHAINS_DELETE_OF_DAY = "poll_chains_delete_of_day";
    POLL_CHAINS_DELETE_OLD = "poll_chains_delete_old";
    POLL_CHAINS_IN_RANGE = "poll_chains_in_range";
    POLL_DELETE = "poll_delete";
    POLL_DUE_DAYS = "poll_due_days";
    POLL_DUE_DELETE = "poll_due_delete";
    POLL_EXISTS = "poll_exists";
    POLL_FAILED_NEWEST = "poll_failed_newest";
    POLL_GOOD_AFTER = "poll_good_after";
    POLL_GOOD_BEFORE = "poll_good_before";
    POLL_GOOD_BEFORE_POLL = "poll_good_before_poll";
    POLL_GOOD_NEWEST = "poll_good_newest";
    POLL_INSERT = "poll_insert";
    POLL_JOIN = "poll_join";
    POLL_NEWEST_ID = "poll_newest_id";
    POLL_OLDEST = "poll_oldest";
    POLL_ROWS_FROM = "poll_rows_from";
    POLL_SAMPLED_OLDEST = "poll_sampled_oldest";
    POLL_UNSEALED_OLDEST = "poll_unsealed_oldest";
    POLL_VISITED_NEWEST = "poll_visited_newest";
    POLLS_DUE = "polls_due";
    POLLS_GOOD_AROUND = "polls_good_around";
    POLLS_IN_RANGE = "polls_in_range";
    POLLS_OLD = "polls_old";
    POLLS_WITH_ROWS = "polls_with_rows";
    ROLLUP_AT_OR_AFTER = "rollup_at_or_after";
    ROLLUP_AT_OR_BEFORE = "rollup_at_or_before";
    ROLLUP_DELETE = "rollup_delete";
    ROLLUP_DUE_DAYS = "rollup_due_days";
    ROLLUP_DUE_DELETE = "rollup_due_delete";
    ROLLUP_DUE_DELETE_OF_ENTITY = "rollup_due_delete_of_entity";
    ROLLUP_DUE_INSERT = "rollup_due_insert";
    ROLLUP_DUE_LATER = "rollup_due_later";
    ROLLUP_INSERT = "rollup_insert";
    ROLLUP_KEEP_UNMERGED = "rollup_keep_unmerged";
    ROLLUP_LAYOUT_BY_FIELDS = "rollup_layout_by_fields";
    ROLLUP_LAYOUT_FIELDS = "rollup_layout_fields";
    ROLLUP_LAYOUT_INSERT = "rollup_layout_insert";
    ROLLUPS_DELETE_OF_ENTITY = "rollups_delete_of_entity";
    ROLLUPS_DELETE_OLD = "rollups_delete_old";
    ROLLUPS_DUE = "rollups_due";
    ROLLUPS_OF_WINDOW = "rollups_of_window";
    ROLLUPS_UNMERGED = "rollups_unmerged";
    SAMPLE_AFTER = "sample_after";
    SAMPLE_AFTER_IN_WIDE_POLLS = "sample_after_in_wide_polls";
    SAMPLE_BEFORE = "sample_before";
    SAMPLE_BEFORE_IN_WIDE_POLLS = "sample_before_in_wide_polls";
    SAMPLE_EXISTS = "sample_exists";
    SAMPLE_EXISTS_IN_WIDE_POLLS = "sample_exists_in_wide_polls";
    SAMPLE_INSERT = "sample_insert";
    SAMPLE_NEWEST_AMONG = "sample_newest_among";
    SAMPLE_OF_POLL = "sample_of_poll";
    SAMPLE_OLDEST_AMONG = "sample_oldest_among";
    SAMPLE_OLDEST_OF_POLL = "sample_oldest_of_poll";
    SAMPLES_DELETE = "samples_delete";
    SAMPLES_DELETE_TO_ENTITY = "samples_delete_to_entity";
    SAMPLES_ENTITIES_OF_POLL = "samples_entities_of_poll";
    SAMPLES_IN_RANGE = "samples_in_range";
    SAMPLES_IN_WIDE_POLLS = "samples_in_wide_polls";
    SAMPLES_OF_POLL_TO_ENTITY = "samples_of_poll_to_entity";
    SIGHTING_SAVE = "sighting_save";
    SIGHTINGS_DELETE = "sightings_delete";
    SIGHTINGS_OF_ENTITY = "sightings_of_entity";
    STATS_FILE = "stats_file";
    STATS_INDEXES = "stats_indexes";
    STATS_PAGES = "stats_pages";
    TARGET_BY_NAME = "target_by_name";
    TARGET_INSERT = "target_insert";
    TARGET_REACH = "target_reach";
    TARGET_REACH_FURTHER = "target_reach_further";
    TARGETS_ALL = "targets_all";
    TARGETS_POLLED = "targets_polled";
    VERSION_DELETE = "version_delete";
    VERSION_INSERT = "version_insert";
    VERSION_REPLACE = "version_replace";
    VERSIONS_COUNT_IN_RANGE = "versions_count_in_range";
    VERSIONS_IN_RANGE = "versions_in_range";
    VERSIONS_NEWEST = "versions_newest";
    VERSIONS_OF_ENTITY = "versions_of_entity";
    VERSIONS_SUPERSEDED = "versions_superseded";
}

/// The statements about one kind's samples, with the kind filled in.
#[derive(Debug)]
pub(super) struct KindQueries {
    /// The kind.
    pub(super) kind: &'static Kind,
    pub(super) sample_insert: String,
    pub(super) samples_delete: String,
    pub(super) sample_before: String,
    pub(super) sample_newest_among: String,
    pub(super) sample_before_in_wide_polls: String,
    pub(super) sample_after: String,
    pub(super) sample_oldest_among: String,
    pub(super) sample_after_in_wide_polls: String,
    pub(super) sample_exists: String,
    pub(super) sample_exists_in_wide_polls: String,
    pub(super) samples_entities_of_poll: String,
    pub(super) samples_of_poll_to_entity: String,
    pub(super) samples_delete_to_entity: String,
    pub(super) sample_oldest_of_poll: String,
}

impl KindQueries {
    pub(super) fn new(kind: &'static Kind) -> Self {
        let all: Vec<usize> = (0..kind.columns.len()).collect();
        let fill = |text: &str| fill(text, kind, &all);
        KindQueries {
            kind,
            sample_insert: fill(SAMPLE_INSERT),
            samples_delete: fill(SAMPLES_DELETE),
            sample_before: fill(SAMPLE_BEFORE),
            sample_newest_among: fill(SAMPLE_NEWEST_AMONG),
            sample_before_in_wide_polls: fill(SAMPLE_BEFORE_IN_WIDE_POLLS),
            sample_after: fill(SAMPLE_AFTER),
            sample_oldest_among: fill(SAMPLE_OLDEST_AMONG),
            sample_after_in_wide_polls: fill(SAMPLE_AFTER_IN_WIDE_POLLS),
            sample_exists: fill(SAMPLE_EXISTS),
            sample_exists_in_wide_polls: fill(SAMPLE_EXISTS_IN_WIDE_POLLS),
            samples_entities_of_poll: fill(SAMPLES_ENTITIES_OF_POLL),
            samples_of_poll_to_entity: fill(SAMPLES_OF_POLL_TO_ENTITY),
            samples_delete_to_entity: fill(SAMPLES_DELETE_TO_ENTITY),
            sample_oldest_of_poll: fill(SAMPLE_OLDEST_OF_POLL),
        }
    }
}

/// The table that holds a kind's samples.
pub(super) fn table_of(kind: &Kind) -> String {
    format!("sample_{}", kind.name)
}

/// Fills the holes of a statement: `{table}`; of each column after a comma `{columns}` its name, `{selected}` its
/// name in the table `s`, `{parameters}` its parameter, `{counted}` how many of it are not null. `columns` are positions in the kind's columns; unknown ones
/// are left out.
pub(super) fn fill(text: &str, kind: &Kind, columns: &[usize]) -> String {
    let mut names = String::new();
    let mut selected = String::new();
    let mut parameters = String::new();
    let mut counted = String::new();
    for column in columns.iter().filter_map(|index| kind.columns.get(*index)) {
        // Names of the description, quoted as SQL wants it; writing to a text cannot fail.
        let _ = write!(names, ", \"{}\"", column.stored);
        let _ = write!(selected, ", s.\"{}\"", column.stored);
        let _ = write!(parameters, ", :{}", column.stored);
        let _ = write!(counted, ", count(s.\"{}\")", column.stored);
    }
    text.replace("{table}", &table_of(kind))
        .replace("{columns}", &names)
        .replace("{selected}", &selected)
        .replace("{parameters}", &parameters)
        .replace("{counted}", &counted)
}

#[cfg(test)]
mod test_kinds;
#[cfg(test)]
mod tests;
