//! The configuration as a whole: bad files beside what is said of them, good ones beside what they mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config")
}

/// A machine with /proc, and certificates in /tls; what a fixture's `#env NAME=value`, `#file /path content` and
/// `#machine name` lines say comes on top.
fn environment_of(text: &str) -> Environment {
    let mut machine_name = "recorder-1";
    let mut variables = BTreeMap::from([("HOME".to_owned(), "/home/op".to_owned())]);
    let mut files = BTreeMap::new();
    let mut put = |path: &str, content: &str| files.insert(PathBuf::from(path), content.as_bytes().to_vec());
    put("/proc/stat", "");
    for (name, content) in [("ca.pem", CERTIFICATE), ("cert.pem", CERTIFICATE), ("key.pem", KEY)] {
        put(&format!("/tls/{name}"), content);
    }
    for line in text.lines() {
        if let Some((name, value)) = line.strip_prefix("#env ").and_then(|rest| rest.split_once('=')) {
            variables.insert(name.to_owned(), value.to_owned());
        } else if let Some((path, content)) = line.strip_prefix("#file ").and_then(|rest| rest.split_once(' ')) {
            let content = match content {
                "CERTIFICATE" => CERTIFICATE,
                "KEY" => KEY,
                other => other,
            };
            put(path, content);
        } else if let Some(name) = line.strip_prefix("#machine ") {
            machine_name = name;
        }
    }
    Environment::fixed(machine_name, variables, files)
}

