//! The programs that are asked: started, measured, ended.
//!
//! CPU of a server is what the kernel says of its process.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A program that answers.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    child: Child,
    base: String,
    client: reqwest::Client,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a program that listens where the last argument says; nothing where it is not installed.
    pub(crate) async fn start(
        name: &'static str,
        program: &str,
        arguments: &[String],
        port: u16,
        ready: &str,
    ) -> Option<Server> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else {
            println!("{name}: {program} is not installed: left out");
            return None;
        };
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let server = Server { name, child, base: format!("http://127.0.0.1:{port}"), client };
        for _ in 0..600 {
            let asked = server.client.get(format!("{}{ready}", server.base)).send().await;
            if asked.is_ok_and(|reply| reply.status().is_success()) {
                return Some(server);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{name} is not ready after a minute");
    }

    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Vec<u8> {
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.base), query).unwrap();
        let reply = self.client.get(url.clone()).send().await.unwrap();
        let status = reply.status();
        let body = reply.bytes().await.unwrap().to_vec();
        assert!(status.is_success(), "{url}: {status} {}", String::from_utf8_lossy(&body[..body.len().min(400)]));
        body
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Vec<u8> {
        let mut request = self.client.post(format!("{}{path}", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = request.send().await.unwrap();
        let status = reply.status();
        let body = reply.bytes().await.unwrap().to_vec();
        assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body[..body.len().min(400)]));
        body
    }

    /// CPU milliseconds of the server for one of so many equal questions, and the last answer.
    pub(crate) async fn measured(&self, times: u32, path: &str, query: &[(&str, &str)]) -> (f64, Vec<u8>) {
        let mut answer = self.get(path, query).await;
        let before = self.cpu_seconds();
        for _ in 0..times {
            answer = self.get(path, query).await;
        }
        ((self.cpu_seconds() - before) * 1000.0 / f64::from(times.max(1)), answer)
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

pub(crate) async fn victoria(directory: &Path) -> Option<Server> {
    let port = free_port();
    let data = directory.join("victoria");
    let arguments = [
        format!("-storageDataPath={}", data.display()),
        "-retentionPeriod=100y".to_owned(),
        "-search.maxPointsPerTimeseries=100000".to_owned(),
        "-search.disableCache".to_owned(),
        format!("-httpListenAddr=127.0.0.1:{port}"),
    ];
    Server::start("VictoriaMetrics", "victoria-metrics", &arguments, port, "/health").await
}

pub(crate) async fn prometheus(directory: &Path) -> Option<Server> {
    let port = free_port();
    let config = directory.join("prometheus.yml");
    std::fs::write(&config, "global: {}\n").unwrap();
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", directory.join("prometheus").display()),
        "--storage.tsdb.retention.time=100y".to_owned(),
        "--web.enable-remote-write-receiver".to_owned(),
        "--web.enable-admin-api".to_owned(),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    Server::start("Prometheus", "prometheus", &arguments, port, "/-/ready").await
}

/// The built binary on the file that was written.
pub(crate) async fn recorder(directory: &Path, store: &Path) -> Server {
    let port = free_port();
    let config = directory.join("config.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\npath = {store:?}\n[retention]\nsamples = \"99y\"\nrollups = \
         \"99y\"\nevents = \"99y\"\n[source.host]\nenabled = false\n[[source.docker]]\nname = \"none\"\nurl = \
         \"tcp://127.0.0.1:9\"\ninterval = \"1h\"\ntimeout = \"1s\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let arguments = ["--config".to_owned(), config.display().to_string(), "serve".to_owned()];
    Server::start("tachograph", env!("CARGO_BIN_EXE_tachograph"), &arguments, port, "/healthz").await.unwrap()
}
