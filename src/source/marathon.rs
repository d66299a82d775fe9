//! Marathon, of 0.10 to 1.10: applications, deployments, what waits to be launched, its own metrics.
//!
//! Its instances are one cluster: any of them answers for the leader, so a visit asks the one that answered last and
//! goes on to the next where that fails. Must not know: the store, the sampler.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::attribution::Book;
use super::host_names::HostNames;
use super::http::{Credentials, Failure, Http, Limits, SetupError, Tls};
use super::metric::{self, Facts, Growth, METRIC};
use super::{Observed, Source, Visit};
use crate::clock::Clock;
use crate::model::{Attributes, Identity, KindBatch, Observation, Outcome, Sample, TargetName, Timestamp, Value};

pub mod kinds;

mod changes;
#[cfg(test)]
mod tests;
mod wire;

use changes::{Before, Telling};
use kinds::{MARATHON, MARATHON_APP};
use wire::{App, Deployment, Info, Metric};

/// Bytes of one megabyte as Marathon counts.
const MB: f64 = 1_048_576.0;

/// Largest reply: a thousand applications with their tasks are about 10 MB.
pub const REPLY_MAX_BYTES: usize = 64 * 1024 * 1024;

/// Pause between visits.
pub const INTERVAL: Duration = Duration::from_secs(30);

/// Applications with all that is asked of them, in one request.
const APPS: &str = "/v2/apps?embed=apps.counts&embed=apps.deployments&embed=apps.tasks&embed=apps.lastTaskFailure";

/// What the configuration says of a Marathon, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its name, and the target's after `marathon/`.
    pub name: String,
    /// Addresses of its instances.
    pub urls: Vec<String>,
    /// Certificates; None: the system's authorities for `https://`.
    pub tls: Option<Tls>,
    /// Shown to these addresses.
    pub credentials: Option<Credentials>,
    /// Pause between visits.
    pub interval: Duration,
    /// Largest reply.
    pub reply_max_bytes: usize,
    /// What the machines are called that its tasks ran on.
    pub hosts: HostNames,
}

/// One Marathon: target `marathon/<name>`.
#[derive(Debug)]
pub struct Marathon {
    target: TargetName,
    settings: Settings,
    clock: Clock,
    book: Arc<Book>,
    /// Addresses and their clients; the one that answered last is asked first.
    instances: Vec<(String, Http)>,
    first: usize,
    before: Option<Before>,
}

/// What a visit's requests gave.
#[derive(Debug)]
struct Answers {
    apps: Vec<App>,
    info: Result<Info, Failure>,
    deployments: Result<Vec<Deployment>, Failure>,
    queue: Result<(i64, i64), Failure>,
    metrics: Result<Vec<Metric>, Failure>,
    at: Timestamp,
    bytes: u64,
}

impl Marathon {
    /// A source of the Marathon at the configured addresses.
    ///
    /// # Errors
    /// When an address, a certificate or the credentials cannot be used.
    pub fn new(settings: Settings, clock: Clock, book: Arc<Book>) -> Result<Marathon, SetupError> {
        let mut instances = Vec::new();
        for url in &settings.urls {
            let http = Http::live_json(url, settings.tls.as_ref(), settings.credentials.as_ref())?;
            instances.push((url.split_once("://").map_or(url.as_str(), |(_, rest)| rest).to_owned(), http));
        }
        Ok(Marathon::with_instances(settings, clock, book, instances))
    }

    /// The same over clients that are there already, such as recorded replies.
    pub fn with_instances(
        settings: Settings,
        clock: Clock,
        book: Arc<Book>,
        instances: Vec<(String, Http)>,
    ) -> Marathon {
        let target = TargetName::new("marathon", &settings.name);
        Marathon { target, settings, clock, book, instances, first: 0, before: None }
    }

    async fn visit(&mut self, visit: Visit) -> Observed {
        /// What is left for taking the answer over.
        const MARGIN: Duration = Duration::from_millis(200);
        let deadline = Instant::now() + visit.timeout.saturating_sub(MARGIN.min(visit.timeout / 10));
        let limits = Limits::configured(deadline, self.settings.reply_max_bytes);
        let mut first_failure: Option<Failure> = None;
        let count = self.instances.len();
        for turn in 0..count {
            let index = (self.first + turn) % count.max(1);
            let Some((address, http)) = self.instances.get(index) else { continue };
            // One that does not answer at all must leave time for the others.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = u32::try_from(count.saturating_sub(turn)).unwrap_or(1).max(1);
            let apps_limits = Limits { deadline: Instant::now() + left / share, ..limits };
            match ask(http, &self.clock, apps_limits, limits).await {
                Ok(answers) => {
                    let address = address.clone();
                    self.first = index;
                    return self.observe(visit, &address, answers);
                }
                Err(failure) => first_failure = first_failure.or(Some(failure)),
            }
        }
        match first_failure {
            Some(failure) => Observed::failed(failure.outcome, failure.message),
            None => Observed::failed(Outcome::Unreachable, "no address of Marathon is configured"),
        }
    }

