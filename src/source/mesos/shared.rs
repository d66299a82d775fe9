//! What the four targets of a cluster tell each other: who leads, which agents there are, numbers without a column.
//!
//! Must not know: how any of it was fetched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::process::Known;
use super::wire::Agent;
use crate::model::Timestamp;
use crate::source::http::Http;

/// Processes whose left-over numbers are kept: as many as a cluster has agents at most.
const PROCESSES_MAX: usize = 10_000;

/// The leading master, as last seen.
#[derive(Debug, Clone)]
pub(super) struct Leader {
    pub(super) address: String,
    pub(super) http: Arc<Http>,
    pub(super) known: Known,
    /// When it was elected, by our clock; None where that is not known yet.
    pub(super) elected: Option<Timestamp>,
}

/// Labels, and numbers by name; the labels of a part come on top of those of its process.
pub(super) type LeftOver = (BTreeMap<String, String>, Vec<(Box<str>, f64)>);

/// Numbers of one process that fill no column.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    pub(super) at: Timestamp,
    /// When the process started.
    pub(super) since: Option<Timestamp>,
    /// Of the process itself and of its parts, such as executors.
    pub(super) parts: Vec<LeftOver>,
}

#[derive(Debug, Default)]
struct State {
    leader: Option<Leader>,
    /// None until the leader was asked.
    agents: Option<Arc<BTreeMap<String, Agent>>>,
    rest: BTreeMap<String, Rest>,
}

/// Shared by the targets of one cluster.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
}

impl Shared {
    pub(super) fn set_leader(&self, leader: Option<Leader>) {
        let mut state = self.lock();
        let leader = leader.map(|mut leader| {
            // What only the whole state told is not forgotten by a visit that could not tell it.
            if leader.elected.is_none()
                && let Some(before) = &state.leader
                && before.address == leader.address
            {
                leader.elected = before.elected;
            }
            leader
        });
        state.leader = leader;
    }

    pub(super) fn leader(&self) -> Option<Leader> {
        self.lock().leader.clone()
    }

    /// Takes over when a leader was elected, if it still leads.
    pub(super) fn set_elected(&self, address: &str, elected: Timestamp) {
        if let Some(leader) = self.lock().leader.as_mut().filter(|leader| leader.address == address) {
            leader.elected = Some(elected);
        }
    }

    pub(super) fn set_agents(&self, agents: BTreeMap<String, Agent>) {
        self.lock().agents = Some(Arc::new(agents));
    }

    pub(super) fn agents(&self) -> Option<Arc<BTreeMap<String, Agent>>> {
        self.lock().agents.clone()
    }

    /// Takes over the numbers of a process that fill no column, in place of those before.
    pub(super) fn set_rest(&self, process: &str, rest: Rest) {
        let mut state = self.lock();
        if state.rest.len() < PROCESSES_MAX || state.rest.contains_key(process) {
            state.rest.insert(process.to_owned(), rest);
        }
    }

    /// Hands those numbers over; each is handed over once.
    pub(super) fn take_rest(&self) -> BTreeMap<String, Rest> {
        std::mem::take(&mut self.lock().rest)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
