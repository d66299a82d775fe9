//! What one agent is asked in a visit.
//!
//! Its numbers and its executors each time; who it is when its process began, for another agent may have come in its
//! place under the same name and address. Before 1.0 only its state tells which container an executor runs in: that is
//! asked for when an executor is new. Changes nothing. Must not know: what becomes of answers.

use super::super::numbers::{Numbers, parse_metrics};
use super::super::process::{Api, Call, Came, Known, Process, is_refusal};
use super::super::wire::{self, Agent, AgentState, Executor};
use super::Visited;
use crate::clock::Clock;
use crate::model::{Outcome, Timestamp};
use crate::source::http::{Failure, Limits};

/// What one agent answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) known: Known,
    /// Told only where it was asked who it is.
    pub(super) agent: Option<Agent>,
    /// Whether it was asked and answered, be it that it may not say.
    pub(super) is_introduced: bool,
    /// Told only where it was asked what it runs.
    pub(super) state: Option<AgentState>,
    pub(super) numbers: Numbers,
    pub(super) came: Came,
    pub(super) executors: Result<(Vec<Executor>, Timestamp, Timestamp), Failure>,
    pub(super) bytes: u64,
}

/// What may be asked beside the numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The executors' statistics.
    pub(super) executors: bool,
    /// The whole state, where an executor's container is not known.
    pub(super) state: bool,
}

/// Asks one agent for its metrics and, unless it was asked just now, for its executors.
pub(super) async fn ask(visited: &Visited, wanted: Wanted, clock: &Clock, limits: Limits) -> Result<Answer, Failure> {
    let process = &visited.process;
    let mut known = process.introduce(limits).await?;
    let mut bytes = 0_u64;
    let mut by_operator = None;
    if known.api == Api::Operator {
        let call = Call::metrics(limits.deadline);
        let came = process.call(&call, clock, limits).await?;
        bytes = bytes.saturating_add(came.bytes());
        match came.reply.status {
            200 => {
                let numbers = process.parsed("/api/v1 GET_METRICS", &came, parse_metrics)?;
                by_operator = Some((came, numbers));
            }
            status if is_refusal(status) => known.api = Api::Endpoints,
            _ => process.check(&came, &call)?,
        }
    }
    let (came, numbers) = match by_operator {
        Some(answer) => answer,
        None => {
            let answer = process.snapshot(clock, limits).await?;
            bytes = bytes.saturating_add(answer.0.bytes());
            answer
        }
    };
    let executors = match wanted.executors {
        true => executors(process, known.api, clock, limits).await,
        false => Err(Failure::new(Outcome::Skipped, "measured less than a second ago")),
    };
    let executors = executors.map(|(executors, came)| {
        bytes = bytes.saturating_add(came.bytes());
        (executors, came.sent, came.arrived)
    });
    let mut answer = Answer {
        known,
        agent: None,
        is_introduced: visited.is_introduced,
        state: None,
        numbers,
        came,
        executors,
        bytes,
    };
    let uptime = answer.numbers.get("slave/uptime_secs");
    if !visited.is_introduced || process.is_other_start(uptime, answer.came.arrived) {
        introduce(visited, &mut answer, clock, limits).await?;
    }
    if wanted.state && answer.state.is_none() && answer.known.api == Api::Endpoints && has_unknown(visited, &answer) {
        // What it does not tell now is asked for again.
        if let Ok((state, more)) = state(process, clock, limits).await {
            answer.bytes = answer.bytes.saturating_add(more);
            answer.state = Some(state);
        }
    }
    Ok(answer)
}

/// Whether an executor runs in a container that is not known.
fn has_unknown(visited: &Visited, answer: &Answer) -> bool {
    let is_unknown = |executor: &Executor| visited.container_of(executor).is_none();
    answer.executors.as_ref().is_ok_and(|(executors, ..)| executors.iter().any(is_unknown))
}

async fn executors(
    process: &Process,
    api: Api,
    clock: &Clock,
    limits: Limits,
) -> Result<(Vec<Executor>, Came), Failure> {
    if api == Api::Operator {
        let came = process.call(&Call::Containers, clock, limits).await?;
        if !is_refusal(came.reply.status) {
            process.check(&came, &Call::Containers)?;
            let executors = process.parsed("/api/v1 GET_CONTAINERS", &came, wire::parse_containers)?;
            return Ok((executors, came));
        }
    }
    let mut path = "/monitor/statistics";
    let mut came = process.get(path, clock, limits).await?;
    if came.reply.status == 404 {
        path = "/monitor/statistics.json";
        came = process.get(path, clock, limits).await?;
    }
    process.http.check_status(path, &came.reply)?;
    let executors = process.parsed(path, &came, wire::parse_statistics)?;
    Ok((executors, came))
}

/// Asks an agent who it is. One that the leader named may keep it to itself.
async fn introduce(visited: &Visited, answer: &mut Answer, clock: &Clock, limits: Limits) -> Result<(), Failure> {
    let process = &visited.process;
    let asked = match answer.known.api {
        Api::Operator => {
            async {
                let came = process.call_ok(&Call::Agent, clock, limits).await?;
                Ok((process.parsed("/api/v1 GET_AGENT", &came, wire::parse_agent)?, None, came.bytes()))
            }
            .await
        }
        Api::Endpoints => state(process, clock, limits).await.map(|(state, bytes)| {
            let agent = state.agent.clone();
            (agent, Some(state), bytes)
        }),
    };
    match asked {
        Ok((agent, state, bytes)) => {
            answer.bytes = answer.bytes.saturating_add(bytes);
            answer.agent = Some(Agent { address: Some(process.address.clone()), ..agent });
            answer.state = state;
            answer.is_introduced = true;
            Ok(())
        }
        Err(failure) if visited.agent.is_some() => {
            answer.is_introduced =
                matches!(failure.outcome, Outcome::Status | Outcome::Unauthorized | Outcome::Malformed);
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}

/// What an agent before 1.0 says of itself and of what it runs.
async fn state(process: &Process, clock: &Clock, limits: Limits) -> Result<(AgentState, u64), Failure> {
    let mut path = "/state";
    let mut came = process.get(path, clock, limits).await?;
    if came.reply.status == 404 {
        path = "/state.json";
        came = process.get(path, clock, limits).await?;
    }
    process.http.check_status(path, &came.reply)?;
    Ok((process.parsed(path, &came, wire::parse_agent_state)?, came.bytes()))
}
