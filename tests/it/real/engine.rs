//! A real dockerd or podman in namespaces of its own, asked by the docker client and by recorders over its Unix socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::harness::machine;

/// What it takes to run one.
const PROGRAMS: [&str; 9] = ["dockerd", "docker", "busybox", "bash", "ip", "unshare", "nsenter", "openssl", "curl"];

/// What podman takes besides, but for dockerd.
const PODMAN_PROGRAMS: [&str; 4] = ["podman", "runc", "conmon", "iptables"];

/// Where Debian keeps what connects podman's containers.
const NETAVARK: &str = "/usr/lib/podman/netavark";

/// An engine. Ends, with its containers, when dropped or when the test process ends in whatever way.
pub(crate) struct Engine {
    directory: PathBuf,
    supervisor: Child,
    talk: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

/// Why no engine can be run here; None where it can.
pub(crate) fn missing() -> Option<&'static str> {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    let look = || {
        if let Some(program) = PROGRAMS.into_iter().find(|program| !machine::has(program)) {
            return Some(format!("{program} is not installed"));
        }
        let may = machine::succeeds("unshare", &["--net", "--mount", "--pid", "--fork", "--mount-proc", "true"]);
        (!may).then(|| "this user may not make network, mount and process namespaces".to_owned())
    };
    MISSING.get_or_init(look).as_deref()
}

/// Why no podman can be run here; None where it can.
pub(crate) fn podman_missing() -> Option<String> {
    if let Some(reason) = missing() {
        return Some(reason.to_owned());
    }
    let not_there = PODMAN_PROGRAMS.into_iter().find(|program| !machine::has(program));
    not_there.or((!Path::new(NETAVARK).exists()).then_some(NETAVARK)).map(|what| format!("{what} is not installed"))
}

impl Engine {
    /// Starts a dockerd in a new directory, with further options; `{}` in them stands for the directory.
    pub(crate) fn start(prepare: impl FnOnce(&Path), options: &[&str]) -> Engine {
        Engine::of_program("dockerd", prepare, options)
    }

    /// Starts a podman that serves Docker's API.
    pub(crate) fn podman() -> Engine {
        Engine::of_program("podman", |_| {}, &[])
    }

    fn of_program(program: &str, prepare: impl FnOnce(&Path), options: &[&str]) -> Engine {
        // The directory goes with the engine's script, which must have unmounted what lies in it first.
        let directory = tempfile::Builder::new().prefix("te").tempdir().unwrap().keep();
        prepare(&directory);
        let place = directory.to_str().unwrap();
        let mut supervisor = Command::new("unshare")
            .args([
                "--net",
                "--mount",
                "bash",
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/real/engine.sh"),
                place,
                program,
            ])
            .args(options.iter().map(|option| option.replace("{}", place)))
            .env_remove("DOCKER_TLS_VERIFY")
            .env_remove("DOCKER_CERT_PATH")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C ends the tests, and their end ends this, in order.
            .process_group(0)
            .spawn()
            .unwrap();
        let talk = supervisor.stdin.take().zip(supervisor.stdout.take());
        let talk = Mutex::new(talk.map(|(orders, answers)| (orders, BufReader::new(answers))));
        let engine = Engine { directory, supervisor, talk };
        engine.run();
        engine
    }

    /// Starts it again after [`Engine::halt`]. Containers stay stopped; podman's are gone.
    #[track_caller]
    pub(crate) fn run(&self) {
        let log = || std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        assert_eq!(self.order("start"), "up", "the engine did not start:\n{}", log());
    }

    /// Kills the containers and ends the engine.
    #[track_caller]
    pub(crate) fn halt(&self) {
        assert_eq!(self.order("stop"), "down");
    }

    /// Its address, as the configuration takes it.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}/s", self.directory.display())
    }

    /// Its directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The network namespace in which its TCP addresses are.
    pub(crate) fn network(&self) -> PathBuf {
        // unshare and bash execute in place, so that this is the script's own process.
        PathBuf::from(format!("/proc/{}/ns/net", self.supervisor.id()))
    }

    /// Runs the docker client; gives what it printed, without the end of line.
    #[track_caller]
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        let mut client = Command::new("docker");
        client.args(arguments).env("DOCKER_HOST", self.url()).env_remove("DOCKER_TLS_VERIFY");
        machine::output(&mut client).trim_end().to_owned()
    }

    /// Runs a container of the test image in the background with these options and this shell script; gives its id.
    #[track_caller]
    pub(crate) fn container(&self, name: &str, options: &[&str], script: &str) -> String {
        let arguments = [&["run", "--detach", "--name", name], options, &["bb:1.0", "sh", "-c", script]].concat();
        self.docker(&arguments)
    }

    fn order(&self, word: &str) -> String {
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        let (orders, answers) = talk.as_mut().unwrap();
        writeln!(orders, "{word}").unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.talk.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.supervisor.wait();
    }
}

#[test]
fn an_engine_leaves_nothing_behind() {
    let _together = machine::shared();
    if let Some(reason) = missing() {
        return machine::not_run(reason);
    }
    leaves_nothing(Engine::start(|_| {}, &["--bridge", "none", "--iptables=false"]));
    match podman_missing() {
        Some(reason) => machine::not_run(&reason),
        None => leaves_nothing(Engine::podman()),
    }
}

fn leaves_nothing(engine: Engine) {
    engine.container("stubborn", &[], "trap '' TERM; while :; do sleep 1; done");
    let directory = engine.directory().to_owned();
    let named = |place: &Path| {
        let place = place.to_str().unwrap().to_owned();
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter(|process| {
                std::fs::read_to_string(process.path().join("cmdline")).is_ok_and(|line| line.contains(&place))
            })
            .count()
    };
    assert!(named(&directory) >= 3, "the script, the engine and what holds a container");
    drop(engine);
    assert_eq!(named(&directory), 0);
    assert!(!directory.exists());
}