    fn observe(&mut self, visit: Visit, address: &str, answers: Answers) -> Observed {
        let Answers { apps, info, deployments, queue, metrics, at, bytes } = answers;
        let mut missing = Vec::new();
        let mut error = None;
        let mut taken = |what: &str, failure: Failure| {
            missing.push(what.to_owned());
            error.get_or_insert(failure.message);
        };
        let info = info.map_err(|failure| taken("info", failure)).ok();
        let deployments = deployments.map_err(|failure| taken("deployments", failure)).ok();
        let queue = queue.map_err(|failure| taken("queue", failure)).ok();
        let metrics = metrics.map_err(|failure| taken("metrics", failure)).ok();
        for app in &apps {
            app.tasks().for_each(|task| self.book.note_app(task, &app.id));
        }
        let Settings { name: cluster, hosts, .. } = &self.settings;
        let cluster = cluster.as_str();
        let now = Before::of(&apps, deployments.as_deref(), info.as_ref(), self.before.as_ref());
        let events =
            changes::events(Telling { target: &self.target, cluster, hosts }, visit, self.before.as_ref(), &now, &apps);
        self.before = Some(now);

        let length = |length: usize| Value::from(i64::try_from(length).ok());
        let whole = Sample {
            at,
            since: None,
            values: Box::new([
                length(apps.len()),
                deployments.as_ref().map_or(Value::Null, |deployments| length(deployments.len())),
                queue.map_or(Value::Null, |(waiting, _)| Value::Int(waiting)),
                queue.map_or(Value::Null, |(_, apps)| Value::Int(apps)),
            ]),
        };
        let attributes = info.map(|info| {
            let pairs = [("leader", info.leader), ("version", info.version), ("framework", info.framework_id)];
            pairs.into_iter().filter_map(|(name, text)| Some((name, text?.into()))).collect::<Attributes>()
        });
        let marathon = Observation { identity: Identity::new([cluster]), attributes, ended: None, sample: Some(whole) };
        let applications = apps.iter().map(|app| Observation {
            identity: Identity::new([cluster, app.id.as_str()]),
            attributes: Some(attributes_of(app)),
            ended: None,
            sample: Some(Sample { at, since: None, values: values_of(app) }),
        });
        let mut batches = vec![
            KindBatch { kind: &MARATHON, complete: true, observations: vec![marathon] },
            KindBatch { kind: &MARATHON_APP, complete: true, observations: applications.collect() },
        ];
        if let Some(metrics) = metrics {
            let observations = metrics.into_iter().map(|metric| {
                let mut labels = metric.number.labels;
                labels.insert("address".to_owned(), address.to_owned());
                let growth = if metric.is_counter { Growth::Counter } else { Growth::Gauge };
                let metric_type = if metric.is_counter { "counter" } else { "gauge" };
                let facts = Facts { metric_type: Some(metric_type), ..Facts::default() };
                let sample = metric::sample(at, None, metric.number.value, growth);
                metric::observation(&self.target, &metric.number.name, &labels, &facts, sample)
            });
            // By identity, for a batch holds each but once.
            let by_identity: BTreeMap<Identity, Observation> =
                observations.map(|observation| (observation.identity.clone(), observation)).collect();
            let observations = by_identity.into_values().collect();
            // Those of other instances are not gone.
            batches.push(KindBatch { kind: &METRIC, complete: false, observations });
        }
        Observed {
            outcome: if missing.is_empty() { Outcome::Ok } else { Outcome::Partial },
            error,
            missing,
            bytes,
            clock_offset_ms: 0,
            batches,
            events,
        }
    }
}

impl Source for Marathon {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn poll(&mut self, visit: Visit) -> BoxFuture<'_, Observed> {
        Box::pin(self.visit(visit))
    }
}

