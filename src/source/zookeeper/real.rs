//! Against a real ZooKeeper server, stopped and started meanwhile. Where none is installed the test says so and ends.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;
use zookeeper_client::{Acls, Client, CreateMode};

use super::nodes::{Nodes, NodesSettings};
use super::*;
use crate::clock::Clock;
use crate::model::Value;

const JARS: [&str; 6] = ["zookeeper", "servlet-api", "jetty9-util-ajax", "slf4j-log4j12", "log4j-1.2", "slf4j-api"];

struct Server {
    directory: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

impl Server {
    fn new() -> Option<Server> {
        let jars = Path::new("/usr/share/java");
        if !JARS.iter().all(|jar| jars.join(format!("{jar}.jar")).exists()) {
            println!("not run: no ZooKeeper is installed");
            return None;
        }
        let port = free_port();
        let mut server = Server { directory: tempfile::tempdir().unwrap(), port, child: None };
        server.start();
        Some(server)
    }

    fn start(&mut self) {
        let data = self.directory.path().join("data");
        let config = self.directory.path().join("zoo.cfg");
        let text = format!(
            "tickTime=500\ndataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n\
             4lw.commands.whitelist=*\n",
            data.display(),
            self.port
        );
        std::fs::write(&config, text).unwrap();
        let jars = JARS.map(|jar| format!("/usr/share/java/{jar}.jar")).join(":");
        let child = Command::new("java")
            .args(["-Xmx64m", "-Dzookeeper.preAllocSize=64", "-cp", &jars])
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    async fn wait(&self) {
        let until = Instant::now() + Duration::from_secs(120);
        // A connection that was made while it started may never be answered: the next one is.
        let try_until = || Instant::now() + Duration::from_secs(3);
        while word(&self.address(), "ruok", try_until()).await.ok().as_deref() != Some("imok") {
            assert!(Instant::now() < until, "the server does not answer");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port that nobody listens on, below those that the system gives to others while the server takes its time to start.
fn free_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (first..first + 1_000).find(is_free).expect("a free port")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[tokio::test]
async fn a_server_that_stops_and_starts() {
    let Some(mut server) = Server::new() else { return };
    server.wait().await;
    let client = Client::connect(&server.address()).await.unwrap();
    let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
    client.create("/mesos", b"", &options).await.unwrap();
    let node = |port: u16| format!(r#"{{"address":{{"ip":"10.0.0.1","port":{port}}},"ip":16777343}}"#);
    for (sequence, port) in [(9, 5052), (7, 5050), (8, 5051)] {
        let path = format!("/mesos/json.info_{sequence:010}");
        client.create(&path, node(port).as_bytes(), &options).await.unwrap();
    }
    client.create("/mesos/log_replicas", b"", &options).await.unwrap();

    let settings =
        NodesSettings { servers: server.address(), path: "/mesos".to_owned(), digest: Some(("u".into(), "p".into())) };
    let mut nodes = Nodes::new(settings.clone());
    let addresses =
        |masters: Vec<nodes::MasterNode>| masters.into_iter().map(|master| master.address).collect::<Vec<_>>();
    let all = ["10.0.0.1:5050", "10.0.0.1:5051", "10.0.0.1:5052"];
    assert_eq!(addresses(nodes.masters(soon()).await.unwrap()), all);
    client.delete("/mesos/json.info_0000000007", None).await.unwrap();
    assert_eq!(addresses(nodes.masters(soon()).await.unwrap()), all[1..], "the next in line leads");
    let mut elsewhere = Nodes::new(NodesSettings { path: "/none".to_owned(), ..settings });
    let failure = elsewhere.masters(soon()).await.unwrap_err();
    assert!(failure.message.contains("there is no /none"), "{}", failure.message);

    let settings = Settings { name: "z".into(), servers: vec![server.address()], tls: None, interval: INTERVAL };
    let mut source = ZooKeeper::new(settings, Clock::System).unwrap();
    let poll = async |source: &mut ZooKeeper| {
        source.poll(Visit { started: Clock::System.now(), timeout: Duration::from_secs(8) }).await
    };
    let observed = poll(&mut source).await;
    assert_eq!(observed.outcome, Outcome::Ok, "{:?}", observed.error);
    let seen = &observed.batches[0].observations[0];
    assert_eq!(seen.attributes.as_ref().unwrap()["role"], "standalone".into());
    let value = |column: &str| seen.sample.as_ref().unwrap().values[ZOOKEEPER.column_index(column).unwrap()];
    assert!(matches!(value("znodes"), Value::Int(8..)), "{:?}", value("znodes"));
    assert!(matches!(value("connections"), Value::Int(2..)), "{:?}", value("connections"));
    assert!(observed.batches[1].observations.len() > 300);

    server.stop();
    let observed = poll(&mut source).await;
    assert_eq!(observed.outcome, Outcome::Refused);
    let types: Vec<&str> = observed.events.iter().map(|event| event.event_type).collect();
    assert_eq!(types, ["role_changed", "quorum_lost"]);
    assert!(nodes.masters(soon()).await.is_err());

    server.start();
    server.wait().await;
    let observed = poll(&mut source).await;
    assert_eq!(observed.outcome, Outcome::Ok, "{:?}", observed.error);
    assert_eq!(observed.events[0].event_type, "role_changed");
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match nodes.masters(soon()).await {
            Ok(masters) => break assert_eq!(addresses(masters), all[1..]),
            Err(failure) => assert!(Instant::now() < until, "{}", failure.message),
        }
    }
}
