//! What happened in a cluster, as events.
//!
//! Times are the source's own where it gives one, so that an event told again, by the next visit or after a restart
//! of the recorder, is the same event. Must not know: how changes are found.

use std::collections::BTreeMap;

use super::process::Process;
use super::wire::{Agent, Status, Task, is_terminal};
use crate::model::{AttributeValue, Event, Identity, Severity, TargetName, Timestamp};
use crate::source::Visit;
use crate::source::wire::details;

/// Another master leads.
pub(super) fn leader_changed(
    target: &TargetName,
    cluster: &str,
    visit: Visit,
    before: &str,
    now: &str,
    elected: Option<Timestamp>,
) -> Event {
    Event {
        at: elected.unwrap_or(visit.started),
        severity: Severity::Warning,
        event_type: "leader_changed",
        kind: Some("mesos_cluster"),
        entity: Some(Identity::new([cluster])),
        target: target.clone(),
        source_id: now.to_owned(),
        message: if before == now {
            format!("master {now} of {cluster} was elected anew")
        } else {
            format!("master {now} of {cluster} leads in place of {before}")
        },
        details: details([
            ("leader", Some(now.into())),
            ("leader_before", Some(before.into())),
            ("elected_at", elected.map(AttributeValue::Time)),
        ]),
    }
}

/// No master leads any more, as far as can be seen.
pub(super) fn leaderless(target: &TargetName, cluster: &str, visit: Visit, why: &str) -> Event {
    Event {
        at: visit.started,
        severity: Severity::Error,
        event_type: "leader_changed",
        kind: Some("mesos_cluster"),
        entity: Some(Identity::new([cluster])),
        target: target.clone(),
        source_id: "none".to_owned(),
        message: format!("{cluster} has no leader: {why}"),
        details: BTreeMap::new(),
    }
}

/// A process' clock is found to be off, or right again.
pub(super) fn clock_offset(target: &TargetName, visit: Visit, process: &Process, before_ms: i64) -> Event {
    let now_ms = process.clock_offset_ms;
    let address = &process.address;
    Event {
        at: visit.started,
        severity: Severity::Warning,
        event_type: "clock_offset",
        kind: None,
        entity: None,
        target: target.clone(),
        source_id: address.clone(),
        message: format!("the clock of {address} is {now_ms} ms ahead of the recorder's (before: {before_ms} ms)"),
        details: details([
            ("address", Some(address.as_str().into())),
            ("clock_offset_ms", Some(now_ms.into())),
            ("clock_offset_before_ms", Some(before_ms.into())),
        ]),
    }
}

/// What happened to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AgentChange {
    /// It registered.
    Added,
    /// It is gone, or unreachable.
    Lost,
    /// Its draining began, went on or ended.
    Drained,
}

/// An agent came, went, or is drained.
pub(super) fn agent(
    (target, cluster): (&TargetName, &str),
    at: Timestamp,
    agent: &Agent,
    host: &str,
    change: AgentChange,
) -> Event {
    let (event_type, severity, what) = match change {
        AgentChange::Added => ("agent_added", Severity::Info, "registered".to_owned()),
        AgentChange::Lost => ("agent_lost", Severity::Error, "is no longer among the agents".to_owned()),
        AgentChange::Drained => (
            "agent_drained",
            Severity::Warning,
            agent.draining.clone().unwrap_or_else(|| "is drained no more".to_owned()),
        ),
    };
    Event {
        at,
        severity,
        event_type,
        kind: Some("mesos_agent"),
        entity: Some(Identity::new([cluster, agent.id.as_str()])),
        target: target.clone(),
        source_id: agent.id.clone(),
        message: format!("agent {} ({host}): {what}", agent.id),
        details: details([
            ("host", Some(host.into())),
            ("hostname", Some(agent.hostname.as_str().into())),
            ("address", agent.address.as_deref().map(AttributeValue::from)),
            ("draining", agent.draining.as_deref().map(AttributeValue::from)),
        ]),
    }
}

/// A task's state changed.
pub(super) fn task(
    target: &TargetName,
    cluster: &str,
    at: Timestamp,
    task: &Task,
    status: &Status,
    app: Option<&str>,
) -> Event {
    let is_failure = matches!(
        status.state.as_str(),
        "TASK_FAILED"
            | "TASK_LOST"
            | "TASK_ERROR"
            | "TASK_DROPPED"
            | "TASK_GONE"
            | "TASK_GONE_BY_OPERATOR"
            | "TASK_UNREACHABLE"
    );
    let id = task.id();
    let message = match (&status.message, &status.reason) {
        (Some(message), _) if !message.is_empty() => {
            // A container that exceeded its memory comes with all the kernel's statistics below the first line.
            format!("{id}: {} ({})", status.state, message.lines().next().unwrap_or_default())
        }
        (_, Some(reason)) => format!("{id}: {} ({reason})", status.state),
        _ => format!("{id}: {}", status.state),
    };
    Event {
        at,
        severity: if is_failure { Severity::Error } else { Severity::Info },
        event_type: if is_failure { "task_failed" } else { "task_state" },
        kind: Some("mesos_task"),
        entity: Some(Identity::new([cluster, task.framework().as_str(), id.as_str()])),
        target: target.clone(),
        source_id: format!("{}/{id}/{}", task.framework(), status.state),
        message,
        details: details([
            ("state", Some(status.state.as_str().into())),
            ("reason", status.reason.as_deref().map(AttributeValue::from)),
            ("message", status.message.as_deref().map(AttributeValue::from)),
            ("source", status.source.as_deref().map(AttributeValue::from)),
            ("exit_status", exit_status(status).map(AttributeValue::from)),
            ("healthy", status.healthy.map(AttributeValue::from)),
            ("agent", task.agent().map(AttributeValue::from)),
            ("container_id", task.container().0.map(AttributeValue::from)),
            ("app", app.map(AttributeValue::from)),
            ("terminal", Some(is_terminal(&status.state).into())),
        ]),
    }
}

/// The exit status that a status tells, which stands in its message only.
pub(super) fn exit_status(status: &Status) -> Option<i64> {
    let (_, rest) = status.message.as_deref()?.split_once("exited with status ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
