//! One visit to a registry: the catalogue in full, then as many lists of tags, manifests and checks of digests as the
//! budget allows, those that waited longest first.
//!
//! Whatever a visit does not come to, the next one begins with. Nothing is asked twice that cannot have changed: a
//! manifest is known by its digest for ever. Must not know: the store, the sampler.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde::Deserialize;

use super::Registry;
use super::client::{Budget, Client, Stop};
use super::known::{Digest, Held, Known, Repository, Tag, Wanted, What};
use super::manifest::Manifest;
use super::names::{in_path, is_digest, next_page};
use crate::model::Timestamp;
use crate::source::http::{Failure, Limits, Method, Reply};

/// Names asked for at a time: registries since 2.8.2 give no more.
const PAGE_NAMES: u32 = 1000;
/// Names asked for at a time from one that refuses as many.
const PAGE_NAMES_SMALL: u32 = 100;
/// Pages of one list; a registry that links in circles ends there.
const PAGES_MAX: usize = 10_000;
/// Repositories of a registry and tags of a repository that are followed; past it the first by name are.
pub(super) const NAMES_MAX: usize = 100_000;
/// The part of a budget that lists of tags may take while digests wait too: one in four.
const LISTS_SHARE: usize = 4;

const CATALOGUE: &str = "/v2/_catalog";
const CATALOGUE_SCOPE: &str = "registry:catalog:*";

/// Something that changed since it was looked at last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) at: Timestamp,
    pub(super) repository: Arc<str>,
    pub(super) what: Changed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Changed {
    RepositoryAdded,
    RepositoryDeleted,
    TagAdded { tag: Arc<str>, digest: Option<Digest> },
    TagMoved { tag: Arc<str>, from: Digest, to: Digest },
    TagDeleted { tag: Arc<str>, digest: Option<Digest> },
}

/// What a visit came to.
#[derive(Debug, Default)]
pub(super) struct Visited {
    pub(super) changes: Vec<Change>,
    /// What failed, by name.
    pub(super) missing: Vec<String>,
    /// Which list was longer than [`NAMES_MAX`].
    pub(super) cut: Vec<String>,
}

/// Asks for all that the budget allows; fails only where the catalogue cannot be had.
pub(super) async fn visit(registry: &mut Registry, limits: Limits) -> Result<Visited, Failure> {
    let mut visited = Visited::default();
    registry.client.begin();
    if registry.api.is_none() {
        registry.api = Some(greet(&registry.client, limits).await?);
    }
    let names = match &registry.settings.repositories {
        names if !names.is_empty() => names.clone(),
        _ => catalogue(&registry.client, limits, &mut visited).await?,
    };
    registry.known.visit += 1;
    registry.known.learnt.clear();
    let at = registry.clock.now();
    take_catalogue(&mut registry.known, &registry.settings.name, names, at, &mut visited);

    lists(registry, limits, &mut visited).await;
    manifests(registry, limits, &mut visited).await;
    digests(registry, limits, &mut visited).await;
    // Those that moved, as far as the budget reaches.
    manifests(registry, limits, &mut visited).await;
    Ok(visited)
}

/// Makes sure that a registry of API version 2 answers, and says which version it names.
async fn greet(client: &Client, limits: Limits) -> Result<String, Failure> {
    let path = format!("{}/v2/", client.prefix());
    let reply = required(client.ask(Method::Get, &path, "", Budget::Free, limits).await)?;
    if reply.status != 404 {
        client.check_status(&path, &reply)?;
        return Ok(reply.header("docker-distribution-api-version").unwrap_or("registry/2.0").to_owned());
    }
    let old = format!("{}/v1/_ping", client.prefix());
    let old = client.ask(Method::Get, &old, "", Budget::Free, limits).await;
    let speaks_v1 = matches!(&old, Ok(reply) if reply.status == 200);
    Err(client.unusable(
        &path,
        if speaks_v1 {
            "it speaks only version 1 of the registry API; version 2 is needed: registry 2.0 or newer"
        } else {
            "no registry API is there (404); `url` must lead to what /v2/ is below"
        },
    ))
}

