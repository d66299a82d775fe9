//! Kinds and their columns, filled by the recorded machine, this one, and a node_exporter.

use super::*;

#[tokio::test]
async fn this_machine_can_be_read() {
    if !Path::new("/proc/stat").exists() {
        eprintln!("not run: no /proc/stat here");
        return;
    }
    let mut host = Host::new(Settings::named("here"), Clock::System);
    assert_eq!(host.target().as_str(), "host/here");
    let observed = visit(&mut host).await;
    assert!(observed.outcome.is_good(), "{:?}", observed.error);
    for column in ["cpus", "processes", "memory_total_bytes", "uptime_seconds", "cpu_user_seconds_total"] {
        assert!(value(&observed, &HOST, "here", column).unwrap() > 0, "{column}");
    }
    let sample = entity(&observed, &HOST, "here").sample.as_ref().unwrap();
    assert!(sample.since.unwrap() < sample.at);
}

#[tokio::test]
async fn every_column_of_every_kind_is_filled_on_the_recorded_machine() {
    let observed = visit(&mut host_at(&recorded("t0"), |_| {})).await;
    for (kind, name) in [(&HOST, "node-1"), (&HOST_DEVICE, "vda"), (&HOST_INTERFACE, "eth0"), (&HOST_FILESYSTEM, "/")] {
        let sample = entity(&observed, kind, name).sample.as_ref().unwrap();
        assert_eq!(sample.values.len(), kind.columns.len());
        for (column, value) in kind.columns.iter().zip(&sample.values) {
            assert_ne!(*value, Value::Null, "{} {}", kind.name, column.name);
        }
        for attribute in entity(&observed, kind, name).attributes.as_ref().unwrap().keys() {
            assert!(kind.attribute(attribute).is_some(), "{} {attribute}", kind.name);
        }
    }
}

#[test]
fn descriptions_hold_together() {
    for kind in [&HOST, &HOST_DEVICE, &HOST_INTERFACE, &HOST_FILESYSTEM] {
        let mut seen = BTreeSet::new();
        let keys = kind.identity.iter().map(|key| key.name);
        let facts = kind.attributes.iter().map(|attribute| attribute.name);
        let numbers =
            kind.columns.iter().map(|column| column.name).chain(kind.derived.iter().map(|derived| derived.name));
        for name in keys.chain(facts).chain(numbers) {
            assert!(seen.insert(name), "{} {name} twice", kind.name);
        }
        let stored: BTreeSet<_> = kind.columns.iter().map(|column| column.stored).collect();
        assert_eq!(stored.len(), kind.columns.len(), "{}", kind.name);
        for column in kind.columns {
            assert_eq!(column.name.ends_with("_total"), column.class == Class::Counter, "{}", column.name);
        }
        for derived in kind.derived {
            for column in derived.formula.columns() {
                assert!(kind.column(column).is_some(), "{} reads {column}", derived.name);
            }
            if let crate::model::Formula::RateToAttribute { attribute, .. } = derived.formula {
                assert!(kind.attribute(attribute).is_some(), "{} reads {attribute}", derived.name);
            }
        }
        assert!(kind.display.iter().all(|name| seen.contains(name)));
    }
}

/// The same machine as node_exporter 1.5 tells it.
#[tokio::test]
async fn a_node_exporter_fills_the_same_kinds() {
    use crate::source::http::{Canned, CannedReply, Http};
    let page = include_str!("../../../../tests/fixtures/prometheus/node_exporter-1.5.txt");
    let canned = Canned::new();
    canned.set("/metrics", CannedReply::ok(page));
    let settings = ExporterSettings {
        host: Settings::named("node-2"),
        url: "http://node-2:9100".to_owned(),
        tls: None,
        credentials: None,
    };
    let mut exporter = Exporter::with_http(settings, Clock::System, Http::Canned(canned)).unwrap();
    let visit = Visit { started: Timestamp::from_ms(0), timeout: Duration::from_secs(8) };
    let seen = exporter.poll(visit).await;
    assert_eq!((seen.outcome, seen.missing.clone()), (Outcome::Ok, Vec::new()));
    let [host, devices, interfaces, filesystems] = &seen.batches[..] else { panic!("{:?}", seen.batches) };
    let value = |seen: &Observation, kind: &Kind, name: &str| {
        seen.sample.as_ref().unwrap().values[kind.column_index(name).unwrap()]
    };
    // The sum of both processors' lines, in hundredths of a second.
    let mode = |mode: &str| -> f64 {
        let lines = page
            .lines()
            .filter(|line| line.contains(&format!("mode=\"{mode}\"")) && line.starts_with("node_cpu_seconds"));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    for (name, column) in [("user", "cpu_user_seconds_total"), ("steal", "cpu_steal_seconds_total")] {
        let Value::Int(time) = value(&host.observations[0], &HOST, column) else { panic!("{column}") };
        #[expect(clippy::cast_precision_loss, reason = "a few hours")]
        let time = time as f64 / 100.0;
        assert!((time - mode(name)).abs() < 1e-6, "{column}: {time}");
    }
    assert_eq!(value(&host.observations[0], &HOST, "cpus"), Value::Int(2));
    for column in
        ["load_1m", "memory_total_bytes", "memory_available_bytes", "uptime_seconds", "pressure_io_full_seconds_total"]
    {
        assert!(matches!(value(&host.observations[0], &HOST, column), Value::Int(1..)), "{column}");
    }
    assert!(host.observations[0].sample.as_ref().unwrap().since.is_some(), "its counters began at boot");
    let names = |batch: &crate::model::KindBatch| -> Vec<String> {
        batch.observations.iter().map(|seen| seen.identity.part(1).to_owned()).collect()
    };
    assert!(names(devices).contains(&"vda".to_owned()), "{:?}", names(devices));
    assert!(names(interfaces).contains(&"eth0".to_owned()) && !names(interfaces).contains(&"lo".to_owned()));
    assert_eq!(names(filesystems), ["/"]);
    assert!(matches!(value(&filesystems.observations[0], &HOST_FILESYSTEM, "size_bytes"), Value::Int(1..)));

    let canned = Canned::new();
    canned.set("/metrics", CannedReply::ok("up 1\n"));
    let settings = ExporterSettings {
        host: Settings::named("node-2"),
        url: "http://node-2:9100/metrics".to_owned(),
        tls: None,
        credentials: None,
    };
    let mut other = Exporter::with_http(settings, Clock::System, Http::Canned(canned)).unwrap();
    let seen = other.poll(visit).await;
    assert_eq!(seen.outcome, Outcome::Malformed);
    assert!(seen.error.unwrap().contains("no node_exporter"));
}
