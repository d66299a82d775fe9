//! Real image registries over one storage: open, behind a password, and behind a realm's tokens with client
//! certificates. What was pushed, moved and deleted is what readers are told, by each of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::harness::recorder::free_port;
use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, machine, reaper};

pub(crate) mod service;
mod stored;
mod tokens;

use service::Service;
use stored::Stored;
use tokens::Realm;

const PROGRAMS: [&str; 6] = ["docker-registry", "htpasswd", "openssl", "curl", "bash", "gzip"];

/// Two polls and some more on a busy machine.
const SEEN_WITHIN: Duration = Duration::from_secs(90);

/// How the registries are called in the configuration, and how they want to know who asks.
const NAMES: [(&str, &str); 3] = [("open", "none"), ("hub", "basic"), ("guarded", "bearer")];

/// Certificates of an authority of the test's own, a password, and a key to sign tokens with.
const SECRETS: &str = r"
set -eu
request() { openssl req -newkey rsa:2048 -nodes -subj /CN=$1 -keyout $1-key.pem -out $1.csr; }
sign() {
    printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=%s\n' $2 >$1.ext
    openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 30 -out $1.pem -extfile $1.ext
}
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=test ca' -keyout ca-key.pem -out ca.pem
request server; sign server serverAuth
request client; sign client clientAuth
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=issuer -keyout token-key.pem -out token.pem
openssl pkcs8 -topk8 -nocrypt -in token-key.pem -outform DER -out token-key.der
openssl x509 -in token.pem -outform DER -out token.der
htpasswd -Bbn alice s3cret >users; printf s3cret >password
";

/// The registries, their realm and their storage.
struct World {
    directory: PathBuf,
    /// In the order of [`NAMES`].
    services: [Service; 3],
    ports: [u16; 3],
    realm: Realm,
}

impl World {
    fn start() -> World {
        let directory = reaper::directory();
        machine::output(Command::new("bash").args(["-c", SECRETS]).current_dir(&directory));
        let realm = Realm::start(&directory);
        let ports = [free_port(), free_port(), free_port()];
        let place = directory.display();
        let storage = format!("storage: {{filesystem: {{rootdirectory: {place}/storage}}, delete: {{enabled: true}}}}");
        let tls = format!("certificate: {place}/server.pem, key: {place}/server-key.pem");
        let debug =
            |port: u16| format!("debug: {{addr: 127.0.0.1:{port}, prometheus: {{enabled: true, path: /metrics}}}}");
        let rest = [
            format!("http: {{addr: 127.0.0.1:{}, {}}}", ports[0], debug(free_port())),
            format!(
                "auth: {{htpasswd: {{realm: test, path: {place}/users}}}}\nhttp: {{addr: 127.0.0.1:{}, tls: {{{tls}}}}}",
                ports[1]
            ),
            format!(
                "auth: {{token: {{realm: http://127.0.0.1:{}/token, service: {}, issuer: {}, \
                 rootcertbundle: {place}/token.pem}}}}\n\
                 http: {{addr: 127.0.0.1:{}, tls: {{{tls}, clientcas: [{place}/ca.pem]}}}}",
                realm.port,
                tokens::SERVICE,
                tokens::ISSUER,
                ports[2]
            ),
        ];
        let services = [0, 1, 2].map(|at| {
            let config = format!("version: 0.1\n{storage}\n{}\n", rest[at]);
            Service::start(&directory, NAMES[at].0, ports[at], &config, None)
        });
        World { directory, services, ports, realm }
    }

    #[track_caller]
    fn order(&self, order: &[&str]) {
        machine::output(
            Command::new("bash")
                .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/real/registry.sh"))
                .arg(format!("https://127.0.0.1:{}", self.ports[1]))
                .arg(self.directory.join("ca.pem"))
                .arg("alice:s3cret")
                .args(order),
        );
    }

    fn sources(&self) -> String {
        let (place, [open, hub, guarded], realm) = (self.directory.display(), self.ports, self.realm.port);
        let pace = "interval = \"5s\"\ntimeout = \"4900ms\"\nrequests_per_poll = 2000\n";
        let alice = format!("ca = \"{place}/ca.pem\"\nuser = \"alice\"\npassword_file = \"{place}/password\"\n");
        format!(
            "[source]\ndocker = []\n[source.host]\nenabled = false\n\
             [[source.registry]]\nname = \"open\"\nurl = \"http://127.0.0.1:{open}\"\n{pace}\
             [[source.registry]]\nname = \"hub\"\nurl = \"https://127.0.0.1:{hub}\"\n{alice}{pace}\
             [[source.registry]]\nname = \"guarded\"\nurl = \"https://127.0.0.1:{guarded}\"\n{alice}{pace}\
             cert = \"{place}/client.pem\"\nkey = \"{place}/client-key.pem\"\n\
             realm = \"http://127.0.0.1:{realm}/token\"\n"
        )
    }