fn required(answer: Result<Reply, Stop>) -> Result<Reply, Failure> {
    answer.map_err(|stop| match stop {
        Stop::Failed(failure) => failure,
        // What is free is never refused for the budget.
        Stop::Spent => Failure::new(crate::model::Outcome::Timeout, "no time was left"),
    })
}

/// The names of all repositories.
async fn catalogue(client: &Client, limits: Limits, visited: &mut Visited) -> Result<Vec<String>, Failure> {
    #[derive(Deserialize)]
    struct Page {
        repositories: Option<Vec<String>>,
    }
    let path = format!("{}{CATALOGUE}", client.prefix());
    let names = pages(client, &path, CATALOGUE_SCOPE, Budget::Free, limits, |body| {
        Ok(serde_json::from_slice::<Page>(body)?.repositories.unwrap_or_default())
    })
    .await;
    match names {
        Ok(Some((names, is_cut))) => {
            if is_cut {
                visited.cut.push("the catalogue".to_owned());
            }
            Ok(names)
        }
        Ok(None) => Err(client.unusable(
            &path,
            "it has no catalogue (404, 405); name what to look at: repositories = [\"library/nginx\"]",
        )),
        Err(stop) => required(Err(stop)).map(|_| Vec::new()),
    }
}

/// The names on all pages from a path on, each once, and whether there were too many; None where there is no such
/// list.
async fn pages(
    client: &Client,
    path: &str,
    scope: &str,
    budget: Budget,
    limits: Limits,
    read: impl Fn(&[u8]) -> Result<Vec<String>, serde_json::Error>,
) -> Result<Option<(Vec<String>, bool)>, Stop> {
    let mut names: Vec<String> = Vec::new();
    let mut page = format!("{path}?n={PAGE_NAMES}");
    for turn in 0..PAGES_MAX {
        let mut reply = client.ask(Method::Get, &page, scope, budget, limits).await?;
        if turn == 0 && reply.status == 400 {
            page = format!("{path}?n={PAGE_NAMES_SMALL}");
            reply = client.ask(Method::Get, &page, scope, budget, limits).await?;
        }
        if turn == 0 && matches!(reply.status, 404 | 405) {
            return Ok(None);
        }
        client.check_status(&page, &reply)?;
        names.extend(
            read(&reply.body).map_err(|error| client.unusable(&page, &format!("not the list expected ({error})")))?,
        );
        if names.len() > NAMES_MAX {
            break;
        }
        let link = reply.headers.get_all("link").iter().filter_map(|link| link.to_str().ok()).collect::<Vec<_>>();
        let Some(from) = client.address(&page) else { break };
        let next = next_page(&link.join(", "), &from).map_err(|why| client.unusable(&page, &why))?;
        match next.map(|next| below(client.prefix(), next)) {
            Some(next) if next != page => page = next,
            _ => break,
        }
    }
    names.sort_unstable();
    names.dedup();
    let is_cut = names.len() > NAMES_MAX;
    names.truncate(NAMES_MAX);
    Ok(Some((names, is_cut)))
}

/// A registry below a prefix does not know of it: its links may leave it out.
fn below(prefix: &str, path: String) -> String {
    if path.starts_with(&format!("{prefix}/")) { path } else { format!("{prefix}{path}") }
}

