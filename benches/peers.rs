//! Side by side with VictoriaMetrics and Prometheus, as Debian packages them: the same fleet told to all three, then the
//! same five questions over HTTP. Size, CPU of ingest, CPU of the server a question, ratios, and whether answers agree.
//!
//! `cargo bench --bench peers -- [days] [hosts] [containers a host]`, by hand; a peer that is not installed is left out.
//! CPU of a server is what the kernel says of its process; ours appends in this process, whose thread is measured. The
//! peers get what they take cheapest and have in common: VictoriaMetrics its JSON import, an hour at a time, Prometheus
//! remote write, a round at a time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a program for one reader at a terminal"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value as Json;
use tachograph::model::{
    AttributeValue, Attributes, Column, Identity, Key, Kind, KindBatch, Observation, Outcome, Poll, Sample, Snapshot,
    TargetName, Timestamp, Value,
};
use tachograph::source::{KINDS, kind};
use tachograph::store::{Limits, Store, sqlite::Sqlite};

#[path = "../src/store/conformance/fleet.rs"]
mod fleet;

const DAY_MS: i64 = 86_400_000;
const INTERVAL_MS: i64 = 30_000;
const START_MS: i64 = 19_700 * DAY_MS;
/// How often each question is asked; the last one once.
const TIMES: u32 = 10;

/// A program that answers.
struct Server {
    name: &'static str,
    child: Child,
    base: String,
    client: reqwest::Client,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a program that listens where the last argument says; nothing where it is not installed.
    async fn start(name: &'static str, program: &str, arguments: &[String], port: u16, ready: &str) -> Option<Server> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else {
            println!("{name}: {program} is not installed: left out");
            return None;
        };
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let server = Server { name, child, base: format!("http://127.0.0.1:{port}"), client };
        for _ in 0..600 {
            let asked = server.client.get(format!("{}{ready}", server.base)).send().await;
            if asked.is_ok_and(|reply| reply.status().is_success()) {
                return Some(server);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{name} is not ready after a minute");
    }

    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Vec<u8> {
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.base), query).unwrap();
        let reply = self.client.get(url.clone()).send().await.unwrap();
        let status = reply.status();
        let body = reply.bytes().await.unwrap().to_vec();
        assert!(status.is_success(), "{url}: {status} {}", String::from_utf8_lossy(&body[..body.len().min(400)]));
        body
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Vec<u8> {
        let mut request = self.client.post(format!("{}{path}", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = request.send().await.unwrap();
        let status = reply.status();
        let body = reply.bytes().await.unwrap().to_vec();
        assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body[..body.len().min(400)]));
        body
    }

