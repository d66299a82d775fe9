//! Pages as they are recorded, and as nobody should write them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::text::{Format, Page};
use super::*;
use crate::model::{AttributeValue, Identity, Observation, Value};
use crate::source::http::{Canned, CannedReply};

fn reply(body: impl Into<bytes::Bytes>, open_metrics: bool) -> CannedReply {
    let mut reply = CannedReply::ok(body);
    let ty = if open_metrics { "application/openmetrics-text; version=1.0.0" } else { "text/plain; version=0.0.4" };
    reply.headers.insert("content-type", ty.parse().unwrap());
    reply
}

fn source(pages: Vec<CannedReply>, change: impl FnOnce(&mut Settings)) -> Prometheus {
    let canned = Canned::new();
    for page in pages {
        canned.add("/metrics", page);
    }
    let mut settings = Settings::new("app", "http://app.test/metrics");
    change(&mut settings);
    let clock = Clock::Manual(crate::clock::ManualClock::starting_at(Timestamp::from_ms(1_800_000_000_000)));
    Prometheus::with_http(settings, clock, Http::Canned(canned)).unwrap()
}

async fn poll(source: &mut Prometheus) -> Observed {
    source.poll(Visit { started: Timestamp::from_ms(0), timeout: Duration::from_secs(8) }).await
}

fn seen<'a>(observed: &'a Observed, name: &str, labels: &str) -> Option<&'a Observation> {
    let identity = Identity::new(["prometheus/app", name, labels]);
    observed.batches[0].observations.iter().find(|seen| seen.identity == identity)
}

fn values(observed: &Observed, name: &str, labels: &str) -> (Value, Value) {
    let sample = seen(observed, name, labels).and_then(|seen| seen.sample.as_ref()).unwrap();
    (sample.values[0], sample.values[1])
}

const GAUGE: fn(f64) -> (Value, Value) = |value| (Value::Float(value), Value::Null);
const COUNTER: fn(f64) -> (Value, Value) = |value| (Value::Float(value), Value::Float(value));

/// Pages of real services, with what lies beside them.
const RECORDED: [&str; 5] = [
    "prometheus/dockerd-20.10.txt",
    "prometheus/node_exporter-1.5.txt",
    "prometheus/prometheus-2.42.txt",
    "prometheus/tachograph-0.1.openmetrics",
    "registry-2.8/debug_metrics.txt",
];

/// What a page comes to, a line a family: its type and unit, how many series, how many of them counters, their sum.
async fn understood(page: String, is_open_metrics: bool) -> String {
    let told = |line: &&str| {
        let is_created =
            is_open_metrics && line.split(['{', ' ']).next().is_some_and(|name| name.ends_with("_created"));
        !line.is_empty() && !line.starts_with('#') && !is_created
    };
    let lines = page.lines().filter(told).count();
    let observed = poll(&mut source(vec![reply(page, is_open_metrics)], |_| {})).await;
    assert_eq!((observed.outcome, &observed.error), (Outcome::Ok, &None));
    let found = &observed.batches[0].observations;
    assert_eq!(found.len(), lines, "every line is a series");
    let mut families: BTreeMap<String, (usize, usize, usize, f64)> = BTreeMap::new();
    for seen in found {
        let attributes = seen.attributes.as_ref().unwrap();
        let text = |name: &str| match attributes.get(name) {
            Some(AttributeValue::Text(text)) => text.clone(),
            _ => "-".to_owned(),
        };
        let family = match text("family") {
            family if family == "-" => seen.identity.part(1).to_owned(),
            family => family,
        };
        let sample = seen.sample.as_ref().unwrap();
        let number = |value: Value| if let Value::Float(number) = value { Some(number) } else { None };
        let entry = families.entry(format!("{family} {} {}", text("metric_type"), text("unit"))).or_default();
        entry.0 += 1;
        entry.1 += usize::from(number(sample.values[1]).is_some());
        entry.2 += usize::from(sample.since.is_some());
        entry.3 += number(sample.values[0]).filter(|number| number.is_finite()).unwrap_or(0.0);
    }
    let mut text = String::new();
    for (family, (series, counters, with_since, sum)) in families {
        let _ = writeln!(text, "  {family} series={series} counters={counters} since={with_since} sum={sum}");
    }
    text
}

