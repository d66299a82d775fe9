//! What changed at a Marathon between two visits, as events with Marathon's own times where it tells them.
//!
//! Pure. Must not know: how replies are fetched.

use std::collections::BTreeMap;
use std::time::Duration;

use super::wire::{App, Deployment, Info, TaskFailure, parse_time};
use crate::model::{AttributeValue, Event, Identity, Severity, TargetName, Timestamp};
use crate::source::Visit;
use crate::source::host_names::HostNames;
use crate::source::wire::details;

/// How old a failure may be at the first visit to be told: what a restart of the recorder may have missed. Told twice
/// it is one event.
const LOOK_BACK: Duration = Duration::from_secs(3_600);

/// What is remembered of a visit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Before {
    apps: BTreeMap<String, AppBefore>,
    deployments: BTreeMap<String, Deployment>,
    leader: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct AppBefore {
    version: Option<String>,
    /// When anything but its number of instances was last changed.
    configured: Option<Timestamp>,
    instances: Option<i64>,
    unhealthy: Option<i64>,
    failure: Option<TaskFailure>,
}

impl Before {
    /// What a visit saw; what did not come is as before.
    pub(super) fn of(
        apps: &[App],
        deployments: Option<&[Deployment]>,
        info: Option<&Info>,
        before: Option<&Before>,
    ) -> Before {
        let apps = apps.iter().map(|app| {
            let of_app = AppBefore {
                version: app.version.clone(),
                configured: app.configured_at(),
                instances: app.instances,
                unhealthy: app.tasks_unhealthy,
                failure: app.last_task_failure.clone(),
            };
            (app.id.clone(), of_app)
        });
        let deployments = match deployments {
            Some(deployments) => deployments.iter().map(|one| (one.id.clone(), one.clone())).collect(),
            None => before.map(|before| before.deployments.clone()).unwrap_or_default(),
        };
        let leader = info.and_then(|info| info.leader.clone()).filter(|leader| !leader.is_empty());
        let leader = leader.or_else(|| before.and_then(|before| before.leader.clone()));
        Before { apps: apps.collect(), deployments, leader }
    }
}

/// Everything that changed since the visit before; at the first one only failures of late.
pub(super) fn events(
    telling: Telling<'_>,
    visit: Visit,
    before: Option<&Before>,
    now: &Before,
    apps: &[App],
) -> Vec<Event> {
    let Telling { target, cluster, .. } = telling;
    let mut events = Vec::new();
    for app in apps {
        let told = before.and_then(|before| before.apps.get(&app.id)?.failure.as_ref());
        if app.last_task_failure.as_ref() != told {
            events.extend(telling.failure(app, visit));
        }
    }
    let Some(before) = before else { return events };
    for (id, app) in &now.apps {
        match before.apps.get(id) {
            None => {
                let at = version_time(app).unwrap_or(visit.started);
                events.push(telling.app(id, at, "created", format!("{id} was created"), app, None));
            }
            Some(was) => events.extend(telling.app_changes(id, was, app, apps, visit)),
        }
    }
    for (id, app) in before.apps.iter().filter(|(id, _)| !now.apps.contains_key(*id)) {
        events.push(telling.app(id, visit.started, "deleted", format!("{id} was deleted"), app, None));
    }
    for (id, deployment) in now.deployments.iter().filter(|(id, _)| !before.deployments.contains_key(*id)) {
        let at = deployment.version.as_deref().and_then(parse_time).unwrap_or(visit.started);
        events.push(telling.deployment("deployment_started", id, deployment, at));
    }
    for (id, deployment) in before.deployments.iter().filter(|(id, _)| !now.deployments.contains_key(*id)) {
        events.push(telling.deployment("deployment_ended", id, deployment, visit.started));
    }
    if let (Some(was), Some(is)) = (&before.leader, &now.leader)
        && was != is
    {
        events.push(Event {
            at: visit.started,
            severity: Severity::Warning,
            event_type: "leader_changed",
            kind: Some("marathon"),
            entity: Some(Identity::new([cluster])),
            target: target.clone(),
            source_id: is.clone(),
            message: format!("{is} leads Marathon {cluster} in place of {was}"),
            details: details([("leader", Some(is.as_str().into())), ("leader_before", Some(was.as_str().into()))]),
        });
    }
    events
}

fn version_time(app: &AppBefore) -> Option<Timestamp> {
    parse_time(app.version.as_deref()?)
}

/// Who tells, and what machines are called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Telling<'a> {
    pub(super) target: &'a TargetName,
    pub(super) cluster: &'a str,
    pub(super) hosts: &'a HostNames,
}

