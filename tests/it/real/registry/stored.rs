//! What a docker-registry's storage directory says of it: the oracle for what is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A storage directory (`…/docker/registry/v2`).
pub(crate) struct Stored(PathBuf);

/// What one repository leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repository {
    /// Digest and size by tag.
    pub(crate) tags: BTreeMap<String, (String, u64)>,
    /// All that its tags lead to, each blob once.
    blobs: BTreeSet<String>,
}

impl Stored {
    /// Below a registry's root directory.
    pub(crate) fn below(root: &Path) -> Stored {
        Stored(root.join("docker/registry/v2"))
    }

    /// Repositories by name, those without tags too.
    pub(crate) fn repositories(&self) -> BTreeMap<String, Repository> {
        let mut found = BTreeMap::new();
        self.add_repositories(&self.0.join("repositories"), "", &mut found);
        found
    }

    fn add_repositories(&self, place: &Path, name: &str, found: &mut BTreeMap<String, Repository>) {
        if place.join("_manifests").is_dir() {
            found.insert(name.to_owned(), self.repository(&place.join("_manifests/tags")));
        }
        for entry in std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap()) {
            let part = entry.file_name().into_string().unwrap();
            if !part.starts_with('_') {
                let name = if name.is_empty() { part } else { format!("{name}/{part}") };
                self.add_repositories(&entry.path(), &name, found);
            }
        }
    }

    fn repository(&self, tags: &Path) -> Repository {
        let mut found = Repository { tags: BTreeMap::new(), blobs: BTreeSet::new() };
        for entry in std::fs::read_dir(tags).into_iter().flatten().map(|entry| entry.unwrap()) {
            let digest = std::fs::read_to_string(entry.path().join("current/link")).unwrap();
            let blobs = self.blobs_of(&digest);
            let bytes = blobs.iter().map(|blob| self.size(blob)).sum();
            found.tags.insert(entry.file_name().into_string().unwrap(), (digest, bytes));
            found.blobs.extend(blobs);
        }
        found
    }

    /// A manifest with all it names.
    fn blobs_of(&self, digest: &str) -> BTreeSet<String> {
        let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(self.file(digest)).unwrap()).unwrap();
        let layers = manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]);
        let named = layers.map(|blob| blob["digest"].as_str().unwrap().to_owned());
        named.chain([digest.to_owned()]).collect()
    }

    fn file(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        self.0.join("blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }

    fn size(&self, digest: &str) -> u64 {
        self.file(digest).metadata().unwrap().len()
    }

    /// Repositories' `tags bytes shared_bytes own_bytes` by name.
    pub(crate) fn columns(&self) -> BTreeMap<String, [u64; 4]> {
        let all = self.repositories();
        let is_shared =
            |name: &str, blob: &String| all.iter().any(|(other, it)| other != name && it.blobs.contains(blob));
        let columns = |name: &str, it: &Repository| {
            let bytes: u64 = it.blobs.iter().map(|blob| self.size(blob)).sum();
            let shared: u64 = it.blobs.iter().filter(|blob| is_shared(name, blob)).map(|blob| self.size(blob)).sum();
            [u64::try_from(it.tags.len()).unwrap(), bytes, shared, bytes - shared]
        };
        all.iter().map(|(name, it)| (name.clone(), columns(name, it))).collect()
    }

    /// Bytes of all blobs that are stored.
    pub(crate) fn bytes(&self) -> u64 {
        fn sum(directory: &Path) -> u64 {
            let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
            entries
                .map(|entry| match entry.metadata().unwrap() {
                    metadata if metadata.is_dir() => sum(&entry.path()),
                    metadata => metadata.len(),
                })
                .sum()
        }
        sum(&self.0.join("blobs"))
    }
}
