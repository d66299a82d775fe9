//! What is remembered of a registry from one visit to the next: repositories, tags, manifests. Pure.
//!
//! All of it can be taken back from the store, so that a restart asks for nothing that is known, and notices what
//! changed meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::manifest::{Form, Manifest};
use crate::model::{AttributeValue, Attributes, Identity, Timestamp};

/// Visits after which a manifest that an index names and the registry did not have is asked for again: a day at five
/// minutes each.
const MISSING_RETRY_VISITS: u64 = 288;

/// Manifests kept although no tag leads to them any more; a tag may be moved back.
const UNUSED_MANIFESTS_MAX: usize = 50_000;

/// What a manifest is known by.
pub(super) type Digest = Arc<str>;

/// All that is known of a registry.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By name; None: never listed, so that nothing is new.
    pub(super) repositories: Option<BTreeMap<Arc<str>, Repository>>,
    pub(super) manifests: HashMap<Digest, Held>,
    /// Visits until now.
    pub(super) visit: u64,
    /// Manifests learnt in this visit.
    pub(super) learnt: Vec<(Digest, Timestamp)>,
}

/// A repository.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) identity: Identity,
    /// By name; None: never listed.
    pub(super) tags: Option<BTreeMap<Arc<str>, Tag>>,
    /// When its tags were listed, and in which visit.
    pub(super) listed: Option<(Timestamp, u64)>,
}

/// A tag.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) identity: Identity,
    pub(super) digest: Option<Digest>,
    /// When its digest was checked, and in which visit.
    pub(super) checked: Option<(Timestamp, u64)>,
    /// Why there is no manifest.
    pub(super) fault: Option<String>,
}

/// A manifest, or why there is none.
#[derive(Debug)]
pub(super) enum Held {
    /// It.
    Here(Box<Manifest>),
    /// The registry has none, as of this visit.
    Missing(u64),
    /// It cannot be read.
    Unreadable(String),
}

impl Repository {
    pub(super) fn new(registry: &str, name: &str) -> Repository {
        Repository { identity: Identity::new([registry, name]), tags: None, listed: None }
    }
}

impl Tag {
    pub(super) fn new(registry: &str, repository: &str, name: &str) -> Tag {
        Tag { identity: Identity::new([registry, repository, name]), digest: None, checked: None, fault: None }
    }

    /// Whether its digest was checked in a visit.
    pub(super) fn is_checked_in(&self, visit: u64) -> bool {
        self.checked.is_some_and(|(_, checked)| checked == visit)
    }
}

impl Known {
    /// Takes back what was stored of an entity of one of the registry's kinds.
    pub(super) fn recall(&mut self, kind: &str, identity: &Identity, attributes: &Attributes) {
        let text = |name: &str| match attributes.get(name) {
            Some(AttributeValue::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let registry = identity.part(0);
        match kind {
            "registry" => drop(self.repositories.get_or_insert_default()),
            "repository" => drop(self.repository(registry, identity.part(1))),
            "tag" => {
                let (repository, name) = (identity.part(1), identity.part(2));
                let mut tag = Tag::new(registry, repository, name);
                tag.digest = text("digest").map(Into::into);
                tag.fault = text("fault");
                let tags = self.repository(registry, repository).tags.get_or_insert_default();
                tags.insert(name.into(), tag);
            }
            "manifest" => {
                if let Some(manifest) = Manifest::from_attributes(attributes) {
                    self.manifests.insert(identity.part(1).into(), Held::Here(Box::new(manifest)));
                }
            }
            _ => {}
        }
    }

    fn repository(&mut self, registry: &str, name: &str) -> &mut Repository {
        let repositories = self.repositories.get_or_insert_default();
        repositories.entry(name.into()).or_insert_with(|| Repository::new(registry, name))
    }

    /// The manifest of a digest, if it is here.
    pub(super) fn manifest(&self, digest: &str) -> Option<&Manifest> {
        match self.manifests.get(digest) {
            Some(Held::Here(manifest)) => Some(manifest),
            _ => None,
        }
    }

    /// Whether a manifest has to be asked for.
    fn is_wanted(&self, digest: &str) -> bool {
        match self.manifests.get(digest) {
            None => true,
            Some(Held::Missing(visit)) => self.visit.saturating_sub(*visit) >= MISSING_RETRY_VISITS,
            Some(Held::Here(_) | Held::Unreadable(_)) => false,
        }
    }

    /// All repositories with all tags.
    pub(super) fn tags(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, &Tag)> {
        self.repositories
            .iter()
            .flatten()
            .flat_map(|(repository, state)| state.tags.iter().flatten().map(move |(name, tag)| (repository, name, tag)))
    }

    /// Manifests that a tag leads to and that have to be asked for: the repository with the tag, whose digest is not
    /// known, or with the digest.
    pub(super) fn wanted(&self) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        let mut seen: std::collections::HashSet<&str> = std::collections::HashSet::new();
        for (repository, name, tag) in self.tags() {
            let Some(digest) = &tag.digest else {
                // One that led to nothing is looked at in its turn.
                if tag.fault.is_none() {
                    wanted.push(Wanted { repository: Arc::clone(repository), what: What::Tag(Arc::clone(name)) });
                }
                continue;
            };
            if self.is_wanted(digest) {
                if seen.insert(digest) {
                    wanted.push(Wanted { repository: Arc::clone(repository), what: What::Digest(Arc::clone(digest)) });
                }
            } else if let Some(Form::Index(images)) = self.manifest(digest).map(|manifest| &manifest.form) {
                for image in images.keys().filter(|image| self.is_wanted(image)) {
                    if seen.insert(image) {
                        let what = What::Digest(Arc::from(&**image));
                        wanted.push(Wanted { repository: Arc::clone(repository), what });
                    }
                }
            }
        }
        wanted
    }

    /// Forgets manifests that no tag leads to, where they have become many.
    pub(super) fn prune(&mut self, used: usize) {
        if self.manifests.len().saturating_sub(used) <= UNUSED_MANIFESTS_MAX {
            return;
        }
        let mut manifests = std::mem::take(&mut self.manifests);
        let mut kept: HashMap<Digest, Held> = HashMap::with_capacity(used);
        for (_, _, tag) in
            self.repositories.iter().flatten().flat_map(|(repository, state)| {
                state.tags.iter().flatten().map(move |(name, tag)| (repository, name, tag))
            })
        {
            let Some((digest, held)) = tag.digest.as_ref().and_then(|digest| manifests.remove_entry(digest)) else {
                continue;
            };
            if let Held::Here(manifest) = &held
                && let Form::Index(images) = &manifest.form
            {
                kept.extend(images.keys().filter_map(|image| manifests.remove_entry(&**image)));
            }
            kept.insert(digest, held);
        }
        self.manifests = kept;
    }
}

/// A manifest to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) repository: Arc<str>,
    pub(super) what: What,
}

/// What names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A tag.
    Tag(Arc<str>),
    /// Its digest.
    Digest(Digest),
}

impl What {
    pub(super) fn reference(&self) -> &str {
        match self {
            What::Tag(name) => name,
            What::Digest(digest) => digest,
        }
    }
}
