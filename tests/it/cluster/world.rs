//! A simulated cluster: what is true of it. Masters, agents, frameworks and tasks as values that a test changes while
//! servers on loopback tell of them. Knows no reply's shape.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::harness::time::now_ms;

/// Which Mesos it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// The operator API, elections told.
    V1_11,
    /// Endpoints only, `slaves`, no container ids in what masters tell of tasks.
    V0_28,
}

impl Version {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Version::V1_11 => "1.11.0",
            Version::V0_28 => "0.28.2",
        }
    }
}

/// Tasks that ended, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) finished: i64,
    pub(crate) failed: i64,
    pub(crate) lost: i64,
}

impl Ends {
    fn add(&mut self, more: Ends) {
        self.finished += more.finished;
        self.failed += more.failed;
        self.lost += more.lost;
    }
}

/// A master's time in office, and what it has counted in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Office {
    pub(crate) elected_ms: i64,
    pub(crate) ends: Ends,
    pub(crate) is_recovered: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Master {
    pub(crate) address: String,
    pub(crate) started_ms: i64,
    pub(crate) office: Option<Office>,
}

#[derive(Debug, Clone)]
pub(crate) struct Executor {
    pub(crate) framework: String,
    pub(crate) id: String,
    pub(crate) container: String,
    pub(crate) started_ms: i64,
    /// Thousandths of a CPU that it uses, half of it in the kernel.
    pub(crate) uses_milli: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) id: String,
    pub(crate) hostname: String,
    pub(crate) address: String,
    pub(crate) started_ms: i64,
    pub(crate) registered_ms: i64,
    pub(crate) ends: Ends,
    pub(crate) executors: Vec<Executor>,
    /// How far its clock is ahead.
    pub(crate) clock_ms: i64,
    pub(crate) is_registered: bool,
    /// Of the process before it may speak of itself: an agent that is replaced has another.
    pub(crate) cpus: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct Framework {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) hostname: String,
    pub(crate) registered_ms: i64,
    pub(crate) reregistered_ms: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) framework: String,
    pub(crate) id: String,
    pub(crate) agent: String,
    pub(crate) container: String,
    pub(crate) cpus_milli: i64,
    pub(crate) memory_mb: i64,
    /// State, when, and a message.
    pub(crate) states: Vec<(&'static str, i64, Option<&'static str>)>,
}

impl Task {
    pub(crate) fn state(&self) -> &'static str {
        self.states.last().map_or("TASK_STAGING", |(state, ..)| state)
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state(), "TASK_FINISHED" | "TASK_FAILED" | "TASK_LOST" | "TASK_KILLED")
    }
}

/// What happens right after an answer, so that it falls in the middle of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ambush {
    /// The leader whose answer is waited for.
    pub(crate) leader: usize,
    /// Who leads then.
    pub(crate) next: usize,
    /// What the old leader counts before it goes, which nobody will ever see.
    pub(crate) unseen: Ends,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) version: Version,
    pub(crate) masters: Vec<Master>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) frameworks: Vec<Framework>,
    pub(crate) tasks: Vec<Task>,
    /// All that ended since the beginning, whichever master counted it.
    pub(crate) truth: Ends,
    pub(crate) ambush: Option<Ambush>,
    next_uuid: u64,
}

impl State {
    /// The master that was elected last: the others follow it.
    pub(crate) fn leader(&self) -> Option<usize> {
        let elected = |index: &usize| self.masters[*index].office.map(|office| office.elected_ms);
        (0..self.masters.len()).filter(|index| elected(index).is_some()).max_by_key(elected)
    }

    /// Counts tasks that ended, in the leader's numbers and in truth.
    pub(crate) fn count(&mut self, ends: Ends) {
        let leader = self.leader().expect("a leader");
        self.masters[leader].office.as_mut().unwrap().ends.add(ends);
        self.truth.add(ends);
    }

