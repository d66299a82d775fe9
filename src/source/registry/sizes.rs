//! What repositories and the whole registry take: each layer, configuration and manifest once. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::known::{Held, Known, Tag};
use super::manifest::{Form, Manifest};

/// Sizes of a registry and of its repositories.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// None until all is known.
    pub(super) bytes: Option<u64>,
    pub(super) manifests: usize,
    /// Layers and configurations.
    pub(super) blobs: usize,
    pub(super) repositories: HashMap<Arc<str>, RepositorySizes>,
}

/// Sizes of a repository.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub(super) struct RepositorySizes {
    /// All, and the part that others name too; None until all is known.
    pub(super) bytes: Option<(u64, u64)>,
    /// Tags that tell no size.
    pub(super) unsized_tags: usize,
}

/// Size of what one tag leads to.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub(super) struct TagSize {
    pub(super) bytes: Option<u64>,
    pub(super) layer_bytes: Option<u64>,
    pub(super) layers: Option<u64>,
}

/// Everything that is stored once, numbered.
#[derive(Default)]
struct Objects<'a> {
    numbers: HashMap<&'a str, usize>,
    bytes: Vec<u64>,
    manifests: usize,
}

impl<'a> Objects<'a> {
    fn number(&mut self, digest: &'a str, bytes: u64, is_manifest: bool) -> usize {
        let next = self.bytes.len();
        let number = *self.numbers.entry(digest).or_insert(next);
        if number == next {
            self.bytes.push(bytes);
            self.manifests += usize::from(is_manifest);
        }
        number
    }
}

/// What came of looking at a tag.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Look {
    Sized,
    Unsized,
    /// Something of it was not asked for yet.
    Waits,
}

/// Computes all sizes.
pub(super) fn sizes(known: &Known) -> Sizes {
    let mut objects = Objects::default();
    let mut of_repositories: Vec<(&Arc<str>, Vec<usize>, RepositorySizes, bool)> = Vec::new();
    for (name, repository) in known.repositories.iter().flatten() {
        let mut numbers = Vec::new();
        let mut sizes = RepositorySizes::default();
        let mut waits = repository.tags.is_none();
        for tag in repository.tags.iter().flatten().map(|(_, tag)| tag) {
            match look(known, tag, &mut objects, &mut numbers) {
                Look::Sized => {}
                Look::Unsized => sizes.unsized_tags += 1,
                Look::Waits => waits = true,
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        of_repositories.push((name, numbers, sizes, waits));
    }
    // How many repositories name each.
    let mut namers = vec![0_u32; objects.bytes.len()];
    for number in of_repositories.iter().flat_map(|(_, numbers, ..)| numbers) {
        if let Some(namers) = namers.get_mut(*number) {
            *namers += 1;
        }
    }
    let bytes_of = |number: &usize| objects.bytes.get(*number).copied().unwrap_or(0);
    let is_shared = |number: &&usize| namers.get(**number).is_some_and(|namers| *namers > 1);
    let all_here = !of_repositories.iter().any(|(.., waits)| *waits);
    let all = objects.bytes.iter().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
    let repositories = of_repositories
        .into_iter()
        .map(|(name, numbers, mut sizes, waits)| {
            let sum = |sum: u64, number: &usize| sum.saturating_add(bytes_of(number));
            let shared = numbers.iter().filter(is_shared).fold(0, sum);
            sizes.bytes = (!waits).then(|| (numbers.iter().fold(0, sum), shared));
            (Arc::clone(name), sizes)
        })
        .collect();
    Sizes {
        bytes: (all_here && known.repositories.is_some()).then_some(all),
        manifests: objects.manifests,
        blobs: objects.bytes.len() - objects.manifests,
        repositories,
    }
}

fn look<'a>(known: &'a Known, tag: &'a Tag, objects: &mut Objects<'a>, numbers: &mut Vec<usize>) -> Look {
    let Some(digest) = &tag.digest else {
        return if tag.fault.is_some() { Look::Unsized } else { Look::Waits };
    };
    match known.manifests.get(digest) {
        None => Look::Waits,
        Some(Held::Missing(_) | Held::Unreadable(_)) => Look::Unsized,
        Some(Held::Here(manifest)) => {
            let Form::Index(images) = &manifest.form else { return take(digest, manifest, objects, numbers) };
            take(digest, manifest, objects, numbers);
            let mut look = Look::Sized;
            for image in images.keys() {
                let one = match known.manifests.get(&**image) {
                    None => Look::Waits,
                    Some(Held::Missing(_) | Held::Unreadable(_)) => Look::Unsized,
                    Some(Held::Here(manifest)) => take(image, manifest, objects, numbers),
                };
                look = match (look, one) {
                    (Look::Waits, _) | (_, Look::Waits) => Look::Waits,
                    (Look::Unsized, _) | (_, Look::Unsized) => Look::Unsized,
                    (Look::Sized, Look::Sized) => Look::Sized,
                };
            }
            look
        }
    }
}

fn take<'a>(digest: &'a str, manifest: &'a Manifest, objects: &mut Objects<'a>, numbers: &mut Vec<usize>) -> Look {
    if manifest.form == Form::Unsized {
        return Look::Unsized;
    }
    numbers.push(objects.number(digest, manifest.document_bytes, true));
    if let Form::Image { blobs, .. } = &manifest.form {
        numbers.extend(blobs.iter().map(|(digest, bytes)| objects.number(digest, *bytes, false)));
    }
    Look::Sized
}

/// The size of what a digest leads to; nothing while a part of it is not known.
pub(super) fn tag_size(known: &Known, digest: &str) -> TagSize {
    let Some(manifest) = known.manifest(digest) else { return TagSize::default() };
    let mut images: Vec<(&str, &Manifest)> = vec![(digest, manifest)];
    if let Form::Index(named) = &manifest.form {
        for image in named.keys() {
            let Some(manifest) = known.manifest(image) else { return TagSize::default() };
            images.push((image, manifest));
        }
    }
    let mut all: BTreeMap<&str, u64> = BTreeMap::new();
    let mut layers: BTreeMap<&str, u64> = BTreeMap::new();
    let mut configs: BTreeSet<&str> = BTreeSet::new();
    for (digest, manifest) in images {
        all.insert(digest, manifest.document_bytes);
        match &manifest.form {
            Form::Unsized => return TagSize::default(),
            Form::Index(_) => {}
            Form::Image { config, blobs } => {
                configs.extend(config.as_deref());
                layers.extend(blobs.iter().map(|(digest, bytes)| (&**digest, *bytes)));
            }
        }
    }
    all.extend(&layers);
    layers.retain(|digest, _| !configs.contains(digest));
    let sum = |bytes: &BTreeMap<&str, u64>| bytes.values().try_fold(0_u64, |sum, bytes| sum.checked_add(*bytes));
    TagSize { bytes: sum(&all), layer_bytes: sum(&layers), layers: u64::try_from(layers.len()).ok() }
}