    /// CPU milliseconds of the server for one of so many equal questions, and the last answer.
    async fn measured(&self, times: u32, path: &str, query: &[(&str, &str)]) -> (f64, Vec<u8>) {
        let mut answer = self.get(path, query).await;
        let before = self.cpu_seconds();
        for _ in 0..times {
            answer = self.get(path, query).await;
        }
        ((self.cpu_seconds() - before) * 1000.0 / f64::from(times), answer)
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// CPU seconds that this thread has used.
fn cpu_seconds() -> f64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    schedule.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn bytes_under(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return path.metadata().map_or(0, |metadata| metadata.len()) };
    entries.map(|entry| bytes_under(&entry.unwrap().path())).sum()
}

/// A series of the peers: one column of one container.
type Series = (usize, String, String);

/// What the fleet did in an hour, as the peers see it.
#[derive(Default)]
struct Hour {
    series: BTreeMap<Series, Vec<(i64, f64)>>,
    rounds: Vec<Vec<(Series, i64, f64)>>,
    values: u64,
}

fn hour_of(rounds: &[Vec<Snapshot>], names: &mut HashMap<String, (String, String)>) -> Hour {
    let mut hour = Hour::default();
    for round in rounds {
        let mut of_round = Vec::new();
        for seen in round.iter().flat_map(|snapshot| &snapshot.batches).flat_map(|batch| &batch.observations) {
            let parts = seen.identity.parts();
            let (host, id) = (parts[0].to_string(), parts[1].to_string());
            if let Some(attributes) = &seen.attributes {
                let text = |name: &str| match attributes.get(name) {
                    Some(AttributeValue::Text(text)) => text.to_string(),
                    _ => String::new(),
                };
                names.insert(id.clone(), (text("name"), text("app")));
            }
            let sample = seen.sample.as_ref().unwrap();
            for (column, value) in sample.values.iter().enumerate() {
                let Some(value) = value.int() else { continue };
                of_round.push(((column, host.clone(), id.clone()), sample.at.ms(), value as f64));
            }
        }
        hour.values += of_round.len() as u64;
        for (series, at_ms, value) in &of_round {
            hour.series.entry(series.clone()).or_default().push((*at_ms, *value));
        }
        hour.rounds.push(of_round);
    }
    hour
}

fn metric(column: usize) -> String {
    format!("container_{}", kind("container").unwrap().columns[column].stored)
}

fn labels(series: &Series, names: &HashMap<String, (String, String)>) -> [(&'static str, String); 5] {
    let (name, app) = names.get(&series.2).cloned().unwrap_or_default();
    let (host, id) = (series.1.clone(), series.2.clone());
    [("__name__", metric(series.0)), ("app", app), ("host", host), ("id", id), ("name", name)]
}

/// VictoriaMetrics' import lines of an hour.
fn import_lines(hour: &Hour, names: &HashMap<String, (String, String)>) -> Vec<u8> {
    let mut lines = String::new();
    for (series, samples) in &hour.series {
        let metric: BTreeMap<&str, String> = labels(series, names).into();
        let values: Vec<f64> = samples.iter().map(|(_, value)| *value).collect();
        let times: Vec<i64> = samples.iter().map(|(at_ms, _)| *at_ms).collect();
        let line = serde_json::json!({"metric": metric, "values": values, "timestamps": times});
        let _ = writeln!(lines, "{line}");
    }
    lines.into_bytes()
}

fn put_varint(into: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        into.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

fn put_bytes(into: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    into.push(field << 3 | 2);
    put_varint(into, bytes.len() as u64);
    into.extend_from_slice(bytes);
}

/// A remote write request: a protobuf `WriteRequest`, in snappy's block format, as literals.
fn write_request(round: &[(Series, i64, f64)], names: &HashMap<String, (String, String)>) -> Vec<u8> {
    let mut request = Vec::new();
    for (series, at_ms, value) in round {
        let mut of_series = Vec::new();
        for (name, value) in labels(series, names) {
            let mut label = Vec::new();
            put_bytes(&mut label, 1, name.as_bytes());
            put_bytes(&mut label, 2, value.as_bytes());
            put_bytes(&mut of_series, 1, &label);
        }
        let mut sample = vec![1 << 3 | 1];
        sample.extend_from_slice(&value.to_le_bytes());
        sample.push(2 << 3);
        put_varint(&mut sample, *at_ms as u64);
        put_bytes(&mut of_series, 2, &sample);
        put_bytes(&mut request, 1, &of_series);
    }
    let mut framed = Vec::new();
    put_varint(&mut framed, request.len() as u64);
    for literal in request.chunks(1 << 16) {
        framed.push(61 << 2);
        framed.extend_from_slice(&((literal.len() - 1) as u16).to_le_bytes());
        framed.extend_from_slice(literal);
    }
    framed
}

/// What one of the three took.
struct Took {
    name: &'static str,
    cpu_s: f64,
    bytes: u64,
    /// CPU milliseconds a question.
    questions: Vec<f64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let days = numbers.first().copied().unwrap_or(1) as i64;
    let hosts = numbers.get(1).copied().unwrap_or(2);
    let containers = numbers.get(2).copied().unwrap_or(50);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    let prometheus = prometheus(directory.path()).await;
    let victoria = victoria(directory.path()).await;

    let container: &'static Kind = kind("container").unwrap();
    let mut fleet = fleet::Fleet::new(container, 1, hosts, containers, Timestamp::from_ms(START_MS), INTERVAL_MS);
    let mut names = HashMap::new();
    let mut values = 0;
    let mut ours = Took { name: "tachograph", cpu_s: 0.0, bytes: 0, questions: Vec::new() };
    {
        let store = Store::Sqlite(Sqlite::open(&path, KINDS).unwrap());
        for hour in 0..days * 24 {
            let rounds: Vec<_> = (0..3_600_000 / INTERVAL_MS).map(|_| fleet.round()).collect();
            let before = cpu_seconds();
            for round in &rounds {
                store.append(round).unwrap();
            }
            upkeep(&store, START_MS + (hour + 1) * 3_600_000);
            ours.cpu_s += cpu_seconds() - before;
            let hour = hour_of(&rounds, &mut names);
            values += hour.values;
            if let Some(victoria) = &victoria {
                victoria.post("/api/v1/import", &[], import_lines(&hour, &names)).await;
            }
            if let Some(prometheus) = &prometheus {
                let headers = [
                    ("Content-Encoding", "snappy"),
                    ("Content-Type", "application/x-protobuf"),
                    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
                ];
                for round in &hour.rounds {
                    prometheus.post("/api/v1/write", &headers, write_request(round, &names)).await;
                }
            }
        }
        let before = cpu_seconds();
        upkeep(&store, START_MS + (days + 1) * DAY_MS);
        ours.cpu_s += cpu_seconds() - before;
    }
    ours.bytes = bytes_under(&path);
    println!("fleet: {} containers of {hosts} hosts, {days} days every 30 s: {values} values", names.len());

    let mut all = vec![ours];
    let mut peers = Vec::new();
    if let Some(victoria) = victoria {
        victoria.get("/internal/force_flush", &[]).await;
        let cpu_s = victoria.cpu_seconds();
        victoria.get("/internal/force_merge", &[]).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let bytes = bytes_under(&directory.path().join("victoria"));
        all.push(Took { name: victoria.name, cpu_s, bytes, questions: Vec::new() });
        peers.push(victoria);
    }
    if let Some(prometheus) = prometheus {
        let cpu_s = prometheus.cpu_seconds();
        prometheus.post("/api/v1/admin/tsdb/snapshot", &[], Vec::new()).await;
        let bytes = bytes_under(&directory.path().join("prometheus/snapshots"));
        all.push(Took { name: prometheus.name, cpu_s, bytes, questions: Vec::new() });
        peers.push(prometheus);
    }
    let own = recorder(directory.path(), &path).await;
    questions(&own, &peers, &mut all, &names, days).await;
    print(&all, values);
}

/// A path of a peer, and what it is asked there.
type Asked<'a> = (&'a str, Vec<(String, String)>);

fn upkeep(store: &Store, now_ms: i64) {
    while store.upkeep(Timestamp::from_ms(now_ms), &Limits::default()).unwrap().more {}
}

async fn victoria(directory: &Path) -> Option<Server> {
    let port = free_port();
    let data = directory.join("victoria");
    let arguments = [
        format!("-storageDataPath={}", data.display()),
        "-retentionPeriod=100y".to_owned(),
        "-search.maxPointsPerTimeseries=100000".to_owned(),
        "-search.disableCache".to_owned(),
        format!("-httpListenAddr=127.0.0.1:{port}"),
    ];
    Server::start("VictoriaMetrics", "victoria-metrics", &arguments, port, "/health").await
}

async fn prometheus(directory: &Path) -> Option<Server> {
    let port = free_port();
    let config = directory.join("prometheus.yml");
    std::fs::write(&config, "global: {}\n").unwrap();
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", directory.join("prometheus").display()),
        "--storage.tsdb.retention.time=100y".to_owned(),
        "--web.enable-remote-write-receiver".to_owned(),
        "--web.enable-admin-api".to_owned(),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    Server::start("Prometheus", "prometheus", &arguments, port, "/-/ready").await
}

/// The built binary on the file that was written.
async fn recorder(directory: &Path, store: &Path) -> Server {
    let port = free_port();
    let config = directory.join("config.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\npath = {store:?}\n[retention]\nsamples = \"99y\"\nrollups = \
         \"99y\"\nevents = \"99y\"\n[source.host]\nenabled = false\n[[source.docker]]\nname = \"none\"\nurl = \
         \"tcp://127.0.0.1:9\"\ninterval = \"1h\"\ntimeout = \"1s\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let arguments = ["--config".to_owned(), config.display().to_string(), "serve".to_owned()];
    Server::start("tachograph", env!("CARGO_BIN_EXE_tachograph"), &arguments, port, "/healthz").await.unwrap()
}

/// Asks all three the same, and says whether the answers are.
async fn questions(
    own: &Server,
    peers: &[Server],
    all: &mut [Took],
    names: &HashMap<String, (String, String)>,
    days: i64,
) {
    let start_s = START_MS / 1000 + (days - 1) * 86_400;
    let end_s = start_s + 86_400;
    let (start, end, hour_ago) = (start_s.to_string(), end_s.to_string(), (end_s - 3_600).to_string());
    let own_range = |start: &str, more: &[(&'static str, &str)]| -> Vec<(String, String)> {
        let fixed = [("start", start), ("end", end.as_str())];
        fixed.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let id = names.keys().min().unwrap().as_str();
    let asked: [(&str, Vec<(String, String)>); 5] = [
        (
            "range/container",
            own_range(&start, &[("id", id), ("fields", "memory_usage_bytes"), ("agg", "last"), ("step", "30s")]),
        ),
        ("range/container", own_range(&start, &[("host", "node-1"), ("fields", "cpu_cores"), ("step", "5m")])),
        (
            "range/container",
            own_range(
                &start,
                &[("fields", "memory_usage_bytes"), ("agg", "avg,p95"), ("group_by", "app"), ("step", "1h")],
            ),
        ),
        ("range/container", own_range(&hour_ago, &[("fields", "cpu_cores"), ("top", "10"), ("step", "all")])),
        ("samples/container.csv", own_range(&start, &[])),
    ];
    let memory = "container_memory_usage_bytes";
    let cpu = "container_cpu_usage_ns";
    let range = |query: String, step: &str, start: i64| {
        let fixed =
            [("query", query), ("start", start.to_string()), ("end", end_s.to_string()), ("step", step.to_owned())];
        ("/api/v1/query_range", fixed.map(|(name, value)| (name.to_owned(), value)).to_vec())
    };
    let instant =
        |query: String| ("/api/v1/query", vec![("query".to_owned(), query), ("time".to_owned(), format!("{end_s}"))]);
    let of_peers: [Vec<Asked<'_>>; 5] = [
        vec![instant(format!("{memory}{{id=\"{id}\"}}[24h]"))],
        vec![range(format!("rate({cpu}{{host=\"node-1\"}}[5m]) / 1e9"), "300", start_s + 300)],
        vec![
            range(format!("sum by (app) (avg_over_time({memory}[1h]))"), "3600", start_s + 3_600),
            range(format!("max by (app) (quantile_over_time(0.95, {memory}[1h]))"), "3600", start_s + 3_600),
        ],
        vec![instant(format!("topk(10, rate({cpu}[1h]))"))],
        vec![instant("{__name__=~\"container_.+\"}[24h]".to_owned())],
    ];
    for (number, ((path, query), peer_questions)) in asked.iter().zip(&of_peers).enumerate() {
        let times = if number == 4 { 1 } else { TIMES };
        let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (cost_ms, answer) = own.measured(times, &format!("/api/v1/{path}"), &query).await;
        all[0].questions.push(cost_ms);
        for (peer, took) in peers.iter().zip(&mut all[1..]) {
            let mut cost_ms = 0.0;
            let mut answers = Vec::new();
            for (path, query) in peer_questions {
                let query: Vec<(&str, &str)> =
                    query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let (cost, answer) = peer.measured(times, path, &query).await;
                cost_ms += cost;
                answers.push(answer);
            }
            took.questions.push(cost_ms);
            println!("q{} against {}: {}", number + 1, peer.name, compare(number, &answer, &answers[0]));
        }
    }
}

/// How two answers to one question agree.
fn compare(number: usize, own: &[u8], peer: &[u8]) -> String {
    if number == 4 {
        return compare_days(own, peer);
    }
    let own: Json = serde_json::from_slice(own).unwrap();
    let peer: Json = serde_json::from_slice(peer).unwrap();
    let peer = peer["data"]["result"].as_array().unwrap();
    if number == 3 {
        let ids = |series: &[Json], labels: &str| -> BTreeSet<String> {
            series.iter().map(|series| series[labels]["id"].as_str().unwrap().to_owned()).collect()
        };
        let (ours, theirs) = (ids(own["series"].as_array().unwrap(), "labels"), ids(peer, "metric"));
        return format!("{} of 10 containers are the same", ours.intersection(&theirs).count());
    }
    let key = ["id", "id", "app"][number];
    let field = ["memory_usage_bytes", "cpu_cores", "memory_usage_bytes.avg"][number];
    // A bucket is named by its start here, by its end there; a raw sample by its own time.
    let step_s = [30.0, 300.0, 3600.0][number];
    let mut theirs: HashMap<(String, i64), f64> = HashMap::new();
    for series in peer {
        let name = series["metric"][key].as_str().unwrap_or_default().to_owned();
        for cell in series["values"].as_array().unwrap() {
            let at_s = cell[0].as_f64().unwrap();
            let bucket = if number == 0 { (at_s / step_s).floor() } else { at_s / step_s - 1.0 };
            theirs.insert((name.clone(), bucket as i64), cell[1].as_str().unwrap().parse().unwrap());
        }
    }
    let (mut compared, mut equal, mut near, mut worst) = (0, 0, 0, 0.0_f64);
    let mut totals = (0.0, 0.0);
    for series in own["series"].as_array().unwrap() {
        let name = series["labels"][key].as_str().unwrap_or_default();
        for (time, value) in own["times"].as_array().unwrap().iter().zip(series["values"][field].as_array().unwrap()) {
            let at = chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap().timestamp();
            let bucket = (at as f64 / step_s).floor() as i64;
            let (Some(value), Some(other)) = (value.as_f64(), theirs.get(&(name.to_owned(), bucket))) else { continue };
            let distance = (value - other).abs() / value.abs().max(other.abs()).max(1e-6);
            compared += 1;
            totals = (totals.0 + value, totals.1 + other);
            equal += usize::from(distance < 1e-9);
            near += usize::from(distance < 0.05);
            worst = worst.max(distance);
        }
    }
    format!(
        "{compared} values of {} compared, {equal} equal, {near} within 5 %, the furthest {:.1} % apart; sums {:.2} % apart",
        theirs.len(),
        worst * 100.0,
        (totals.0 - totals.1).abs() / totals.1.abs().max(1e-9) * 100.0
    )
}

/// All values of a day: their number and sum, column by column.
fn compare_days(csv: &[u8], peer: &[u8]) -> String {
    let container = kind("container").unwrap();
    let mut reader = csv::Reader::from_reader(csv);
    let header = reader.headers().unwrap().clone();
    let places: Vec<Option<usize>> =
        container.columns.iter().map(|column| header.iter().position(|name| name == column.name)).collect();
    let mut ours = vec![(0_u64, 0.0_f64); container.columns.len()];
    for row in reader.records() {
        let row = row.unwrap();
        for ((count, sum), place) in ours.iter_mut().zip(&places) {
            if let Some(value) = place.and_then(|place| row.get(place)).filter(|cell| !cell.is_empty()) {
                *count += 1;
                *sum += value.parse::<f64>().unwrap();
            }
        }
    }
    let peer: Json = serde_json::from_slice(peer).unwrap();
    let mut theirs: HashMap<String, (u64, f64)> = HashMap::new();
    for series in peer["data"]["result"].as_array().unwrap() {
        let (count, sum) = theirs.entry(series["metric"]["__name__"].as_str().unwrap().to_owned()).or_default();
        for cell in series["values"].as_array().unwrap() {
            *count += 1;
            *sum += cell[1].as_str().unwrap().parse::<f64>().unwrap();
        }
    }
    let (mut same, mut different) = (0, Vec::new());
    let mut values = 0;
    for (index, (column, (count, sum))) in container.columns.iter().zip(&ours).enumerate() {
        let decimals = match column.repr {
            tachograph::model::Repr::Integer { decimals } => i32::from(decimals),
            tachograph::model::Repr::Float => 0,
        };
        let (their_count, their_sum) = theirs.get(&metric(index)).copied().unwrap_or_default();
        let scaled = sum * 10_f64.powi(decimals);
        values += count;
        if *count == their_count && (scaled - their_sum).abs() <= 1e-9 * their_sum.abs() {
            same += 1;
        } else {
            different.push(format!("{} ({count} and {their_count} values)", column.name));
        }
    }
    format!("{values} values, number and sum are the same of {same} columns, not of {different:?}")
}

fn print(all: &[Took], values: u64) {
    let million = values as f64 / 1e6;
    println!("\n| | bytes a value | ingest CPU s a million values | q1 ms | q2 ms | q3 ms | q4 ms | q5 ms |");
    println!("|---|---|---|---|---|---|---|---|");
    let row = |name: &str, figures: Vec<f64>| {
        let cells: Vec<String> = figures.iter().map(|figure| format!("{figure:.3}")).collect();
        println!("| {name} | {} |", cells.join(" | "));
    };
    let figures = |took: &Took| -> Vec<f64> {
        [took.bytes as f64 / values as f64, took.cpu_s / million].into_iter().chain(took.questions.clone()).collect()
    };
    all.iter().for_each(|took| row(took.name, figures(took)));
    let peers: Vec<Vec<f64>> = all[1..].iter().map(figures).collect();
    let better = |index: usize| peers.iter().map(|peer| peer[index]).fold(f64::INFINITY, f64::min);
    row("against the better", figures(&all[0]).iter().enumerate().map(|(index, own)| own / better(index)).collect());
}
