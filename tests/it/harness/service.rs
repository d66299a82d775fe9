//! A program of others that runs beside a test, and ends with it.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::reaper;

/// A running program. Killed when dropped.
pub(crate) struct Service {
    child: Child,
}

impl Service {
    /// Runs a program in a directory, where its log goes too, inside another network namespace if one is given.
    #[track_caller]
    pub(crate) fn start(program: &str, arguments: &[&str], directory: &Path, network: Option<&Path>) -> Service {
        let output = File::create(directory.join(format!("{program}.log"))).unwrap();
        let mut command = match network {
            None => Command::new(program),
            Some(network) => {
                // It enters and executes in place, so that the process is the program's own.
                let mut command = Command::new("nsenter");
                command.arg(format!("--net={}", network.display())).arg(program);
                command
            }
        };
        let child = command
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        reaper::watch(child.id());
        Service { child }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        reaper::forget(self.child.id());
    }
}