fn take_catalogue(known: &mut Known, registry: &str, names: Vec<String>, at: Timestamp, visited: &mut Visited) {
    let is_first = known.repositories.is_none();
    let mut before = known.repositories.take().unwrap_or_default();
    let mut after = BTreeMap::new();
    for name in names {
        if in_path(&name).is_none() {
            visited.missing.push(format!("repository {name:?}: no name that can be asked for"));
            continue;
        }
        let (name, repository) = match before.remove_entry(name.as_str()) {
            Some(entry) => entry,
            None => {
                let mut repository = Repository::new(registry, &name);
                let name: Arc<str> = name.into();
                if !is_first {
                    visited.changes.push(Change { at, repository: Arc::clone(&name), what: Changed::RepositoryAdded });
                    // It had none before: its tags are new too.
                    repository.tags = Some(BTreeMap::new());
                }
                (name, repository)
            }
        };
        after.insert(name, repository);
    }
    for (name, repository) in before {
        for (tag, state) in repository.tags.into_iter().flatten() {
            let what = Changed::TagDeleted { tag, digest: state.digest };
            visited.changes.push(Change { at, repository: Arc::clone(&name), what });
        }
        visited.changes.push(Change { at, repository: name, what: Changed::RepositoryDeleted });
    }
    known.repositories = Some(after);
}

/// Lists the tags of the repositories that waited longest.
async fn lists(registry: &mut Registry, limits: Limits, visited: &mut Visited) {
    let Registry { client, known, clock, settings, .. } = registry;
    let mut waiting: Vec<(Option<u64>, Arc<str>)> = Vec::new();
    let mut tags = 0_usize;
    for (name, repository) in known.repositories.iter().flatten() {
        waiting.push((repository.listed.map(|(_, visit)| visit), Arc::clone(name)));
        tags += repository.tags.as_ref().map_or(0, BTreeMap::len);
    }
    waiting.sort_unstable();
    let left = client.left();
    let is_enough = waiting.len().saturating_add(tags) <= left;
    let count = if is_enough { left } else { (left / LISTS_SHARE).max(1) };
    waiting.truncate(count);
    let (client, clock) = (&*client, &*clock);
    let answers = stream::iter(waiting).map(|(_, name)| async move {
        let answer = tags_of(client, &name, limits).await;
        (name, answer, clock.now())
    });
    let answers: Vec<_> = answers.buffer_unordered(settings.concurrency).collect().await;
    for (name, answer, at) in answers {
        match answer {
            Ok(names) => {
                let (names, is_cut) = names.unwrap_or_default();
                if is_cut {
                    visited.cut.push(format!("the tags of {name}"));
                }
                take_list(known, &settings.name, &name, names, at, visited);
            }
            Err(Stop::Spent) => {}
            Err(Stop::Failed(failure)) => visited.missing.push(format!("tags of {name}: {failure}")),
        }
    }
}

/// The tags of a repository; None for one that has never had any.
async fn tags_of(client: &Client, name: &str, limits: Limits) -> Result<Option<(Vec<String>, bool)>, Stop> {
    #[derive(Deserialize)]
    struct Page {
        tags: Option<Vec<String>>,
    }
    // Names that cannot stand in a path are left out of the catalogue.
    let Some(encoded) = in_path(name) else { return Ok(None) };
    let path = format!("{}/v2/{encoded}/tags/list", client.prefix());
    pages(client, &path, &Client::repository_scope(name), Budget::Counted, limits, |body| {
        Ok(serde_json::from_slice::<Page>(body)?.tags.unwrap_or_default())
    })
    .await
}

fn take_list(
    known: &mut Known,
    registry: &str,
    name: &Arc<str>,
    names: Vec<String>,
    at: Timestamp,
    visited: &mut Visited,
) {
    let visit = known.visit;
    let Some(repository) = known.repositories.as_mut().and_then(|all| all.get_mut(name)) else { return };
    let is_first = repository.tags.is_none();
    let mut before = repository.tags.take().unwrap_or_default();
    let mut after = BTreeMap::new();
    for tag in names {
        if tag.contains('/') || in_path(&tag).is_none() {
            visited.missing.push(format!("tag {tag:?} of {name}: no name that can be asked for"));
            continue;
        }
        let (tag, state) = match before.remove_entry(tag.as_str()) {
            Some(entry) => entry,
            None => {
                let state = Tag::new(registry, name, &tag);
                let tag: Arc<str> = tag.into();
                if !is_first {
                    let what = Changed::TagAdded { tag: Arc::clone(&tag), digest: None };
                    visited.changes.push(Change { at, repository: Arc::clone(name), what });
                }
                (tag, state)
            }
        };
        after.insert(tag, state);
    }
    for (tag, state) in before {
        let what = Changed::TagDeleted { tag, digest: state.digest };
        visited.changes.push(Change { at, repository: Arc::clone(name), what });
    }
    repository.tags = Some(after);
    repository.listed = Some((at, visit));
}