#[tokio::test]
async fn every_recorded_page_is_read_whole_and_as_expected() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let here = std::fs::read_dir(fixtures.join("prometheus")).unwrap();
    let here = here.map(|entry| format!("prometheus/{}", entry.unwrap().file_name().display()));
    for page in here.filter(|page| !page.ends_with("expect.txt")) {
        assert!(RECORDED.contains(&page.as_str()), "{page} has no expectation");
    }
    let mut text = String::new();
    for page in RECORDED {
        let _ = writeln!(text, "{page}");
        let body = std::fs::read_to_string(fixtures.join(page)).unwrap();
        text.push_str(&understood(body, page.ends_with(".openmetrics")).await);
    }
    let expected = fixtures.join("prometheus/expect.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&expected, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&expected).unwrap_or_default();
    for (given, expected) in text.lines().zip(expected.lines()) {
        assert_eq!(given, expected, "UPDATE=1 writes expect.txt anew");
    }
    assert_eq!(text.lines().count(), expected.lines().count(), "UPDATE=1 writes expect.txt anew");
}

#[tokio::test]
async fn every_type_is_kept_by_its_series() {
    let page = r#"# HELP requests_total Requests \\ so "far"\nof all.
# TYPE requests_total counter
requests_total{code="200",path="/a,b={}\"\\x\n"} 3 1700000000000
# TYPE temperature gauge
temperature -2.5e1
# TYPE took summary
took{quantile="0.5"} NaN
took_sum 7
took_count 2
# TYPE sizes histogram
sizes_bucket{le="1"} 1
sizes_bucket{le="+Inf"} 4
sizes_sum 9.5
sizes_count 4
said_nothing 1
said_nothing_total 2
spaced { a = "1" , }  +Inf
"#;
    let observed = poll(&mut source(vec![reply(page, false)], |_| {})).await;
    assert_eq!((observed.outcome, observed.missing.clone()), (Outcome::Ok, Vec::new()));
    let labels = r#"code="200",path="/a,b={}\"\\x\n""#;
    assert_eq!(values(&observed, "requests_total", labels), COUNTER(3.0));
    let request = seen(&observed, "requests_total", labels).unwrap();
    assert_eq!(request.sample.as_ref().unwrap().at, Timestamp::from_ms(1_700_000_000_000));
    let attributes = request.attributes.as_ref().unwrap();
    assert_eq!(attributes["description"], "Requests \\ so \"far\"\nof all.".into());
    assert!(matches!(&attributes["label"], AttributeValue::Map(map) if map["path"] == "/a,b={}\"\\x\n"));
    assert_eq!(values(&observed, "temperature", ""), GAUGE(-25.0));
    assert!(matches!(values(&observed, "took", r#"quantile="0.5""#), (Value::Float(nan), Value::Null) if nan.is_nan()));
    assert_eq!(values(&observed, "took_sum", ""), COUNTER(7.0));
    assert_eq!(seen(&observed, "took_sum", "").unwrap().attributes.as_ref().unwrap()["family"], "took".into());
    assert_eq!(values(&observed, "sizes_bucket", r#"le="+Inf""#), COUNTER(4.0));
    assert_eq!(values(&observed, "said_nothing", ""), GAUGE(1.0));
    assert_eq!(values(&observed, "said_nothing_total", ""), COUNTER(2.0));
    assert_eq!(values(&observed, "spaced", r#"a="1""#), GAUGE(f64::INFINITY));
}

#[tokio::test]
async fn open_metrics_tells_when_a_counter_began() {
    let page = "# TYPE hits counter\n# UNIT hits bytes\nhits_total{a=\"1\"} 5 1700000000.25 # {trace=\"x\"} 1 2\n\
                hits_created{a=\"1\"} 1699999999.5\n# TYPE size histogram\nsize_bucket{le=\"1.0\"} 1\nsize_count 1\n\
                size_created 1699999000\n# TYPE build info\nbuild_info{v=\"1\"} 1\n# EOF\n";
    let observed = poll(&mut source(vec![reply(page, true)], |_| {})).await;
    assert_eq!((observed.outcome, observed.missing.clone()), (Outcome::Ok, Vec::new()));
    let since = |name, labels| seen(&observed, name, labels).unwrap().sample.as_ref().unwrap().since;
    assert_eq!(values(&observed, "hits_total", r#"a="1""#), COUNTER(5.0));
    assert_eq!(since("hits_total", r#"a="1""#), Some(Timestamp::from_ms(1_699_999_999_500)));
    assert_eq!(since("size_bucket", r#"le="1.0""#), Some(Timestamp::from_ms(1_699_999_000_000)));
    assert_eq!(since("build_info", r#"v="1""#), None);
    assert!(seen(&observed, "hits_created", r#"a="1""#).is_none());
    assert_eq!(seen(&observed, "hits_total", r#"a="1""#).unwrap().attributes.as_ref().unwrap()["unit"], "bytes".into());

    let cut = poll(&mut source(vec![reply(page.trim_end_matches("# EOF\n").to_owned(), true)], |_| {})).await;
    assert_eq!(cut.outcome, Outcome::Malformed);
    assert!(cut.error.unwrap().contains("# EOF"));
}

#[test]
fn malformed_lines_are_named_and_the_rest_is_read() {
    let check = |line: &str, why: &str| {
        let page = format!("good 1\n{line}\ngood2 2\n");
        let read: Vec<_> = Page::new(&page, Format::Text).collect();
        assert_eq!(read.len(), 3, "{line}");
        assert!(read[0].is_ok() && read[2].is_ok(), "{line}");
        let bad = read[1].as_ref().unwrap_err();
        assert_eq!((bad.line, bad.why), (2, why), "{line}");
    };
    check("novalue", "it has no value");
    check("novalue{a=\"1\"}", "it has no value");
    check("x{a=\"1\" 1", "its labels have no end");
    check("x{a=\"1} 1", "a quoted text has no end");
    check("x{a=\"\\", "a quoted text has no end");
    check("x{a=1} 1", "a label's value is not quoted");
    check("x{a} 1", "a label has no value");
    check("x{1a=\"1\"} 1", "a label's name is not one");
    check("x{a=\"1\",a=\"2\"} 1", "a label comes twice");
    check("x one", "its value is no number");
    check("x 1 soon", "its time is no number");
    check("x 1 2 3", "something follows its time");
    check("1x 1", "its name is not one");
    check("# TYPE x countr", "its type is none of the format");
    check("# TYPE", "it names no metric");
    check("<html> <body>", "its name is not one");

    let cut: Vec<_> = Page::new("good 1\ncut 12", Format::Text).collect();
    assert_eq!(cut[1].as_ref().unwrap_err().why, "it is cut short: the page ends within it");
}

#[tokio::test]
async fn a_series_with_a_malformed_line_is_not_gone() {
    let pages = vec![reply("a 1\nb 1\n", false), reply("a 1\nb one\n", false), reply("a 1\n", false)];
    let mut source = source(pages, |_| {});
    assert!(poll(&mut source).await.batches[0].complete);
    let partial = poll(&mut source).await;
    assert_eq!((partial.outcome, partial.batches[0].complete), (Outcome::Partial, false));
    assert_eq!(partial.missing, ["line 2: its value is no number"]);
    let gone = poll(&mut source).await;
    assert!(gone.batches[0].complete && gone.batches[0].observations.len() == 1, "what a whole page lacks has ended");
}

#[tokio::test]
async fn series_that_come_twice_are_taken_once_and_named() {
    let observed = poll(&mut source(vec![reply("x{a=\"1\",b=\"2\"} 1\nx{b=\"2\",a=\"1\"} 2\n", false)], |_| {})).await;
    assert_eq!(values(&observed, "x", r#"a="1",b="2""#), GAUGE(1.0));
    assert_eq!(observed.missing, ["1 series that come twice"]);
}

#[tokio::test]
async fn a_page_that_is_none_is_malformed() {
    let html = poll(&mut source(vec![reply("<html>\n<body>no</body>\n", false)], |_| {})).await;
    assert_eq!(html.outcome, Outcome::Malformed);
    assert!(html.error.unwrap().contains("this is no page of metrics"));
    let empty = poll(&mut source(vec![reply("", false)], |_| {})).await;
    assert_eq!((empty.outcome, empty.batches[0].observations.len()), (Outcome::Ok, 0));
}

#[tokio::test]
async fn names_and_labels_are_kept_as_configured() {
    let page = "go_threads 1\nhttp_requests_total 2\nhttp_debug 3\nwide{a=\"1\",b=\"2\",c=\"3\"} 4\nlong{a=\"12345678901\"} 5\n";
    let observed = poll(&mut source(vec![reply(page, false)], |settings| {
        settings.allow = vec!["http_*".to_owned(), "wide".to_owned(), "long".to_owned()];
        settings.deny = vec!["*debug".to_owned()];
        settings.labels_max = 2;
        settings.label_max_bytes = 10;
    }))
    .await;
    assert_eq!(observed.batches[0].observations.len(), 1);
    assert_eq!(values(&observed, "http_requests_total", ""), COUNTER(2.0));
    assert_eq!(observed.events.len(), 1);
    assert_eq!(observed.events[0].event_type, "limit_hit");
}

#[tokio::test]
async fn two_hundred_thousand_series_stop_at_the_limit_with_one_event() {
    let mut page = String::new();
    for number in 0..200_000 {
        let _ = writeln!(page, "many{{number=\"{number}\"}} {number}");
    }
    let reversed: String = page.lines().rev().flat_map(|line| [line, "\n"]).collect();
    let mut source = source(vec![reply(page, false), reply(reversed, false)], |settings| settings.series_max = 1_000);
    let first = poll(&mut source).await;
    assert_eq!(first.batches[0].observations.len(), 1_000);
    assert_eq!(first.missing, ["199000 series beyond the limit `series_max`"]);
    assert_eq!(first.events.len(), 1);
    assert!(first.events[0].message.contains("more than 1000 series: 199000 are left out"));
    // Those that were kept stay, wherever they stand, so that none of them ends for another.
    let second = poll(&mut source).await;
    assert!(seen(&second, "many", r#"number="7""#).is_some() && seen(&second, "many", r#"number="199999""#).is_none());
    assert_eq!(second.batches[0].observations.len(), 1_000);
    assert!(second.events.is_empty(), "told once");
    assert!(second.batches[0].observations.iter().all(|seen| seen.attributes.is_none()), "as before");
}

#[tokio::test]
async fn a_page_that_is_too_large_or_never_ends_is_given_up() {
    let mut large = source(vec![reply("x 1\n".repeat(1_000), false)], |settings| settings.reply_max_bytes = 1_000);
    assert_eq!(poll(&mut large).await.outcome, Outcome::TooLarge);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\n\r\n";
        let mut sent = stream.write_all(head.as_bytes()).await;
        while sent.is_ok() {
            sent = stream.write_all("x{a=\"endless\"} 1\n".repeat(100).as_bytes()).await;
        }
    });
    let settings = Settings { reply_max_bytes: 1 << 20, ..Settings::new("app", format!("http://{address}/metrics")) };
    let mut endless = Prometheus::new(settings, Clock::System).unwrap();
    let observed = poll(&mut endless).await;
    assert!(matches!(observed.outcome, Outcome::TooLarge | Outcome::Timeout), "{:?}", observed.error);
    server.await.unwrap();
}
