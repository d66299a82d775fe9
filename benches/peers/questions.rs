//! The five questions, asked of all three, and whether the answers agree, value by value.
//!
//! PromQL's `rate()` is another number than ours: it takes only the samples inside a window and extrapolates to its edges, ours
//! shares each stretch exactly, so that buckets add up to the whole. So what ours must be is computed from the samples
//! that the peer gives back ([`super::raw`]); how far `rate()` is from it is told beside.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value as Json;
use tachograph::model::Repr;
use tachograph::source::kind;

use super::raw::{self, Raw};
use super::server::Server;
use super::wire::metric;
use super::{START_MS, Took};

/// Numbers are printed with nine significant digits; shares are cut to nanoseconds, of which a bucket has two ends.
const RELATIVE: f64 = 1e-8;
const ABSOLUTE: f64 = 1e-10;

/// How often each question is asked, so that a tick of the kernel's clock (10 ms) is little beside all.
const TIMES: [u32; 5] = [400, 100, 60, 200, 3];

const CPU: &str = "container_cpu_usage_ns";
const MEMORY: &str = "container_memory_usage_bytes";

type Query = Vec<(String, String)>;

/// A path of a peer, and what it is asked there.
type Asked = (&'static str, Query);

/// How far two answers to one question agree.
#[derive(Default)]
struct Agreement {
    compared: usize,
    left_out: usize,
    differing: usize,
    worst: f64,
    more: String,
}

impl Agreement {
    fn take(&mut self, ours: f64, expected: f64) {
        let distance = (ours - expected).abs();
        self.compared += 1;
        self.differing += usize::from(distance > ABSOLUTE + RELATIVE * expected.abs());
        self.worst = self.worst.max(distance / expected.abs().max(1e-6));
    }

    fn is_good(&self) -> bool {
        self.compared > 0 && self.differing == 0
    }

    fn text(&self) -> String {
        format!(
            "{} values compared, {} beyond {RELATIVE:e} of each other, the furthest {:.1e}; {} cannot be told from the peer's \
             samples{}",
            self.compared, self.differing, self.worst, self.left_out, self.more
        )
    }
}

/// Asks all three the same, and says whether the answers are.
pub(crate) async fn ask(
    own: &Server,
    peers: &[Server],
    all: &mut [Took],
    names: &HashMap<String, (String, String)>,
    days: i64,
) -> bool {
    let start_s = START_MS / 1000 + (days - 1) * 86_400;
    let end_s = start_s + 86_400;
    let id = names.keys().min().unwrap().as_str();
    let own_range = |path: &'static str, start_s: i64, more: &[(&str, &str)]| -> Asked {
        let (start, end) = (start_s.to_string(), end_s.to_string());
        let fixed = [("start", start.as_str()), ("end", end.as_str())];
        (path, fixed.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    };
    let asked: [Asked; 5] = [
        own_range(
            "/api/v1/range/container",
            start_s,
            &[("id", id), ("fields", "memory_usage_bytes"), ("agg", "last"), ("step", "30s")],
        ),
        own_range("/api/v1/range/container", start_s, &[("host", "node-1"), ("fields", "cpu_cores"), ("step", "5m")]),
        own_range(
            "/api/v1/range/container",
            start_s,
            &[("fields", "memory_usage_bytes"), ("agg", "avg,p95"), ("group_by", "app"), ("step", "1h")],
        ),
        own_range("/api/v1/range/container", end_s - 3_600, &[("fields", "cpu_cores"), ("top", "10"), ("step", "all")]),
        own_range("/api/v1/samples/container.csv", start_s, &[]),
    ];
    let range = |query: String, step_s: i64| -> Asked {
        let [start, end, step] = [start_s + step_s, end_s, step_s].map(|number| number.to_string());
        let fixed = [("query", query), ("start", start), ("end", end), ("step", step)];
        ("/api/v1/query_range", fixed.map(|(name, value)| (name.to_owned(), value)).to_vec())
    };
    let instant = |query: String| -> Asked {
        ("/api/v1/query", vec![("query".to_owned(), query), ("time".to_owned(), end_s.to_string())])
    };
    let of_peers: [Vec<Asked>; 5] = [
        vec![instant(format!("{MEMORY}{{id=\"{id}\"}}[24h]"))],
        vec![range(format!("rate({CPU}{{host=\"node-1\"}}[5m]) / 1e9"), 300)],
        vec![
            range(format!("sum by (app) (avg_over_time({MEMORY}[1h]))"), 3_600),
            range(format!("max by (app) (quantile_over_time(0.95, {MEMORY}[1h]))"), 3_600),
        ],
        vec![instant(format!("topk(10, rate({CPU}[1h]))"))],
        vec![instant("{__name__=~\"container_.+\"}[24h]".to_owned())],
    ];
    let mut are_good = true;
    for (number, (asked, peer_questions)) in asked.iter().zip(&of_peers).enumerate() {
        let (cost_ms, answer) = measured(own, TIMES[number], asked).await;
        all[0].questions.push(cost_ms);
        for (peer, took) in peers.iter().zip(&mut all[1..]) {
            let mut cost_ms = 0.0;
            let mut answers = Vec::new();
            for asked in peer_questions {
                let (cost, answer) = measured(peer, TIMES[number].min(60), asked).await;
                cost_ms += cost;
                answers.push(answer);
            }
            took.questions.push(cost_ms);
            let samples = match number {
                0 | 4 => answers[0].clone(),
                1 => measured(peer, 0, &instant(format!("{CPU}{{host=\"node-1\"}}[25h]"))).await.1,
                2 => measured(peer, 0, &instant(format!("{MEMORY}[24h]"))).await.1,
                _ => measured(peer, 0, &instant(format!("{CPU}[65m]"))).await.1,
            };
            let (start_ms, end_ms) = (start_s * 1000, end_s * 1000);
            let agreement = match number {
                0 => compare_samples(&answer, &raw::series(&samples)),
                1 => compare_rates(&answer, &raw::series(&samples), (start_ms, end_ms), &answers[0]),
                2 => {
                    let counters = measured(peer, 0, &instant(format!("{CPU}[24h]"))).await.1;
                    let restarts = raw::falls(&raw::series(&counters));
                    compare_groups(&answer, &raw::series(&samples), &restarts, (start_ms, end_ms))
                }
                3 => compare_top(&answer, &raw::series(&samples), end_ms, &answers[0]),
                _ => compare_days(&answer, &samples),
            };
            are_good &= agreement.is_good();
            println!("q{} against {}: {}", number + 1, peer.name, agreement.text());
        }
    }
    are_good
}

async fn measured(server: &Server, times: u32, (path, query): &Asked) -> (f64, Vec<u8>) {
    let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    server.measured(times, path, &query).await
}

/// The cells of a field of our answer: by a label, and the bucket's start.
fn cells(own: &Json, label: &str, field: &str) -> Vec<(String, i64, Option<f64>)> {
    let time = |time: &Json| chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap().timestamp_millis();
    let times: Vec<i64> = own["times"].as_array().unwrap().iter().map(time).collect();
    let mut cells = Vec::new();
    for series in own["series"].as_array().unwrap() {
        let name = series["labels"][label].as_str().unwrap_or_default();
        let values = series["values"][field].as_array().unwrap();
        cells.extend(times.iter().zip(values).map(|(at, value)| (name.to_owned(), *at, value.as_f64())));
    }
    cells
}

/// The newest sample of each half minute is the peer's.
fn compare_samples(own: &[u8], raw: &[Raw]) -> Agreement {
    let own: Json = serde_json::from_slice(own).unwrap();
    let mut newest = BTreeMap::new();
    for (at, value) in raw.iter().flat_map(|raw| &raw.samples) {
        newest.insert(at.div_euclid(30_000) * 30_000, *value as f64);
    }
    let mut agreement = Agreement::default();
    for (_, at, value) in cells(&own, "id", "memory_usage_bytes") {
        match (value, newest.remove(&at)) {
            (Some(value), Some(expected)) => agreement.take(value, expected),
            (None, None) => {}
            _ => agreement.differing += 1,
        }
    }
    agreement.differing += newest.len();
    agreement
}

fn compare_rates(own: &[u8], raw: &[Raw], (start_ms, end_ms): (i64, i64), promql: &[u8]) -> Agreement {
    let own: Json = serde_json::from_slice(own).unwrap();
    let expected: HashMap<String, BTreeMap<i64, Option<f64>>> =
        raw.iter().map(|raw| (raw.id.clone(), raw::rates(raw, start_ms, end_ms, 300_000))).collect();
    let promql: Json = serde_json::from_slice(promql).unwrap();
    let mut extrapolated = HashMap::new();
    for series in promql["data"]["result"].as_array().unwrap() {
        let id = series["metric"]["id"].as_str().unwrap();
        for cell in series["values"].as_array().unwrap() {
            let value: f64 = cell[1].as_str().unwrap().parse().unwrap();
            // A window is named by its end there, by its start here.
            extrapolated.insert((id.to_owned(), cell[0].as_f64().unwrap() as i64 * 1000 - 300_000), value);
        }
    }
    let mut agreement = Agreement::default();
    let mut apart = Vec::new();
    for (id, at, value) in cells(&own, "id", "cpu_cores") {
        let expected = expected.get(&id).and_then(|of| of.get(&at)).copied();
        match (value, expected) {
            (Some(value), Some(Some(expected))) => {
                agreement.take(value, expected);
                let other = extrapolated.get(&(id, at)).copied();
                apart.extend(other.map(|other| (other - value).abs() / value.abs().max(1e-6)));
            }
            (None, Some(Some(_))) => agreement.differing += 1,
            (Some(_), _) => agreement.left_out += 1,
            (None, _) => {}
        }
    }
    apart.sort_by(f64::total_cmp);
    if let (Some(median), Some(tenth)) = (apart.get(apart.len() / 2), apart.get(apart.len() * 9 / 10)) {
        agreement.more = format!(
            "; PromQL's rate(), which extrapolates, is {:.1} % off in the middle, {:.1} % or more in a tenth",
            median * 100.0,
            tenth * 100.0
        );
    }
    agreement
}

fn compare_groups(
    own: &[u8],
    raw: &[Raw],
    restarts: &HashMap<String, Vec<i64>>,
    (start_ms, end_ms): (i64, i64),
) -> Agreement {
    let own: Json = serde_json::from_slice(own).unwrap();
    let mut hours = raw::hours(raw, restarts, start_ms, end_ms);
    let mut agreement = Agreement::default();
    for (app, at, value) in cells(&own, "app", "memory_usage_bytes.p95") {
        let expected = hours.get_mut(&(app, at)).map(|hour| hour.percentile(95.0));
        match (value, expected) {
            (Some(value), Some(expected)) => agreement.take(value, expected),
            _ => agreement.differing += 1,
        }
    }
    for (app, at, value) in cells(&own, "app", "memory_usage_bytes.avg") {
        match (value, hours.get(&(app, at))) {
            (Some(value), Some(hour)) if hour.is_whole => agreement.take(value, hour.sum_of_means()),
            _ => agreement.left_out += 1,
        }
    }
    agreement
}

fn compare_top(own: &[u8], raw: &[Raw], end_ms: i64, promql: &[u8]) -> Agreement {
    let own: Json = serde_json::from_slice(own).unwrap();
    let rate =
        |raw: &Raw| Some((raw.id.clone(), raw::rates(raw, end_ms - 3_600_000, end_ms, 3_600_000).pop_first()?.1));
    let expected: HashMap<String, Option<f64>> = raw.iter().filter_map(rate).collect();
    let mut agreement = Agreement::default();
    let top = cells(&own, "id", "cpu_cores");
    for (id, _, value) in &top {
        match (value, expected.get(id)) {
            (Some(value), Some(Some(expected))) => agreement.take(*value, *expected),
            (Some(_), _) => agreement.left_out += 1,
            _ => agreement.differing += 1,
        }
    }
    let least = top.last().and_then(|(.., value)| *value).unwrap_or(f64::INFINITY);
    let chosen: BTreeSet<&str> = top.iter().map(|(id, ..)| id.as_str()).collect();
    let others = expected.iter().filter(|(id, _)| !chosen.contains(id.as_str()));
    agreement.differing += others.filter(|(_, value)| value.is_some_and(|value| value > least + ABSOLUTE)).count();
    let promql: Json = serde_json::from_slice(promql).unwrap();
    let theirs = promql["data"]["result"].as_array().unwrap().iter();
    let same = theirs.filter(|series| chosen.contains(series["metric"]["id"].as_str().unwrap())).count();
    agreement.more = format!("; topk() of rate() has {same} of the {} too", top.len());
    agreement
}

/// All values of a day, each with its container and time: those of a column are the same if their sums of hashes are.
fn compare_days(csv: &[u8], peer: &[u8]) -> Agreement {
    let container = kind("container").unwrap();
    let mut ours: Vec<(usize, u64)> = vec![(0, 0); container.columns.len()];
    let mut reader = csv::Reader::from_reader(csv);
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|column| column == name);
    let (time, id) = (place("time").unwrap(), place("id").unwrap());
    let places: Vec<Option<usize>> = container.columns.iter().map(|column| place(column.name)).collect();
    let mut row = csv::StringRecord::new();
    while reader.read_record(&mut row).unwrap() {
        let at_ms = chrono::DateTime::parse_from_rfc3339(&row[time]).unwrap().timestamp_millis();
        for ((column, (count, sum)), place) in container.columns.iter().zip(&mut ours).zip(&places) {
            let Some(cell) = place.map(|place| &row[place]).filter(|cell| !cell.is_empty()) else { continue };
            *count += 1;
            *sum = sum.wrapping_add(hash(&row[id], at_ms, scaled(cell, column.repr)));
        }
    }
    let peer: Json = serde_json::from_slice(peer).unwrap();
    let mut theirs: HashMap<&str, (usize, u64)> = HashMap::new();
    for series in peer["data"]["result"].as_array().unwrap() {
        let (count, sum) = theirs.entry(series["metric"]["__name__"].as_str().unwrap()).or_default();
        let id = series["metric"]["id"].as_str().unwrap();
        for cell in series["values"].as_array().unwrap() {
            let at_ms = (cell[0].as_f64().unwrap() * 1000.0).round() as i64;
            *count += 1;
            *sum = sum.wrapping_add(hash(id, at_ms, cell[1].as_str().unwrap().parse().unwrap()));
        }
    }
    let mut agreement = Agreement::default();
    for (index, (column, ours)) in container.columns.iter().zip(&ours).enumerate() {
        agreement.compared += ours.0;
        let theirs = theirs.get(metric(index).as_str()).copied().unwrap_or_default();
        if *ours != theirs {
            agreement.differing += ours.0.max(theirs.0);
            agreement.more += &format!("; {} is not the same", column.name);
        }
    }
    agreement
}

/// A cell's number in the units that the peers were told.
fn scaled(cell: &str, repr: Repr) -> f64 {
    let decimals = match repr {
        Repr::Integer { decimals } => usize::from(decimals),
        Repr::Float => 0,
    };
    let (whole, fraction) = cell.split_once('.').unwrap_or((cell, ""));
    format!("{whole}{fraction:0<decimals$}").parse().unwrap()
}

fn hash(id: &str, at_ms: i64, value: f64) -> u64 {
    let bytes = id.bytes().chain(at_ms.to_le_bytes()).chain(value.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
