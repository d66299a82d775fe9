//! To which application, task and service a container belongs, by the names, variables and labels that schedulers
//! leave on it.
//!
//! Pure. Must not know: the schedulers' own replies.

use std::collections::BTreeMap;

use crate::model::Attributes;

/// What Mesos calls its Docker containers.
const MESOS_PREFIX: &str = "mesos-";

/// Where to look.
pub(super) struct Clues<'a> {
    /// The container's name.
    pub(super) name: &'a str,
    /// The variables that may be kept.
    pub(super) env: &'a BTreeMap<String, String>,
    /// Its labels.
    pub(super) labels: &'a BTreeMap<String, String>,
}

/// `app`, `task`, `framework`, `agent`, `service` and `stack`, as far as the clues tell.
///
/// Mesos names a container `mesos-` + [agent id + `.`] + container id [+ `.executor`]; Marathon sets
/// `MARATHON_APP_ID` and `MESOS_TASK_ID`; swarm, Compose and podman-compose leave labels.
pub(super) fn attribute(clues: &Clues<'_>) -> Attributes {
    let env = |name: &str| clues.env.get(name).map(String::as_str);
    let label = |name: &str| clues.labels.get(name).map(String::as_str);
    // Podman-compose writes its own label for the project, and Docker's for the service.
    let project = label("com.docker.compose.project").or(label("io.podman.compose.project"));
    let compose = match (project, label("com.docker.compose.service")) {
        (Some(project), Some(service)) => Some(format!("{project}/{service}")),
        (_, service) => service.map(str::to_owned),
    };
    let found: [(&'static str, Option<String>); 6] = [
        ("app", env("MARATHON_APP_ID").or(label("MARATHON_APP_ID")).map(str::to_owned)),
        (
            "task",
            env("MESOS_TASK_ID")
                .or(env("MESOS_EXECUTOR_ID"))
                .or(label("MESOS_TASK_ID"))
                .or(label("com.docker.swarm.task.name"))
                .map(str::to_owned),
        ),
        ("framework", env("MESOS_FRAMEWORK_ID").or(label("MESOS_FRAMEWORK_ID")).map(str::to_owned)),
        ("agent", env("MESOS_SLAVE_ID").or(env("MESOS_AGENT_ID")).or(agent_in_name(clues.name)).map(str::to_owned)),
        ("service", label("com.docker.swarm.service.name").map(str::to_owned).or(compose)),
        ("stack", label("com.docker.stack.namespace").or(project).map(str::to_owned)),
    ];
    found
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?.into())))
        .collect()
}

/// The agent id in a container's name, where Mesos puts it: an agent id ends in `-S` and a number.
fn agent_in_name(name: &str) -> Option<&str> {
    let (first, _) = name.strip_prefix(MESOS_PREFIX)?.split_once('.')?;
    let (_, number) = first.rsplit_once("-S")?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, env: &[(&str, &str)], labels: &[(&str, &str)], expected: &[(&'static str, &str)]) {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let found = attribute(&Clues { name, env: &map(env), labels: &map(labels) });
        let expected: Attributes = expected.iter().map(|(name, value)| (*name, (*value).into())).collect();
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn schedulers_leave_their_marks() {
        let id = "66734014-5647-47e2-9264-b5775128b01d";
        check("web", &[], &[], &[]);
        check(&format!("mesos-{id}"), &[], &[], &[]);
        check(&format!("mesos-{id}-S12.{id}"), &[], &[], &[("agent", &format!("{id}-S12"))]);
        check(&format!("mesos-{id}-S0.{id}.executor"), &[], &[], &[("agent", &format!("{id}-S0"))]);
        check(&format!("mesos-{id}.executor"), &[], &[], &[]);
        check(
            &format!("mesos-{id}"),
            &[("MARATHON_APP_ID", "/shop/cart"), ("MESOS_TASK_ID", "shop_cart.1"), ("MESOS_FRAMEWORK_ID", "f-0000")],
            &[],
            &[("app", "/shop/cart"), ("task", "shop_cart.1"), ("framework", "f-0000")],
        );
        check(
            "web.1.x",
            &[],
            &[("com.docker.swarm.service.name", "web"), ("com.docker.swarm.task.name", "web.1.x")],
            &[("service", "web"), ("task", "web.1.x")],
        );
        check(
            "shop-db-1",
            &[],
            &[("com.docker.compose.project", "shop"), ("com.docker.compose.service", "db")],
            &[("service", "shop/db"), ("stack", "shop")],
        );
        check("db", &[], &[("com.docker.compose.service", "db")], &[("service", "db")]);
        check(
            "shop_db_1",
            &[],
            &[("io.podman.compose.project", "shop"), ("com.docker.compose.service", "db")],
            &[("service", "shop/db"), ("stack", "shop")],
        );
        check(
            "shop_web.1.x",
            &[],
            &[
                ("com.docker.stack.namespace", "shop"),
                ("com.docker.swarm.service.name", "shop_web"),
                ("com.docker.swarm.task.name", "shop_web.1.x"),
            ],
            &[("service", "shop_web"), ("stack", "shop"), ("task", "shop_web.1.x")],
        );
    }
}
