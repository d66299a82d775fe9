//! One visit to an engine: the requests, in three rounds.
//!
//! All waiting happens here and changes nothing that is remembered of containers, so that a visit given up half-way
//! loses nothing; what is made of the answers is plain computation in `observe`. Must not know: the store, the
//! sampler.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::digests::{Digests, ImageReply};
use super::engine::{Engine, Fetched};
use super::follow::{self, Inbox};
use super::info::{self, Info};
use super::inspect::Inspected;
use super::known::Known;
use super::list::Listed;
use super::observe::{observe, take_events};
use super::stats::Stats;
use super::{Docker, deadline, failed};
use crate::source::http::{Failure, Limits};
use crate::source::{Observed, Visit};

/// What is kept back of a visit's time for the inspects that stats make necessary: they take milliseconds each.
const RESERVE_MAX: Duration = Duration::from_secs(1);

/// Most events kept over failed visits: as many as may wait for one.
const EVENTS_KEPT_MAX: usize = follow::EVENTS_WAITING_MAX;

/// A line of the list with what else was asked about it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) listed: Listed,
    /// None: not asked, or no answer in time.
    pub(super) stats: Option<Fetched<Option<Stats>>>,
    pub(super) facts: Facts,
}

/// What came of the wish to know a container's facts.
#[derive(Debug)]
pub(super) enum Facts {
    /// Nothing showed a change.
    AsBefore,
    /// These.
    Are(Box<Inspected>),
    /// It is gone since the list.
    Gone,
    /// No answer, for this reason if there was one.
    Missing(Option<String>),
}

/// What came of a visit's requests.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) seen: Vec<Seen>,
    /// When the list was asked for.
    pub(super) listed_at: Instant,
    pub(super) info: Fetched<Info>,
    /// Images whose digests did not come.
    pub(super) missed: Vec<(String, Failure)>,
    pub(super) bytes: u64,
}

pub(super) async fn poll(docker: &mut Docker, visit: Visit) -> Observed {
    let limits = docker.limits(deadline(visit));
    match ask(docker, visit, limits).await {
        Ok((engine, answers)) => observe(docker, &engine, visit, answers),
        Err(failure) => {
            // Whatever answers next may be another engine.
            docker.engine = None;
            take_mail(docker);
            let clock_offset_ms = docker.clock_offset_ms;
            Observed { clock_offset_ms, events: take_events(docker, visit), ..failed(&failure) }
        }
    }
}

async fn ask(docker: &mut Docker, visit: Visit, limits: Limits) -> Result<(Arc<Engine>, Answers), Failure> {
    let engine = connect(docker, visit, limits).await?;
    let listed_at = Instant::now();
    let (listed, list_bytes) = engine.list(limits).await?;
    let mut bytes = list_bytes;

    let first = Limits { deadline: limits.deadline - RESERVE_MAX.min(visit.timeout / 8), ..limits };
    let running = ids(&listed, |line| line.state().has_stats());
    // Learnt elsewhere to what it belongs: all its facts are told again, so that they change at one time.
    let is_attributed_anew = |line: &Listed, known: &Known| {
        docker.book.as_ref().is_some_and(|book| book.of_name(line.name()) != known.belongs)
    };
    let has_more_digests = |docker: &Docker, line: &Listed| {
        let told = docker.known.get(&line.id).map(|known| known.digests);
        told.is_some_and(|told| docker.digests.count(line.image_id.as_deref()) > told)
    };
    let changed = ids(&listed, |line| {
        docker.known.get(&line.id).is_none_or(|known| known.is_changed(line) || is_attributed_anew(line, known))
            || has_more_digests(docker, line)
    });
    let used = listed.iter().filter_map(|line| line.image_id.as_deref());
    let images = docker.digests.due(used, listed_at, docker.settings.images_interval);
    let facts_at = Instant::now();
    let (stats, inspected, info, images_told) = tokio::join!(
        engine.stats(&running, &docker.bounds, &docker.clock, first),
        engine.inspect_all(&changed, &docker.bounds, &docker.clock, first),
        ask_info(docker, &engine, first),
        engine.image_digests(&images, &docker.bounds, &docker.clock, first),
    );
    bytes += images_told.iter().map(|one| one.bytes).sum::<usize>();
    let missed = take_digests(&mut docker.digests, images_told, &images, listed_at);
    bytes += stats.iter().map(|one| one.bytes).sum::<usize>();
    bytes += inspected.iter().map(|one| one.bytes).sum::<usize>() + info.bytes;
    let mut stats = by_id(stats, &running);
    let mut facts: HashMap<Box<str>, Facts> = changed.iter().map(|id| (Box::from(*id), Facts::Missing(None))).collect();
    take_facts(&mut facts, inspected, &changed);

    // A restart after the list shows in the numbers or in an event; what is handed over must know of it.
    let told = take_mail(docker);
    let again = ids(&listed, |line| {
        let is_asked = facts.contains_key(&line.id);
        (!is_asked && has_more_digests(docker, line))
            || is_outdated(
                line,
                facts.get(&line.id),
                stats.get(&line.id),
                docker.known.get(&line.id),
                told.get(&line.id),
                facts_at,
            )
    });
    let second = engine.inspect_all(&again, &docker.bounds, &docker.clock, limits).await;
    bytes += second.iter().map(|one| one.bytes).sum::<usize>();
    facts.extend(again.iter().map(|id| (Box::from(*id), Facts::Missing(None))));
    take_facts(&mut facts, second, &again);

    let seen = listed
        .into_iter()
        .map(|line| Seen {
            stats: stats.remove(&line.id),
            facts: facts.remove(&line.id).unwrap_or(Facts::AsBefore),
            listed: line,
        })
        .collect();
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    Ok((engine, Answers { seen, listed_at, info, missed, bytes }))
}