/// Every NAME.toml of a directory, answered, against NAME.txt beside it; UPDATE=1 writes these.
fn check_directory(name: &str, answer: impl Fn(&str) -> String) {
    let mut wrong = Vec::new();
    let mut seen = 0;
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(directory().join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries.iter().filter(|path| path.extension().is_some_and(|ending| ending == "toml")) {
        seen += 1;
        let given = answer(&std::fs::read_to_string(path).unwrap());
        let beside = path.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&beside, &given).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if given != expected {
            wrong.push(format!("{}:\n  expected:\n{expected}\n  given:\n{given}", path.display()));
        }
    }
    assert!(seen > 0, "no fixtures in {name}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_bad_file_is_told_all_its_faults() {
    check_directory("bad", |text| match Config::parse(text, &environment_of(text)) {
        Ok(config) => format!("no fault: {config:#?}\n"),
        Err(faults) => format!("{faults}\n"),
    });
}

#[test]
fn every_good_file_means_what_stands_beside_it() {
    check_directory("good", |text| match Config::parse(text, &environment_of(text)) {
        Ok(config) => format!("{config:#?}\n"),
        Err(faults) => format!("faults:\n{faults}\n"),
    });
}

#[test]
fn the_embedded_default_means_the_same_as_an_empty_file() {
    let environment = environment_of("#file /var/run/docker.sock x");
    let default = Config::load(None, &environment).unwrap();
    assert_eq!(default, Config::parse("", &environment).unwrap());
    assert_eq!(
        default.targets().iter().map(TargetName::as_str).collect::<Vec<_>>(),
        ["docker/recorder-1", "docker-images/recorder-1", "host/recorder-1"]
    );
}

#[test]
fn the_default_needs_neither_docker_nor_proc() {
    let environment = Environment::fixed("recorder-1", BTreeMap::new(), BTreeMap::new());
    let config = Config::load(None, &environment).unwrap();
    assert_eq!(config.targets(), []);
    assert_eq!(config.notes.len(), 2, "{:?}", config.notes);
}

/// The default with every `# key = value` and `# [[table]]` line put in force.
fn uncommented() -> String {
    let is_key = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_entry = |line: &str| line.starts_with("[[") || line.split_once(" = ").is_some_and(|(key, _)| is_key(key));
    DEFAULT_TOML
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_entry(rest)).unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_commented_key_of_the_default_is_known_and_takes_its_value() {
    let environment = environment_of("");
    let text = uncommented();
    let faults = Config::parse(&text, &environment).unwrap_err();
    // Files that are not there, and choices that exclude each other; nothing unknown, nothing of a wrong type.
    let places: Vec<&str> = faults.faults().iter().map(|fault| fault.place.as_str()).collect();
    assert_eq!(
        places,
        [
            "server.token_file",
            "server.tls_cert",
            "server.tls_key",
            "source.docker[0].cert_path",
            "source.registry[0].token_file",
            "source.registry[0].ca",
            "source.registry[0].cert",
            "source.registry[0].key",
            "source.prometheus[0].token_file",
            "source.prometheus[0].url",
            "source.prometheus[0].ca",
            "source.prometheus[0].cert",
            "source.prometheus[0].key",
            "source.mesos[0].ca",
            "source.mesos[0].cert",
            "source.mesos[0].key",
            "source.mesos[0].token_file",
            "source.mesos[0].masters[0]",
            "source.mesos[0].masters[1]",
            "source.mesos[0].masters[2]",
            "source.mesos[0].zk",
            "source.mesos[0].agents[0]",
        ],
        "{faults}"
    );
}

#[test]
fn every_known_key_stands_in_the_default() {
    let known = |text: &str| {
        let faults = Config::parse(text, &environment_of("")).unwrap_err();
        let unknown = faults.faults().iter().find(|fault| fault.message.contains("known here are "));
        let message = &unknown.unwrap().message;
        message.split_once("known here are ").unwrap().1.split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    let text = uncommented();
    for section in ["server", "store", "retention", "sampler", "source.host", "log"] {
        for key in known(&format!("[{section}]\n0123456789 = 1")) {
            assert!(text.contains(&format!("\n{key} = ")), "{section}.{key}");
        }
    }
    for list in ["registry", "prometheus"] {
        for key in known(&format!("[[source.{list}]]\nurl = \"http://a\"\n0123456789 = 1")) {
            assert!(text.contains(&format!("\n{key} = ")), "source.{list}[].{key}");
        }
    }
    for key in known("[[source.docker]]\nurl = \"unix:///a\"\n0123456789 = 1") {
        assert!(text.contains(&format!("\n{key} = ")), "source.docker[].{key}");
    }
    for list in ["source.mesos", "source.marathon", "source.zookeeper"] {
        for key in known(&format!(
            "[[{list}]]\nname = \"a\"\nmasters = [\"m\"]\nurls = [\"m\"]\nservers = [\"m\"]\n0123456789 = 1"
        )) {
            assert!(text.contains(&format!("\n{key} = ")), "{list}[].{key}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let environment = environment_of("");
    let faults = Config::load(Some(Path::new("/etc/none.toml")), &environment).unwrap_err();
    assert_eq!(faults.to_string(), "/etc/none.toml: cannot read: no such file");
}

#[test]
fn a_file_is_read_from_its_path() {
    let environment = environment_of("#file /etc/t.toml store.path = \"/var/lib/t.db\"");
    let config = Config::load(Some(Path::new("/etc/t.toml")), &environment).unwrap();
    assert_eq!(config.store_path, Path::new("/var/lib/t.db"));
}

#[test]
fn no_secret_is_seen_in_debug_output() {
    let text = "[server]\ntoken_file = \"/token\"\n[[source.docker]]\nurl = \"tcp://a\"\ncert_path = \"/tls\"";
    let environment = environment_of("#file /token correct-horse-battery");
    let config = Config::parse(text, &environment).unwrap();
    assert_eq!(config.server.token.as_ref().unwrap().expose(), b"correct-horse-battery");
    let shown = format!("{config:?}");
    assert!(!shown.contains("horse") && !shown.contains("AAAA") && !shown.contains("65, 65"), "{shown}");
}

#[test]
fn equal_entries_make_equal_targets() {
    let parse = |interval: &str| {
        let text = format!("[[source.docker]]\nurl = \"tcp://a\"\n[[source.docker]]\nurl = \"tcp://b\"\n{interval}");
        Config::parse(&text, &environment_of("")).unwrap()
    };
    let (before, after) = (parse(""), parse("interval = \"30s\""));
    assert_eq!(before.docker[0], after.docker[0]);
    assert_ne!(before.docker[1], after.docker[1]);
    assert_eq!(before.host, after.host);
}
