//! A recorder of the test's own: the built binary, in a scratch directory, on a free port.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tachograph::source::KINDS;
use tachograph::store::Store;
use tachograph::store::sqlite::Sqlite;

use super::http::{self, Reply};
use super::time::wait_for;
use super::{Table, reaper};

/// How long a recorder may take to be ready; a debug build on a busy machine needs a second or two.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// A running recorder. Killed when dropped.
pub(crate) struct Recorder {
    child: Child,
    address: SocketAddr,
    directory: PathBuf,
    network: Option<PathBuf>,
    access: Access,
}

/// How a recorder is guarded, and so how it is asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    /// Further lines of `[server]`.
    pub(crate) server: String,
    /// The authority (PEM) that signed its certificate, where it has one.
    pub(crate) authority: Option<Vec<u8>>,
    /// The token that is shown to it.
    pub(crate) token: Option<String>,
}

impl Recorder {
    /// Starts a recorder with these sources (TOML; `{address}` is where it listens itself) and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(sources: &str) -> Recorder {
        Recorder::start_in(&reaper::directory(), sources, None)
    }

    /// The same inside another network namespace, where it is asked too.
    #[track_caller]
    pub(crate) fn start_in(directory: &Path, sources: &str, network: Option<&Path>) -> Recorder {
        Recorder::guarded(directory, sources, network, Access::default())
    }

    /// The same, guarded.
    #[track_caller]
    pub(crate) fn guarded(directory: &Path, sources: &str, network: Option<&Path>, access: Access) -> Recorder {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        Recorder::listening(directory, address, sources, network, access)
    }

    /// The same on an address of the test's choice.
    #[track_caller]
    pub(crate) fn listening(
        directory: &Path,
        address: SocketAddr,
        sources: &str,
        network: Option<&Path>,
        access: Access,
    ) -> Recorder {
        write_config(directory, address, &access, sources);
        let child = launch(directory, network);
        let (directory, network) = (directory.to_owned(), network.map(Path::to_owned));
        let recorder = Recorder { child, address, directory, network, access };
        recorder.wait_until_ready();
        recorder
    }

    /// Writes its configuration anew, with these sources; it is not told.
    pub(crate) fn configure(&self, sources: &str) {
        write_config(&self.directory, self.address, &self.access, sources);
    }

    /// Runs another command of the program with its configuration.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        run_in(&self.directory, arguments)
    }

    /// Sends it a signal.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn ended(&mut self, limit: Duration) -> ExitStatus {
        let status = wait_for("the recorder to end", limit, || self.child.try_wait().unwrap());
        reaper::forget(self.child.id());
        status
    }

    /// What it keeps, read beside it.
    #[track_caller]
    pub(crate) fn store(&self) -> Store {
        Store::Sqlite(Sqlite::open_read_only(&self.directory.join("store.db"), KINDS).unwrap())
    }

    /// Ends it with SIGKILL and starts it again on the same file.
    #[track_caller]
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.child = launch(&self.directory, self.network.as_deref());
        self.wait_until_ready();
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        // Under nsenter it is the same process: nsenter enters and executes.
        let _ = self.child.kill();
        let _ = self.child.wait();
        reaper::forget(self.child.id());
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// GETs a path.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.get_with(path, &[])
    }

    /// GETs a path with request headers.
    #[track_caller]
    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.try_get(path, headers).unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.log()))
    }

    /// GETs JSON; any other status than 200 fails.
    #[track_caller]
    pub(crate) fn json(&self, path: &str) -> serde_json::Value {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "GET {path}: {}", reply.text());
        reply.json()
    }

    /// GETs a CSV table below /api/v1 with parameters; any other status than 200 fails.
    #[track_caller]
    pub(crate) fn table(&self, path: &str, parameters: &[(&str, &str)]) -> Table {
        let path = format!("/api/v1/{path}.csv?{}", http::query(parameters));
        let reply = self.get(&path);
        assert_eq!(reply.status, 200, "GET {path}: {}", reply.text());
        Table::read(&reply.body)
    }

    /// Asks for a path and does not read the answer; dropping the connection is going away.
    #[track_caller]
    pub(crate) fn ask(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        stream
    }

    fn try_get(&self, path: &str, headers: &[(&str, &str)]) -> std::io::Result<Reply> {
        let Some(network) = &self.network else {
            let shown = self.access.token.as_ref().map(|token| format!("Bearer {token}"));
            let headers: Vec<_> =
                headers.iter().copied().chain(shown.iter().map(|shown| ("Authorization", shown.as_str()))).collect();
            if let Some(authority) = &self.access.authority {
                return http::get_over_tls(self.address, authority, path, &headers, ANSWER_WITHIN);
            }
            return http::get(self.address, path, &headers, ANSWER_WITHIN);
        };
        let done = Command::new("nsenter")
            .arg(format!("--net={}", network.display()))
            .args(["curl", "--silent", "--show-error", "--include", "--http1.0"])
            .arg(format!("http://{}{path}", self.address))
            .stdin(Stdio::null())
            .output()?;
        if !done.status.success() {
            return Err(std::io::Error::other(String::from_utf8_lossy(&done.stderr).into_owned()));
        }
        http::read_reply(&mut done.stdout.as_slice())
    }

    #[track_caller]
    fn wait_until_ready(&self) {
        wait_for("the recorder to be ready", READY_WITHIN, || {
            let alive = Path::new("/proc").join(self.child.id().to_string()).join("exe").read_link().is_ok();
            assert!(alive, "the recorder ended by itself:\n{}", self.log());
            self.try_get("/readyz", &[]).ok().filter(|reply| reply.status == 200)
        });
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command of the program to its end, with the configuration of a directory.
#[track_caller]
pub(crate) fn run_in(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tachograph"))
        .args(arguments)
        .arg("--config")
        .arg(directory.join("config.toml"))
        .env_clear()
        .env("HOME", directory)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn write_config(directory: &Path, address: SocketAddr, access: &Access, sources: &str) {
    let store = directory.join("store.db");
    let server = format!("[server]\nlisten = \"{address}\"\n{}\n", access.server);
    let sources = sources.replace("{address}", &address.to_string());
    std::fs::write(directory.join("config.toml"), format!("{server}\n[store]\npath = {store:?}\n\n{sources}\n"))
        .unwrap();
}

fn launch(directory: &Path, network: Option<&Path>) -> Child {
    let log = File::options().create(true).append(true).open(directory.join("log")).unwrap();
    let binary = env!("CARGO_BIN_EXE_tachograph");
    let mut command = match network {
        None => Command::new(binary),
        Some(network) => {
            let mut command = Command::new("nsenter");
            command.arg(format!("--net={}", network.display())).arg(binary);
            command
        }
    };
    let child = command
        .args(["serve", "--config"])
        .arg(directory.join("config.toml"))
        // A developer's own DOCKER_HOST must not lead the recorder anywhere else.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", directory)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .process_group(0)
        .spawn()
        .unwrap();
    reaper::watch(child.id());
    child
}

/// A port nobody listens on, below those that the kernel gives to connecting sockets.
pub(crate) fn free_port() -> u16 {
    /// Where ephemeral ports begin on Linux is 32768; far enough below, and above well-known services.
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let spread = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap();
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (spread + step % COUNT) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