/// What came of asking for a manifest.
enum Fetched {
    Manifest {
        digest: Digest,
        held: Held,
    },
    /// There is none.
    None,
}

/// Fetches manifests that are wanted, and the images of those that are indexes.
async fn manifests(registry: &mut Registry, limits: Limits, visited: &mut Visited) {
    // An index leads to images and they to nothing: two rounds, and one for what came in between.
    for _ in 0..3 {
        let Registry { client, known, clock, settings, .. } = &mut *registry;
        let mut wanted = known.wanted();
        wanted.truncate(client.left());
        if wanted.is_empty() {
            return;
        }
        let (client, clock) = (&*client, &*clock);
        let answers = stream::iter(wanted).map(|wanted| async move {
            let answer = manifest(client, &wanted, limits).await;
            (wanted, answer, clock.now())
        });
        let answers: Vec<_> = answers.buffer_unordered(settings.concurrency).collect().await;
        let mut came = false;
        for (wanted, answer, at) in answers {
            match answer {
                Ok(fetched) => {
                    came = true;
                    take_manifest(known, &wanted, fetched, at, visited);
                }
                Err(Stop::Spent) => {}
                Err(Stop::Failed(failure)) => {
                    let what = wanted.what.reference();
                    visited.missing.push(format!("manifest {what} of {}: {failure}", wanted.repository));
                }
            }
        }
        if !came {
            return;
        }
    }
}

fn manifest_path(client: &Client, repository: &str, reference: &str) -> String {
    let encoded = in_path(repository).unwrap_or_default();
    // A digest's colon stands as it is; tags are plain, or encoded as names are.
    let reference = if is_digest(reference) { reference.to_owned() } else { in_path(reference).unwrap_or_default() };
    format!("{}/v2/{encoded}/manifests/{reference}", client.prefix())
}

async fn manifest(client: &Client, wanted: &Wanted, limits: Limits) -> Result<Fetched, Stop> {
    let path = manifest_path(client, &wanted.repository, wanted.what.reference());
    let scope = Client::repository_scope(&wanted.repository);
    let reply = client.ask(Method::Get, &path, &scope, Budget::Counted, limits).await?;
    if reply.status == 404 {
        return Ok(Fetched::None);
    }
    client.check_status(&path, &reply)?;
    let digest = match &wanted.what {
        What::Digest(digest) => Arc::clone(digest),
        What::Tag(_) => {
            digest_of(&reply).ok_or_else(|| client.unusable(&path, "the reply does not name its digest"))?
        }
    };
    let held = match Manifest::parse(&reply.body, reply.header("content-type").unwrap_or_default()) {
        Ok(manifest) => Held::Here(Box::new(manifest)),
        Err(why) => Held::Unreadable(why),
    };
    Ok(Fetched::Manifest { digest, held })
}

fn digest_of(reply: &Reply) -> Option<Digest> {
    let told = reply.header("docker-content-digest").or_else(|| Some(reply.header("etag")?.trim_matches('"')))?;
    is_digest(told).then(|| told.into())
}

fn take_manifest(known: &mut Known, wanted: &Wanted, fetched: Fetched, at: Timestamp, visited: &mut Visited) {
    match (&wanted.what, fetched) {
        (What::Tag(tag), Fetched::Manifest { digest, held }) => {
            known.learnt.push((Arc::clone(&digest), at));
            known.manifests.entry(Arc::clone(&digest)).or_insert(held);
            take_digest(known, &wanted.repository, tag, Some(digest), at, visited);
        }
        (What::Digest(_), Fetched::Manifest { digest, held }) => {
            known.learnt.push((Arc::clone(&digest), at));
            known.manifests.insert(digest, held);
        }
        (What::Tag(tag), Fetched::None) => take_digest(known, &wanted.repository, tag, None, at, visited),
        (What::Digest(digest), Fetched::None) => {
            known.manifests.insert(Arc::clone(digest), Held::Missing(known.visit));
        }
    }
}

