//! Every report, `/capacity`, `/headroom`, `/diff` and the certificates of deaths over a cluster of which everything is known:
//! what they answer agrees with it, and with each other. Prints what each took in time and memory.
//!
//! A month of 500 containers: `cargo test --release --test it month -- --ignored --nocapture`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::time::{monotonic_ms, now_ms, parse_ms};
use crate::harness::{Recorder, machine, reaper};

mod world;

use world::{DAY_MS, Failures, GIB, HOUR_MS, Size, Told, host_name};

#[test]
fn two_days_of_50_containers_are_answered_as_they_were() {
    let _together = machine::shared();
    check(2, 5, 10, 120);
}

#[test]
#[ignore = "ten million samples; run it by hand, in a release build"]
fn a_month_of_500_containers_is_answered_as_it_was() {
    let _alone = machine::alone();
    check(30, 10, 50, 120);
}

/// What a recorder may hold more than idle for any of these answers, however much they look at.
const MEMORY_ABOVE_IDLE_MAX_BYTES: u64 = 200 << 20;

fn check(days: i64, hosts: usize, containers_a_host: usize, interval_s: i64) {
    let directory = reaper::directory();
    let start_ms = now_ms() / DAY_MS * DAY_MS - days * DAY_MS;
    let size = Size { days, hosts, containers_a_host, interval_ms: interval_s * 1000, start_ms };
    let begun = monotonic_ms();
    let told = size.record(&directory.join("store.db"));
    machine::say(&format!(
        "month: {} samples of {} containers in all, made up and recorded in {:.0} s",
        told.samples,
        told.containers.len(),
        (monotonic_ms() - begun) as f64 / 1000.0
    ));
    let recorder = Recorder::start_in(&directory, "[source.host]\nenabled = false\n", None);
    let asked = Asked { recorder, size, told };
    asked.containers();
    asked.failures();
    asked.hosts();
    asked.agents();
    asked.images();
    asked.differences();
    asked.coverage();
}

struct Asked {
    recorder: Recorder,
    size: Size,
    told: Told,
}

