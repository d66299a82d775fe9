//! How full file systems are: statvfs, each on a thread of its own, so that one on a dead server stalls neither
//! the visit nor the end of the recorder.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::parse::Readings;

/// File systems measured in one visit; a machine with more mounts them for other programs.
pub(super) const FILESYSTEMS_MAX: usize = 256;

/// What statvfs says of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) size_bytes: u64,
    pub(super) available_bytes: u64,
    pub(super) free_bytes: u64,
    /// 0 where the type has no limit of files.
    pub(super) inodes: u64,
    pub(super) inodes_free: u64,
}

impl Space {
    pub(super) fn readings(self) -> Readings {
        let has_inodes = self.inodes > 0;
        Readings::from([
            ("size_bytes", Some(self.size_bytes).into()),
            ("available_bytes", Some(self.available_bytes).into()),
            ("free_bytes", Some(self.free_bytes).into()),
            ("inodes", has_inodes.then_some(self.inodes).into()),
            ("inodes_free", has_inodes.then_some(self.inodes_free).into()),
        ])
    }
}

/// Measures the file system at a path; may block for ever.
pub(super) type Measure = Arc<dyn Fn(&Path) -> io::Result<Space> + Send + Sync>;

/// Asks the kernel.
pub(super) fn statvfs(path: &Path) -> io::Result<Space> {
    let told = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
    Ok(Space {
        size_bytes: bytes(told.f_blocks),
        available_bytes: bytes(told.f_bavail),
        free_bytes: bytes(told.f_bfree),
        inodes: told.f_files,
        inodes_free: told.f_ffree,
    })
}

/// Runs work that may block on a thread that nobody waits for. tokio's own blocking threads are waited for when
/// the runtime ends. Without an answer the receiver closes.
pub(super) fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (sender, receiver) = oneshot::channel();
    let run = move || {
        // Nobody may be waiting any more.
        let _ = sender.send(work());
    };
    // Where no thread can be had the closure is dropped, and the sender with it.
    let _ = std::thread::Builder::new().name("host".to_owned()).spawn(run);
    receiver
}

/// Questions put to file systems, those without an answer included.
pub(super) struct Spaces {
    measure: Measure,
    asked: BTreeMap<String, oneshot::Receiver<io::Result<Space>>>,
}

impl Spaces {
    pub(super) fn new(measure: Measure) -> Self {
        Spaces { measure, asked: BTreeMap::new() }
    }

    /// Measures all mount points at once until `deadline`. One that has not answered since an earlier visit is
    /// not asked again until it has; there is at most one thread for each.
    pub(super) async fn measure(
        &mut self,
        mountpoints: &[&str],
        path_of: impl Fn(&str) -> PathBuf,
        deadline: Instant,
    ) -> BTreeMap<String, Result<Space, String>> {
        self.asked.retain(|mountpoint, _| mountpoints.contains(&mountpoint.as_str()));
        let stuck: Vec<String> = self.asked.keys().cloned().collect();
        for &mountpoint in mountpoints {
            if !self.asked.contains_key(mountpoint) {
                let (measure, path) = (Arc::clone(&self.measure), path_of(mountpoint));
                self.asked.insert(mountpoint.to_owned(), offload(move || measure(&path)));
            }
        }
        let mut answers = BTreeMap::new();
        for (mountpoint, mut receiver) in std::mem::take(&mut self.asked) {
            // Whoever was stuck before is looked at, not waited for.
            let until = if stuck.contains(&mountpoint) { Instant::now() } else { deadline };
            let answer = match timeout_at(until, &mut receiver).await {
                Ok(Ok(told)) => told.map_err(|error| error.to_string()),
                Ok(Err(_)) => Err("no thread to ask with".to_owned()),
                Err(_) => {
                    self.asked.insert(mountpoint.clone(), receiver);
                    Err("does not answer".to_owned())
                }
            };
            answers.insert(mountpoint, answer);
        }
        answers
    }
}
