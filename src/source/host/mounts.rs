//! Which file systems to ask for their size: /proc/self/mountinfo, reduced to what keeps data, each once.
//!
//! Pure; asking is `space`'s work.

use std::collections::BTreeMap;

use super::filter::is_excluded;
use super::parse::{Parsed, lines};

/// Types that keep data on a disk or another machine. What is mounted from /dev besides is taken too.
const KEEPING_TYPES: &[&str] = &[
    "9p",
    "afs",
    "bcachefs",
    "beegfs",
    "btrfs",
    "ceph",
    "cifs",
    "exfat",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "fuse.ceph",
    "fuse.glusterfs",
    "fuse.sshfs",
    "fuseblk",
    "gfs2",
    "glusterfs",
    "gpfs",
    "hfsplus",
    "jfs",
    "lustre",
    "nfs",
    "nfs4",
    "nilfs2",
    "ntfs",
    "ntfs3",
    "ocfs2",
    "reiserfs",
    "smb3",
    "smbfs",
    "vfat",
    "virtiofs",
    "xfs",
    "zfs",
];
/// Types from /dev that are always full and never change.
const FULL_TYPES: &[&str] = &["cramfs", "erofs", "iso9660", "romfs", "squashfs", "udf"];

/// One line of mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Major and minor number of the file system: the same for every mount of it.
    pub(super) number: String,
    /// The directory of the file system that is seen here; `/` but for bind mounts and subvolumes.
    pub(super) directory: String,
    pub(super) mountpoint: String,
    /// Options of the mount, then those of the file system that are not among them.
    pub(super) options: Vec<String>,
    pub(super) read_only: bool,
    pub(super) fstype: String,
    pub(super) device: String,
}

/// /proc/self/mountinfo: id, parent, number, directory, mount point, options, any optional fields, `-`, type,
/// device, options of the file system.
pub(super) fn mountinfo(text: &str) -> Parsed<Vec<Mount>> {
    lines(text, Vec::new(), |mounts, line| {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split_ascii_whitespace().skip(2);
        let mut system = system.split_ascii_whitespace();
        let (number, directory, mountpoint) = (mount.next()?, mount.next()?, mount.next()?);
        number.split_once(':')?;
        let own = mount.next()?;
        let (fstype, device) = (system.next()?, system.next()?);
        let of_system = system.next().unwrap_or_default();
        let mut options: Vec<String> = Vec::new();
        for option in own.split(',').chain(of_system.split(',')).filter(|option| !option.is_empty()) {
            if !options.iter().any(|known| known == option) {
                options.push(option.to_owned());
            }
        }
        // Either can forbid writing; `rw` of the other then says nothing.
        let read_only = options.iter().any(|option| option == "ro");
        options.retain(|option| !(read_only && option == "rw"));
        mounts.push(Mount {
            number: number.to_owned(),
            directory: unescape(directory),
            mountpoint: unescape(mountpoint),
            options,
            read_only,
            fstype: fstype.to_owned(),
            device: unescape(device),
        });
        Some(())
    })
}

/// The mounts to be sampled: of each file system one, at its own top and the shortest place, by mount point.
pub(super) fn select(mounts: Vec<Mount>, types: &[String], exclude: &[String]) -> Vec<Mount> {
    // A later mount at the same place covers the earlier one.
    let mut visible: BTreeMap<String, Mount> = BTreeMap::new();
    for mount in mounts {
        visible.insert(mount.mountpoint.clone(), mount);
    }
    let mut chosen: BTreeMap<String, Mount> = BTreeMap::new();
    for mount in visible.into_values().filter(|mount| is_kept(mount, types) && !is_excluded(&mount.mountpoint, exclude))
    {
        let rank = |mount: &Mount| (mount.directory != "/", mount.mountpoint.len());
        let better = chosen.get(&mount.number).is_none_or(|other| rank(&mount) < rank(other));
        if better {
            chosen.insert(mount.number.clone(), mount);
        }
    }
    let mut mounts: Vec<Mount> = chosen.into_values().collect();
    mounts.sort_by(|a, b| a.mountpoint.cmp(&b.mountpoint));
    mounts
}

