//! The numbers of masters and agents that fill no column: target `mesos-metrics/<name>`, kind `metric`.
//!
//! They were fetched by the visits to masters and agents, which need no more requests for them; here they are handed
//! over at a pace of their own, for there are some hundred of every process and few are ever asked for. Must not know:
//! how they were fetched.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::Settings;
use super::numbers::is_counter;
use super::shared::Shared;
use crate::model::{KindBatch, Observation, Outcome, TargetName};
use crate::source::metric::{self, Facts, Growth, METRIC};
use crate::source::{Observed, Source, Visit};

/// Hands over what is left of replies.
#[derive(Debug)]
pub struct Metrics {
    target: TargetName,
    shared: Arc<Shared>,
}

impl Metrics {
    pub(super) fn new(settings: &Settings, shared: &Arc<Shared>) -> Metrics {
        Metrics { target: TargetName::new("mesos-metrics", &settings.name), shared: Arc::clone(shared) }
    }

    fn observe(&self) -> Observed {
        let rest = self.shared.take_rest();
        if rest.is_empty() {
            return Observed::failed(Outcome::Unreachable, "no master and no agent has answered since the last visit");
        }
        let mut observations: Vec<Observation> = Vec::new();
        for process in rest.values() {
            for (labels, numbers) in &process.parts {
                for (name, number) in numbers {
                    let growth = if is_counter(name) { Growth::Counter } else { Growth::Gauge };
                    let metric_type = if growth == Growth::Counter { "counter" } else { "gauge" };
                    let facts = Facts { metric_type: Some(metric_type), ..Facts::default() };
                    let is_of_process = labels.len() == 1;
                    let since = process.since.filter(|_| is_of_process);
                    let sample = metric::sample(process.at, since, *number, growth);
                    observations.push(metric::observation(&self.target, name, labels, &facts, sample));
                }
            }
        }
        Observed {
            outcome: Outcome::Ok,
            error: None,
            missing: Vec::new(),
            bytes: 0,
            clock_offset_ms: 0,
            // A process that did not answer meanwhile has not lost its numbers.
            batches: vec![KindBatch { kind: &METRIC, complete: false, observations }],
            events: Vec::new(),
        }
    }
}

impl Source for Metrics {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn poll(&mut self, _: Visit) -> BoxFuture<'_, Observed> {
        let observed = self.observe();
        Box::pin(async move { observed })
    }
}
