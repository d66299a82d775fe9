//! Pages of metrics as nobody should write them, served to a running recorder: what is wrong with each is told, and
//! nothing comes of it that was not on the page.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, machine};

const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// More series than are kept of one target, and how many are: less than one page of entities.
const MANY: usize = 200_000;
const KEPT: usize = 9_000;

/// Serves pages by path until the test process ends.
struct Pages {
    address: SocketAddr,
    /// Whether a series has gone from the page that changes.
    has_gone: Arc<AtomicBool>,
}

impl Pages {
    fn start() -> Pages {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let has_gone = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&has_gone);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let flag = Arc::clone(&flag);
                // A reader that hangs up in the middle is what some of these pages are for.
                std::thread::spawn(move || drop(answer(stream, flag.load(Ordering::Relaxed))));
            }
        });
        Pages { address, has_gone }
    }

    fn source(&self, name: &str, interval: &str, rest: &str) -> String {
        let url = format!("http://{}/{name}", self.address);
        format!("[[source.prometheus]]\nname = {name:?}\nurl = {url:?}\ninterval = {interval:?}\n{rest}\n")
    }
}

fn answer(mut stream: TcpStream, has_gone: bool) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let text = "text/plain; version=0.0.4";
    match path {
        "/many" => {
            static MANY_PAGE: OnceLock<Vec<u8>> = OnceLock::new();
            let page = MANY_PAGE.get_or_init(|| {
                let mut page = String::from("# TYPE many counter\n");
                for number in 0..MANY {
                    let _ = writeln!(page, "many{{number=\"{number}\"}} {number}");
                }
                gzip(page.as_bytes())
            });
            reply(&mut stream, text, "Content-Encoding: gzip\r\n", page)
        }
        "/endless" => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {text}\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(b"endless{a=\"1\"} 1\n")?;
            }
        }
        "/bomb" => reply(&mut stream, text, "Content-Encoding: gzip\r\n", &gzip("bomb 1\n".repeat(1 << 21).as_bytes())),
        "/slow" => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {text}\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(b"slow 1\n")?;
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        "/malformed" => {
            let page = "good 1\nno number\nunclosed{a=\"1 2\n# TYPE bad countr\nalso_good{a=\"b\"} 2\n";
            reply(&mut stream, text, "", page.as_bytes())
        }
        "/twice" => reply(&mut stream, text, "", b"x{a=\"1\",b=\"2\"} 1\nx{b=\"2\",a=\"1\"} 2\ny 3\n"),
        "/changing" => {
            let going = if has_gone { "" } else { "# TYPE goes gauge\ngoes 1\n" };
            let page = format!(
                "# TYPE stays counter\nstays_total 1\n# TYPE took histogram\ntook_bucket{{le=\"1.0\"}} 1\n\
                 took_bucket{{le=\"+Inf\"}} 2\ntook_sum 2.5\ntook_count 2\n{going}# TYPE size summary\n\
                 size{{quantile=\"0.5\"}} 4\nsize_sum 8\nsize_count 2\n# TYPE secret_thing gauge\nsecret_thing 1\n# EOF\n"
            );
            let ty = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            reply(&mut stream, ty, "Content-Encoding: gzip\r\n", &gzip(page.as_bytes()))
        }
        _ => reply(&mut stream, "text/html", "", b"<html><body>no</body></html>\n"),
    }
}

fn reply(stream: &mut TcpStream, ty: &str, header: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {ty}\r\nContent-Length: {length}\r\nConnection: close\r\n{header}\r\n"
    )?;
    stream.write_all(body)
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A target as the API tells it.
fn target(recorder: &Recorder, name: &str) -> serde_json::Value {
    let answer = recorder.json("/api/v1/targets");
    let mut all = answer["targets"].as_array().unwrap().iter();
    all.find(|target| target["target"] == format!("prometheus/{name}")).cloned().unwrap_or_default()
}

