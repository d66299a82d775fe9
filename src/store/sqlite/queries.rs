//! Every statement of the store: one file of `queries/` each, listed here once.
//!
//! Values are bound, never written into a statement. Must not know: who runs a statement, and when.

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
    ATTRIBUTE_SET_BODY = "attribute_set_body";
    ATTRIBUTE_SET_BY_HASH = "attribute_set_by_hash";
    ATTRIBUTE_SET_DELETE_UNUSED = "attribute_set_delete_unused";
    ATTRIBUTE_SET_INSERT = "attribute_set_insert";
    BLOCK_AT_OR_AFTER = "block_at_or_after";
    BLOCK_AT_OR_BEFORE = "block_at_or_before";
    BLOCK_BODY = "block_body";
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
    BLOCKS_FROM = "blocks_from";
    BLOCKS_OF_WINDOW = "blocks_of_window";
    BLOCKS_UNMERGED = "blocks_unmerged";
    BYTES_USED = "bytes_used";
    CHECK_ATTRIBUTE_SETS_UNUSED = "check_attribute_sets_unused";
    CHECK_BLOCKS = "check_blocks";
    CHECK_BLOCKS_OVERLAPPING = "check_blocks_overlapping";
    CHECK_COUNTS = "check_counts";
    CHECK_ENTITIES_UNSEEN = "check_entities_unseen";
    CHECK_ENTITY_KIND = "check_entity_kind";
    CHECK_EVENTS = "check_events";
    CHECK_IDENTITIES = "check_identities";
    CHECK_INTEGRITY = "check_integrity";
    CHECK_JOURNAL = "check_journal";
    CHECK_POLL_TEXTS = "check_poll_texts";
    CHECK_POLLS = "check_polls";
    CHECK_POLLS_BETWEEN = "check_polls_between";
    CHECK_REFERENCES = "check_references";
    CHECK_SCHEMA = "check_schema";
    CHECK_SETS = "check_sets";
    CHECK_SIGHTINGS = "check_sightings";
    CHECK_ROLLUPS = "check_rollups";
    ENTITIES_BY_IDENTITY = "entities_by_identity";
    ENTITIES_END_IMPORTED = "entities_end_imported";
    ENTITIES_LISTED = "entities_listed";
    ENTITIES_OVER = "entities_over";
    ENTITIES_SIGHTED = "entities_sighted";
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
    IDENTITIES_SEEN_IN_RANGE = "identities_seen_in_range";
    JOURNAL_DELETE = "journal_delete";
    JOURNAL_DELETE_OF_POLL = "journal_delete_of_poll";
    JOURNAL_INSERT = "journal_insert";
    JOURNAL_OF_WINDOW = "journal_of_window";
    JOURNAL_PLACES = "journal_places";
    JOURNAL_REPLACE = "journal_replace";
    LOG_EMPTY = "log_empty";
    META_SET = "meta_set";
    META_VALUE = "meta_value";
    PAGES_COUNT = "pages_count";
    PAGES_GIVE_BACK = "pages_give_back";
    PIECE_BODY = "piece_body";
    PIECES_BACKWARDS = "pieces_backwards";
    PIECES_FORWARDS = "pieces_forwards";
    PIECES_WIDE = "pieces_wide";
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
    POLL_SAMPLED_OLDEST = "poll_sampled_oldest";
    POLL_UNSEALED_OLDEST = "poll_unsealed_oldest";
    POLL_VISITED_NEWEST = "poll_visited_newest";
    POLLS_DUE = "polls_due";
    POLLS_GOOD_AROUND = "polls_good_around";
    POLLS_IN_RANGE = "polls_in_range";
    POLLS_OF_DAY_AFTER = "polls_of_day_after";
    POLLS_OLD = "polls_old";
    POLLS_SEALED = "polls_sealed";
    ROLLUP_AT_OR_AFTER = "rollup_at_or_after";
    ROLLUP_AT_OR_BEFORE = "rollup_at_or_before";
    ROLLUP_DELETE = "rollup_delete";
    ROLLUP_DUE_DELETE = "rollup_due_delete";
    ROLLUP_DUE_DELETE_OF_ENTITY = "rollup_due_delete_of_entity";
    ROLLUP_DUE_INSERT = "rollup_due_insert";
    ROLLUP_DUE_LATER = "rollup_due_later";
    ROLLUP_DUE_OF_ENTITIES = "rollup_due_of_entities";
    ROLLUP_INSERT = "rollup_insert";
    ROLLUP_KEEP_UNMERGED = "rollup_keep_unmerged";
    ROLLUP_LAYOUT_BY_FIELDS = "rollup_layout_by_fields";
    ROLLUP_LAYOUT_FIELDS = "rollup_layout_fields";
    ROLLUP_LAYOUT_INSERT = "rollup_layout_insert";
    ROLLUPS_AFTER_OF_ENTITIES = "rollups_after_of_entities";
    ROLLUPS_DELETE_OF_ENTITY = "rollups_delete_of_entity";
    ROLLUPS_DELETE_OLD = "rollups_delete_old";
    ROLLUPS_DUE = "rollups_due";
    ROLLUPS_DUE_INSERT_FIRSTS = "rollups_due_insert_firsts";
    ROLLUPS_ENDING_AFTER = "rollups_ending_after";
    ROLLUPS_OF_ENTITIES = "rollups_of_entities";
    ROLLUPS_OF_WINDOW = "rollups_of_window";
    ROLLUPS_UNMERGED = "rollups_unmerged";
    SIGHTING_SAVE = "sighting_save";
    SIGHTINGS_DELETE = "sightings_delete";
    SIGHTINGS_OF_ENTITY = "sightings_of_entity";
    SIGHTINGS_SAMPLED = "sightings_sampled";
    STATS_FILE = "stats_file";
    STATS_INDEXES = "stats_indexes";
    STATS_PAGES = "stats_pages";
    TARGET_BY_ID = "target_by_id";
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
    VERSIONS_NEWEST = "versions_newest";
    VERSIONS_OF_ENTITIES = "versions_of_entities";
    VERSIONS_OF_ENTITY = "versions_of_entity";
    VERSIONS_SUPERSEDED = "versions_superseded";
    WAL_CHECKPOINT = "wal_checkpoint";
    WAL_STATE = "wal_state";
}

#[cfg(test)]
mod tests;
