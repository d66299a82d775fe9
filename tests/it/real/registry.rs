//! A real image registry behind TLS and a password: what was pushed, moved and deleted is what readers are told.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::recorder::free_port;
use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, machine, reaper};

const PROGRAMS: [&str; 6] = ["docker-registry", "htpasswd", "openssl", "curl", "bash", "gzip"];

/// Two polls and some more on a busy machine.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// A docker-registry of the test's own. Killed when dropped.
struct Registry {
    child: Child,
    directory: PathBuf,
    port: u16,
    debug_port: u16,
}

impl Registry {
    fn start() -> Registry {
        let directory = reaper::directory();
        let (port, debug_port) = (free_port(), free_port());
        let run = |script: &str| {
            let done = Command::new("bash").args(["-c", script]).current_dir(&directory).output().unwrap();
            assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
        };
        run("openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=test ca' -keyout ca-key.pem -out ca.pem
             openssl req -newkey rsa:2048 -nodes -subj /CN=registry -keyout key.pem -out request.pem
             printf 'subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=serverAuth\\n' >extensions
             openssl x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 30 -out cert.pem \
                 -extfile extensions
             htpasswd -Bbn alice s3cret >users; printf s3cret >password");
        let place = directory.display();
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {place}/storage}}, delete: {{enabled: true}}}}\n\
             auth: {{htpasswd: {{realm: test, path: {place}/users}}}}\n\
             http: {{addr: 127.0.0.1:{port}, tls: {{certificate: {place}/cert.pem, key: {place}/key.pem}}, \
             debug: {{addr: 127.0.0.1:{debug_port}, prometheus: {{enabled: true, path: /metrics}}}}}}\n"
        );
        std::fs::write(directory.join("config.yml"), config).unwrap();
        let log = File::create(directory.join("log")).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(directory.join("config.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        reaper::watch(child.id());
        wait_for("the registry to listen", SEEN_WITHIN, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Registry { child, directory, port, debug_port }
    }

    #[track_caller]
    fn order(&self, order: &[&str]) {
        let done = Command::new("bash")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/real/registry.sh"))
            .arg(format!("https://127.0.0.1:{}", self.port))
            .arg(self.directory.join("ca.pem"))
            .arg("alice:s3cret")
            .args(order)
            .output()
            .unwrap();
        assert!(done.status.success(), "{order:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn sources(&self) -> String {
        let (place, port, debug_port) = (self.directory.display(), self.port, self.debug_port);
        format!(
            "[source]\ndocker = []\n[source.host]\nenabled = false\n\
             [[source.registry]]\nname = \"hub\"\nurl = \"https://127.0.0.1:{port}\"\nca = \"{place}/ca.pem\"\n\
             user = \"alice\"\npassword_file = \"{place}/password\"\ninterval = \"5s\"\ntimeout = \"4900ms\"\n\
             [[source.prometheus]]\nname = \"debug\"\nurl = \"http://127.0.0.1:{debug_port}/metrics\"\n\
             interval = \"2s\"\n"
        )
    }

    /// Bytes of all blobs in the storage directory that something leads to: what was deleted is cleaned up first.
    fn stored_bytes(&self) -> u64 {
        let done = Command::new("docker-registry")
            .arg("garbage-collect")
            .arg(self.directory.join("config.yml"))
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        fn sum(directory: &Path) -> u64 {
            let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
            entries
                .map(|entry| match entry.metadata().unwrap() {
                    metadata if metadata.is_dir() => sum(&entry.path()),
                    metadata => metadata.len(),
                })
                .sum()
        }
        sum(&self.directory.join("storage/docker/registry/v2/blobs"))
    }

    /// How often manifests were fetched, as the registry's log has it.
    fn manifests_fetched(&self) -> usize {
        let log = std::fs::read_to_string(self.directory.join("log")).unwrap();
        let is_fetch = |line: &&str| line.contains("\"GET /v2/") && line.contains("/manifests/");
        log.lines().filter(is_fetch).count()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        reaper::forget(self.child.id());
    }
}

/// The newest numbers of the registry from `start` on that `wanted` accepts.
fn numbers(recorder: &Recorder, start: i64, wanted: impl Fn(f64, f64, f64) -> bool) -> (f64, f64, f64) {
    wait_for("the registry's numbers", SEEN_WITHIN, || {
        let start = start.to_string();
        let asked = [("registry", "hub"), ("start", start.as_str()), ("end", LATER)];
        let table = recorder.table("samples/registry", &asked);
        let newest = |name: &str| table.numbers(name).last().copied().flatten();
        let found = (newest("repositories")?, newest("tags")?, newest("bytes")?);
        wanted(found.0, found.1, found.2).then_some(found)
    })
}

#[test]
fn what_was_pushed_moved_and_deleted_is_told_and_a_restart_fetches_nothing_again() {
    let _together = machine::shared();
    if let Some(program) = PROGRAMS.into_iter().find(|program| !machine::has(program)) {
        return machine::not_run(&format!("{program} is not installed"));
    }
    let registry = Registry::start();
    registry.order(&["fill"]);
    let begun = now_ms();
    let mut recorder = Recorder::start(&registry.sources());

    let first = numbers(&recorder, begun, |_, tags, _| tags > 0.0);
    assert_eq!((first.0, first.1), (261.0, 260.0));
    let stored = registry.stored_bytes();
    assert_eq!(first.2.to_string(), stored.to_string(), "bytes equal the storage's");

    let changed = now_ms();
    registry.order(&["put", "bulk/app-001", "latest", "1"]);
    registry.order(&["put", "bulk/app-002", "v2", "2"]);
    registry.order(&["put", "fresh/one", "v1", "3"]);
    registry.order(&["delete", "bulk/app-003", "latest"]);
    let expected = [
        "repository_added hub fresh/one",
        "tag_added hub bulk/app-002 v2",
        "tag_added hub fresh/one v1",
        "tag_deleted hub bulk/app-003 latest",
        "tag_moved hub bulk/app-001 latest",
    ];
    let events = |from: i64| {
        let answer = recorder_events(&recorder, from);
        let mut told: Vec<String> = answer
            .iter()
            .filter(|event| matches!(event["kind"].as_str(), Some("tag" | "repository")))
            .map(|event| {
                let entity = &event["entity"];
                let parts = ["registry", "repository", "tag"].iter().filter_map(|key| entity[key].as_str());
                format!("{} {}", event["type"].as_str().unwrap(), parts.collect::<Vec<_>>().join(" "))
            })
            .collect();
        told.sort();
        told
    };
    wait_for("all events", SEEN_WITHIN, || (events(begun).len() >= expected.len()).then_some(()));
    assert_eq!(events(begun), expected, "and none about what was there from the start");
    let second = numbers(&recorder, changed, |repositories, tags, _| repositories > 261.5 && tags > 260.5);
    assert_eq!((second.0, second.1), (262.0, 261.0));

    // The registry's own metrics come as text.
    let metrics =
        recorder.json(&format!("/api/v1/entities/metric?target=prometheus/debug&start=-1h&end={LATER}&limit=1000"));
    let names: Vec<&str> =
        metrics["entities"].as_array().unwrap().iter().filter_map(|it| it["identity"]["name"].as_str()).collect();
    assert!(names.contains(&"go_goroutines") && names.contains(&"registry_http_requests_total"), "{names:?}");

    let fetched = registry.manifests_fetched();
    let restarted = now_ms();
    recorder.kill_and_restart();
    let third = numbers(&recorder, restarted, |_, tags, _| tags > 0.0);
    assert_eq!(third, second);
    assert_eq!(registry.manifests_fetched(), fetched, "a restart fetches no manifest");
    assert!(
        recorder_events(&recorder, restarted).iter().all(|event| event["kind"] != "tag"),
        "and tells nothing twice"
    );
}

fn recorder_events(recorder: &Recorder, from: i64) -> Vec<serde_json::Value> {
    let answer = recorder.json(&format!("/api/v1/events?start={from}&end={LATER}&limit=1000"));
    answer["events"].as_array().unwrap().clone()
}