fn is_kept(mount: &Mount, types: &[String]) -> bool {
    let fstype = mount.fstype.as_str();
    if types.iter().any(|wanted| wanted == fstype) {
        return true;
    }
    KEEPING_TYPES.contains(&fstype) || (mount.device.starts_with("/dev/") && !FULL_TYPES.contains(&fstype))
}

/// mountinfo writes space, tab, newline and backslash as `\` and three octal digits.
fn unescape(text: &str) -> String {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let octal = match (byte, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..]) => {
                Some((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'))
            }
            _ => None,
        };
        plain.push(octal.unwrap_or(byte));
        rest = if octal.is_some() { after.get(3..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str, types: &[&str], exclude: &[&str]) -> Vec<String> {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let mounts = mountinfo(text);
        assert_eq!(mounts.malformed, [0; 0]);
        select(mounts.value, &texts(types), &texts(exclude)).into_iter().map(|mount| mount.mountpoint).collect()
    }

    const RECORDED: &str = include_str!("../../../tests/fixtures/host/t0/proc/self/mountinfo");

    #[test]
    fn the_recorded_machine_has_one_file_system_on_a_disk() {
        // Four more mounts of 254:0 are binds of its directories; overlay, tmpfs, nsfs and cgroup keep nothing.
        assert_eq!(chosen(RECORDED, &[], &[]), ["/"]);
        assert_eq!(chosen(RECORDED, &["tmpfs"], &["/sys/*"]), ["/", "/dev/shm"]);
        assert_eq!(chosen(RECORDED, &[], &["/"]), ["/run/netns"]);
    }

    #[test]
    fn options_are_those_of_mount_and_file_system() {
        let root = mountinfo(RECORDED).value.into_iter().find(|mount| mount.mountpoint == "/").unwrap();
        assert_eq!(root.options, ["rw", "relatime", "discard", "resv_strict", "resuid=65534", "resgid=65534"]);
        assert_eq!((root.fstype.as_str(), root.device.as_str(), root.read_only), ("ext4", "/dev/vda", false));
        for (own, of_system) in [("ro,relatime", "rw"), ("rw,relatime", "ro")] {
            let text = format!("27 1 8:1 / / {own} - ext4 /dev/sda1 {of_system}");
            let mount = mountinfo(&text).value.remove(0);
            assert!(mount.read_only && !mount.options.contains(&"rw".to_owned()), "{text}");
        }
    }

    #[test]
    fn each_file_system_comes_once_by_its_own_top() {
        let text = "\
1 0 8:2 /sub /a rw - ext4 /dev/sda2 rw
2 0 8:2 / /data/long rw shared:1 master:2 - ext4 /dev/sda2 rw
3 0 0:40 /@home /home rw - btrfs /dev/sdb rw
4 0 0:40 /@ /srv rw - btrfs /dev/sdb rw
5 0 0:50 / /mnt/nfs rw - nfs4 filer:/export rw
6 0 8:9 / /covered rw - xfs /dev/sdc rw
7 0 8:10 / /covered rw - xfs /dev/sdd rw
8 0 7:1 / /snap/core ro - squashfs /dev/loop1 ro
9 0 0:60 / /auto rw - autofs systemd-1 rw
";
        assert_eq!(chosen(text, &[], &[]), ["/covered", "/data/long", "/mnt/nfs", "/srv"]);
    }

    #[test]
    fn escapes_of_mount_points_are_undone() {
        assert_eq!(chosen("1 0 8:2 / /my\\040disk\\134x rw - ext4 /dev/sda2 rw", &[], &[]), ["/my disk\\x"]);
        assert_eq!(unescape("a\\09"), "a\\09");
    }

    #[test]
    fn a_cut_line_is_malformed() {
        let parsed = mountinfo("1 0 8:2 / /a rw - ext4 /dev/sda2 rw\n2 0 8:3 / /b\n3 0 x / /c rw - ext4 /dev/sdb rw");
        assert_eq!(parsed.value.len(), 1);
        assert_eq!(parsed.malformed, [2, 3]);
    }
}
