//! Masters that are found in a real ZooKeeper: one loses its session and with it the lead, then all of ZooKeeper goes
//! for longer than the recorder's own session lives, and comes back with another leader.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::runtime::Runtime;
use zookeeper_client::{Acls, Client, CreateMode};

use super::servers::{Cluster, counted, ends, target};
use super::world::{Ends, Version};
use crate::harness::recorder::free_port;
use crate::harness::time::{now_ms, wait_for};
use crate::harness::{Recorder, machine, reaper};

const JARS: [&str; 6] = ["zookeeper", "servlet-api", "jetty9-util-ajax", "slf4j-log4j12", "log4j-1.2", "slf4j-api"];
const SOON: Duration = Duration::from_secs(90);
const INTERVAL_MS: i64 = 3_000;

/// A server of its own. Killed when dropped.
struct ZooKeeper {
    directory: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl ZooKeeper {
    fn start() -> Option<ZooKeeper> {
        if !JARS.iter().all(|jar| Path::new("/usr/share/java").join(format!("{jar}.jar")).exists()) {
            machine::not_run("no ZooKeeper is installed");
            return None;
        }
        let mut zookeeper = ZooKeeper { directory: reaper::directory(), port: free_port(), child: None };
        zookeeper.launch();
        Some(zookeeper)
    }

    fn launch(&mut self) {
        let config = self.directory.join("zoo.cfg");
        let text = format!(
            "tickTime=500\ndataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n",
            self.directory.join("data").display(),
            self.port
        );
        std::fs::write(&config, text).unwrap();
        let jars = JARS.map(|jar| format!("/usr/share/java/{jar}.jar")).join(":");
        let child = Command::new("java")
            .args(["-Xmx64m", "-Dzookeeper.preAllocSize=64", "-cp", &jars])
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        reaper::watch(child.id());
        self.child = Some(child);
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            reaper::forget(child.id());
        }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A session, once the server gives one.
    fn session(&self, runtime: &Runtime) -> Client {
        wait_for("a session of ZooKeeper", SOON, || runtime.block_on(Client::connect(&self.address())).ok())
    }
}

impl Drop for ZooKeeper {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
fn masters_are_found_in_zookeeper_through_the_loss_of_sessions() {
    let _together = machine::shared();
    let Some(mut zookeeper) = ZooKeeper::start() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cluster = Cluster::start(Version::V1_11, 1);
    let anyone = |mode: CreateMode| mode.with_acls(Acls::anyone_all());
    let keeper = zookeeper.session(&runtime);
    runtime.block_on(keeper.create("/mesos", b"", &anyone(CreateMode::Persistent))).unwrap();
    // Each master's node ends with its session, as masters' own do.
    let register = |session: &Client, index: usize| {
        let port = cluster.masters[index].address().rsplit_once(':').unwrap().1.to_owned();
        let data = format!(
            r#"{{"address":{{"ip":"127.0.0.1","port":{port}}},"hostname":"m{index}","ip":16777343,"port":{port}}}"#
        );
        let options = anyone(CreateMode::EphemeralSequential);
        runtime.block_on(session.create("/mesos/json.info_", data.as_bytes(), &options)).unwrap();
    };
    let mut sessions: Vec<Client> = Vec::new();
    for index in 0..3 {
        let session = zookeeper.session(&runtime);
        register(&session, index);
        sessions.push(session);
    }
    let lines = format!(
        "zk = \"zk://{}/mesos\"\ninterval = \"3s\"\ntimeout = \"2s\"\ntasks_interval = \"10s\"",
        zookeeper.address()
    );
    let sources = format!("[source]\ndocker = []\nhost.enabled = false\n\n[[source.mesos]]\nname = \"c\"\n{lines}\n");
    let begun_ms = now_ms();
    let recorder = Recorder::start(&sources);
    let last = || counted(&recorder, begun_ms - 60_000).pop();
    let led_by = |index: usize| {
        let address = cluster.masters[index].address();
        wait_for("a sample of the leader", SOON, || last().filter(|sample| sample.leader == address))
    };
    led_by(0);
    let ticks = |wanted: usize| {
        let before = counted(&recorder, begun_ms - 60_000).len();
        wait_for("more samples", SOON, || {
            (counted(&recorder, begun_ms - 60_000).len() >= before + wanted).then_some(())
        });
    };
    ticks(2);
    cluster.world.lock().count(Ends { finished: 4, failed: 1, lost: 0 });
    ticks(2);

    // The leader's session ends: its node goes, the next in line leads.
    drop(sessions.remove(0));
    {
        let mut state = cluster.world.lock();
        state.depose(0);
        state.elect(1);
        state.count(Ends { finished: 2, failed: 0, lost: 1 });
    }
    led_by(1);
    wait_for("the node of the first to be gone", SOON, || {
        let masters = recorder.table("snapshot/mesos_master", &[]);
        (masters.rows.len() == 2).then_some(())
    });

    // ZooKeeper goes for longer than any session lives: the masters that are known are visited on.
    zookeeper.stop();
    let outage_ms = now_ms();
    wait_for("the want of ZooKeeper to be told", SOON, || {
        let target = target(&recorder, "mesos/c");
        target["last_error"].as_str().is_some_and(|error| error.contains("zk://")).then_some(())
    });
    cluster.world.lock().count(Ends { finished: 3, failed: 0, lost: 0 });
    wait_for("its sessions to be over", SOON, || (now_ms() - outage_ms > 12_000).then_some(()));
    assert_eq!(last().unwrap().finished, 5, "counted without ZooKeeper");

    // It comes back; the masters have new sessions, and another one leads.
    drop(sessions);
    zookeeper.launch();
    let keeper = zookeeper.session(&runtime);
    let old = wait_for("nodes of sessions that are over to be gone", SOON, || {
        let names = runtime.block_on(keeper.list_children("/mesos")).ok()?;
        names.is_empty().then_some(names)
    });
    assert!(old.is_empty());
    let sessions: Vec<Client> = [2, 0, 1]
        .map(|index| {
            let session = zookeeper.session(&runtime);
            register(&session, index);
            session
        })
        .into();
    {
        let mut state = cluster.world.lock();
        state.depose(1);
        state.elect(2);
        state.count(Ends { finished: 1, failed: 1, lost: 1 });
    }
    led_by(2);
    ticks(2);
    let truth = cluster.world.lock().truth;
    assert_eq!(ends(&recorder, begun_ms - 60_000), truth, "{:#?}", counted(&recorder, begun_ms - 60_000));
    assert_eq!(recorder.table("snapshot/mesos_master", &[]).rows.len(), 3);

    // Only where no node stood in ZooKeeper nobody could be visited.
    let samples = counted(&recorder, begun_ms - 60_000);
    for pair in samples.windows(2) {
        let missed = (pair[1].at_ms - pair[0].at_ms + INTERVAL_MS / 2) / INTERVAL_MS - 1;
        let allowed = match pair[1].leader == cluster.masters[2].address() && pair[0].leader != pair[1].leader {
            true => i64::MAX,
            false => i64::from(pair[0].leader != pair[1].leader),
        };
        assert!(missed <= allowed, "{missed} intervals: {pair:?}");
    }
    drop(sessions);
}
