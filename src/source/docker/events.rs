//! One line of `/events`: from JSON to an event of ours.
//!
//! Pure. Must not know: how lines are fetched, nor what a poll does about them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire::Count;
use crate::model::{AttributeValue, Attributes, Event, Identity, Severity, TargetName, Timestamp};

const NS_PER_MS: i64 = 1_000_000;
const NS_PER_S: i64 = 1_000_000_000;

/// Attributes of an event that are not labels of the container.
const NOT_LABELS: [&str; 9] =
    ["name", "image", "exitCode", "containerExitCode", "signal", "oldName", "podId", "execID", "execDuration"];

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "Type", default)]
    object: Option<String>,
    #[serde(rename = "Action", default)]
    action: Option<String>,
    #[serde(rename = "Actor", default)]
    actor: Option<Actor>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    time: Count,
    #[serde(rename = "timeNano", default)]
    time_ns: Count,
}

#[derive(Deserialize)]
struct Actor {
    #[serde(rename = "ID", default)]
    id: Option<String>,
    #[serde(rename = "Attributes", default)]
    attributes: Option<BTreeMap<String, String>>,
}

/// What happened to a container or an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Happening {
    Created,
    Started,
    Died {
        exit_code: Option<i64>,
    },
    Oom,
    Killed {
        signal: Option<String>,
    },
    Health(String),
    Renamed {
        from: String,
    },
    Removed,
    /// Paused, unpaused, restarted, updated: its facts changed, which is no event of ours.
    Changed,
    ImageTagged {
        how: String,
    },
    ImageUntagged,
    ImageDeleted,
    /// Pushed: it may have a digest now, which is no event of ours.
    ImagePushed,
}

/// An event as an engine told it.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// When, in nanoseconds of the engine's clock.
    pub(super) time_ns: i64,
    /// Container or image.
    pub(super) id: Box<str>,
    /// The engine's word.
    action: Box<str>,
    /// What it means.
    pub(super) happening: Happening,
    name: Option<String>,
    image: Option<String>,
    labels: BTreeMap<String, String>,
}

/// Reads a line. `Ok(None)`: it is of no interest.
pub(super) fn parse(line: &[u8]) -> Result<Option<Told>, serde_json::Error> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let wire: Wire = serde_json::from_slice(line)?;
    Ok(told(wire))
}

fn told(wire: Wire) -> Option<Told> {
    let action = wire.action.or(wire.status)?;
    let (actor_id, mut attributes) =
        wire.actor.map_or_else(Default::default, |actor| (actor.id, actor.attributes.unwrap_or_default()));
    let id = actor_id.or(wire.id).unwrap_or_default();
    let take = |attributes: &mut BTreeMap<String, String>, name: &str| {
        attributes.remove(name).filter(|value| !value.is_empty())
    };
    let happening = match object(wire.object.as_deref(), &action) {
        "container" => of_container(&action, &mut attributes)?,
        "image" => of_image(&action, &id)?,
        _ => return None,
    };
    let name = take(&mut attributes, "name");
    let image = take(&mut attributes, "image").or(wire.from);
    attributes.retain(|name, _| !NOT_LABELS.contains(&name.as_str()));
    Some(Told {
        time_ns: wire.time_ns.0.or_else(|| wire.time.0.and_then(|s| s.checked_mul(NS_PER_S)))?,
        id: id.into(),
        action: action.into(),
        happening,
        name,
        image,
        labels: attributes,
    })
}

/// What an event is about; engines below API 1.22 do not say.
fn object<'a>(said: Option<&'a str>, action: &str) -> &'a str {
    match said {
        Some(object) => object,
        None if matches!(action, "tag" | "untag" | "delete" | "pull" | "push" | "import" | "load") => "image",
        None => "container",
    }
}

fn of_container(action: &str, attributes: &mut BTreeMap<String, String>) -> Option<Happening> {
    Some(match action {
        "create" => Happening::Created,
        "start" => Happening::Started,
        "die" => Happening::Died { exit_code: attributes.get("exitCode").and_then(|code| code.parse().ok()) },
        "oom" => Happening::Oom,
        "kill" => Happening::Killed { signal: attributes.get("signal").cloned() },
        "rename" => {
            let from = attributes.get("oldName").map(String::as_str).unwrap_or_default();
            Happening::Renamed { from: from.trim_start_matches('/').to_owned() }
        }
        // Podman removes where Docker destroys.
        "destroy" | "remove" => Happening::Removed,
        "pause" | "unpause" | "restart" | "update" => Happening::Changed,
        _ => {
            let health = action.strip_prefix("health_status")?.trim_start_matches(':').trim();
            Happening::Health(health.to_owned())
        }
    })
}

fn of_image(action: &str, id: &str) -> Option<Happening> {
    Some(match action {
        // Podman tells of a pull at every start, of an image without an id that it has had all along.
        "pull" if id.is_empty() => return None,
        "tag" | "pull" | "load" | "import" => Happening::ImageTagged { how: action.to_owned() },
        "push" => Happening::ImagePushed,
        "untag" => Happening::ImageUntagged,
        "delete" | "remove" => Happening::ImageDeleted,
        _ => return None,
    })
}