/// A field of the process' status, in bytes.
fn memory(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn number(row: &Value, name: &str) -> f64 {
    row[name].as_f64().unwrap_or_else(|| panic!("{name} of {row}"))
}

fn near(found: f64, expected: f64, part: f64, what: &str) {
    assert!((found - expected).abs() <= expected.abs() * part + 1e-6, "{what}: {found}, expected {expected}");
}

impl Asked {
    /// Asks, prints what it took, and gives the rows of a list of the answer.
    fn ask(&self, path: &str, list: &str) -> (Value, Vec<Value>) {
        let pid = self.recorder.pid();
        // The peak counts from here on.
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        let (idle, begun) = (memory(pid, "VmRSS:"), monotonic_ms());
        let answer = self.recorder.json(&format!("/api/v1/{path}"));
        let ms = monotonic_ms() - begun;
        let above = memory(pid, "VmHWM:").saturating_sub(idle);
        let rows = answer[list].as_array().unwrap_or_else(|| panic!("{path} has no {list}")).clone();
        let (name, mib) = (path.split(['&', '?']).next().unwrap(), |bytes: u64| bytes as f64 / f64::from(1 << 20));
        machine::say(&format!(
            "month: {name:32} {ms:7} ms, {:5.1} MiB above {:.1} idle, {} {list}",
            mib(above),
            mib(idle),
            rows.len()
        ));
        assert!(above <= MEMORY_ABOVE_IDLE_MAX_BYTES, "{path}: {above} bytes above idle");
        (answer, rows)
    }

    fn range(&self) -> String {
        format!("start={}&end={}", self.size.start_ms, self.size.end_ms())
    }

    fn report(&self, name: &str, more: &str) -> Vec<Value> {
        self.ask(&format!("reports/{name}?{}{more}", self.range()), "rows").1
    }

    /// Seconds of CPU by application, as `/range` adds them up.
    fn cpu_seconds(&self) -> BTreeMap<String, f64> {
        let path = format!("range/container?{}&step=all&group_by=app&fields=cpu_usage_seconds_total", self.range());
        let (_, series) = self.ask(&path, "series");
        let of = |one: &Value| {
            let app = one["labels"]["app"].as_str().unwrap().to_owned();
            (app, one["values"]["cpu_usage_seconds_total"][0].as_f64().unwrap())
        };
        series.iter().map(of).collect()
    }

    /// What containers used, three ways: by application, by week, by container.
    fn containers(&self) {
        let seconds = self.cpu_seconds();
        let apps = self.told.apps();
        assert!(seconds.keys().eq(apps.keys()), "{seconds:?}");
        let span = (self.size.end_ms() - self.size.start_ms) as f64 / 1000.0;

        let rows = self.report("used_limit_allocated", "");
        assert_eq!(rows.len(), apps.len());
        let mut before = f64::INFINITY;
        for row in &rows {
            let app = row["app"].as_str().unwrap();
            assert_eq!(row["containers"], apps[app], "{row}");
            let [used, limit, allocated] =
                ["cpu_used_cores", "cpu_limit_cores", "cpu_allocated_cores"].map(|name| number(row, name));
            near(used * span, seconds[app], 0.02, app);
            // Limits and allocations stand in the ratio that each container has.
            near(limit / allocated, world::LIMIT_CORES / world::ALLOCATED_CORES, 0.001, app);
            assert!(used <= limit && used <= before, "{row}");
            assert!(number(row, "memory_used_bytes") > 0.0, "{row}");
            near(number(row, "memory_limit_bytes") / number(row, "memory_allocated_bytes"), 2.0, 0.001, app);
            assert_eq!((&row["without_cpu_limit"], &row["without_memory_limit"]), (&0.into(), &0.into()));
            before = used;
        }
        let in_all: f64 = rows.iter().map(|row| number(row, "cpu_allocated_cores")).sum();
        near(
            in_all,
            (self.size.hosts * self.size.containers_a_host) as f64 * world::ALLOCATED_CORES,
            0.02,
            "allocated",
        );

        let rows = self.report("growth_by_app", "");
        let mut by_app: BTreeMap<&str, f64> = BTreeMap::new();
        for row in &rows {
            let week_ms = parse_ms(row["week"].as_str().unwrap());
            let (from, until) = (week_ms.max(self.size.start_ms), (week_ms + 7 * DAY_MS).min(self.size.end_ms()));
            assert!(from < until, "{row}");
            let cores = number(row, "cpu_cores");
            *by_app.entry(row["app"].as_str().unwrap()).or_default() += cores * (until - from) as f64 / 1000.0;
        }
        for (app, seconds) in &seconds {
            near(by_app[app.as_str()], *seconds, 0.02, &format!("the weeks of {app}"));
        }

        let rows = self.report("right_sizing", "");
        assert_eq!(rows.len(), apps.len());
        for row in &rows {
            let (needed, recommended) = (number(row, "cpu_needed_cores"), number(row, "cpu_recommended_cores"));
            near(recommended, needed * 1.2, 0.001, "margin");
            let slack = number(row, "instances") * (world::ALLOCATED_CORES - recommended);
            assert!((number(row, "cpu_slack_cores") - slack).abs() < 0.01 + slack.abs() * 0.01, "{row}");
            near(number(row, "memory_recommended_bytes"), number(row, "memory_needed_bytes") * 1.2, 0.001, "margin");
            assert_eq!(number(row, "memory_allocated_bytes"), (2 * GIB) as f64);
        }

        let rows = self.report("top_containers", "&count=20");
        assert_eq!(rows.len(), 20);
        for pair in rows.windows(2) {
            assert!(number(&pair[0], "mean") >= number(&pair[1], "mean"), "{pair:?}");
        }
        for row in &rows {
            let [least, mean, largest] = ["least", "mean", "largest"].map(|name| number(row, name));
            assert!(least <= mean && mean <= largest && largest <= world::LIMIT_CORES, "{row}");
            let samples = (self.size.days * DAY_MS / self.size.interval_ms) as f64;
            assert!((1.0..=samples).contains(&number(row, "samples")), "{row}");
        }
        // The first is the first of `/range` too, which weighs by time.
        let path = format!("range/container?{}&step=all&fields=cpu_cores&top=5", self.range());
        let (_, top) = self.ask(&path, "series");
        let ids: Vec<&Value> = top.iter().map(|one| &one["labels"]["id"]).collect();
        assert!(ids.contains(&&rows[0]["id"]), "{ids:?} without {}", rows[0]);

        for row in self.report("noisy_neighbours", "") {
            for name in ["cpu_throttled_ratio", "host_pressure_ratio", "host_share_ratio"] {
                assert!(row[name].is_null() || (0.0..=1.0).contains(&number(&row, name)), "{row}");
            }
            let throttled = row["cpu_throttled_ratio"].as_f64().unwrap_or(0.0) >= 0.1;
            assert!(throttled || row["name"] != row["loudest"], "{row}");
        }
    }

    /// Who died how often: the league and the certificates count what was made up.
    fn failures(&self) {
        let failed = |failures: &&Failures| failures.died + failures.oom > 0;
        let expected: i64 = self.told.failures.values().map(|failures| failures.died).sum();
        let rows = self.report("crash_league", "");
        assert_eq!(rows.len(), self.told.failures.values().filter(failed).count());
        for row in &rows {
            let failures = &self.told.failures[row["app"].as_str().unwrap()];
            assert_eq!((&row["failures"], &row["ooms"]), (&failures.died.into(), &failures.oom.into()), "{row}");
            if failures.died > 1 {
                let mean = number(row, "mean_seconds_between_failures");
                assert!(mean * (failures.died - 1) as f64 <= (self.size.days * DAY_MS) as f64 / 1000.0, "{row}");
            }
        }
        assert_eq!(rows.iter().map(|row| row["failures"].as_i64().unwrap()).sum::<i64>(), expected);
        for pair in rows.windows(2) {
            assert!(number(&pair[0], "failures") >= number(&pair[1], "failures"), "{pair:?}");
        }

        let (mut deaths, mut cursor) = (0, None::<String>);
        loop {
            let after = cursor.map(|cursor| format!("&{}", crate::harness::http::query(&[("cursor", &cursor)])));
            let path =
                format!("events?{}&type=container_died&certificates=1{}", self.range(), after.unwrap_or_default());
            let (answer, events) = self.ask(&path, "events");
            for event in &events {
                let certificate = &event["certificate"];
                assert_eq!(certificate["exit_code"], event["details"]["exit_code"], "{event}");
                assert_eq!(certificate["oom_killed"] == true, event["details"]["exit_code"] == 137, "{event}");
                let before = certificate["events_before"].as_array().unwrap();
                let within = parse_ms(event["time"].as_str().unwrap()) - 60_000;
                assert!(before.iter().all(|one| parse_ms(one["time"].as_str().unwrap()) >= within), "{event}");
                let [peak, last] = ["memory_peak_bytes", "memory_last_bytes"].map(|name| certificate[name].as_f64());
                assert!(peak >= last, "{event}");
                assert!(certificate["lifetime_seconds"].as_f64().is_none_or(|seconds| seconds >= 0.0), "{event}");
            }
            deaths += events.len();
            cursor = answer["next"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(i64::try_from(deaths).unwrap(), self.told.deaths);
    }

    /// Each host has one busy hour, and its memory fills by the same each day.
    fn hosts(&self) {
        let rows = self.report("busiest_hour", "");
        assert_eq!(rows.len(), self.size.hosts);
        for host in 0..self.size.hosts {
            let row = rows.iter().find(|row| row["host"] == host_name(host).as_str()).unwrap();
            assert_eq!(parse_ms(row["hour"].as_str().unwrap()), self.size.busiest_ms(host), "{row}");
            near(number(row, "cpu_cores"), world::BUSIEST_CORES as f64, 0.001, "busiest");
            near(number(row, "cpu_used_ratio"), world::BUSIEST_CORES as f64 / world::HOST_CPUS as f64, 0.001, "ratio");
            let hours = (self.size.days * 24) as f64;
            let mean = (world::HOST_CORES as f64 * (hours - 1.0) + world::BUSIEST_CORES as f64) / hours;
            near(number(row, "mean_cpu_cores"), mean, 0.01, "mean");
        }

        let path = format!("capacity?of=host&resource=memory&threshold=0.9&horizon=180d&{}", self.range());
        let (_, outlooks) = self.ask(&path, "outlooks");
        assert_eq!(outlooks.len(), self.size.hosts);
        for host in 0..self.size.hosts {
            let outlook = outlooks.iter().find(|one| one["labels"]["host"] == host_name(host).as_str()).unwrap();
            let grows = Size::grows(host) as f64;
            near(number(outlook, "whole"), world::HOST_MEMORY as f64, 1e-8, "whole");
            // The last hour of the last day has the most.
            let last = world::HOST_MEMORY_USED as f64 + grows * (self.size.days as f64 - 0.5 / 24.0);
            near(number(outlook, "used"), last, 0.001, "used");
            assert!(number(outlook, "coverage") > 0.99, "{outlook}");
            if self.size.days < 7 {
                assert_eq!(outlook["why"], "fewer than 7 days were seen", "{outlook}");
                continue;
            }
            near(number(outlook, "per_day"), grows, 0.01, "growth a day");
            if grows < 1.0 {
                assert_eq!((&outlook["passes"], &outlook["why"]), (&Value::Null, &"not within the horizon".into()));
                continue;
            }
            let free = 0.9 * world::HOST_MEMORY as f64 - world::HOST_MEMORY_USED as f64;
            let days = free / grows - 23.5 / 24.0;
            let passes = (parse_ms(outlook["passes"].as_str().unwrap()) - self.size.start_ms) as f64 / DAY_MS as f64;
            assert!((days..=days + 1.1).contains(&passes), "{passes}, expected about {days}: {outlook}");
        }
        for of in ["agent", "app"] {
            let (_, outlooks) = self.ask(&format!("capacity?of={of}&{}", self.range()), "outlooks");
            let subjects = if of == "app" { self.told.apps().len() } else { self.size.hosts };
            assert!(outlooks.len() >= subjects, "{of}: {}", outlooks.len());
            for outlook in &outlooks {
                let is_full = outlook["whole"].as_f64().is_some_and(|whole| number(outlook, "used") > whole);
                assert!(!is_full && number(outlook, "coverage") > 0.9, "{outlook}");
            }
        }
    }

    /// Agents give away the same at all times but in one hour.
    fn agents(&self) {
        let hosts = u64::try_from(self.size.hosts).unwrap();
        let [capacity, used, worst] = world::AGENT_CPUS;
        let fits = |used: i64| u64::try_from((capacity - used) / 500).unwrap();
        let path = format!("headroom?cpus=0.5&mem=512&instances=20&{}", self.range());
        let (answer, agents) = self.ask(&path, "agents");
        assert_eq!(agents.len(), self.size.hosts);
        assert_eq!(answer["fits_now"], hosts * fits(used), "{answer}");
        assert_eq!(answer["fits_at_worst"], hosts * fits(worst), "{answer}");
        assert_eq!(parse_ms(answer["worst_hour"].as_str().unwrap()), self.size.worst_ms());
        assert_eq!(answer["is_enough_now"], hosts * fits(used) >= 20);
        for agent in &agents {
            assert_eq!((&agent["fits_now"], &agent["fits_at_worst"]), (&fits(used).into(), &fits(worst).into()));
            assert_eq!(parse_ms(agent["worst_hour"].as_str().unwrap()), self.size.worst_ms());
        }

        let path = format!("reports/agent_capacity?at={}&cpus=0.5&memory_mib=512", self.size.end_ms());
        let (_, rows) = self.ask(&path, "rows");
        let (whole, each): (Vec<&Value>, Vec<&Value>) = rows.iter().partition(|row| row["agent"].is_null());
        assert_eq!((whole.len(), each.len()), (1, self.size.hosts));
        assert_eq!(whole[0]["fits"], hosts * fits(used));
        let free: f64 = each.iter().map(|row| number(row, "cpus_free")).sum();
        near(number(whole[0], "cpus_free"), free, 0.0, "free");
    }

    /// Images by who runs them, tags that nobody does, and how the registry grew.
    fn images(&self) {
        let rows = self.report("image_inventory", "");
        let containers: i64 = rows.iter().map(|row| row["containers"].as_i64().unwrap()).sum();
        assert_eq!(usize::try_from(containers).unwrap(), self.told.containers.len());
        let apps = i64::try_from(self.told.apps().len()).unwrap();
        assert_eq!(i64::try_from(rows.len()).unwrap(), apps);

        let rows = self.report("unused_tags", "");
        let unused = world::REPOSITORIES * world::TAGS_EACH - apps;
        assert_eq!(i64::try_from(rows.len()).unwrap(), unused);
        assert!(rows.iter().all(|row| row["size_bytes"] == 1 << 20), "{}", rows[0]);

        let rows = self.report("registry_growth", "");
        let months: BTreeMap<String, i64> = rows
            .iter()
            .map(|row| (row["month"].as_str().unwrap()[..7].to_owned(), row["bytes"].as_i64().unwrap()))
            .collect();
        assert_eq!(months, self.told.registry);
    }

    /// What differs about a host's busy hour is that host's CPU, before anything else.
    fn differences(&self) {
        let busiest = self.size.busiest_ms(0);
        let (_, numbers) = self.ask(&format!("diff?around={busiest}&window=1h&kinds=host"), "numbers");
        let first = &numbers[0];
        assert_eq!((&first["labels"]["host"], &first["field"]), (&"node-0".into(), &"cpu_cores".into()), "{first}");
        near(number(first, "ratio"), (world::BUSIEST_CORES / world::HOST_CORES) as f64, 0.01, "ratio");
        let (answer, numbers) = self.ask(&format!("diff?around={busiest}&window=1h"), "numbers");
        assert_eq!(numbers.len(), 20);
        for pair in numbers.windows(2) {
            assert!(number(&pair[0], "score").abs() >= number(&pair[1], "score").abs(), "{pair:?}");
        }
        for one in &numbers {
            for side in ["before", "after"] {
                assert!(one[side]["values"].as_u64().unwrap() >= 5, "{one}");
                assert!((0.0..=1.0).contains(&number(&one[side], "coverage")), "{one}");
            }
        }
        assert!(answer["come"].as_array().unwrap().len() <= self.told.containers.len());
        let days = format!("diff?from={}&to={}", self.size.start_ms + HOUR_MS, self.size.end_ms());
        let (answer, _) = self.ask(&days, "come");
        let living = self.size.hosts * self.size.containers_a_host;
        let of = |list: &str| {
            let all = answer[list].as_array().unwrap().iter();
            all.filter(|one| one["kind"] == "container").count()
        };
        assert!(of("come") <= self.told.containers.len() - living, "{} came", of("come"));
    }

    /// All that was visited, and nothing else.
    fn coverage(&self) {
        let rows = self.report("coverage", "&target=host/*");
        assert_eq!(rows.len(), self.size.hosts);
        let polls = self.size.days * DAY_MS / self.size.interval_ms - 2;
        for row in &rows {
            assert_eq!((row["polls"].as_i64(), row["coverage_ratio"].as_f64()), (Some(polls), Some(1.0)), "{row}");
        }
        let rows = self.report("coverage", "");
        assert_eq!(rows.len(), 2 * self.size.hosts + 2);
        assert!(rows.iter().all(|row| number(row, "coverage_ratio") > 0.99), "{rows:?}");
    }
}
