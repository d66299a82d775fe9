//! What a visit saw, as batches of the kinds and events. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Registry;
use super::kinds::{MANIFEST, REGISTRY, REPOSITORY, TAG};
use super::known::{Held, Known, Tag};
use super::manifest::Form;
use super::sizes::{Sizes, sizes, tag_size};
use super::visit::{Change, Changed, NAMES_MAX, Visited};
use crate::model::{
    AttributeValue, Attributes, Event, Identity, Kind, KindBatch, Observation, Outcome, Sample, Severity, TargetName,
    Timestamp, Value,
};
use crate::source::Observed;

/// Failures of a visit that are named; the rest are counted.
const MISSING_NAMED_MAX: usize = 100;

/// Hands over what a visit came to.
pub(super) fn observe(registry: &mut Registry, visited: Visited) -> Observed {
    let at = registry.clock.now();
    let known = &registry.known;
    let sizes = sizes(known);
    // What is not in a batch is gone only where all was looked at once.
    let all_listed = known.repositories.iter().flatten().all(|(_, repository)| repository.tags.is_some());
    let batches = vec![
        KindBatch { kind: &REGISTRY, complete: true, observations: vec![of_registry(registry, &sizes, at)] },
        KindBatch { kind: &REPOSITORY, complete: true, observations: of_repositories(known, &sizes, at) },
        KindBatch { kind: &TAG, complete: all_listed, observations: of_tags(known) },
        KindBatch { kind: &MANIFEST, complete: false, observations: of_manifests(&registry.settings.name, known) },
    ];
    let mut events: Vec<Event> = visited.changes.iter().map(|change| event(&registry.target, known, change)).collect();
    let cut = visited.cut.iter().filter(|list| registry.told_cuts.insert((*list).clone()));
    events.extend(cut.map(|list| limit_hit(&registry.target, list, at)));
    let used = sizes.manifests;
    registry.known.prune(used);

    let mut missing = visited.missing;
    let error = missing.first().map(|first| match missing.len() {
        1 => format!("did not come: {first}"),
        all => format!("did not come: {first} (and {} more)", all - 1),
    });
    if missing.len() > MISSING_NAMED_MAX {
        let more = missing.len() - MISSING_NAMED_MAX;
        missing.truncate(MISSING_NAMED_MAX);
        missing.push(format!("{more} more"));
    }
    Observed {
        outcome: if missing.is_empty() { Outcome::Ok } else { Outcome::Partial },
        error,
        missing,
        bytes: registry.client.bytes(),
        clock_offset_ms: 0,
        batches,
        events,
    }
}

fn whole(number: usize) -> Value {
    Value::from(u64::try_from(number).ok())
}

fn age(at: Timestamp, then: Option<Timestamp>) -> Value {
    Value::from(then.map(|then| at.ms_since(then).max(0)))
}

fn sample(kind: &'static Kind, at: Timestamp, values: &[(&str, Value)]) -> Sample {
    let value = |stored: &str| values.iter().find(|(name, _)| *name == stored).map_or(Value::Null, |(_, value)| *value);
    Sample { at, since: None, values: kind.columns.iter().map(|column| value(column.stored)).collect() }
}

fn of_registry(registry: &Registry, sizes: &Sizes, at: Timestamp) -> Observation {
    let known = &registry.known;
    let mut attributes = Attributes::new();
    attributes.insert("address", registry.client.shown().into());
    attributes.insert("authentication", registry.client.authentication().into());
    if let Some(api) = &registry.api {
        attributes.insert("api", api.as_str().into());
    }
    let repositories = known.repositories.iter().flatten().map(|(_, repository)| repository);
    let listed = repositories.clone().map(|repository| repository.listed.map(|(at, _)| at));
    let checked = known.tags().map(|(_, _, tag)| tag.checked.map(|(at, _)| at));
    let values = [
        ("repositories", whole(repositories.count())),
        ("tags", whole(known.tags().count())),
        ("bytes", sizes.bytes.into()),
        ("manifests", whole(sizes.manifests)),
        ("blobs", whole(sizes.blobs)),
        ("manifests_waiting", whole(known.wanted().len())),
        ("requests", Value::from(Some(u64::from(registry.client.spent())))),
        ("listed_age_ms", age(at, oldest(listed))),
        ("digest_age_ms", age(at, oldest(checked))),
    ];
    Observation {
        identity: Identity::new([registry.settings.name.as_str()]),
        attributes: Some(attributes),
        ended: None,
        sample: Some(sample(&REGISTRY, at, &values)),
    }
}

