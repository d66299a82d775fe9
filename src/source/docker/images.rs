//! An engine's images: target `docker-images/<name>`, visited seldom.
//!
//! Must not know: the engine's containers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::engine::Engine;
use super::inspect::Facts;
use super::kinds::IMAGE_KIND;
use super::wire::{Count, bare};
use super::{Settings, deadline, failed, version};
use crate::clock::Clock;
use crate::model::{Attributes, Identity, KindBatch, Observation, Outcome, Sample, TargetName, Timestamp, Value};
use crate::source::http::{Failure, Http, Limits, SetupError};
use crate::source::{Observed, Source, Visit};

/// What an engine says of an image that has no name.
const UNTAGGED: &str = "<none>:<none>";
const WITHOUT_DIGEST: &str = "<none>@<none>";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: Box<str>,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    repo_digests: Option<Vec<String>>,
    #[serde(default)]
    created: Count,
    #[serde(default)]
    size: Count,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct DiskWire {
    #[serde(rename = "Images", default)]
    images: Option<Vec<Sized>>,
}

/// The part of `/system/df` that `/images/json` does not compute.
#[derive(Deserialize)]
struct Sized {
    #[serde(rename = "Id")]
    id: Box<str>,
    #[serde(rename = "SharedSize", default)]
    shared: Count,
    #[serde(rename = "Containers", default)]
    containers: Count,
}

/// One engine, visited for its images.
#[derive(Debug)]
pub struct Images {
    target: TargetName,
    settings: Settings,
    clock: Clock,
    http: Arc<Http>,
    engine: Option<Arc<Engine>>,
}

impl Images {
    /// A source of the images of the engine at the configured address.
    ///
    /// # Errors
    /// When the address or a certificate cannot be used.
    pub fn new(settings: Settings, clock: Clock) -> Result<Images, SetupError> {
        let http = settings.http()?;
        Ok(Images::with_http(settings, clock, http))
    }

    /// The same over a client that is there already, such as recorded replies.
    pub fn with_http(settings: Settings, clock: Clock, http: Http) -> Images {
        let target = TargetName::new("docker-images", &settings.name);
        Images { target, settings, clock, http: Arc::new(http), engine: None }
    }

    async fn visit(&mut self, visit: Visit) -> Observed {
        let limits = Limits::configured(deadline(visit), self.settings.reply_max_bytes);
        match self.observe(limits).await {
            Ok(observed) => observed,
            Err(failure) => {
                self.engine = None;
                failed(&failure)
            }
        }
    }

    async fn observe(&mut self, limits: Limits) -> Result<Observed, Failure> {
        let engine = match &self.engine {
            Some(engine) => Arc::clone(engine),
            None => Arc::new(Engine::connect(Arc::clone(&self.http), &self.clock, limits).await?),
        };
        self.engine = Some(Arc::clone(&engine));
        let (listed, bytes) =
            engine.get("/images/json", limits, |body| serde_json::from_slice::<Vec<Listed>>(body)).await?;
        let arrived = self.clock.now();
        let mut bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let mut missing = Vec::new();
        let mut sizes = HashMap::new();
        if engine.version >= version::DF_FROM {
            // Engines from API 1.42 on then leave the volumes alone; older ones walk them too.
            let df = engine.get("/system/df?type=image", limits, |body| serde_json::from_slice::<DiskWire>(body));
            match df.await {
                Ok((disk, more)) => {
                    bytes = bytes.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
                    sizes =
                        disk.images.into_iter().flatten().map(|image| (bare(&image.id).to_owned(), image)).collect();
                }
                Err(failure) => missing.push(format!("shared sizes of images ({failure})")),
            }
        }
        let host = self.settings.name.as_str();
        let observations =
            listed.iter().map(|image| observation(host, image, sizes.get(bare(&image.id)), arrived)).collect();
        Ok(Observed {
            outcome: if missing.is_empty() { Outcome::Ok } else { Outcome::Partial },
            error: None,
            missing,
            bytes,
            clock_offset_ms: 0,
            batches: vec![KindBatch { kind: &IMAGE_KIND, complete: true, observations }],
            events: Vec::new(),
        })
    }
}

impl Source for Images {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn poll(&mut self, visit: Visit) -> BoxFuture<'_, Observed> {
        Box::pin(self.visit(visit))
    }
}

fn observation(host: &str, image: &Listed, sized: Option<&Sized>, at: Timestamp) -> Observation {
    // Negative numbers stand for "not computed" and are null already.
    let values = [image.size.0, sized.and_then(|sized| sized.shared.0), sized.and_then(|sized| sized.containers.0)];
    Observation {
        identity: Identity::new([host, &*image.id]),
        attributes: Some(attributes(image)),
        ended: None,
        sample: Some(Sample { at, since: None, values: values.map(Value::from).into() }),
    }
}

fn attributes(image: &Listed) -> Attributes {
    let sorted = |names: &Option<Vec<String>>, nothing: &str| {
        let mut names: Vec<String> = names.iter().flatten().filter(|name| *name != nothing).cloned().collect();
        names.sort();
        names
    };
    let mut facts = Facts::default();
    let tags = sorted(&image.repo_tags, UNTAGGED);
    facts.text("name", tags.first().map(String::as_str));
    facts.put("tags", (!tags.is_empty()).then_some(tags));
    let digests = sorted(&image.repo_digests, WITHOUT_DIGEST);
    facts.put("digests", (!digests.is_empty()).then_some(digests));
    facts.put("created", image.created.0.and_then(|s| s.checked_mul(1_000)).map(Timestamp::from_ms));
    facts.put("labels", image.labels.clone().filter(|labels| !labels.is_empty()));
    facts.0
}
