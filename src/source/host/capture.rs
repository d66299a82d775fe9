//! Reads what a visit needs from /proc and /sys, below a root, as texts. Blocks; runs on a thread of its own.
//!
//! Must not know: what the texts mean.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use super::Settings;
use super::filter::is_excluded;

/// The largest text that is read: /proc/cpuinfo of a machine with a thousand processors is 2 MiB.
const TEXT_BYTES_MAX: u64 = 8 << 20;

/// Files read in every visit, in this order. The counters come last: their time is taken right after.
const FILES: &[&str] = &[
    "proc/sys/kernel/hostname",
    "proc/sys/kernel/osrelease",
    "proc/sys/kernel/arch",
    "etc/os-release",
    "usr/lib/os-release",
    "sys/class/dmi/id/sys_vendor",
    "sys/class/dmi/id/product_name",
    "proc/sys/fs/file-nr",
    "proc/loadavg",
    "proc/uptime",
    "proc/vmstat",
    "proc/meminfo",
    "proc/pressure/cpu",
    "proc/pressure/memory",
    "proc/pressure/io",
    "proc/diskstats",
    "proc/stat",
];
/// The kernel's name of this boot.
const BOOT_ID: &str = "proc/sys/kernel/random/boot_id";

/// Everything one visit read.
#[derive(Debug, Default)]
pub(super) struct Capture {
    /// Texts by path below the root.
    pub(super) texts: BTreeMap<&'static str, io::Result<String>>,
    /// The kernel's name of this boot.
    pub(super) boot_id: Option<String>,
    /// Only where this boot was not known.
    pub(super) cpuinfo: Option<String>,
    /// Directories of /proc that are processes.
    pub(super) processes: Option<i64>,
    /// Whole devices, none of them a partition; None where /sys does not tell.
    pub(super) blocks: Option<BTreeMap<String, Block>>,
    /// Network interfaces, as far as they are not left out.
    pub(super) links: BTreeMap<String, Link>,
    /// Bytes of all texts.
    pub(super) bytes: u64,
}

/// What /sys/block says of a device.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    pub(super) model: Option<String>,
    pub(super) rotational: Option<String>,
    pub(super) sectors: Option<String>,
}

/// What /sys/class/net says of an interface.
#[derive(Debug, Clone, Default)]
pub(super) struct Link {
    pub(super) state: Option<String>,
    pub(super) mac: Option<String>,
    pub(super) mtu: Option<String>,
    /// In Mbit/s; -1 or none where there is no speed.
    pub(super) speed: Option<String>,
}

/// Reads everything. `known_boot` is the boot whose /proc/cpuinfo is known already.
pub(super) fn capture(settings: &Settings, known_boot: Option<&str>) -> Capture {
    let root = settings.root.as_path();
    let mut capture = Capture { boot_id: text(&root.join(BOOT_ID)), ..Capture::default() };
    if known_boot.is_none() || known_boot != capture.boot_id.as_deref() {
        capture.cpuinfo = read(&root.join("proc/cpuinfo")).ok();
    }
    capture.blocks = entries(&root.join("sys/block")).map(|names| {
        let is_wanted = |name: &String| !is_excluded(name, &settings.devices_exclude);
        let block = |name: &str| read_block(&root.join("sys/block").join(name));
        names
            .into_iter()
            .map(|name| (name.replace('!', "/"), if is_wanted(&name) { block(&name) } else { Block::default() }))
            .collect()
    });
    let links = entries(&root.join("sys/class/net")).unwrap_or_default();
    for name in links.into_iter().filter(|name| !is_excluded(name, &settings.interfaces_exclude)) {
        let link = read_link(&root.join("sys/class/net").join(&name));
        capture.links.insert(name, link);
    }
    capture.processes = entries(&root.join("proc")).and_then(|names| {
        let count = names.iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).count();
        // A /proc that hides all processes, even the reader, says nothing about their number.
        i64::try_from(count).ok().filter(|count| *count > 0)
    });
    // `self` is the reader: right for its own machine, wrong for one whose root is mounted into a container.
    let through = |below: &'static str| {
        if root == Path::new("/") { ["self", "1"] } else { ["1", "self"] }
            .map(|of| root.join("proc").join(of).join(below))
    };
    let mounts = first_of(&through("mountinfo"));
    capture.texts.insert("proc/self/mountinfo", mounts);
    let [first, second] = through("net/dev");
    let interfaces = first_of(&[first, second, root.join("proc/net/dev")]);
    capture.texts.insert("proc/net/dev", interfaces);
    for &path in FILES {
        capture.texts.insert(path, read(&root.join(path)));
    }
    let read_ok = capture.texts.values().filter_map(|text| text.as_ref().ok());
    capture.bytes = read_ok.map(|text| u64::try_from(text.len()).unwrap_or(u64::MAX)).sum();
    capture
}

fn read_block(directory: &Path) -> Block {
    Block {
        model: text(&directory.join("device/model")),
        rotational: text(&directory.join("queue/rotational")),
        sectors: text(&directory.join("size")),
    }
}

fn read_link(directory: &Path) -> Link {
    Link {
        state: text(&directory.join("operstate")),
        mac: text(&directory.join("address")),
        mtu: text(&directory.join("mtu")),
        speed: text(&directory.join("speed")),
    }
}

/// The text of the first path that can be read, else why the first could not.
fn first_of<const N: usize>(paths: &[std::path::PathBuf; N]) -> io::Result<String> {
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for (index, path) in paths.iter().enumerate() {
        match read(path) {
            Ok(text) => return Ok(text),
            Err(error) if index == 0 => failure = error,
            Err(_) => {}
        }
    }
    Err(failure)
}

/// A short text without white space around it; None where it is empty or cannot be read.
fn text(path: &Path) -> Option<String> {
    let text = read(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(TEXT_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn entries(directory: &Path) -> Option<Vec<String>> {
    let entries = std::fs::read_dir(directory).ok()?;
    Some(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}