/// Names, types and ends of a target's series.
fn series(recorder: &Recorder, name: &str) -> Vec<(String, String, bool)> {
    let answer =
        recorder.json(&format!("/api/v1/entities/metric?target=prometheus/{name}&start=-1h&end={LATER}&limit=10000"));
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let entities = answer["entities"].as_array().unwrap().iter();
    let mut found: Vec<_> = entities
        .map(|it| {
            let identity = &it["identity"];
            let labels = text(&identity["labels"]);
            let name = text(&identity["name"]);
            let shown = if labels.is_empty() { name } else { format!("{name}{{{labels}}}") };
            (shown, text(&it["attributes"]["metric_type"]), it["ended"].is_string())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn pages_that_are_malformed_huge_or_endless_are_named_and_harm_no_other() {
    let _together = machine::shared();
    let pages = Pages::start();
    let begun = now_ms();
    let sources: String = [
        // A debug build on a busy machine takes many seconds for so many.
        ("many", "30s", "timeout = \"29s\"\nseries_max = 9000"),
        ("endless", "2s", "reply_max = \"1MiB\""),
        ("bomb", "2s", "reply_max = \"1MiB\""),
        ("slow", "2s", ""),
        ("malformed", "2s", ""),
        ("twice", "2s", ""),
        ("html", "2s", ""),
        ("changing", "2s", "deny = [\"secret_*\"]"),
    ]
    .into_iter()
    .map(|(name, interval, rest)| pages.source(name, interval, rest))
    .collect();
    let recorder = Recorder::start(&format!("[source]\ndocker = []\n[source.host]\nenabled = false\n{sources}"));

    // A page with too many series: so many are kept, one event says so.
    wait_for("as many series as may be kept", SEEN_WITHIN, || (series(&recorder, "many").len() == KEPT).then_some(()));
    let answer = recorder.json(&format!("/api/v1/events?type=limit_hit&start={begun}&end={LATER}"));
    let events = answer["events"].as_array().unwrap();
    assert_eq!(events.len(), 1, "{answer:#}");
    assert_eq!(events[0]["target"], "prometheus/many", "{answer:#}");
    let left_out = MANY - KEPT;
    let message = events[0]["message"].as_str().unwrap();
    assert!(message.contains(&format!("more than {KEPT} series: {left_out} are left out")), "{message}");

    let fails = |name: &str, outcome: &str, said: &str| {
        let target = wait_for(&format!("{name} to fail"), SEEN_WITHIN, || {
            Some(target(&recorder, name)).filter(|target| target["last_error"].is_string())
        });
        assert_eq!(target["last_error_outcome"], outcome, "{target:#}");
        assert!(target["last_error"].as_str().unwrap().contains(said), "{target:#}");
    };
    fails("endless", "too_large", "larger than");
    fails("bomb", "too_large", "larger than");
    fails("slow", "timeout", "no whole reply in time");
    fails("html", "malformed", "this is no page of metrics");
    for name in ["many", "malformed", "twice"] {
        let target = target(&recorder, name);
        assert_eq!((&target["last_outcome"], &target["up"]), (&"partial".into(), &true.into()), "{target:#}");
    }
    for name in ["endless", "bomb", "slow", "html"] {
        assert_eq!(series(&recorder, name), [], "{name}");
    }
    let names = |name: &str| series(&recorder, name).into_iter().map(|(shown, ..)| shown).collect::<Vec<_>>();
    assert_eq!(names("malformed"), ["also_good{a=\"b\"}", "good"]);
    assert_eq!(names("twice"), ["x{a=\"1\",b=\"2\"}", "y"]);
    let first = recorder.table("samples/metric", &[("name", "x"), ("start", &begun.to_string()), ("end", LATER)]);
    assert!(first.numbers("value").iter().all(|value| *value == Some(1.0)), "{first:?}");

    // The good one was not held up, and what is denied is not kept.
    let expected = |has_gone: bool| {
        let all = [
            ("goes", "gauge", has_gone),
            ("size_count", "summary", false),
            ("size_sum", "summary", false),
            ("size{quantile=\"0.5\"}", "summary", false),
            ("stays_total", "counter", false),
            ("took_bucket{le=\"+Inf\"}", "histogram", false),
            ("took_bucket{le=\"1.0\"}", "histogram", false),
            ("took_count", "histogram", false),
            ("took_sum", "histogram", false),
        ];
        all.map(|(name, ty, ended)| (name.to_owned(), ty.to_owned(), ended)).to_vec()
    };
    wait_for("the page that changes", SEEN_WITHIN, || (!series(&recorder, "changing").is_empty()).then_some(()));
    assert_eq!(series(&recorder, "changing"), expected(false));
    pages.has_gone.store(true, Ordering::Relaxed);
    wait_for("a series to have gone", SEEN_WITHIN, || {
        series(&recorder, "changing").iter().any(|(.., has_ended)| *has_ended).then_some(())
    });
    assert_eq!(series(&recorder, "changing"), expected(true), "and no other");
}