/// Checks the digests of the tags that waited longest.
async fn digests(registry: &mut Registry, limits: Limits, visited: &mut Visited) {
    let Registry { client, known, clock, settings, .. } = registry;
    let mut waiting: Vec<(Option<u64>, Arc<str>, Arc<str>)> = known
        .tags()
        .filter(|(_, _, tag)| !tag.is_checked_in(known.visit) && (tag.digest.is_some() || tag.fault.is_some()))
        .map(|(repository, name, tag)| (tag.checked.map(|(_, visit)| visit), Arc::clone(repository), Arc::clone(name)))
        .collect();
    waiting.sort_unstable();
    waiting.truncate(client.left());
    let (client, clock) = (&*client, &*clock);
    let answers = stream::iter(waiting).map(|(_, repository, tag)| async move {
        let answer = digest(client, &repository, &tag, limits).await;
        (repository, tag, answer, clock.now())
    });
    let answers: Vec<_> = answers.buffer_unordered(settings.concurrency).collect().await;
    for (repository, tag, answer, at) in answers {
        match answer {
            Ok(digest) => take_digest(known, &repository, &tag, digest, at, visited),
            Err(Stop::Spent) => {}
            Err(Stop::Failed(failure)) => visited.missing.push(format!("digest of {repository}:{tag}: {failure}")),
        }
    }
}

/// The digest that a tag has now; None where it leads to nothing.
async fn digest(client: &Client, repository: &str, tag: &str, limits: Limits) -> Result<Option<Digest>, Stop> {
    let path = manifest_path(client, repository, tag);
    let scope = Client::repository_scope(repository);
    let mut reply = client.ask(Method::Head, &path, &scope, Budget::Counted, limits).await?;
    // A few know no HEAD, or leave the digest out of its reply.
    if reply.status == 405 || (reply.status == 200 && digest_of(&reply).is_none()) {
        reply = client.ask(Method::Get, &path, &scope, Budget::Counted, limits).await?;
    }
    if reply.status == 404 {
        return Ok(None);
    }
    client.check_status(&path, &reply)?;
    Ok(Some(digest_of(&reply).ok_or_else(|| client.unusable(&path, "the reply does not name its digest"))?))
}

/// Takes over the digest of a tag as it was just seen.
fn take_digest(
    known: &mut Known,
    repository: &Arc<str>,
    name: &Arc<str>,
    digest: Option<Digest>,
    at: Timestamp,
    visited: &mut Visited,
) {
    let visit = known.visit;
    let tags = known.repositories.as_mut().and_then(|all| all.get_mut(repository)?.tags.as_mut());
    let Some(tag) = tags.and_then(|tags| tags.get_mut(name)) else { return };
    tag.checked = Some((at, visit));
    let Some(digest) = digest else {
        tag.fault = Some("it is listed, but the registry has no such manifest".to_owned());
        return;
    };
    tag.fault = None;
    match &tag.digest {
        Some(before) if *before != digest => {
            let what = Changed::TagMoved { tag: Arc::clone(name), from: Arc::clone(before), to: Arc::clone(&digest) };
            visited.changes.push(Change { at, repository: Arc::clone(repository), what });
        }
        Some(_) => {}
        // An addition of this visit is told with its digest.
        None => {
            let added = visited.changes.iter_mut().rev().find(|change| {
                change.repository == *repository && matches!(&change.what, Changed::TagAdded { tag, .. } if tag == name)
            });
            if let Some(Change { what: Changed::TagAdded { digest: told, .. }, .. }) = added {
                *told = Some(Arc::clone(&digest));
            }
        }
    }
    tag.digest = Some(digest);
}
