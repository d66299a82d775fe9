//! The host: what /proc, /sys and statvfs tell of the machine itself.
//!
//! Must not know: the store, the sampler, SQL.

use std::path::PathBuf;

/// What to read of one host, and what to leave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The target's name, and the `host` of everything it sees.
    pub name: String,
    /// Where the machine's `/` is; another one than `/` inside a container that has it mounted.
    pub root: PathBuf,
    /// Mount points that are left out, `*` and `?` allowed.
    pub filesystems_exclude: Vec<String>,
    /// File system types that are sampled besides those that keep data on a disk or another machine.
    pub filesystem_types: Vec<String>,
    /// Block devices that are left out, `*` and `?` allowed.
    pub devices_exclude: Vec<String>,
    /// Whether partitions are sampled beside their disks.
    pub partitions: bool,
    /// Network interfaces that are left out, `*` and `?` allowed.
    pub interfaces_exclude: Vec<String>,
}

impl Settings {
    /// The whole of this machine under a name, without what only repeats something else.
    pub fn named(name: &str) -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Settings {
            name: name.to_owned(),
            root: PathBuf::from("/"),
            filesystems_exclude: Vec::new(),
            filesystem_types: Vec::new(),
            devices_exclude: texts(&["loop*", "ram*"]),
            partitions: false,
            interfaces_exclude: texts(&["lo", "veth*"]),
        }
    }
}
