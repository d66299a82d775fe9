//! A docker-registry of the test's own.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::time::wait_for;
use crate::harness::{machine, reaper};

/// How long one may take to listen.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// A running docker-registry. Killed when dropped.
pub(crate) struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts one with this configuration (YAML), whose address is this port; in another network namespace if one is
    /// named.
    pub(crate) fn start(directory: &Path, name: &str, port: u16, config: &str, network: Option<&Path>) -> Service {
        let file = directory.join(format!("{name}.yml"));
        std::fs::write(&file, config).unwrap();
        let log = directory.join(format!("{name}.log"));
        let out = File::create(&log).unwrap();
        let mut command = match network {
            None => Command::new("docker-registry"),
            Some(network) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net={}", network.display())).arg("docker-registry");
                command
            }
        };
        let child = command
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .process_group(0)
            .spawn()
            .unwrap();
        reaper::watch(child.id());
        let service = Service { child, log };
        wait_for("a docker-registry to listen", UP_WITHIN, || {
            let is_up = match network {
                None => std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(),
                Some(network) => {
                    let probe = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
                    machine::succeeds("nsenter", &[&format!("--net={}", network.display()), "bash", "-c", &probe])
                }
            };
            is_up.then_some(())
        });
        service
    }

    /// Lines of its log of requests with a method and a part of the path, by status.
    pub(crate) fn requests(&self, method: &str, part: &str, status: Option<u16>) -> usize {
        let log = std::fs::read_to_string(&self.log).unwrap();
        let begin = format!("\"{method} /");
        let status = status.map(|status| format!("\" {status} "));
        let is_meant = |line: &&str| {
            line.contains(&begin) && line.contains(part) && status.as_ref().is_none_or(|status| line.contains(status))
        };
        log.lines().filter(is_meant).count()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        reaper::forget(self.child.id());
    }
}
