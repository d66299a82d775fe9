//! Which test holds which promise: rules of the recording, sentences of the HTTP API, oddities of engines. A promise whose
//! test was renamed or taken away is found here.

use std::collections::BTreeSet;
use std::path::Path;

/// A promise, and the tests that hold it.
type Promise = (&'static str, &'static [&'static str]);

/// What is recorded, and how it counts.
const RULES: &[Promise] = &[
    (
        "a kind is data: identity, attributes, columns, formulas",
        &["every_kind_can_be_shown_and_explained", "formulas_name_existing_columns_of_the_right_class"],
    ),
    (
        "base unit last; counters and nothing else end in _total",
        &["the_base_unit_stands_last_in_the_name", "counters_and_nothing_else_end_in_total"],
    ),
    (
        "no identity, attribute, column and parameter share a name",
        &["no_identity_attribute_column_and_parameter_share_a_name"],
    ),
    (
        "attributes are facts with a time; versions are stored once by content",
        &["attributes_open_a_version_where_they_differ", "equal_attributes_are_stored_once"],
    ),
    (
        "more than a hundred versions an hour are an event",
        &[
            "more_than_100_versions_an_hour_are_an_event_and_only_the_newest_is_kept",
            "attributes_that_change_too_often_are_an_event_and_only_the_newest_is_kept",
        ],
    ),
    (
        "a host is what the configuration calls it, never what a reply says",
        &[
            "engines_that_say_the_same_of_themselves_are_the_hosts_of_the_configuration",
            "every_good_file_means_what_stands_beside_it",
        ],
    ),
    ("the machine's own name is that of the first start", &["the_machine_keeps_its_first_name"]),
    (
        "[hosts] maps what differs between systems",
        &[
            "a_name_is_found_by_every_spelling_of_what_it_is_called",
            "machines_are_called_what_the_configuration_says",
            "changes_are_events_with_marathons_own_times",
            "a_changed_file_is_applied_and_targets_it_leaves_alone_lose_no_tick",
        ],
    ),
    (
        "a sample is what was reported; missing or above i64 is null, never 0",
        &["what_cannot_be_a_number_is_null_and_loses_nothing_else", "numbers_come_back_as_they_went_in"],
    ),
    (
        "a sample's time is the source's, less its clock's offset, held",
        &[
            "the_offset_is_zero_within_two_seconds_and_held_otherwise",
            "a_clock_that_is_off_is_measured_held_and_told",
            "an_engine_whose_clock_is_ahead_is_told_and_its_samples_are_of_our_time",
        ],
    ),
    ("the stretch across a change of the offset has no rate", &["a_changed_clock_offset_has_no_rate"]),
    (
        "no time, or one before 2000, is that of the arrival",
        &[
            "numbers_without_a_time_that_can_be_believed_are_of_the_arrival",
            "an_unbelievable_time_is_that_of_the_arrival",
        ],
    ),
    (
        "counters begin at a constant that the source gives",
        &[
            "a_container_is_inspected_when_it_is_new_and_not_again",
            "since_is_the_boot_and_is_held_while_the_clock_is_adjusted",
        ],
    ),
    (
        "every visit leaves a row with its outcome",
        &[
            "a_hostile_engine_is_named_and_harms_no_other",
            "many_seeds_for_ten_minutes_each",
            "polls_are_kept_with_how_they_went_and_how_far_they_saw",
        ],
    ),
    (
        "partial: what came is kept, what did not is named",
        &["facts_that_do_not_come_are_named_and_asked_for_again", "stats_that_do_not_come_in_time_are_missing"],
    ),
    (
        "not polled, polled and failed, gone: apart for ever",
        &[
            "gaps_have_the_cause_of_their_ticks",
            "silence_means_that_nobody_polled",
            "silence_beside_a_recorder_that_ran_means_that_the_target_was_not_configured",
            "only_a_complete_batch_of_its_kind_and_target_ends_an_entity",
        ],
    ),
    (
        "a snapshot is stored whole or not at all",
        &[
            "an_append_that_fails_leaves_nothing_and_the_next_goes_on",
            "answers_are_whole_while_snapshots_come_in",
            "twenty_kills_lose_nothing_that_was_served",
        ],
    ),
    (
        "a run has the samples before and after it, however far, and the good poll before the first",
        &[
            "a_run_has_the_samples_of_the_range_and_its_neighbours_however_far",
            "a_first_sample_knows_the_good_poll_before_it",
        ],
    ),
    (
        "a range is closed when it has settled and the writer has caught up",
        &[
            "a_closed_range_keeps_its_bytes_and_its_strong_tag_and_an_open_one_has_none",
            "a_writer_behind_closes_nothing",
            "a_kind_that_is_polled_seldom_settles_after_four_intervals",
        ],
    ),
    ("rule 1: time that did not advance gives nothing", &["rule_1_time_that_did_not_advance_gives_nothing"]),
    (
        "rule 2: a new life gives all of next",
        &[
            "rule_2_a_new_life_gives_all_of_next_since_it_began",
            "a_restart_counts_what_the_new_life_used_and_covers_nothing_of_what_is_unknown",
        ],
    ),
    (
        "rule 3: the same life gives the difference; a fall never a spike",
        &[
            "rule_3_the_same_life_gives_the_difference",
            "rule_3_a_fall_is_a_reset_only_where_nobody_says_when_the_life_began",
            "a_counter_that_fell_within_a_life_is_an_event_and_no_increase",
        ],
    ),
    (
        "rule 4: born under our eyes, or a baseline",
        &[
            "rule_4_a_first_sample_counts_only_when_born_under_our_eyes",
            "one_born_under_our_eyes_counts_from_its_birth_and_a_first_sight_is_a_baseline",
        ],
    ),
    (
        "a stretch longer than three intervals is a hole",
        &[
            "a_stretch_longer_than_three_intervals_is_a_hole",
            "a_hole_has_no_rate_and_its_amount_belongs_to_its_last_instant",
        ],
    ),
    (
        "sums over any partition equal the whole, none is negative",
        &[
            "increases_add_up_over_any_partition_and_none_is_negative",
            "increases_of_adjoining_ranges_add_up_exactly",
            "float_shares_add_up_within_a_billionth",
        ],
    ),
    ("rates equal a brute-force oracle", &["rates_and_increases_equal_a_brute_force_oracle"]),
    (
        "extremes and percentiles of a rate are over stretches, in the bucket where each ends",
        &["minimum_and_maximum_of_a_rate_count_where_the_stretch_ends", "percentiles_are_linear_between_ranks"],
    ),
    (
        "ticks are aligned and spread; one that finds a visit under way is skipped",
        &[
            "ticks_are_aligned_and_spread_over_the_first_part_of_the_interval",
            "a_tick_that_finds_its_target_still_polled_is_skipped_and_recorded",
        ],
    ),
    (
        "what the queue cannot hold is dropped, oldest first, and recorded",
        &[
            "a_full_queue_drops_the_oldest_samples_and_keeps_every_poll",
            "a_snapshot_that_the_queue_cannot_hold_is_dropped_and_recorded",
        ],
    ),
    ("a clock stepped back is an event", &["a_clock_stepped_back_is_an_event_and_samples_go_in_at_the_stepped_time"]),
    (
        "an older sample is taken, one that is there is counted",
        &["a_sample_older_than_the_last_is_taken", "a_sample_that_is_there_is_left_out_and_counted"],
    ),
];

/// What the HTTP API says of itself.
const API: &[Promise] = &[
    (
        "times and durations in every form",
        &[
            "times_are_rfc_3339_partial_dates_unix_times_and_relative_ones",
            "unix_seconds_and_milliseconds_are_told_apart_by_magnitude",
            "now_and_what_is_relative_to_it",
        ],
    ),
    ("ranges are half-open", &["ranges_are_half_open"]),
    (
        "every table is JSON by default, CSV by suffix or Accept",
        &["every_table_is_json_by_default_and_csv_by_suffix_or_accept"],
    ),
    ("/kinds", &["kinds_say_their_attributes_and_columns_with_type_unit_and_help"]),
    (
        "/entities",
        &[
            "entities_are_those_alive_in_a_range_with_attributes_as_of_its_end",
            "an_entity_that_ended_says_when_and_is_found_in_every_range_that_it_lived_in",
        ],
    ),
    ("/range", &["a_range_has_exactly_the_shape_that_is_promised", "the_reply_echoes_the_defaults_resolved"]),
    (
        "/samples",
        &[
            "samples_come_in_the_kinds_order_by_identity_then_time",
            "a_derived_cell_is_that_of_the_stretch_ending_at_the_sample",
        ],
    ),
    (
        "/samples is resumed by the last complete line",
        &["samples_are_resumed_by_identity_and_time_of_the_last_complete_line"],
    ),
    ("/snapshot", &["a_snapshot_is_everything_as_it_was_each_part_with_its_samples_age", "the_picture_of_an_instant"]),
    (
        "/diff",
        &[
            "a_diff_tells_come_and_gone_attributes_tags_leaders_and_what_moved_most",
            "what_differs_between_two_instants",
        ],
    ),
    ("/events", &["events_have_their_shape_and_filters_and_come_once", "every_type_of_event_can_be_asked_for"]),
    ("/targets", &["targets_tell_up_last_success_last_error_and_age"]),
    (
        "filters",
        &[
            "filters_are_attributes_and_identity_by_name",
            "a_leading_bang_negates_the_whole_list",
            "a_backslash_escapes",
            "missing_equals_empty",
        ],
    ),
    (
        "filters and groups see the attributes each sample had",
        &["filters_and_groups_see_the_attributes_each_sample_had"],
    ),
    (
        "what is unknown or malformed is named with what would be right",
        &[
            "an_unknown_or_malformed_parameter_is_refused_by_name_with_what_would_be_right",
            "refused_requests_say_what_would_be_right",
        ],
    ),
    ("no entity is 200 and empty", &["no_entity_is_200_and_empty", "an_empty_store_answers_with_empty_tables"]),
    (
        "buckets align, are cut at the ends, labelled by their start",
        &["buckets_align_to_the_epoch_are_cut_at_the_ends_and_labelled_by_their_start", "steps_below_a_day_ignore_tz"],
    ),
    ("days are local", &["days_are_local_and_have_23_or_25_hours", "weeks_begin_on_monday_and_months_on_the_first"]),
    ("the default step", &["the_default_step_is_the_smallest_of_at_most_300_buckets_not_below_the_interval"]),
    (
        "agg and its defaults",
        &[
            "counters_default_to_increase_and_others_to_avg",
            "several_aggs_may_be_asked_and_each_is_what_it_says",
            "any_other_agg_is_refused_with_what_would_do",
        ],
    ),
    (
        "ratios",
        &[
            "a_ratio_of_increases_is_sum_over_sum_and_one_of_gauges_the_mean_of_ratios",
            "ratios_combine_as_sums_over_sums",
        ],
    ),
    ("series and their labels", &["a_series_is_an_entity_labelled_as_of_its_last_sample_or_a_group_labelled_exactly"]),
    (
        "across",
        &["across_combines_entities_as_its_default_or_its_value_says", "members_of_what_does_not_add_up_are_averaged"],
    ),
    (
        "a group's means run over covered time",
        &["a_members_mean_runs_over_the_time_its_target_was_covered", "a_replaced_instance_is_not_counted_double"],
    ),
    ("top", &["top_ranks_over_the_whole_range_with_nulls_last_and_series_come_in_that_order"]),
    (
        "coverage and gaps",
        &["coverage_says_what_was_seen_and_why_not", "gaps_of_a_slow_target_have_their_cause_in_a_short_range"],
    ),
    (
        "limits, each with what would fit",
        &[
            "too_many_cells_are_refused_with_what_would_fit",
            "too_many_series_are_refused_with_what_would_narrow_them",
            "too_many_buckets_are_refused_with_the_step_that_fits",
        ],
    ),
    (
        "cells",
        &[
            "cells_are_the_same_text_in_json_and_csv",
            "what_is_no_number_is_told_as_such_and_never_as_null",
            "computed_numbers_have_at_most_nine_significant_digits",
            "scaled_integers_are_printed_exactly_from_the_integer",
        ],
    ),
    (
        "CSV",
        &[
            "csv_is_rfc_4180_with_crlf_without_bom_and_every_row_as_long_as_the_header",
            "python_reads_the_same_cells",
            "a_spreadsheet_imports_every_cell",
            "json_and_csv_of_a_range_agree_cell_by_cell",
            "json_and_csv_of_samples_agree_cell_by_cell",
        ],
    ),
    ("compression", &["answers_are_compressed_where_gzip_is_wanted_at_least_as_much_as_nothing"]),
    (
        "closed ranges",
        &[
            "a_closed_range_keeps_its_bytes_and_its_strong_tag_and_an_open_one_has_none",
            "tags_differ_by_form_request_and_store",
        ],
    ),
    ("what retention took is 410", &["samples_taken_by_retention_are_gone_with_what_is_left"]),
    ("errors are problem+json", &["errors_are_problem_json"]),
    (
        "beside the base",
        &[
            "health_readiness_metrics_and_the_page_stand_beside_the_base",
            "metrics_pass_a_strict_reader_of_openmetrics",
            "every_example_works_and_gives_what_is_promised",
        ],
    ),
    (
        "loopback, or token and TLS, or as many words",
        &[
            "an_address_that_others_reach_is_refused_without_token_and_tls_unless_said_in_as_many_words",
            "said_in_as_many_words_it_is_served_all_the_same",
            "behind_tls_and_a_token_only_who_has_both_is_answered",
        ],
    ),
    (
        "a good file is applied without losing a tick, a bad one changes nothing",
        &[
            "a_changed_file_is_applied_and_targets_it_leaves_alone_lose_no_tick",
            "a_bad_file_is_told_with_all_its_faults_and_changes_nothing",
        ],
    ),
    (
        "the end stores what is under way; told twice it comes at once",
        &["told_to_stop_it_stores_what_is_under_way_and_ends_well", "told_to_stop_twice_it_ends_at_once_with_status_1"],
    ),
];

/// What engines do that a reader may not expect, each on a recorded reply.
const ENGINES: &[Promise] = &[
    ("one-shot replies have no precpu", &["one_shot_replies_have_all_numbers_too"]),
    (
        "engines refuse versions below and above their own",
        &[
            "the_newest_version_that_both_know_is_chosen",
            "an_old_engine_is_refused_with_the_version_it_needs",
            "an_older_engine_is_asked_in_its_own_words",
        ],
    ),
    (
        "Created is not updated by a restart",
        &["an_uptime_that_went_back_is_a_restart", "a_start_after_the_sample_was_read_is_not_its_own"],
    ),
    ("health is in inspect alone", &["health_is_what_a_check_says"]),
    ("errors are JSON, or text from old engines", &["what_engines_say_of_an_error_is_told_in_their_words"]),
    ("containers that do not run answer zeros", &["zeros_of_a_container_that_does_not_run_are_no_sample"]),
    (
        "one killed while it is asked answers zeros, one removed an empty body",
        &[
            "zeros_of_a_container_that_does_not_run_are_no_sample",
            "an_empty_body_is_no_sample",
            "a_container_that_ends_while_it_is_asked_is_inspected_at_once",
        ],
    ),
    (
        "counters restart with the container",
        &[
            "a_life_goes_through_zeros_to_counters_from_the_start",
            "a_counter_that_fell_is_looked_into_before_it_is_handed_over",
        ],
    ),
    (
        "no networks for none and host, another's for container:",
        &["whose_network_it_is", "a_network_that_is_not_the_containers_own_is_forgotten", "a_docker_engine"],
    ),
    ("old engines have no online_cpus", &["replies_of_old_engines_count_cpus_by_their_list"]),
    (
        "the machine's CPU time does not begin with the container",
        &["the_machines_cpu_time_is_left_out_of_the_first_sample_of_a_life"],
    ),
    ("limits as NanoCpus, or quota and period", &["a_quota_is_a_limit_too", "limits_that_are_none_are_absent"]),
    (
        "memory in use is what docker stats shows",
        &["the_working_set_is_what_docker_stats_shows", "the_page_cache_and_the_limit_hits_of_a_full_container"],
    ),
    (
        "the limit without one is the machine's; failcnt and max_usage are left out when 0",
        &["every_column_of_a_reply_of_cgroup_v1"],
    ),
    ("MemorySwap is twice Memory, -1 or 0", &["limits_that_are_none_are_absent"]),
    ("block I/O has six operations, two of which count", &["only_reads_and_writes_count_as_block_io"]),
    (
        "restarting and paused are running too; created may have failed; FinishedAt is of the life before",
        &["facts_of_containers_that_ended_or_never_ran", "facts_of_a_running_container"],
    ),
    (
        "SIGKILL and OOM are both 137",
        &["facts_of_containers_that_ended_or_never_ran", "ended_containers_are_found_with_how_they_ended"],
    ),
    ("a link's name has two slashes", &["the_own_name_is_the_one_with_one_slash"]),
    ("lists may be null", &["nulls_where_lists_were_expected_say_nothing"]),
    ("untagged images are <none>", &["untagged_images_have_no_name", "images_of_an_engine_and_of_podman"]),
    ("system/df has nulls", &["info_and_disk_of_docker_and_podman"]),
    (
        "events have text in their actions, exec among them; networks have no id",
        &["every_recorded_event_has_its_meaning_and_exec_has_none", "old_engines_say_no_type_and_no_nanoseconds"],
    ),
    (
        "what the engine remembers of events is short",
        &["nothing_is_lost_or_doubled_across_a_connection_that_ends", "too_many_events_drop_the_oldest_and_say_so"],
    ),
    ("an engine that is no manager answers 503", &["an_engine_that_is_no_manager_has_nothing_to_tell"]),
    ("a swarm's tasks may have no slot, node, container", &["the_recorded_swarm_has_its_services_and_node"]),
    ("cgroup v2 has other names and fewer numbers", &["cgroup_v2_has_other_names_and_fewer_numbers"]),
    (
        "podman swaps sent and received, and reports another CPU time",
        &[
            "podman_swaps_what_it_sends_and_receives_and_major_and_minor",
            "podmans_host_time_is_the_time_since_the_start_on_all_cpus",
            "podmans_events_have_other_words",
            "a_podman",
        ],
    ),
    (
        "a name is reused, an id is unique: both are kept",
        &["a_series_is_an_entity_labelled_as_of_its_last_sample_or_a_group_labelled_exactly"],
    ),
];

#[test]
fn every_promise_has_its_test() {
    let tests = tests();
    assert!(tests.len() > 500, "{} tests found", tests.len());
    let missing: Vec<String> = [RULES, API, ENGINES]
        .into_iter()
        .flatten()
        .flat_map(|(promise, names)| names.iter().map(move |name| (promise, name)))
        .filter(|(_, name)| !tests.contains(**name))
        .map(|(promise, name)| format!("{promise}: no test {name}"))
        .collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Names of all test functions of the crate.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut directories =
        vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("fixtures") {
                directories.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                names.extend(tests_in(&std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    names
}

/// Functions with an attribute that makes them tests right before them, other attributes between; those in `proptest!`
/// have one too.
fn tests_in(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim_start) {
        let attribute = line.strip_prefix("#[").unwrap_or_default();
        if attribute.starts_with("test]") || attribute.starts_with("tokio::test") {
            is_test = true;
        } else if let Some(rest) = line.strip_prefix("async fn ").or(line.strip_prefix("fn ")) {
            if std::mem::take(&mut is_test) {
                names.extend(rest.split('(').next().map(str::to_owned));
            }
        } else if !line.starts_with('#') && !line.starts_with("//") {
            is_test = false;
        }
    }
    names
}