    /// Elects a master: it counts from nothing.
    pub(crate) fn elect(&mut self, index: usize) {
        let elected_ms = now_ms();
        self.masters[index].office = Some(Office { elected_ms, ends: Ends::default(), is_recovered: true });
    }

    /// A master loses its office and knows it.
    pub(crate) fn depose(&mut self, index: usize) {
        self.masters[index].office = None;
    }

    /// A text of the form of a container's id.
    pub(crate) fn uuid(&mut self) -> String {
        self.next_uuid += 1;
        format!("{:08x}-5647-47e2-9264-b5775128b01d", self.next_uuid)
    }

    /// A task that runs on an agent in a container of its own, with the executor that is measured there.
    pub(crate) fn launch(
        &mut self,
        agent: usize,
        framework: usize,
        id: &str,
        cpus_milli: i64,
        memory_mb: i64,
    ) -> String {
        let (container, now) = (self.uuid(), now_ms());
        let framework = self.frameworks[framework].id.clone();
        self.agents[agent].executors.push(Executor {
            framework: framework.clone(),
            id: id.to_owned(),
            container: container.clone(),
            started_ms: now,
            uses_milli: cpus_milli / 2,
        });
        self.tasks.push(Task {
            framework,
            id: id.to_owned(),
            agent: self.agents[agent].id.clone(),
            container: container.clone(),
            cpus_milli,
            memory_mb,
            states: vec![("TASK_STARTING", now - 20, None), ("TASK_RUNNING", now, None)],
        });
        container
    }

    /// A task ends, and its executor with it.
    pub(crate) fn end(&mut self, id: &str, state: &'static str, message: &'static str) {
        let task = self.tasks.iter_mut().find(|task| task.id == id).expect("a task of that id");
        task.states.push((state, now_ms(), Some(message)));
        let ends = match state {
            "TASK_FINISHED" => Ends { finished: 1, ..Ends::default() },
            "TASK_LOST" => Ends { lost: 1, ..Ends::default() },
            _ => Ends { failed: 1, ..Ends::default() },
        };
        let agent = self.agents.iter_mut().find(|agent| agent.id == task.agent);
        if let Some(agent) = agent {
            agent.executors.retain(|executor| executor.id != id);
            agent.ends.add(ends);
        }
        self.count(ends);
    }

    /// The agent's process begins anew: counters from nothing, what it runs stays.
    pub(crate) fn restart_agent(&mut self, index: usize) {
        let agent = &mut self.agents[index];
        agent.started_ms = now_ms();
        agent.ends = Ends::default();
    }

    /// Another agent in its place: another id at the same name and address, nothing runs.
    pub(crate) fn replace_agent(&mut self, index: usize, id: &str) {
        self.restart_agent(index);
        let agent = &mut self.agents[index];
        id.clone_into(&mut agent.id);
        agent.registered_ms = now_ms();
        agent.executors.clear();
    }
}

/// A cluster shared by its servers and the test.
#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<State>>);

impl World {
    /// Masters at these addresses, the first of them leading, without agents.
    pub(crate) fn new(version: Version, masters: &[String]) -> World {
        let started_ms = now_ms() - 3_600_000;
        let master = |address: &String| Master { address: address.clone(), started_ms, office: None };
        let mut state = State {
            version,
            masters: masters.iter().map(master).collect(),
            agents: Vec::new(),
            frameworks: Vec::new(),
            tasks: Vec::new(),
            truth: Ends::default(),
            ambush: None,
            next_uuid: 0,
        };
        state.elect(0);
        state.masters[0].office.as_mut().unwrap().elected_ms = started_ms + 1_000;
        state.frameworks.push(Framework {
            id: "f0000000-0000-4000-8000-000000000000-0000".to_owned(),
            name: "marathon".to_owned(),
            hostname: "scheduler-1".to_owned(),
            registered_ms: started_ms + 60_000,
            reregistered_ms: started_ms + 60_000,
        });
        World(Arc::new(Mutex::new(state)))
    }

    /// The truth, to be read or changed.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
