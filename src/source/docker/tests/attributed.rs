//! Containers that Mesos started, whose application is learnt from elsewhere, early or late.

use std::time::Duration;

use crate::clock::{Clock, ManualClock};
use crate::model::{Attributes, Outcome, Timestamp};
use crate::source::attribution::{Allocated, Belongs, Book};
use crate::source::docker::{Docker, Settings};
use crate::source::http::{Canned, CannedReply, Http};
use crate::source::{Source, Visit};

const CONTAINER: &str = "3d8d5583-702b-46c1-b6eb-46df523021b0";
const TASK: &str = "shop_api.instance-0b1c2d3e-1111-11ee-a000-0242ac110002._app.1";

fn engine(env: &str) -> Canned {
    let canned = Canned::new();
    canned.set_streams_stay_open(true);
    let set = |path: &str, body: String| canned.set(path, CannedReply::ok(body));
    set("/_ping", "OK".to_owned());
    set("/version", r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12","Version":"20.10"}"#.to_owned());
    set("/v1.41/info", r#"{"Containers":1}"#.to_owned());
    set("/v1.41/system/df", r#"{"LayersSize":5}"#.to_owned());
    let listed = format!(r#"[{{"Id":"a1","Names":["/mesos-{CONTAINER}"],"State":"running","Status":"Up 5 minutes"}}]"#);
    set("/v1.41/containers/json?all=1", listed);
    let inspected = format!(
        r#"{{"Id":"a1","Name":"/mesos-{CONTAINER}","Config":{{"Hostname":"x","Env":[{env}]}},
            "State":{{"Status":"running","StartedAt":"2026-11-20T19:00:00Z"}}}}"#
    );
    set("/v1.41/containers/a1/json", inspected);
    let stats = r#"{"read":"2026-11-20T20:00:00Z","cpu_stats":{"cpu_usage":{"total_usage":1}}}"#;
    set("/v1.41/containers/a1/stats?stream=false&one-shot=true", stats.to_owned());
    canned
}

async fn poll(docker: &mut Docker) -> Option<Attributes> {
    let started = Timestamp::from_ms(1_795_204_800_000);
    let observed = docker.poll(Visit { started, timeout: Duration::from_secs(8) }).await;
    assert_eq!(observed.outcome, Outcome::Ok, "{:?}", observed.error);
    observed.batches[0].observations[0].attributes.clone()
}

fn docker(env: &str, book: &std::sync::Arc<Book>) -> Docker {
    // Its name in the configuration is none that Mesos knows.
    let settings = Settings { df_interval: Duration::from_secs(60), ..Settings::new("rack-7", "unix:///made-up") };
    let clock = Clock::Manual(ManualClock::starting_at(Timestamp::from_ms(1_795_204_800_000)));
    Docker::with_http(settings, clock, Http::Canned(engine(env))).attributed_by(std::sync::Arc::clone(book))
}

#[tokio::test(start_paused = true)]
async fn learnt_late_it_is_a_new_version_of_its_facts() {
    let book = Book::new();
    let mut docker = docker("", &book);
    let first = poll(&mut docker).await.unwrap();
    assert!(!first.contains_key("app") && !first.contains_key("task"));
    assert_eq!(poll(&mut docker).await, None);
    let belongs = Belongs {
        task: Some(TASK.to_owned()),
        framework: Some("f-0010".to_owned()),
        agent: Some("a-S0".to_owned()),
        app: None,
        allocated: Allocated { cpu_milli: Some(100), memory_bytes: Some(32 << 20) },
    };
    book.note(CONTAINER, belongs);
    let learnt = poll(&mut docker).await.unwrap();
    assert_eq!(learnt["app"], "/shop/api".into());
    assert_eq!(learnt["task"], TASK.into());
    assert_eq!(
        (&learnt["cpu_allocated_cores"], &learnt["memory_allocated_bytes"]),
        (&0.1.into(), &(32_i64 << 20).into())
    );
    assert_eq!((&learnt["framework"], &learnt["agent"]), (&"f-0010".into(), &"a-S0".into()));
    assert_eq!(learnt["hostname"], first["hostname"], "all its facts are told, not only the new ones");
    assert_eq!(poll(&mut docker).await, None, "and once");
}

#[tokio::test(start_paused = true)]
async fn what_the_container_says_itself_goes_first() {
    let book = Book::new();
    book.note(
        CONTAINER,
        Belongs { app: Some("/told".to_owned()), agent: Some("a-S0".to_owned()), ..Belongs::default() },
    );
    let mut docker = docker(r#""MARATHON_APP_ID=/shop/cart""#, &book);
    let facts = poll(&mut docker).await.unwrap();
    assert_eq!((&facts["app"], &facts["agent"]), (&"/shop/cart".into(), &"a-S0".into()));
}
