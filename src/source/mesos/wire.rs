//! Replies of masters and agents as values, of the operator API and of the endpoints before it alike.
//!
//! Pure. Must not know: how replies are fetched, nor what becomes of the values.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use super::numbers::Scale;
use crate::model::{Timestamp, Value};

mod agents;
mod executors;
mod frameworks;
mod state;
mod tasks;

pub(super) use agents::{Agent, AgentState, parse_agent, parse_agent_state, parse_agents};
pub(super) use executors::{Executor, parse_containers, parse_statistics};
pub(super) use frameworks::{Framework, parse_frameworks};
pub(super) use state::{State, parse_state};
pub(super) use tasks::{Status, Task, is_terminal, parse_tasks};

/// `{"value": …}`, as the operator API writes ids.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Id {
    value: String,
}

/// An id as an object or as plain text.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum AnyId {
    Object(Id),
    Text(String),
}

impl AnyId {
    fn text(self) -> Option<String> {
        let text = match self {
            AnyId::Object(id) => id.value,
            AnyId::Text(text) => text,
        };
        Some(text).filter(|text| !text.is_empty())
    }
}

/// A time as seconds with a fraction, or as `{"nanoseconds": …}`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum AnyTime {
    Seconds(f64),
    Object { nanoseconds: i64 },
}

impl AnyTime {
    fn at(self) -> Option<Timestamp> {
        let at = match self {
            AnyTime::Seconds(seconds) => timestamp(seconds)?,
            AnyTime::Object { nanoseconds } => Timestamp::from_ms(nanoseconds.div_euclid(1_000_000)),
        };
        Some(at).filter(|at| *at >= Timestamp::CREDIBLE_FROM)
    }
}

/// The instant that a number of seconds since 1970 means.
pub(super) fn timestamp(seconds: f64) -> Option<Timestamp> {
    Scale::Milli.apply(seconds).int().map(Timestamp::from_ms).filter(|at| *at >= Timestamp::CREDIBLE_FROM)
}

/// That a reply is to the call: lists that are left out where they are empty could else be read from any JSON.
fn check_call(said: &str, call: &str) -> Result<(), serde_json::Error> {
    if said == call {
        return Ok(());
    }
    Err(serde::de::Error::custom(format!("a reply to {said:?} in place of {call}")))
}

/// What `/version` says.
pub(super) fn parse_version(body: &[u8]) -> Result<String, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        version: String,
    }
    serde_json::from_slice::<Reply>(body).map(|reply| reply.version)
}

/// What a master says of its time in office.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Office {
    /// When it was elected; masters of the first 1.x do not tell.
    pub(super) elected: Option<Timestamp>,
    /// Its own id.
    pub(super) id: Option<String>,
}

/// Reads the reply to GET_MASTER.
pub(super) fn parse_master(body: &[u8]) -> Result<Office, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        get_master: Body,
    }
    #[derive(Deserialize)]
    struct Body {
        master_info: Info,
        elected_time: Option<f64>,
    }
    #[derive(Deserialize)]
    struct Info {
        id: Option<String>,
    }
    let body = serde_json::from_slice::<Reply>(body)?.get_master;
    Ok(Office { elected: body.elected_time.and_then(timestamp), id: body.master_info.id })
}

/// Resources as a list of typed ones, or as an object of numbers and ranges.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Resources {
    List(Vec<Resource>),
    Object(BTreeMap<String, Json>),
}

impl Default for Resources {
    fn default() -> Self {
        Resources::List(Vec::new())
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Resource {
    name: String,
    scalar: Option<Scalar>,
    role: Option<String>,
    allocation_info: Option<Allocation>,
    #[serde(default)]
    reservations: Vec<Reservation>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Scalar {
    value: f64,
}

#[derive(Debug, Clone, Deserialize)]
struct Allocation {
    role: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Reservation {
    role: Option<String>,
}

impl Resource {
    /// The role it is reserved for; None where for none.
    fn reserved_for(&self) -> Option<&str> {
        let refined = self.reservations.last().and_then(|reservation| reservation.role.as_deref());
        refined.or(self.role.as_deref()).filter(|role| *role != "*")
    }
}

impl Resources {
    /// CPUs, memory, disk and GPUs in the units of columns; null where there are none of a sort.
    pub(super) fn amounts(&self) -> [Value; 4] {
        [("cpus", Scale::Milli), ("mem", Scale::Megabytes), ("disk", Scale::Megabytes), ("gpus", Scale::Milli)]
            .map(|(name, scale)| self.sum(name).map_or(Value::Null, |sum| scale.apply(sum)))
    }

    fn sum(&self, name: &str) -> Option<f64> {
        match self {
            Resources::List(list) => {
                let mut scalars =
                    list.iter().filter(|one| one.name == name).filter_map(|one| one.scalar).map(|scalar| scalar.value);
                let first = scalars.next()?;
                Some(scalars.fold(first, |sum, value| sum + value))
            }
            Resources::Object(object) => object.get(name).and_then(Json::as_f64),
        }
    }

    /// The role that they are allocated to, where it is said.
    fn role(&self) -> Option<String> {
        match self {
            Resources::List(list) => list.iter().find_map(|one| one.allocation_info.as_ref()?.role.clone()),
            Resources::Object(_) => None,
        }
    }

    /// What is reserved, by role, as `cpus:1;mem:512`.
    fn reservations(&self) -> BTreeMap<String, String> {
        let mut amounts: BTreeMap<(String, String), f64> = BTreeMap::new();
        if let Resources::List(list) = self {
            for one in list {
                if let (Some(role), Some(scalar)) = (one.reserved_for(), one.scalar) {
                    *amounts.entry((role.to_owned(), one.name.clone())).or_default() += scalar.value;
                }
            }
        }
        by_role(amounts)
    }
}

fn by_role(amounts: BTreeMap<(String, String), f64>) -> BTreeMap<String, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for ((role, name), amount) in amounts {
        let text = texts.entry(role).or_default();
        if !text.is_empty() {
            text.push(';');
        }
        text.push_str(&format!("{name}:{amount}"));
    }
    texts
}

#[derive(Debug, Clone, Deserialize)]
struct ContainerId {
    value: String,
    parent: Option<Box<ContainerId>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    name: Option<String>,
}