    fn stored(&self) -> Stored {
        Stored::below(&self.directory.join("storage"))
    }

    /// Removes from the storage what nothing leads to any more.
    fn collect_garbage(&self) {
        machine::output(
            Command::new("docker-registry")
                .args(["garbage-collect", "--delete-untagged"])
                .arg(self.directory.join("open.yml")),
        );
    }
}

/// The newest numbers of a registry from `start` on that `wanted` accepts: repositories, tags, bytes.
fn numbers(recorder: &Recorder, registry: &str, start: i64, wanted: impl Fn(u64, u64) -> bool) -> (u64, u64, u64) {
    wait_for(&format!("the numbers of {registry}"), SEEN_WITHIN, || {
        let start = start.to_string();
        let asked = [("registry", registry), ("start", start.as_str()), ("end", LATER)];
        let table = recorder.table("samples/registry", &asked);
        let newest = |name: &str| table.column(name).last().and_then(|cell| cell.parse::<u64>().ok());
        let found = (newest("repositories")?, newest("tags")?, newest("bytes")?);
        wanted(found.0, found.1).then_some(found)
    })
}

/// Rows of a kind as they were recorded last from `start` on: cells by the cells of `keys`.
fn newest(
    recorder: &Recorder,
    path: &str,
    start: i64,
    keys: &[&str],
    columns: &[&str],
) -> BTreeMap<String, Vec<String>> {
    let start = start.to_string();
    let table = recorder.table(path, &[("start", start.as_str()), ("end", LATER)]);
    let at = |names: &[&str]| names.iter().map(|name| table.position(name)).collect::<Vec<_>>();
    let (keys, columns) = (at(keys), at(columns));
    let cells = |row: &[String], at: &[usize]| at.iter().map(|at| row[*at].clone()).collect::<Vec<_>>();
    table.rows.iter().map(|row| (cells(row, &keys).join(" "), cells(row, &columns))).collect()
}

/// Every column of every repository and tag equals what is stored, by each registry.
#[track_caller]
fn check_columns(recorder: &Recorder, stored: &Stored, start: i64) {
    let names = ["tags", "bytes", "shared_bytes", "own_bytes"];
    let repositories = newest(recorder, "samples/repository", start, &["registry", "repository"], &names);
    let sizes = newest(recorder, "samples/tag", start, &["registry", "repository", "tag"], &["size_bytes"]);
    let tags = recorder.json(&format!("/api/v1/entities/tag?start={start}&end={LATER}&limit=10000"));
    let tags = tags["entities"].as_array().unwrap();
    for (registry, _) in NAMES {
        let columns = stored.columns();
        let of_registry = repositories.keys().filter(|key| key.starts_with(&format!("{registry} "))).count();
        assert_eq!(of_registry, columns.len(), "{registry}");
        for (repository, numbers) in columns {
            let expected = numbers.map(|number| number.to_string());
            let key = format!("{registry} {repository}");
            assert_eq!(repositories.get(&key).map(Vec::as_slice), Some(&expected[..]), "{key}: {names:?}");
        }
        let mut checked = 0;
        for (repository, it) in stored.repositories() {
            for (tag, (digest, bytes)) in it.tags {
                let entity = tags.iter().find(|entity| {
                    let part = |key: &str| entity["identity"][key].as_str().unwrap();
                    (part("registry"), part("repository"), part("tag")) == (registry, &*repository, &*tag)
                        && entity["ended"].is_null()
                });
                let entity = entity.unwrap_or_else(|| panic!("no {registry} {repository}:{tag}"));
                assert_eq!(entity["attributes"]["digest"], digest, "{registry} {repository}:{tag}");
                let key = format!("{registry} {repository} {tag}");
                assert_eq!(sizes.get(&key), Some(&vec![bytes.to_string()]), "{key}");
                checked += 1;
            }
        }
        let living = tags.iter().filter(|it| it["ended"].is_null() && it["identity"]["registry"] == registry).count();
        assert_eq!(living, checked, "{registry} has no other tags");
    }
}

/// Events about tags and repositories of one registry, as `type repository tag`, sorted; with their details.
fn events(recorder: &Recorder, registry: &str, from: i64) -> Vec<(String, serde_json::Value)> {
    let answer = recorder.json(&format!("/api/v1/events?start={from}&end={LATER}&limit=1000"));
    let mut told: Vec<(String, serde_json::Value)> = answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| matches!(event["kind"].as_str(), Some("tag" | "repository")))
        .filter(|event| event["entity"]["registry"] == registry)
        .map(|event| {
            let parts = ["repository", "tag"].iter().filter_map(|key| event["entity"][key].as_str());
            let line = format!("{} {}", event["type"].as_str().unwrap(), parts.collect::<Vec<_>>().join(" "));
            (line, event["details"].clone())
        })
        .collect();
    told.sort_by(|a, b| a.0.cmp(&b.0));
    told
}