impl Telling<'_> {
    fn app_changes(&self, id: &str, was: &AppBefore, is: &AppBefore, apps: &[App], visit: Visit) -> Vec<Event> {
        let mut events = Vec::new();
        let told = apps.iter().find(|app| app.id == id);
        let is_scaled = was.instances != is.instances;
        if is_scaled {
            let shown = |count: Option<i64>| count.map_or("unknown".to_owned(), |count| count.to_string());
            let at = told.and_then(App::scaled_at).or_else(|| version_time(is)).unwrap_or(visit.started);
            let message = format!("{id} was scaled from {} to {} instances", shown(was.instances), shown(is.instances));
            events.push(self.app(id, at, "scaled", message, is, Some(was)));
        }
        // Scaling makes another version too, and so does a change of both at once.
        let is_reconfigured = was.configured.zip(is.configured).is_some_and(|(had, has)| had != has);
        if was.version != is.version && (!is_scaled || is_reconfigured) {
            let at = version_time(is).unwrap_or(visit.started);
            let message = format!("{id} has another version, {}", is.version.as_deref().unwrap_or("unknown"));
            events.push(self.app(id, at, "version", message, is, Some(was)));
        }
        if let (Some(had), Some(has)) = (was.unhealthy, is.unhealthy)
            && had != has
        {
            let severity = if has > had { Severity::Warning } else { Severity::Info };
            events.push(Event {
                severity,
                event_type: "app_health_changed",
                source_id: id.to_owned(),
                message: format!("{id}: {has} unhealthy tasks, {had} before"),
                details: details([("unhealthy", Some(has.into())), ("unhealthy_before", Some(had.into()))]),
                ..self.app(id, visit.started, "health", String::new(), is, Some(was))
            });
        }
        events
    }

    fn app(
        &self,
        id: &str,
        at: Timestamp,
        change: &str,
        message: String,
        app: &AppBefore,
        was: Option<&AppBefore>,
    ) -> Event {
        Event {
            at,
            severity: Severity::Info,
            event_type: "app_changed",
            kind: Some("marathon_app"),
            entity: Some(Identity::new([self.cluster, id])),
            target: self.target.clone(),
            source_id: format!("{id} {change}"),
            message,
            details: details([
                ("change", Some(change.into())),
                ("version", app.version.as_deref().map(AttributeValue::from)),
                ("version_before", was.and_then(|was| was.version.as_deref()).map(AttributeValue::from)),
                ("instances", app.instances.map(AttributeValue::from)),
                ("instances_before", was.and_then(|was| was.instances).map(AttributeValue::from)),
            ]),
        }
    }

    fn deployment(&self, event_type: &'static str, id: &str, deployment: &Deployment, at: Timestamp) -> Event {
        let what = [deployment.affected_apps.clone(), deployment.affected_pods.clone()].concat();
        let verb = if event_type == "deployment_started" { "began" } else { "ended" };
        Event {
            at,
            severity: Severity::Info,
            event_type,
            kind: Some("marathon"),
            entity: Some(Identity::new([self.cluster])),
            target: self.target.clone(),
            source_id: id.to_owned(),
            message: format!("deployment of {} {verb}", what.join(", ")),
            details: details([
                ("deployment", Some(id.into())),
                ("version", deployment.version.as_deref().map(AttributeValue::from)),
                ("apps", Some(deployment.affected_apps.clone().into())),
                ("pods", (!deployment.affected_pods.is_empty()).then(|| deployment.affected_pods.clone().into())),
                ("steps", deployment.total_steps.map(AttributeValue::from)),
            ]),
        }
    }

    /// The last failure of an application's tasks, once: told again it is the same event.
    fn failure(&self, app: &App, visit: Visit) -> Option<Event> {
        let failure = app.last_task_failure.as_ref()?;
        let at = parse_time(failure.timestamp.as_deref()?)?;
        if at < visit.started.minus(LOOK_BACK) {
            return None;
        }
        let text = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(AttributeValue::from);
        let state = failure.state.as_deref().unwrap_or("TASK_FAILED");
        let why = failure.message.as_deref().unwrap_or_default();
        Some(Event {
            at,
            severity: Severity::Error,
            event_type: "task_failed",
            kind: Some("marathon_app"),
            entity: Some(Identity::new([self.cluster, app.id.as_str()])),
            target: self.target.clone(),
            source_id: failure.task_id.clone(),
            message: format!("{}: task {} is {state} ({why})", app.id, failure.task_id),
            details: details([
                ("task", Some(failure.task_id.as_str().into())),
                ("state", Some(state.into())),
                ("message", text(&failure.message)),
                ("host", text(&failure.host.as_deref().map(|host| self.hosts.name_of(host).to_owned()))),
                ("agent", text(&failure.slave_id)),
                ("version", text(&failure.version)),
            ]),
        })
    }
}