/// The oldest of some times; None where one is not known, or there is none.
fn oldest(mut times: impl Iterator<Item = Option<Timestamp>>) -> Option<Timestamp> {
    let first = times.next()??;
    times.try_fold(first, |oldest, time| Some(oldest.min(time?)))
}

fn of_repositories(known: &Known, sizes: &Sizes, at: Timestamp) -> Vec<Observation> {
    let repositories = known.repositories.iter().flatten();
    repositories
        .map(|(name, repository)| {
            let sizes = sizes.repositories.get(name).copied().unwrap_or_default();
            let checked = repository.tags.iter().flatten().map(|(_, tag)| tag.checked.map(|(at, _)| at));
            let values = [
                ("tags", repository.tags.as_ref().map_or(Value::Null, |tags| whole(tags.len()))),
                ("bytes", sizes.bytes.map(|(bytes, _)| bytes).into()),
                ("shared_bytes", sizes.bytes.map(|(_, shared)| shared).into()),
                ("own_bytes", sizes.bytes.map(|(bytes, shared)| bytes.saturating_sub(shared)).into()),
                ("tags_without_size", whole(sizes.unsized_tags)),
                ("listed_age_ms", age(at, repository.listed.map(|(at, _)| at))),
                ("digest_age_ms", age(at, oldest(checked))),
            ];
            Observation {
                identity: repository.identity.clone(),
                attributes: None,
                ended: None,
                sample: Some(sample(&REPOSITORY, at, &values)),
            }
        })
        .collect()
}

/// All tags; those that were checked in this visit with their facts and sizes.
fn of_tags(known: &Known) -> Vec<Observation> {
    known
        .tags()
        .map(|(_, _, tag)| {
            let checked = tag.checked.filter(|(_, visit)| *visit == known.visit).map(|(at, _)| at);
            Observation {
                identity: tag.identity.clone(),
                attributes: checked.map(|_| tag_attributes(known, tag)),
                ended: None,
                sample: checked.map(|at| {
                    let size = tag.digest.as_ref().filter(|_| tag.fault.is_none());
                    let size = size.map(|digest| tag_size(known, digest)).unwrap_or_default();
                    let values = [
                        ("size_bytes", size.bytes.into()),
                        ("layer_bytes", size.layer_bytes.into()),
                        ("layers", size.layers.into()),
                    ];
                    sample(&TAG, at, &values)
                }),
            }
        })
        .collect()
}

fn tag_attributes(known: &Known, tag: &Tag) -> Attributes {
    let mut attributes = Attributes::new();
    let mut fault = tag.fault.clone();
    if let Some(digest) = &tag.digest {
        attributes.insert("digest", AttributeValue::Text(digest.to_string()));
        match known.manifests.get(digest) {
            Some(Held::Here(manifest)) => {
                attributes.insert("media_type", manifest.media_type.as_str().into());
                match &manifest.form {
                    Form::Image { config: Some(config), .. } => {
                        attributes.insert("image_id", AttributeValue::Text(config.to_string()));
                    }
                    Form::Image { config: None, .. } => {}
                    Form::Index(images) => {
                        let mut platforms: Vec<String> = images.values().filter(|it| !it.is_empty()).cloned().collect();
                        platforms.sort_unstable();
                        platforms.dedup();
                        attributes.insert("platforms", platforms.into());
                        let is_missing = |image: &str| matches!(known.manifests.get(image), Some(Held::Missing(_)));
                        let missing = images.keys().filter(|image| is_missing(image.as_ref())).count();
                        if missing > 0 {
                            let all = images.len();
                            fault.get_or_insert(format!("the registry has not {missing} of its {all} images"));
                        }
                    }
                    Form::Unsized => {
                        fault.get_or_insert("schema 1 tells no sizes".to_owned());
                    }
                }
            }
            Some(Held::Missing(_)) => {
                fault.get_or_insert("the registry has no such manifest".to_owned());
            }
            Some(Held::Unreadable(why)) => {
                fault.get_or_insert(format!("its manifest cannot be used: {why}"));
            }
            None => {}
        }
    }
    if let Some(fault) = fault {
        attributes.insert("fault", fault.into());
    }
    attributes
}

