//! Nothing outlives the tests: a small shell holds the list of processes and the scratch directory, and when
//! its input closes (the test process ended, also by a panic or SIGKILL) it kills and removes what is left.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

const SCRIPT: &str = r#"
declare -A alive
while read -r word pid; do
    case $word in
    +) alive[$pid]=1 ;;
    -) unset "alive[$pid]" ;;
    esac
done
[ ${#alive[@]} = 0 ] || kill -KILL "${!alive[@]}" 2>/dev/null
rm -rf "$1"
"#;

struct Reaper {
    shell: Mutex<Child>,
    scratch: PathBuf,
}

fn reaper() -> &'static Reaper {
    static REAPER: OnceLock<Reaper> = OnceLock::new();
    REAPER.get_or_init(|| {
        let scratch = tempfile::Builder::new().prefix("tg").tempdir().unwrap().keep();
        let shell = Command::new("bash")
            .args(["-c", SCRIPT, "reaper"])
            .arg(&scratch)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("bash is needed");
        Reaper { shell: Mutex::new(shell), scratch }
    })
}

fn order(word: &str, pid: u32) {
    let mut shell = reaper().shell.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    writeln!(shell.stdin.as_mut().unwrap(), "{word} {pid}").unwrap();
}

/// Has a process killed when the tests end, until [`forget`] is called.
pub(crate) fn watch(pid: u32) {
    order("+", pid);
}

/// The process has ended and was waited for.
pub(crate) fn forget(pid: u32) {
    order("-", pid);
}

/// A new directory with a short path that goes when the tests end.
pub(crate) fn directory() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let path = scratch().join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
    std::fs::create_dir(&path).unwrap();
    path
}

fn scratch() -> &'static Path {
    &reaper().scratch
}
