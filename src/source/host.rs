//! The host: what /proc, /sys and statvfs tell of the machine itself.
//!
//! One visit reads the texts (`capture`), says what stands in them (`parse`, `mounts`, `observe`: pure) and
//! measures file systems (`space`). Must not know: the store, the sampler, SQL.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::model::{Outcome, TargetName};
use crate::source::{Observed, Source, Visit};

mod capture;
mod exporter;
pub(crate) mod filter;
mod kinds;
mod mounts;
mod observe;
mod parse;
mod space;

#[cfg(test)]
mod tests;

pub use exporter::{Exporter, ExporterSettings};
pub use kinds::{HOST, HOST_DEVICE, HOST_FILESYSTEM, HOST_INTERFACE};

use capture::{Capture, capture};
use observe::{Boot, Seen};
use space::{FILESYSTEMS_MAX, Measure, Spaces, offload, statvfs};

/// How long file systems may take to say how full they are: a local one takes microseconds, and one that is
/// slower than this is on a server that does not answer.
const FILESYSTEM_TIMEOUT: Duration = Duration::from_secs(2);

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

/// The machine as a target: `host/<name>`.
pub struct Host {
    settings: Arc<Settings>,
    target: TargetName,
    clock: Clock,
    ticks_per_second: u64,
    boot: Option<Boot>,
    /// A reading of /proc that has not come back.
    reading: Option<oneshot::Receiver<Capture>>,
    spaces: Spaces,
}

impl Host {
    /// A host to be visited.
    pub fn new(settings: Settings, clock: Clock) -> Self {
        Host::measuring(settings, clock, rustix::param::clock_ticks_per_second(), Arc::new(statvfs))
    }

    /// A host whose file systems are measured by something else than the kernel.
    fn measuring(settings: Settings, clock: Clock, ticks_per_second: u64, measure: Measure) -> Self {
        Host {
            target: TargetName::new("host", &settings.name),
            settings: Arc::new(settings),
            clock,
            ticks_per_second,
            boot: None,
            reading: None,
            spaces: Spaces::new(measure),
        }
    }

    async fn visit(&mut self, visit: Visit) -> Observed {
        // What is left of the timeout is for handing over what has come.
        let deadline = Instant::now() + visit.timeout.saturating_mul(9) / 10;
        let capture = match self.capture(deadline).await {
            Ok(capture) => capture,
            Err(observed) => return *observed,
        };
        let at = self.clock.now();
        if let Some(Err(error)) = capture.texts.get("proc/stat") {
            let path = self.settings.root.join("proc/stat");
            return Observed::failed(Outcome::Unreachable, format!("cannot read {}: {error}", path.display()));
        }
        let boot = observe::boot_of(self.boot.as_ref(), &capture, at, self.ticks_per_second);
        let Seen { mut batches, mounts, mounts_complete, mut missing } =
            observe::observe(&self.settings, &capture, &boot, at, self.ticks_per_second);
        self.boot = Some(boot);
        if let Some(mut mounts) = mounts {
            let complete = mounts_complete && mounts.len() <= FILESYSTEMS_MAX;
            missing.extend(mounts.drain(FILESYSTEMS_MAX.min(mounts.len())..).map(|mount| mount.mountpoint));
            let mountpoints: Vec<&str> = mounts.iter().map(|mount| mount.mountpoint.as_str()).collect();
            let root = self.settings.root.clone();
            let until = deadline.min(Instant::now() + FILESYSTEM_TIMEOUT);
            let mut spaces = self.spaces.measure(&mountpoints, |mountpoint| below(&root, mountpoint), until).await;
            let at = self.clock.now();
            let mut observations = Vec::new();
            for mount in &mounts {
                let space = match spaces.remove(&mount.mountpoint) {
                    Some(Ok(space)) => Some(space),
                    Some(Err(reason)) => {
                        missing.push(format!("{}: {reason}", mount.mountpoint));
                        None
                    }
                    None => None,
                };
                observations.push(observe::filesystem(&self.settings, mount, space, at));
            }
            batches.push(observe::filesystem_batch(observations, complete));
        }
        let outcome = if missing.is_empty() { Outcome::Ok } else { Outcome::Partial };
        let error = missing.first().map(|first| match missing.len() - 1 {
            0 => format!("did not come: {first}"),
            more => format!("did not come: {first} (and {more} more)"),
        });
        Observed { outcome, error, missing, bytes: capture.bytes, clock_offset_ms: 0, batches, events: Vec::new() }
    }

    /// Reads all texts, or says why not. A reading that an earlier visit gave up on is waited for first: there is
    /// never more than one.
    async fn capture(&mut self, deadline: Instant) -> Result<Capture, Box<Observed>> {
        let stuck = || {
            let error = "reading /proc takes longer than the timeout";
            Err(Box::new(Observed::failed(Outcome::Timeout, error)))
        };
        if let Some(mut earlier) = self.reading.take()
            && timeout_at(deadline, &mut earlier).await.is_err()
        {
            self.reading = Some(earlier);
            return stuck();
        }
        let settings = Arc::clone(&self.settings);
        let known_boot = self.boot.as_ref().and_then(|boot| boot.id.clone());
        let mut reading = offload(move || capture(&settings, known_boot.as_deref()));
        match timeout_at(deadline, &mut reading).await {
            Ok(Ok(capture)) => Ok(capture),
            Ok(Err(_)) => Err(Box::new(Observed::failed(
                Outcome::Unreachable,
                "no thread to read /proc with: raise the limit of threads",
            ))),
            Err(_) => {
                self.reading = Some(reading);
                stuck()
            }
        }
    }
}

impl Source for Host {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn poll<'a>(&'a mut self, visit: Visit) -> BoxFuture<'a, Observed> {
        Box::pin(self.visit(visit))
    }
}

/// A mount point as seen from here.
fn below(root: &Path, mountpoint: &str) -> PathBuf {
    root.join(mountpoint.trim_start_matches('/'))
}