fn digest_of(stored: &Stored, repository: &str, tag: &str) -> String {
    stored.repositories()[repository].tags[tag].0.clone()
}

#[test]
fn what_was_pushed_moved_and_deleted_is_told_and_a_restart_fetches_nothing_again() {
    let _together = machine::shared();
    if let Some(program) = PROGRAMS.into_iter().find(|program| !machine::has(program)) {
        return machine::not_run(&format!("{program} is not installed"));
    }
    let world = World::start();
    world.order(&["fill"]);
    world.collect_garbage();
    let stored = world.stored();
    let begun = now_ms();
    let mut recorder = Recorder::start(&world.sources());

    let bytes = stored.bytes();
    for (registry, authentication) in NAMES {
        let first = numbers(&recorder, registry, begun, |_, tags| tags > 0);
        assert_eq!(first, (261, 260, bytes), "{registry}: each blob of the storage once, to the byte");
        let entity = recorder.json(&format!("/api/v1/entities/registry?registry={registry}"));
        assert_eq!(entity["entities"][0]["attributes"]["authentication"], authentication);
    }
    check_columns(&recorder, &stored, begun);
    let refused_at_first = world.services[2].requests("GET", "", Some(401));

    let (moved_from, deleted) =
        (digest_of(&stored, "bulk/app-001", "latest"), digest_of(&stored, "bulk/app-003", "latest"));
    let changed = now_ms();
    world.order(&["put", "bulk/app-001", "latest", "1"]);
    world.order(&["put", "bulk/app-002", "v2", "2"]);
    world.order(&["put", "fresh/one", "v1", "3"]);
    world.order(&["delete", "bulk/app-003", "latest"]);
    let digest = |repository: &str, tag: &str| digest_of(&stored, repository, tag);
    let expected = [
        ("repository_added fresh/one".to_owned(), serde_json::json!({})),
        ("tag_added bulk/app-002 v2".to_owned(), serde_json::json!({ "digest": digest("bulk/app-002", "v2") })),
        ("tag_added fresh/one v1".to_owned(), serde_json::json!({ "digest": digest("fresh/one", "v1") })),
        ("tag_deleted bulk/app-003 latest".to_owned(), serde_json::json!({ "digest": deleted })),
        (
            "tag_moved bulk/app-001 latest".to_owned(),
            serde_json::json!({ "old_digest": moved_from, "new_digest": digest("bulk/app-001", "latest") }),
        ),
    ];
    let mut second = Vec::new();
    for (registry, _) in NAMES {
        wait_for(&format!("all events of {registry}"), SEEN_WITHIN, || {
            (events(&recorder, registry, begun).len() >= expected.len()).then_some(())
        });
        // What was there from the start is no news.
        assert_eq!(events(&recorder, registry, begun), expected, "{registry}");
        let numbers = numbers(&recorder, registry, changed, |repositories, tags| (repositories, tags) == (262, 261));
        second.push(numbers);
    }
    world.collect_garbage();
    assert_eq!(second[0].2, stored.bytes());
    check_columns(&recorder, &stored, changed);

    // Tokens are asked for by their scope and renewed before they end: no request was refused for its token.
    let scope = "registry:catalog:*";
    let given = wait_for("the catalogue's token to be renewed", SEEN_WITHIN, || {
        Some(world.realm.given(scope)).filter(|given| given.len() >= 2)
    });
    assert!(!world.realm.given("repository:a/b/c:pull").is_empty(), "of a nested name too");
    assert_eq!(world.realm.refused(), [""; 0]);
    assert_eq!(world.services[2].requests("GET", "", Some(401)), refused_at_first, "{given:?}");

    let fetched = |at: usize| world.services[at].requests("GET", "/manifests/", None);
    let before = [0, 1, 2].map(fetched);
    let restarted = now_ms();
    recorder.kill_and_restart();
    for ((registry, _), second) in NAMES.iter().zip(&second) {
        assert_eq!(numbers(&recorder, registry, restarted, |_, tags| tags > 0), *second, "{registry}");
        assert!(events(&recorder, registry, restarted).is_empty(), "{registry}: nothing is told twice");
    }
    // The script's own requests aside, nobody fetched one: it uses HEAD.
    assert_eq!([0, 1, 2].map(fetched), before, "a restart fetches no manifest");
    assert!(!recorder.log().contains("s3cret"));
}