/// Manifests that were learnt in this visit, and those whose tags were checked in it: they are still in use.
fn of_manifests(registry: &str, known: &Known) -> Vec<Observation> {
    let mut seen: BTreeMap<Arc<str>, Option<Timestamp>> = BTreeMap::new();
    for (_, _, tag) in known.tags().filter(|(_, _, tag)| tag.is_checked_in(known.visit)) {
        let Some(digest) = &tag.digest else { continue };
        let Some(manifest) = known.manifest(digest) else { continue };
        seen.insert(Arc::clone(digest), None);
        if let Form::Index(images) = &manifest.form {
            seen.extend(images.keys().filter(|it| known.manifest(it).is_some()).map(|it| (Arc::from(&**it), None)));
        }
    }
    seen.extend(known.learnt.iter().map(|(digest, at)| (Arc::clone(digest), Some(*at))));
    seen.into_iter()
        .filter_map(|(digest, learnt)| {
            let manifest = known.manifest(&digest)?;
            let values = [("size_bytes", manifest.size_bytes().into()), ("layers", manifest.layers().into())];
            Some(Observation {
                identity: Identity::new([registry, &*digest]),
                attributes: learnt.map(|_| manifest.attributes()),
                ended: None,
                sample: learnt.map(|at| sample(&MANIFEST, at, &values)),
            })
        })
        .collect()
}

fn event(target: &TargetName, known: &Known, change: &Change) -> Event {
    let Change { at, repository, what } = change;
    let registry = target.name();
    let of_tag = |tag: &str| (&TAG, Identity::new([registry, &**repository, tag]));
    let of_repository = || (&REPOSITORY, Identity::new([registry, &**repository]));
    let mut details: BTreeMap<String, AttributeValue> = BTreeMap::new();
    let mut detail = |name: &str, digest: &str| drop(details.insert(name.to_owned(), digest.into()));
    let (event_type, severity, (kind, entity), message) = match what {
        Changed::RepositoryAdded => {
            ("repository_added", Severity::Info, of_repository(), format!("repository {repository} is new"))
        }
        Changed::RepositoryDeleted => {
            ("repository_deleted", Severity::Warning, of_repository(), format!("repository {repository} is gone"))
        }
        Changed::TagAdded { tag, digest } => {
            // Its digest may have come later in the same visit.
            let later = || {
                let tags = known.repositories.as_ref()?.get(repository)?.tags.as_ref()?;
                tags.get(tag)?.digest.as_ref()
            };
            if let Some(digest) = digest.as_ref().or_else(later) {
                detail("digest", digest);
            }
            ("tag_added", Severity::Info, of_tag(tag), format!("tag {repository}:{tag} is new"))
        }
        Changed::TagMoved { tag, from, to } => {
            detail("old_digest", from);
            detail("new_digest", to);
            ("tag_moved", Severity::Info, of_tag(tag), format!("tag {repository}:{tag} moved from {from} to {to}"))
        }
        Changed::TagDeleted { tag, digest } => {
            if let Some(digest) = digest {
                detail("digest", digest);
            }
            ("tag_deleted", Severity::Warning, of_tag(tag), format!("tag {repository}:{tag} is gone"))
        }
    };
    Event {
        at: *at,
        severity,
        event_type,
        kind: Some(kind.name),
        source_id: entity.parts().join(" "),
        entity: Some(entity),
        target: target.clone(),
        message,
        details,
    }
}

fn limit_hit(target: &TargetName, list: &str, at: Timestamp) -> Event {
    Event {
        at,
        severity: Severity::Warning,
        event_type: "limit_hit",
        kind: None,
        entity: None,
        target: target.clone(),
        source_id: format!("names {list}"),
        message: format!("{list} is longer than {NAMES_MAX} names; only the first are followed"),
        details: [("limit".to_owned(), AttributeValue::from("names"))].into(),
    }
}
