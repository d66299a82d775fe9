//! This process in the kernel's files.
//!
//! Must not know: what the numbers are for.

use std::fs;
use std::path::Path;

/// This process as the kernel sees it. What cannot be read stays unknown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) cpu_ms: Option<u64>,
    pub(super) memory_rss_bytes: Option<u64>,
    pub(super) memory_max_rss_bytes: Option<u64>,
    pub(super) open_files: Option<u64>,
}

impl Process {
    pub(super) fn read(proc: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(proc.join(name)).ok();
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        let page_bytes = u64::try_from(rustix::param::page_size()).ok();
        Process {
            cpu_ms: text("stat").and_then(|stat| cpu_ms(&stat, ticks_per_second)),
            memory_rss_bytes: text("statm").zip(page_bytes).and_then(|(statm, page)| rss_bytes(&statm, page)),
            memory_max_rss_bytes: text("status").and_then(|status| max_rss_bytes(&status)),
            open_files: fs::read_dir(proc.join("fd")).ok().and_then(|entries| u64::try_from(entries.count()).ok()),
        }
    }
}

/// User and system time: fields 14 and 15 of proc_pid_stat(5). The name in field 2 may hold blanks and brackets.
fn cpu_ms(stat: &str, ticks_per_second: u64) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)?.checked_mul(1000)?.checked_div(ticks_per_second)
}

/// Field 2 of statm, in pages.
fn rss_bytes(statm: &str, page_bytes: u64) -> Option<u64> {
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(page_bytes)
}

fn max_rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_files_are_read_as_the_kernel_writes_them() {
        let stat = "4242 (a (odd) name) S 1 4242 4242 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 1000 1 2 3";
        assert_eq!(cpu_ms(stat, 100), Some(3000));
        assert_eq!(cpu_ms("4242 (name) S 1", 100), None);
        assert_eq!(cpu_ms(stat, 0), None);
        assert_eq!(rss_bytes("5000 1200 800 10 0 900 0\n", 4096), Some(4_915_200));
        assert_eq!(rss_bytes("", 4096), None);
        assert_eq!(max_rss_bytes("Name:\tx\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n"), Some(12_641_280));
        assert_eq!(max_rss_bytes("Name:\tx\n"), None);
    }

    #[test]
    fn a_process_that_cannot_be_read_is_unknown_not_zero() {
        let directory = tempfile::tempdir().unwrap();
        let unknown = Process { cpu_ms: None, memory_rss_bytes: None, memory_max_rss_bytes: None, open_files: None };
        assert_eq!(Process::read(directory.path()), unknown);
    }
}
