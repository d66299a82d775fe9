//! Which processes are kept, under which identity, and at what pace engines are asked.

use std::sync::Mutex;

use super::*;
use crate::clock::ManualClock;
use crate::model::{AttributeValue, Version};
use crate::source::http::{Canned, CannedReply};

/// 2026-11-20T20:00:00Z, the start of every test.
const START: Timestamp = Timestamp::from_ms(1_795_204_800_000);

/// An engine whose containers' replies to `top` can be changed.
struct World {
    source: Processes,
    clock: Clock,
    tops: Arc<Mutex<HashMap<String, CannedReply>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

/// A line as `ps aux` prints it: number, share of CPU, RSS in KiB, start, time, command.
type Line<'a> = (u32, &'a str, u32, &'a str, &'a str, &'a str);

fn body(lines: &[Line<'_>]) -> String {
    let rows: Vec<serde_json::Value> = lines
        .iter()
        .map(|(pid, cpu, rss, start, time, command)| {
            serde_json::json!([
                "root",
                pid.to_string(),
                cpu,
                "0.0",
                "9000",
                rss.to_string(),
                "?",
                "S",
                start,
                time,
                command
            ])
        })
        .collect();
    let titles = ["USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME", "COMMAND"];
    serde_json::json!({ "Titles": titles, "Processes": rows }).to_string()
}

fn world(names: &[String], change: impl FnOnce(&mut Settings)) -> World {
    let clock = Clock::Manual(ManualClock::starting_at(START));
    let canned = Canned::new();
    let tops: Arc<Mutex<HashMap<String, CannedReply>>> = Arc::default();
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let lines: Vec<String> = names
        .iter()
        .map(|name| {
            format!(r#"{{"Id":"id-{name}","Names":["/{name}"],"Image":"i","State":"running","Status":"Up 1 hour"}}"#)
        })
        .collect();
    let list = format!("[{}]", lines.join(","));
    let (replies, asked) = (Arc::clone(&tops), Arc::clone(&requests));
    canned.serve(move |request| {
        let path = request.path.strip_prefix("/v1.41").unwrap_or(request.path);
        Some(CannedReply::ok(match path {
            "/_ping" => "OK".to_owned(),
            "/version" => r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12","Version":"20.10"}"#.to_owned(),
            // An engine in a zone an hour ahead.
            "/info" => r#"{"SystemTime":"2026-11-20T21:00:00.5+01:00"}"#.to_owned(),
            "/containers/json?all=1" => list.clone(),
            path => {
                let (id, what) = path.strip_prefix("/containers/id-")?.split_once('/')?;
                if what == "json" {
                    format!(
                        r#"{{"Name":"/{id}","Config":{{"Image":"i","Env":["MARATHON_APP_ID=/shop"]}},
                            "State":{{"Status":"running"}}}}"#
                    )
                } else {
                    assert_eq!(what, "top?ps_args=aux");
                    asked.lock().unwrap().push(id.to_owned());
                    return replies.lock().unwrap().get(id).cloned();
                }
            }
        }))
    });
    let mut settings = Settings::new("node-1", "unix:///made-up");
    settings.processes.containers = vec!["*".to_owned()];
    settings.processes.interval = Duration::from_secs(10);
    change(&mut settings);
    let source = Processes::with_http(settings, clock.clone(), Http::Canned(canned));
    World { source, clock, tops, requests }
}

impl World {
    fn set(&self, name: &str, lines: &[Line<'_>]) {
        self.tops.lock().unwrap().insert(name.to_owned(), CannedReply::ok(body(lines)));
    }

    async fn poll(&mut self) -> Observed {
        let started = self.clock.now();
        let observed = self.source.poll(Visit { started, timeout: Duration::from_secs(8) }).await;
        let next = started.plus_ms(10_000).ms_since(self.clock.now()).max(0);
        tokio::time::advance(Duration::from_millis(u64::try_from(next).unwrap())).await;
        observed
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn web() -> Vec<String> {
    vec!["web".to_owned()]
}

/// `pid started` of all that was seen, with a `*` where it was sampled.
fn seen(observed: &Observed) -> Vec<String> {
    let mut seen: Vec<String> = observed.batches[0]
        .observations
        .iter()
        .map(|it| {
            let mark = if it.sample.is_some() { "*" } else { "" };
            format!("{} {}{mark}", it.identity.part(2), it.identity.part(3))
        })
        .collect();
    seen.sort();
    seen
}

#[tokio::test(start_paused = true)]
async fn those_with_most_cpu_and_those_with_most_memory_are_kept() {
    let mut world = world(&web(), |settings| settings.processes.top = 1);
    world.set(
        "web",
        &[
            (1, "0.0", 100, "20:25", "0:00", "init"),
            (2, "9.0", 200, "20:25", "0:09", "was busy"),
            (3, "0.1", 900, "20:25", "0:01", "grows --db-password=hunter2"),
            (4, "0.2", 300, "20:25", "0:01", "will be busy"),
        ],
    );
    let first = world.poll().await;
    assert_eq!((first.outcome, first.error.as_deref()), (Outcome::Ok, None));
    assert_eq!(seen(&first), ["2 2026-11-20T20:25*", "3 2026-11-20T20:25*"]);
    let grower = first.batches[0].observations.iter().find(|it| it.identity.part(2) == "3").unwrap();
    let facts = grower.attributes.as_ref().unwrap();
    for (name, expected) in
        [("name", "web"), ("app", "/shop"), ("user", "root"), ("command", "grows --db-password=***")]
    {
        assert_eq!(facts.get(name), Some(&expected.into()), "{name}");
    }
    assert!(!facts.contains_key("env"));
    assert_eq!(
        grower.sample.as_ref().unwrap().values.iter().map(|value| value.int()).collect::<Vec<_>>(),
        [Some(1), Some(900 << 10), Some(9000 << 10), Some(1_000)]
    );

    // What counts now is what was spent since; who falls behind is still there, who is gone is not.
    world.set(
        "web",
        &[
            (1, "0.0", 100, "20:25", "0:00", "init"),
            (2, "8.0", 200, "20:25", "0:09", "was busy"),
            (4, "0.9", 950, "20:25", "0:04", "is busy"),
        ],
    );
    let second = world.poll().await;
    assert_eq!(seen(&second), ["2 2026-11-20T20:25", "4 2026-11-20T20:25*"]);
    assert!(second.batches[0].complete);
    world.set("web", &[(2, "8.0", 200, "20:25", "0:09", "was busy"), (4, "0.9", 950, "20:25", "0:05", "is busy")]);
    let third = world.poll().await;
    assert_eq!(seen(&third), ["2 2026-11-20T20:25", "4 2026-11-20T20:25*"]);
    assert!(third.batches[0].observations.iter().all(|it| it.attributes.is_none()), "told once");

    // One that was born since spent all its time since.
    let born = (5, "0.0", 100, "21:00", "0:02", "born");
    let busy = (4, "0.9", 950, "20:25", "0:06", "is busy");
    world.set("web", &[(2, "8.0", 200, "20:25", "0:09", "was busy"), busy, born]);
    let fourth = world.poll().await;
    assert_eq!(seen(&fourth), ["2 2026-11-20T20:25", "4 2026-11-20T20:25*", "5 2026-11-20T21:00*"]);
}

#[tokio::test(start_paused = true)]
async fn only_the_containers_that_are_named_are_asked() {
    let names: Vec<String> = ["web-1", "web-2", "db"].map(str::to_owned).into();
    let mut world = world(&names, |settings| settings.processes.containers = vec!["web*".to_owned()]);
    for name in &names {
        world.set(name, &[(1, "0.0", 100, "20:25", "0:00", "init")]);
    }
    world.poll().await;
    assert_eq!(world.asked(), ["web-1", "web-2"]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_is_busy_with_it_for_a_tenth_of_the_time() {
    let names: Vec<String> = (0..100).map(|number| format!("c{number:02}")).collect();
    let mut world = world(&names, |_| {});
    for name in &names {
        let reply = CannedReply::ok(body(&[(1, "0.0", 100, "20:25", "0:00", "init")]));
        world.tops.lock().unwrap().insert(name.clone(), reply.after(Duration::from_millis(100)));
    }
    let mut all = Vec::new();
    for visit in 0..10 {
        let observed = world.poll().await;
        assert_eq!(observed.outcome, Outcome::Ok);
        let asked = world.asked();
        assert_eq!(asked.len(), 10, "visit {visit}");
        all.extend(asked);
        assert_eq!(observed.batches[0].observations.len(), all.len(), "those that were not asked now are still there");
    }
    all.sort();
    assert_eq!(all, names, "in ten visits each was asked once");
}

#[tokio::test(start_paused = true)]
async fn a_process_is_the_same_for_as_long_as_its_number_and_start_say_so() {
    let mut world = world(&web(), |_| {});
    let with = |start: &str, time: &str| body(&[(7, "1.0", 100, start, time, "x")]);
    let check = |world: &World, start: &str, time: &str| {
        world.tops.lock().unwrap().insert("web".to_owned(), CannedReply::ok(with(start, time)));
    };
    check(&world, "20:25", "0:10");
    assert_eq!(seen(&world.poll().await), ["7 2026-11-20T20:25*"]);
    // A day later `ps` tells the day alone.
    tokio::time::advance(Duration::from_secs(26 * 3_600)).await;
    check(&world, "Nov20", "0:20");
    assert_eq!(seen(&world.poll().await), ["7 2026-11-20T20:25*"]);
    // Less CPU time than before: the number was given anew.
    check(&world, "23:01", "0:00");
    assert_eq!(seen(&world.poll().await), ["7 2026-11-21T23:01*"]);
    check(&world, "23:02", "0:00");
    assert_eq!(seen(&world.poll().await), ["7 2026-11-21T23:01*"], "a minute is a matter of rounding");
    tokio::time::advance(Duration::from_secs(300)).await;
    check(&world, "23:04", "0:00");
    assert_eq!(seen(&world.poll().await), ["7 2026-11-21T23:04*"]);
    // The engine's ps knows no start at all.
    world.tops.lock().unwrap().insert(
        "web".to_owned(),
        CannedReply::ok(r#"{"Titles":["PID   USER     TIME  COMMAND"],"Processes":[["9 root  0:01 sh -c x"]]}"#),
    );
    let ended = world.poll().await;
    assert_eq!(seen(&ended), ["9 ~2026-11-21T23:05*"]);
    assert_eq!(seen(&world.poll().await), seen(&ended));
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_recorder_keeps_identities() {
    let mut world = world(&web(), |_| {});
    let identity = Identity::new(["node-1", "id-web", "7", "2026-11-18T20:25"]);
    let facts: Attributes = [("command", AttributeValue::from("x"))].into();
    world.source.recall(
        &CONTAINER_PROCESS,
        &EntityRecord {
            identity,
            target: world.source.target().clone(),
            first_seen: START,
            last_seen: START,
            ended: None,
            versions: [Version { from: START, attributes: facts.into() }].into(),
        },
    );
    world.set("web", &[(7, "1.0", 100, "Nov18", "0:10", "x"), (8, "1.0", 100, "Nov19", "0:10", "y")]);
    assert_eq!(seen(&world.poll().await), ["7 2026-11-18T20:25*", "8 2026-11-19*"]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ended_has_none_and_one_that_fails_is_named() {
    let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
    let mut world = world(&names, |_| {});
    for name in &names {
        world.set(name, &[(1, "0.0", 100, "20:25", "0:00", "init")]);
    }
    assert_eq!(world.poll().await.batches[0].observations.len(), 3);
    let set = |name: &str, status, message: &str| {
        let reply = CannedReply::with_status(status, format!(r#"{{"message":{message:?}}}"#));
        world.tops.lock().unwrap().insert(name.to_owned(), reply);
    };
    set("a", 409, "Container a is not running");
    set("b", 500, "Couldn't find PID field in ps output");
    let observed = world.poll().await;
    assert_eq!((observed.outcome, &observed.missing[..]), (Outcome::Partial, &["processes of b".to_owned()][..]));
    assert!(observed.error.as_ref().unwrap().contains("PID field"), "{:?}", observed.error);
    let mut left: Vec<&str> = observed.batches[0].observations.iter().map(|it| it.identity.part(1)).collect();
    left.sort_unstable();
    assert_eq!(left, ["id-b", "id-c"]);
}
