//! What sources tell each other of containers: to which task, application, framework and agent each belongs.
//!
//! Mesos knows a container by its id, Marathon an application by its tasks, Docker a container by its name; the key is
//! the container id within that name, so it does not matter what hosts are called. Holds facts in memory, bounded.
//! Must not know: any source.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::AttributeValue;

/// Containers remembered: those of some thousand agents, and those that ended of late.
const CONTAINERS_MAX: usize = 100_000;

/// Tasks whose application is remembered; one task has about one container.
const TASKS_MAX: usize = 100_000;

/// What Mesos calls its Docker containers.
const MESOS_PREFIX: &str = "mesos-";

/// How the name of a container ends that runs but the executor of another, beside that one.
const EXECUTOR_SUFFIX: &str = ".executor";

/// What was allocated to the tasks of a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allocated {
    /// Thousandths of CPUs.
    pub cpu_milli: Option<i64>,
    /// Memory.
    pub memory_bytes: Option<i64>,
}

/// To what a container belongs, as far as is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Belongs {
    /// The Marathon application.
    pub app: Option<String>,
    /// The task.
    pub task: Option<String>,
    /// The framework's id.
    pub framework: Option<String>,
    /// The agent's id.
    pub agent: Option<String>,
    /// What its tasks were allocated.
    pub allocated: Allocated,
}

impl Belongs {
    /// These facts, and those of `other` where there is none.
    #[must_use]
    fn or(self, other: Belongs) -> Belongs {
        Belongs {
            app: self.app.or(other.app),
            task: self.task.or(other.task),
            framework: self.framework.or(other.framework),
            agent: self.agent.or(other.agent),
            allocated: Allocated {
                cpu_milli: self.allocated.cpu_milli.or(other.allocated.cpu_milli),
                memory_bytes: self.allocated.memory_bytes.or(other.allocated.memory_bytes),
            },
        }
    }

