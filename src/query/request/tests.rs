//! Whole requests, from parameters as they come.

use proptest::prelude::*;

use super::test_kinds::{CONTAINER, KINDS, ROLE};
use super::*;
use crate::model::{Attributes, Event, Identity, Severity, TargetName};
use crate::query::civil::format_bucket_time;

const NOW: Timestamp = Timestamp::from_ms(1_787_281_807_250); // 2026-08-21T03:10:07.250Z

/// `a=b&c=d` as pairs.
fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    query.split('&').filter(|text| !text.is_empty()).map(|text| pair(text).unwrap()).collect()
}

fn range(query: &str) -> RangeRequest {
    RangeRequest::parse(&CONTAINER, &pairs(query), NOW, 10_000).unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// The error of a range request is of this parameter and says this.
fn refused(query: &str, parameter: &str, says: &str) {
    let error = RangeRequest::parse(&CONTAINER, &pairs(query), NOW, 10_000).expect_err(query);
    assert_eq!(error.parameter, parameter, "{query}: {error}");
    assert!(error.message.contains(says), "{query}: {error}");
}

fn fields(query: &str) -> Vec<String> {
    range(query).fields.iter().map(|field| format!("{}.{}", field.name, field.agg.name())).collect()
}

fn labels(query: &str) -> Option<Vec<String>> {
    let request = range(query);
    request.group_by.map(|labels| labels.iter().map(|label| label.name(&CONTAINER)).collect())
}

#[test]
fn defaults_are_the_last_hour_to_the_second_the_default_step_and_the_headline_fields() {
    let request = range("");
    assert_eq!(format_bucket_time(request.range.end(), Zone::Utc), "2026-08-21T03:10:08Z");
    assert_eq!(format_bucket_time(request.range.start(), Zone::Utc), "2026-08-21T02:10:08Z");
    assert_eq!(request.step, Step::Fixed(30_000));
    assert_eq!(request.edges.first(), Some(&request.range.start()));
    assert_eq!(request.edges.last(), Some(&request.range.end()));
    assert_eq!(fields(""), ["cpu_cores.avg", "memory_usage_bytes.avg"]);
    assert_eq!((request.zone, request.coverage, request.top, request.across), (Zone::Utc, false, None, None));
    assert_eq!(request.group_by, None);
    assert!(request.filter.is_trivial());
    assert!(!request.names_carry_agg);
}

#[test]
fn a_range_from_a_moment_ago_until_now_is_one_and_now_leaves_nothing_out() {
    for query in ["start=1787281807249", "start=1787281807.2&end=now", "start=2026-08-21T03:10:07.250Z"] {
        let request = range(query);
        assert_eq!(format_bucket_time(request.range.end(), Zone::Utc), "2026-08-21T03:10:08Z", "{query}");
        assert!(request.range.end() > NOW);
    }
    let at_a_whole_second = Timestamp::from_ms(1_787_281_807_000);
    let request = RangeRequest::parse(&CONTAINER, &[], at_a_whole_second, 10_000).unwrap();
    assert_eq!(request.range.end(), at_a_whole_second);
}

#[test]
fn the_default_start_is_an_hour_before_end() {
    let request = range("end=2026-08");
    assert_eq!(format_bucket_time(request.range.start(), Zone::Utc), "2026-07-31T23:00:00Z");
    assert_eq!(format_bucket_time(request.range.end(), Zone::Utc), "2026-08-01T00:00:00Z");
}

#[test]
fn a_partial_date_as_end_means_its_start_too() {
    let request = range("start=2026-08-20&end=2026-08-21&tz=Europe/Berlin");
    assert_eq!(format_bucket_time(request.range.start(), Zone::Utc), "2026-08-19T22:00:00Z");
    assert_eq!(format_bucket_time(request.range.end(), Zone::Utc), "2026-08-20T22:00:00Z");
}

#[test]
fn start_at_or_after_end_is_refused_with_both_named() {
    refused(
        "start=2026-08-21&end=2026-08-21",
        "start",
        "start (2026-08-21T00:00:00.000Z) must lie before end (2026-08-21T00:00:00.000Z)",
    );
    refused("start=2026-08-22&end=2026-08-21", "start", "must lie before end");
    refused("start=now+1h", "start", "which is now by default");
    refused("end=0000", "end", "start (0000-01-01T00:00:00.000Z)");
}

#[test]
fn times_that_cannot_be_read_name_their_parameter() {
    refused("start=yesterday", "start", "times look like");
    refused("end=noww", "end", "did you mean `now`?");
}

#[test]
fn tz_is_a_zone_of_the_database() {
    assert_eq!(range("tz=Europe/Berlin").zone.name(), Some("Europe/Berlin"));
    assert_eq!(range("tz=UTC").zone.name(), Some("UTC"));
    assert_eq!(range("tz=Etc/GMT 5").zone.name(), Some("Etc/GMT+5"));
    assert_eq!(range("").zone.name(), None);
    refused("tz=Europe/Berln", "tz", "did you mean `Europe/Berlin`?");
    refused("tz=", "tz", "named like Europe/Berlin");
    refused("tz=+02:00", "tz", "there is no zone");
}

#[test]
fn steps_that_do_not_work_name_what_does() {
    refused("step=0", "step", "below 1s, the smallest step");
    refused("step=2d", "step", "1d, 1w, 1mo and all work");
    refused("step=1s&start=-1d", "step", "10s fits");
    assert_eq!(range("step=all").edges.len(), 2);
}

#[test]
fn a_default_step_over_all_of_time_names_the_step_that_fits() {
    refused("start=0000&end=9999", "step", "all fits");
}

#[test]
fn fields_are_columns_and_derived_ones_in_the_order_asked() {
    assert_eq!(
        fields("fields=memory_usage_bytes,cpu_cores,cpu_usage_seconds_total"),
        ["memory_usage_bytes.avg", "cpu_cores.avg", "cpu_usage_seconds_total.increase"]
    );
    assert_eq!(
        fields("fields=cpu_limit_cores&agg=avg,p95"),
        ["cpu_limit_cores.avg", "cpu_limit_cores.p95"],
        "a number attribute"
    );
    refused("fields=oom_killed", "fields", "container has no field `oom_killed`");
    refused("fields=cpu_limit_cores&agg=increase", "agg", "it takes avg");
    refused("fields=cpu_core", "fields", "container has no field `cpu_core`; did you mean `cpu_cores`?");
    refused("fields=xyzzy", "fields", "fields of container are cpu_cores");
    refused("fields=", "fields", "a name is missing");
    refused("fields=cpu_cores,", "fields", "a name is missing");
    refused("fields=cpu_cores,cpu_cores", "fields", "twice");
    refused("fields=cpu_cores.p95", "fields", "fields=cpu_cores&agg=p95");
}

#[test]
fn without_headline_fields_all_are_shown() {
    let request = RangeRequest::parse(&ROLE, &[], NOW, 10_000).unwrap();
    assert_eq!(request.fields, [FieldRequest { name: "tasks_total", agg: Agg::Increase }]);
}

#[test]
fn the_default_agg_is_increase_for_counters_max_for_high_water_marks_and_avg_for_others() {
    assert_eq!(
        fields("fields=cpu_usage_seconds_total,memory_max_usage_bytes,memory_usage_bytes,cpu_limit_ratio"),
        [
            "cpu_usage_seconds_total.increase",
            "memory_max_usage_bytes.max",
            "memory_usage_bytes.avg",
            "cpu_limit_ratio.avg"
        ]
    );
}

#[test]
fn counters_take_increase_and_last_high_water_marks_max_and_last_others_all_but_increase() {
    let takes = |field: &str| {
        let takes = |agg: &Agg| {
            let query = pairs(&format!("fields={field}&agg={}", agg.name()));
            RangeRequest::parse(&CONTAINER, &query, NOW, 10_000).is_ok()
        };
        Agg::ALL.into_iter().filter(takes).map(Agg::name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(takes("cpu_usage_seconds_total"), "increase last");
    assert_eq!(takes("memory_max_usage_bytes"), "last max");
    assert_eq!(takes("memory_usage_bytes"), "last avg min max count p50 p90 p95 p99");
    assert_eq!(takes("cpu_cores"), "last avg min max count p50 p90 p95 p99");
    refused(
        "fields=cpu_cores,cpu_usage_seconds_total&agg=avg",
        "agg",
        "cpu_usage_seconds_total does not take avg; it takes increase, last",
    );
    refused("agg=increase", "agg", "cpu_cores does not take increase; it takes avg, min, max, last, count, p50");
    refused("fields=memory_max_usage_bytes&agg=avg", "agg", "it takes max, last");
    refused("agg=mean", "agg", "`mean` is no agg");
    refused("agg=p96", "agg", "did you mean `p9");
    refused("agg=avg,avg", "agg", "twice");
    refused("agg=", "agg", "a name is missing");
}

#[test]
fn several_aggs_give_every_field_each_and_names_carry_them() {
    assert_eq!(
        fields("fields=cpu_cores,memory_usage_bytes&agg=avg,p95"),
        ["cpu_cores.avg", "cpu_cores.p95", "memory_usage_bytes.avg", "memory_usage_bytes.p95"]
    );
    assert!(range("agg=avg,p95").names_carry_agg);
    assert!(!range("agg=p95").names_carry_agg);
}

#[test]
fn group_by_takes_identity_attributes_and_entries_and_empty_is_one_series() {
    assert_eq!(labels("group_by=app,host").unwrap(), ["app", "host"]);
    assert_eq!(labels("group_by=label.env,network.front").unwrap(), ["label.env", "network.front"]);
    assert_eq!(range("group_by=label.a.b").group_by, Some(vec![Label::Entry("labels", "a.b".to_owned())]));
    assert_eq!(labels("group_by=").unwrap(), Vec::<String>::new());
    assert_eq!(labels(""), None);
    refused("group_by=ap", "group_by", "did you mean `app`?");
    refused("group_by=app,app", "group_by", "twice");
    refused("group_by=app,", "group_by", "a name is missing");
    refused("group_by=labels", "group_by", "write label.<name>");
    refused("group_by=labels.env", "group_by", "did you mean `label.env`?");
    refused("group_by=label.", "group_by", "no label `label.`");
    refused("group_by=xyzzy", "group_by", "labels are host, id, name");
}

#[test]
fn across_combines_groups_only() {
    for across in Across::ALL {
        assert_eq!(range(&format!("group_by=&across={}", across.name())).across, Some(across));
    }
    refused("across=sum", "across", "add group_by=");
    refused("group_by=app&across=mean", "across", "known are sum, avg, min, max");
}

#[test]
fn top_keeps_by_the_first_field_or_top_by() {
    let by = |query: &str| range(query).top.map(|top| (top.count, top.by.name, top.by.agg.name()));
    assert_eq!(by("top=10"), Some((10, "cpu_cores", "avg")));
    assert_eq!(by("top=10&agg=max"), Some((10, "cpu_cores", "max")));
    assert_eq!(by("top=1&top_by=memory_usage_bytes"), Some((1, "memory_usage_bytes", "avg")));
    assert_eq!(by("top=1&top_by=memory_usage_bytes&agg=p95,max"), Some((1, "memory_usage_bytes", "p95")));
    assert_eq!(by("top=1&top_by=cpu_cores.p99"), Some((1, "cpu_cores", "p99")));
    assert_eq!(by("top=1&top_by=cpu_usage_seconds_total"), Some((1, "cpu_usage_seconds_total", "increase")));
    assert_eq!(by("top=10000").unwrap().0, 10_000);
    refused("top=0", "top", "whole number from 1 to 10000");
    refused("top=10001", "top", "whole number from 1 to 10000");
    refused("top=-1", "top", "whole number");
    refused("top_by=cpu_cores", "top_by", "say how many with top=10");
    refused("top=1&top_by=cpu", "top_by", "did you mean `cpu_cores`?");
    refused("top=1&top_by=cpu_cores.increase", "top_by", "cpu_cores does not take increase");
    refused("top=1&top_by=cpu_cores.mean", "top_by", "`mean` is no agg");
}

#[test]
fn coverage_is_a_flag() {
    assert!(range("coverage=1").coverage && range("coverage=true").coverage);
    assert!(!range("coverage=0").coverage && !range("coverage=false").coverage);
    refused("coverage=yes", "coverage", "neither 1 (or true) nor 0 (or false)");
}

#[test]
fn filters_stand_beside_parameters_and_repeat_as_and() {
    let request = range("host=node-1&app=/shop/*&app=!/shop/test&label.env=prod");
    assert!(!request.filter.is_trivial());
    assert!(!request.filter.may_match(&Identity::new(["node-2", "a"])));
    refused(r"app=shop\", "app", r"ends in a lone `\`");
    refused("oom_killed=yes", "oom_killed", "true or false");
    refused("labels=prod", "labels", "write label.<name>");
}

#[test]
fn unknown_parameters_are_named_with_the_nearest_known_name() {
    refused("strat=-1h", "strat", "did you mean `start`?");
    refused("ap=x", "ap", "did you mean `app`?");
    refused("label=x", "label", "did you mean `label.<name>`?");
    refused("labels.env=x", "labels.env", "did you mean `label.env`?");
    refused("cpu_cores=1", "cpu_cores", "ask for it with fields=cpu_cores");
    refused("cpu_core=1", "cpu_core", "did you mean fields=cpu_cores?");
    refused("xyzzy=1", "xyzzy", "is no parameter of this request (fields, agg,");
    refused("=1", "", "is no parameter");
}

#[test]
fn a_parameter_given_twice_is_refused() {
    refused("start=-1h&start=-2h", "start", "twice");
}

#[test]
fn errors_repeat_no_more_than_is_needed() {
    let long = "x".repeat(10_000);
    for query in [format!("{long}=1"), format!("start={long}"), format!("fields={long}"), format!("step={long}")] {
        let error = RangeRequest::parse(&CONTAINER, &pairs(&query), NOW, 10_000).unwrap_err();
        assert!(error.to_string().len() < 700, "{error}");
    }
    refused(&format!("start={}", "x".repeat(70_000)), "start", "longer than 65536 bytes");
}

#[test]
fn samples_take_attributes_limit_and_cursor() {
    let parse = |query: &str| SamplesRequest::parse(&CONTAINER, &pairs(query), NOW);
    let request = parse("").unwrap();
    assert_eq!((request.all_attributes, request.limit, request.cursor), (false, None, None));
    let request = parse("attributes=all&limit=5&cursor=node-1,abc,2026-08-21T03:10:00.007Z&host=node-1").unwrap();
    assert!(request.all_attributes && !request.filter.is_trivial());
    assert_eq!(request.limit, Some(5));
    let cursor = (Identity::new(["node-1", "abc"]), Timestamp::from_ms(1_787_281_800_007));
    assert_eq!(request.cursor, Some(cursor));
    let says = |query: &str| parse(query).unwrap_err().to_string();
    assert!(says("attributes=some").contains("attributes: `some` is neither `all`"));
    assert!(says("limit=0").contains("limit: `0` is no whole number from 1"));
    assert!(says("cursor=node-1").contains("host,id,time"));
    assert!(says("fields=cpu_cores").contains("fields: is no parameter of this request"));
    assert!(says("cpu_cores=1").contains("is a field of container, not a filter"));
    assert!(says("start=2027").contains("must lie before end"));
}

#[test]
fn entities_take_limit_and_cursor() {
    let parse = |query: &str| EntitiesRequest::parse(&CONTAINER, &pairs(query), NOW);
    let request = parse("").unwrap();
    assert_eq!((request.limit, request.cursor), (ENTITIES_DEFAULT, None));
    let request = parse("limit=10000&cursor=node-1,abc&app=").unwrap();
    assert_eq!((request.limit, request.cursor), (10_000, Some(Identity::new(["node-1", "abc"]))));
    assert!(!request.filter.is_trivial());
    assert!(parse("limit=10001").unwrap_err().message.contains("from 1 to 10000; further pages follow by cursor"));
    assert!(parse("cursor=abc").unwrap_err().message.contains("host,id"));
}

#[test]
fn targets_take_their_names() {
    let parse = |query: &str| TargetsRequest::parse(&pairs(query));
    let target = TargetName::new("docker", "node-1");
    assert!(parse("").unwrap().matches(&target));
    assert!(parse("host=node-1&target=docker/*").unwrap().matches(&target));
    assert!(!parse("host=!node-1").unwrap().matches(&target));
    assert!(parse("hots=x").unwrap_err().message.contains("did you mean `host`?"));
    assert!(parse_none(&[]).is_ok());
    assert!(parse_none(&pairs("a=b")).unwrap_err().message.contains("there are none here"));
}

fn events(query: &str) -> Result<EventsRequest, ParameterError> {
    EventsRequest::parse(KINDS, &pairs(query), NOW)
}

fn event(event_type: &'static str, severity: Severity) -> Event {
    Event {
        at: NOW,
        severity,
        event_type,
        kind: Some("container"),
        entity: Some(Identity::new(["node-1", "abc"])),
        target: TargetName::new("docker", "node-1"),
        source_id: String::new(),
        message: String::new(),
        details: std::collections::BTreeMap::new(),
    }
}

#[test]
fn events_are_filtered_by_type_severity_and_kind() {
    let died = event("container_died", Severity::Warning);
    let down = Event { kind: None, entity: None, ..event("target_down", Severity::Error) };
    let check = |query: &str, passes_died: bool, passes_down: bool| {
        let request = events(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        let passes = (request.matches(&died, Some(&CONTAINER), None), request.matches(&down, None, None));
        assert_eq!(passes, (passes_died, passes_down), "{query}");
    };
    check("", true, true);
    check("type=container_died", true, false);
    check("type=container_died,target_*", true, true);
    check("type=!container_*", false, true);
    check("severity=warning", true, false);
    check("severity=warning,error", true, true);
    check("severity=!warning", false, true);
    check("kind=container", true, false);
    check("kind=!container", false, true);
    check("kind=", false, true);
    check("host=node-1", true, true);
    check("host=!node-1", false, false);
    check("kind=container&id=a*", true, false);
    check("kind=container&id=b*", false, false);
    assert_eq!(events("severity=error,warning").unwrap().least_severity(), Some(Severity::Warning));
    assert_eq!(events("").unwrap().least_severity(), Some(Severity::Info));
    assert_eq!(events("kind=container").unwrap().kind.map(|kind| kind.name), Some("container"));
    assert_eq!(events("type=target_*").unwrap().types, Some(vec!["target_down", "target_up"]));
}

#[test]
fn events_are_filtered_by_the_app_of_their_entity_or_their_details() {
    let died = event("container_died", Severity::Warning);
    let attributes: Attributes = test_kinds::attributes(&[("app", "/shop/cart".into())]);
    let request = events("app=/shop/*").unwrap();
    assert!(request.needs_attributes());
    assert!(request.matches(&died, Some(&CONTAINER), Some(&attributes)));
    assert!(!request.matches(&died, Some(&CONTAINER), None));
    let mut told = died.clone();
    told.details.insert("app".to_owned(), "/shop/web".into());
    assert!(request.matches(&told, Some(&CONTAINER), None));
    assert!(events("app=").unwrap().matches(&died, Some(&CONTAINER), None));
    let by_name = events("kind=container&name=web").unwrap();
    assert!(by_name.needs_attributes());
    let named = test_kinds::attributes(&[("name", "web".into())]);
    assert!(by_name.matches(&died, Some(&CONTAINER), Some(&named)));
    assert!(!by_name.matches(&died, Some(&CONTAINER), Some(&attributes)));
    assert!(!events("host=node-1").unwrap().needs_attributes());
}

#[test]
fn events_parameters_are_checked() {
    let says = |query: &str, parameter: &str, says: &str| {
        let error = events(query).expect_err(query);
        assert_eq!(error.parameter, parameter, "{error}");
        assert!(error.message.contains(says), "{query}: {error}");
    };
    says("type=container_dyed", "type", "did you mean `container_died`?");
    says("type=contaner_*", "type", "no type is like `contaner_*`");
    says("severity=fatal", "severity", "known are info, warning, error");
    says("kind=contaner", "kind", "did you mean `container`?");
    says("kind=container&kind=role", "kind", "twice");
    says("name=web", "name", "is a filter of kind container; add kind=container");
    says("kind=container&nam=web", "nam", "did you mean `name`?");
    says("typ=x", "typ", "did you mean `type`?");
    says(r"host=a\", "host", "lone");
    says("limit=10001", "limit", "from 1 to 10000");
    says("cursor=x", "cursor", "time,sequence");
    let request = events("limit=5&cursor=2026-08-21T03:10:00.007Z,7").unwrap();
    assert_eq!((request.limit, request.cursor), (5, Some((Timestamp::from_ms(1_787_281_800_007), 7))));
    assert_eq!(events("").unwrap().limit, EVENTS_DEFAULT);
}

fn any_parameters() -> impl Strategy<Value = Vec<(String, String)>> {
    let names = [
        "fields",
        "agg",
        "start",
        "end",
        "step",
        "tz",
        "group_by",
        "across",
        "top",
        "top_by",
        "coverage",
        "attributes",
        "limit",
        "cursor",
        "type",
        "severity",
        "kind",
        "host",
        "app",
        "label.env",
        "exit_code",
        "started_at",
    ];
    let values =
        ["cpu_cores", "avg,max", "-1h", "now", "2026", "1mo", "Asia/Tokyo", "", "sum", "3", "container", "!a*"];
    let name = prop_oneof![4 => proptest::sample::select(names.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,12}"];
    let value = prop_oneof![2 => proptest::sample::select(values.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,24}"];
    prop::collection::vec((name, value), 0..5)
}

#[test]
fn a_clock_beyond_all_time_is_held_at_its_end() {
    let request = RangeRequest::parse(&CONTAINER, &pairs("step=1d"), Timestamp::from_ms(i64::MAX), 10_000).unwrap();
    assert_eq!(request.range.end(), Timestamp::MAX);
}

#[test]
fn parameters_share_no_name_with_what_the_test_kinds_are_filtered_by() {
    for name in [
        RANGE_PARAMETERS,
        SAMPLES_PARAMETERS,
        ENTITIES_PARAMETERS,
        EVENTS_PARAMETERS,
        SNAPSHOT_PARAMETERS,
        DIFF_PARAMETERS,
    ]
    .concat()
    {
        assert!(KINDS.iter().all(|kind| Label::find(kind, name).is_none() && kind.column(name).is_none()), "{name}");
    }
}

proptest! {
    #[test]
    fn any_parameters_are_read_or_refused_by_name(parameters in any_parameters(), now_ms in any::<i64>()) {
        let now = Timestamp::from_ms(now_ms);
        for now in [NOW, now] {
            let range = RangeRequest::parse(&CONTAINER, &parameters, now, 10_000);
            if let Ok(request) = &range {
                prop_assert!(!request.fields.is_empty());
                prop_assert!(request.edges.len() >= 2 && request.edges.len() <= BUCKETS_MAX + 1);
            }
            let _ = SamplesRequest::parse(&CONTAINER, &parameters, now);
            let _ = EntitiesRequest::parse(&CONTAINER, &parameters, now);
            let _ = EventsRequest::parse(KINDS, &parameters, now);
            let _ = TargetsRequest::parse(&parameters);
        }
    }
}
