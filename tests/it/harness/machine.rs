//! What this machine offers: programs, and its two or so CPUs, which measuring tests want to themselves.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use std::time::Duration;

/// Tests that time real work hold it shared; a test that loads the whole machine holds it alone.
static CPUS: RwLock<()> = RwLock::new(());

/// The machine together with others that measure.
pub(crate) fn shared() -> RwLockReadGuard<'static, ()> {
    CPUS.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The machine for one test alone, when no other wants it: one that waits in line would hold up all that come after.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    loop {
        match CPUS.try_write() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// Whether a program is on the path.
pub(crate) fn has(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join(program).is_file()))
}

/// Whether a command ends well.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let ended =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ended.is_ok_and(|status| status.success())
}

/// Runs a command that must end well and gives what it printed.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> String {
    let done = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{command:?}: {}\n{printed}{}", done.status, String::from_utf8_lossy(&done.stderr));
    printed
}

/// Says that the running test was not run and why; with `TACHOGRAPH_REAL=required` that is a failure.
#[track_caller]
pub(crate) fn not_run(reason: &str) {
    assert!(std::env::var("TACHOGRAPH_REAL").as_deref() != Ok("required"), "required, but not run: {reason}");
    say_not_run(reason);
}

/// Says that the running test (or a part of it) was not run and why, whatever is required.
pub(crate) fn say_not_run(reason: &str) {
    let thread = std::thread::current();
    say(&format!("{}: not run: {reason}", thread.name().unwrap_or("a test")));
}

/// Prints a line past the test runner's capture, so that it is seen of passing tests too.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "\n{line}");
}

/// The whole disk that a directory lies on, as /dev/NAME; None where it lies on none.
pub(crate) fn disk_of(directory: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let device = directory.metadata().ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let mut node = std::fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    if node.join("partition").exists() {
        node.pop();
    }
    let path = format!("/dev/{}", node.file_name()?.to_str()?);
    Path::new(&path).exists().then_some(path)
}