    /// The attributes that are known, by name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, AttributeValue)> {
        let text = |text: &Option<String>| text.as_deref().map(AttributeValue::from);
        [
            ("app", text(&self.app)),
            ("task", text(&self.task)),
            ("framework", text(&self.framework)),
            ("agent", text(&self.agent)),
            ("cpu_allocated_cores", self.allocated.cpu_milli.map(cores)),
            ("memory_allocated_bytes", self.allocated.memory_bytes.map(AttributeValue::Integer)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// Thousandths of CPUs as CPUs.
fn cores(milli: i64) -> AttributeValue {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53, which is more CPUs than there are")]
    let milli = milli as f64;
    AttributeValue::Number(milli / 1e3)
}

/// Facts about containers, shared by all sources. Of the oldest learnt the first are forgotten when it is full.
#[derive(Debug, Default)]
pub struct Book {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    containers: Bounded<Belongs>,
    apps: Bounded<String>,
}

/// A map that forgets what it has known for longest.
#[derive(Debug)]
struct Bounded<T> {
    by_key: HashMap<Box<str>, T>,
    order: VecDeque<Box<str>>,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Bounded { by_key: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Bounded<T> {
    fn put(&mut self, key: &str, value: T, max: usize) {
        if let Some(known) = self.by_key.get_mut(key) {
            *known = value;
            return;
        }
        while self.order.len() >= max {
            if let Some(oldest) = self.order.pop_front() {
                self.by_key.remove(&oldest);
            }
        }
        self.order.push_back(key.into());
        self.by_key.insert(key.into(), value);
    }
}

impl Book {
    /// An empty one.
    pub fn new() -> Arc<Book> {
        Arc::new(Book::default())
    }

    /// Writes down what is known of a container; what was known before stays where this says nothing.
    pub fn note(&self, container_id: &str, belongs: Belongs) {
        let mut pages = self.lock();
        let before = pages.containers.by_key.get(container_id).cloned().unwrap_or_default();
        pages.containers.put(container_id, belongs.or(before), CONTAINERS_MAX);
    }

    /// Writes down the application of a task.
    pub fn note_app(&self, task: &str, app: &str) {
        let mut pages = self.lock();
        if pages.apps.by_key.get(task).is_none_or(|known| known != app) {
            pages.apps.put(task, app.to_owned(), TASKS_MAX);
        }
    }

    /// The application of a task, told by Marathon or else read from the task's id.
    pub fn app_of_task(&self, task: &str) -> Option<String> {
        let told = self.lock().apps.by_key.get(task).cloned();
        told.or_else(|| app_in_task_id(task))
    }

    /// To what the container of an id belongs.
    pub fn of_id(&self, container_id: &str) -> Option<Belongs> {
        let mut belongs = self.lock().containers.by_key.get(container_id).cloned()?;
        if belongs.app.is_none() {
            belongs.app = belongs.task.as_deref().and_then(|task| self.app_of_task(task));
        }
        Some(belongs)
    }

    /// To what a Docker container of a name belongs: `mesos-` + [agent id + `.`] + container id [+ `.executor`].
    /// What was allocated is the task's container's, not its executor's beside it: it counts once.
    pub fn of_name(&self, name: &str) -> Option<Belongs> {
        let belongs = self.of_id(container_id_in_name(name)?)?;
        let allocated = if name.ends_with(EXECUTOR_SUFFIX) { Allocated::default() } else { belongs.allocated };
        Some(Belongs { allocated, ..belongs })
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The Mesos container id in the name that Mesos gives a Docker container.
pub fn container_id_in_name(name: &str) -> Option<&str> {
    let rest = name.strip_prefix(MESOS_PREFIX)?;
    let rest = rest.strip_suffix(EXECUTOR_SUFFIX).unwrap_or(rest);
    let id = rest.rsplit_once('.').map_or(rest, |(_, id)| id);
    is_uuid(id).then_some(id)
}

/// The application that a Marathon task's id names: `shop_cart.<uuid>` of old, then `shop_cart.instance-<uuid>._app.1`
/// or `shop_pod.instance-<uuid>.<container>`. Slashes are written `_`, which no application's id holds.
pub fn app_in_task_id(task: &str) -> Option<String> {
    for (position, _) in task.match_indices('.') {
        let (path, rest) = task.split_at(position);
        let rest = rest.get(1..)?;
        let rest = rest.strip_prefix("instance-").or(rest.strip_prefix("marathon-")).unwrap_or(rest);
        let id = rest.split('.').next()?;
        if is_uuid(id) {
            let is_path =
                path.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_'));
            return (is_path && !path.is_empty()).then(|| format!("/{}", path.replace('_', "/")));
        }
    }
    None
}

/// Whether a text is 8-4-4-4-12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let mut groups = text.split('-');
    let fits = [8, 4, 4, 4, 12].into_iter().all(|length| {
        groups.next().is_some_and(|group| group.len() == length && group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    fits && groups.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "66734014-5647-47e2-9264-b5775128b01d";

    #[test]
    fn the_container_id_is_found_in_every_form_of_name() {
        let check = |name: String, expected: Option<&str>| assert_eq!(container_id_in_name(&name), expected, "{name}");
        check(format!("mesos-{ID}"), Some(ID));
        check(format!("mesos-{ID}-S12.{ID}"), Some(ID));
        check(format!("mesos-{ID}-S0.{ID}.executor"), Some(ID));
        check(format!("mesos-{ID}.executor"), Some(ID));
        check("mesos-master".to_owned(), None);
        check(ID.to_owned(), None);
    }

    #[test]
    fn the_application_is_read_from_ids_of_every_version() {
        let check = |task: String, expected: Option<&str>| {
            assert_eq!(app_in_task_id(&task).as_deref(), expected, "{task}");
        };
        check(format!("shop_cart.{ID}"), Some("/shop/cart"));
        check(format!("shop_cart.marathon-{ID}"), Some("/shop/cart"));
        check(format!("shop_cart.instance-{ID}._app.1"), Some("/shop/cart"));
        check(format!("a_b.v1.2_c.instance-{ID}.web"), Some("/a/b.v1.2/c"));
        check("docker-sleep.7e57".to_owned(), None);
        check(format!("Upper.{ID}"), None);
        check(format!(".{ID}"), None);
        check(ID.to_owned(), None);
    }

    #[test]
    fn facts_add_up_and_marathon_knows_better_than_the_name() {
        let book = Book::new();
        let task = format!("shop_cart.{ID}");
        assert_eq!(book.of_name(&format!("mesos-{ID}")), None);
        book.note(ID, Belongs { agent: Some("S1".to_owned()), ..Belongs::default() });
        book.note(ID, Belongs { task: Some(task.clone()), ..Belongs::default() });
        let belongs = book.of_name(&format!("mesos-S1.{ID}")).unwrap();
        assert_eq!(
            belongs.named().collect::<Vec<_>>(),
            [("app", "/shop/cart".into()), ("task", task.as_str().into()), ("agent", "S1".into())]
        );
        book.note_app(&task, "/other");
        assert_eq!(book.of_id(ID).unwrap().app.as_deref(), Some("/other"));
    }

    #[test]
    fn what_was_allocated_counts_once_and_stays_when_nothing_new_is_told() {
        let book = Book::new();
        let allocated = Allocated { cpu_milli: Some(250), memory_bytes: Some(64 << 20) };
        book.note(ID, Belongs { allocated, ..Belongs::default() });
        book.note(ID, Belongs { agent: Some("S1".to_owned()), ..Belongs::default() });
        let named = |name: String| book.of_name(&name).unwrap().named().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(named(format!("mesos-{ID}")), ["agent", "cpu_allocated_cores", "memory_allocated_bytes"]);
        assert_eq!(named(format!("mesos-{ID}.executor")), ["agent"]);
        let facts: Vec<_> = book.of_id(ID).unwrap().named().collect();
        assert_eq!(facts[1].1, AttributeValue::Number(0.25));
        assert_eq!(facts[2].1, AttributeValue::Integer(64 << 20));
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut bounded = Bounded::default();
        for key in ["a", "b", "a", "c"] {
            bounded.put(key, key.to_owned(), 2);
        }
        assert!(!bounded.by_key.contains_key("a"));
        assert_eq!(bounded.order, ["b".into(), Box::from("c")]);
    }
}