impl Told {
    /// When, by the engine's clock.
    pub(super) fn at(&self) -> Timestamp {
        Timestamp::from_ms(self.time_ns.div_euclid(NS_PER_MS))
    }

    /// What tells it from every other event of an engine.
    pub(super) fn key(&self) -> String {
        format!("{}/{}/{}", self.time_ns, self.id, self.action)
    }

    /// Whether it is about a container.
    pub(super) fn is_of_container(&self) -> bool {
        !matches!(
            self.happening,
            Happening::ImageTagged { .. } | Happening::ImageUntagged | Happening::ImageDeleted | Happening::ImagePushed
        )
    }

    /// The container's facts as far as the event tells them.
    pub(super) fn attributes(&self) -> Attributes {
        let mut facts = super::inspect::Facts::default();
        facts.text("name", self.name.as_deref());
        facts.text("image", self.image.as_deref());
        let name = self.name.as_deref().unwrap_or_default();
        let clues = super::attribution::Clues { name, env: &BTreeMap::new(), labels: &self.labels };
        facts.0.extend(super::attribution::attribute(&clues));
        if !self.labels.is_empty() {
            facts.put("labels", Some(self.labels.clone()));
        }
        facts.0
    }

    /// The event that is recorded, if one is.
    pub(super) fn event(&self, target: &TargetName, clock_offset_ms: i64) -> Option<Event> {
        let (event_type, severity, what) = self.meaning()?;
        let mut details: BTreeMap<String, AttributeValue> = BTreeMap::new();
        let mut put = |name: &str, value: Option<AttributeValue>| {
            if let Some(value) = value {
                details.insert(name.to_owned(), value);
            }
        };
        put("name", self.name.as_deref().map(Into::into));
        put("image", self.image.as_deref().filter(|_| self.is_of_container()).map(Into::into));
        match &self.happening {
            Happening::Died { exit_code } => put("exit_code", exit_code.map(Into::into)),
            Happening::Killed { signal } => put("signal", signal.as_deref().map(Into::into)),
            Happening::Health(health) => put("health", Some(health.as_str().into())),
            Happening::Renamed { from } => put("old_name", Some(from.as_str().into())),
            Happening::ImageTagged { how } => put("action", Some(how.as_str().into())),
            _ => {}
        }
        let is_of_container = self.is_of_container();
        let thing = if is_of_container { "container" } else { "image" };
        let shown = self.name.as_deref().unwrap_or_else(|| self.id.get(..12).unwrap_or(&self.id));
        // A pull names the image where others give its id.
        let has_entity = !self.id.is_empty() && (is_of_container || self.id.starts_with("sha256:"));
        Some(Event {
            at: self.at().plus_ms(clock_offset_ms.saturating_neg()),
            severity,
            event_type,
            kind: Some(thing),
            entity: has_entity.then(|| Identity::new([target.name(), &*self.id])),
            target: target.clone(),
            source_id: self.key(),
            message: format!("{thing} {shown} {what}"),
            details,
        })
    }

    fn meaning(&self) -> Option<(&'static str, Severity, String)> {
        Some(match &self.happening {
            Happening::Created => ("container_created", Severity::Info, "was created".to_owned()),
            Happening::Started => ("container_started", Severity::Info, "started".to_owned()),
            Happening::Died { exit_code: Some(0) } => {
                ("container_died", Severity::Info, "ended with exit code 0".to_owned())
            }
            Happening::Died { exit_code: Some(code) } => {
                ("container_died", Severity::Warning, format!("died with exit code {code}"))
            }
            Happening::Died { exit_code: None } => ("container_died", Severity::Warning, "died".to_owned()),
            Happening::Oom => ("container_oom", Severity::Error, "ran out of memory".to_owned()),
            Happening::Killed { signal } => {
                let signal = signal.as_deref().unwrap_or("unknown");
                ("container_killed", Severity::Info, format!("was sent signal {signal}"))
            }
            Happening::Health(health) => {
                let severity = if health == "unhealthy" { Severity::Warning } else { Severity::Info };
                ("container_health_changed", severity, format!("is {health}"))
            }
            Happening::Renamed { from } => ("container_renamed", Severity::Info, format!("was {from} before")),
            Happening::Removed => ("container_removed", Severity::Info, "was removed".to_owned()),
            Happening::Changed | Happening::ImagePushed => return None,
            Happening::ImageTagged { how } if how == "tag" => ("image_tagged", Severity::Info, "was tagged".to_owned()),
            Happening::ImageTagged { how } => ("image_tagged", Severity::Info, format!("came by {how}")),
            Happening::ImageUntagged => ("image_untagged", Severity::Info, "lost a tag".to_owned()),
            Happening::ImageDeleted => ("image_deleted", Severity::Info, "was deleted".to_owned()),
        })
    }
}