/// The engine, asked who it is if that is not known, with its events followed.
async fn connect(docker: &mut Docker, visit: Visit, limits: Limits) -> Result<Arc<Engine>, Failure> {
    if let Some(engine) = &docker.engine {
        return Ok(Arc::clone(engine));
    }
    let engine = Arc::new(Engine::connect(Arc::clone(&docker.http), &docker.clock, limits).await?);
    let inbox = docker.inbox.get_or_insert_with(|| Arc::new(Inbox::new(visit.started.plus_ms(engine.clock_hint_ms))));
    if docker.follower.as_ref().is_none_or(|(version, _)| *version != engine.version) {
        // The old task ends before the new one begins; the inbox knows where to go on.
        docker.follower = None;
        let task = follow::spawn(Arc::clone(&engine), Arc::clone(inbox), docker.settings.reply_max_bytes);
        docker.follower = Some((engine.version, task));
    }
    docker.engine = Some(Arc::clone(&engine));
    Ok(engine)
}

async fn ask_info(docker: &Docker, engine: &Engine, limits: Limits) -> Fetched<Info> {
    let sent = docker.clock.now();
    let (bytes, result) = match engine.get("/info", limits, info::parse).await {
        Ok((info, bytes)) => (bytes, Ok(info)),
        Err(failure) => (0, Err(failure)),
    };
    Fetched { index: 0, sent, arrived: docker.clock.now(), bytes, result }
}

/// Whether the facts of a container may be of before its numbers, or its numbers show that it changed.
fn is_outdated(
    line: &Listed,
    facts: Option<&Facts>,
    stats: Option<&Fetched<Option<Stats>>>,
    known: Option<&Known>,
    told_at: Option<&Instant>,
    facts_at: Instant,
) -> bool {
    let is_told = told_at.is_some_and(|told_at| facts.is_none() || *told_at >= facts_at);
    let has_changed_life = match (facts, known) {
        (Some(Facts::Are(inspected)), Some(known)) => inspected.started_at() != known.started,
        _ => false,
    };
    let is_odd = match stats.map(|fetched| &fetched.result) {
        Some(Ok(Some(stats))) => !has_changed_life && known.is_some_and(|known| known.has_fallen(stats)),
        // It ran when it was listed, and has no numbers.
        Some(Ok(None)) => true,
        Some(Err(_)) | None => false,
    };
    // Nothing more can be learnt of one that is gone.
    !matches!(facts, Some(Facts::Gone)) && (is_told || (is_odd && line.state().has_stats()))
}

fn ids(listed: &[Listed], wanted: impl Fn(&Listed) -> bool) -> Vec<&str> {
    listed.iter().filter(|line| wanted(line)).map(|line| &*line.id).collect()
}

fn by_id<T>(fetched: Vec<Fetched<T>>, ids: &[&str]) -> HashMap<Box<str>, Fetched<T>> {
    fetched.into_iter().filter_map(|one| Some((Box::from(*ids.get(one.index)?), one))).collect()
}

fn take_facts(facts: &mut HashMap<Box<str>, Facts>, fetched: Vec<Fetched<Option<Inspected>>>, ids: &[&str]) {
    for one in fetched {
        let Some(id) = ids.get(one.index) else { continue };
        let of_id = match one.result {
            Ok(Some(inspected)) => Facts::Are(Box::new(inspected)),
            Ok(None) => Facts::Gone,
            Err(failure) => Facts::Missing(Some(failure.message)),
        };
        facts.insert(Box::from(*id), of_id);
    }
}

/// Writes down what came of asking for images; gives those that could not be had: they are asked for again.
fn take_digests(
    digests: &mut Digests,
    told: Vec<Fetched<Option<ImageReply>>>,
    ids: &[&str],
    at: Instant,
) -> Vec<(String, Failure)> {
    let mut missed = Vec::new();
    for one in told {
        let Some(id) = ids.get(one.index) else { continue };
        match one.result {
            Ok(reply) => {
                let names = reply.and_then(|reply| reply.digests).unwrap_or_default();
                digests.note(id, names.iter().map(String::as_str));
                digests.note_asked(id, at);
            }
            Err(failure) => missed.push((format!("digests of image {id}"), failure)),
        }
    }
    missed
}

/// Moves what came into what is kept until a visit hands it over. Gives, by container, when its last event was read.
fn take_mail(docker: &mut Docker) -> HashMap<Box<str>, Instant> {
    let Some(inbox) = &docker.inbox else { return HashMap::new() };
    let mail = inbox.take();
    docker.lost_events = docker.lost_events.saturating_add(mail.lost);
    docker.unreadable_events = docker.unreadable_events.saturating_add(mail.unreadable);
    let mut last = HashMap::new();
    for arrived in mail.events {
        if arrived.told.is_of_container() {
            docker.gone.note(&arrived.told, arrived.at);
            last.insert(arrived.told.id.clone(), arrived.at);
        } else {
            docker.digests.ask_again();
        }
        if docker.events.len() >= EVENTS_KEPT_MAX {
            docker.events.pop_front();
            docker.lost_events = docker.lost_events.saturating_add(1);
        }
        docker.events.push_back(arrived.told);
    }
    for (id, inspected) in mail.found {
        docker.gone.note_found(&id, inspected);
    }
    last
}