/// Asks one instance: for applications first, for the rest once those came.
async fn ask(http: &Http, clock: &Clock, first: Limits, limits: Limits) -> Result<Answers, Failure> {
    let (apps, apps_bytes) = get(http, APPS, first, wire::parse_apps).await?;
    let at = clock.now();
    let (info, deployments, queue, metrics) = tokio::join!(
        get(http, "/v2/info", limits, wire::parse_info),
        get(http, "/v2/deployments", limits, wire::parse_deployments),
        get(http, "/v2/queue", limits, wire::parse_queue),
        metrics(http, limits),
    );
    let mut bytes = apps_bytes;
    let mut counted = |more: u64| bytes = bytes.saturating_add(more);
    let info = info.map(|(info, more)| (counted(more), info).1);
    let deployments = deployments.map(|(deployments, more)| (counted(more), deployments).1);
    let queue = queue.map(|(queue, more)| (counted(more), queue).1);
    let metrics = metrics.map(|(metrics, more)| (counted(more), metrics).1);
    Ok(Answers { apps, info, deployments, queue, metrics, at, bytes })
}

/// The metrics as JSON, or in the text format where an instance has but that.
async fn metrics(http: &Http, limits: Limits) -> Result<(Vec<Metric>, u64), Failure> {
    let reply = http.get("/metrics", limits).await?;
    let bytes = u64::try_from(reply.body.len()).unwrap_or(u64::MAX);
    if reply.status == 200 && reply.body.trim_ascii_start().starts_with(b"{") {
        let metrics = wire::parse_metrics(&reply.body).map_err(|cause| http.malformed("/metrics", &reply, &cause))?;
        return Ok((metrics, bytes));
    }
    let path = "/metrics/prometheus";
    let is_text = reply.status == 200;
    let reply = if is_text { reply } else { http.get_ok(path, limits).await? };
    let metrics = wire::parse_prometheus(&reply.body);
    if metrics.is_empty() {
        return Err(Failure::new(Outcome::Malformed, format!("GET {}: no metrics in the reply", http.url(path))));
    }
    Ok((metrics, bytes))
}

async fn get<T>(
    http: &Http,
    path: &str,
    limits: Limits,
    parse: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
) -> Result<(T, u64), Failure> {
    let reply = http.get_ok(path, limits).await?;
    let parsed = parse(&reply.body).map_err(|cause| http.malformed(path, &reply, &cause))?;
    Ok((parsed, u64::try_from(reply.body.len()).unwrap_or(u64::MAX)))
}

/// The nearest whole number of an amount times a factor; null where none fits.
fn scaled(amount: Option<f64>, factor: f64) -> Value {
    /// Far above any cluster, and exact as a floating-point number.
    const MAX: f64 = 9_007_199_254_740_992.0;
    match amount.map(|amount| (amount * factor).round()) {
        Some(number) if number.abs() <= MAX => {
            #[expect(clippy::cast_possible_truncation, reason = "checked to be within 2^53 just above")]
            let whole = number as i64;
            Value::Int(whole)
        }
        _ => Value::Null,
    }
}

fn values_of(app: &App) -> Box<[Value]> {
    // No application has 2^53 instances.
    let instances = app.instances.map(|instances| instances as f64);
    let of_all = |amount: Option<f64>| Some(amount? * instances?);
    Box::new([
        app.instances.into(),
        app.tasks_staged.into(),
        app.tasks_running.into(),
        app.tasks_healthy.into(),
        app.tasks_unhealthy.into(),
        scaled(of_all(app.cpus), 1e3),
        scaled(of_all(app.mem), MB),
        scaled(of_all(app.disk), MB),
        scaled(of_all(app.gpus), 1e3),
        scaled(app.cpus, 1e3),
        scaled(app.mem, MB),
    ])
}

fn attributes_of(app: &App) -> Attributes {
    let text = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Into::into);
    let list = |list: Vec<String>| (!list.is_empty()).then(|| list.into());
    let labels = app.labels();
    let pairs = [
        ("image", text(app.image())),
        ("version", text(app.version.clone())),
        ("command", text(app.cmd.clone())),
        ("constraints", list(app.constraints())),
        ("health_checks", list(app.health_checks())),
        ("labels", (!labels.is_empty()).then(|| labels.into())),
        ("user", text(app.user.clone())),
        ("scaled_at", app.scaled_at().map(Into::into)),
        ("configured_at", app.configured_at().map(Into::into)),
        ("deployments", list(app.deployments())),
    ];
    pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
