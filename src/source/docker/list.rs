//! One reply of `containers/json?all=1`: which containers there are, and what shows that one of them changed.
//!
//! Pure. Must not know: what is done about a change.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;

use super::wire::Count;

/// One line of the list.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Listed {
    #[serde(rename = "Id")]
    pub(super) id: Box<str>,
    #[serde(rename = "Names", default)]
    names: Option<Vec<String>>,
    #[serde(rename = "Image", default)]
    pub(super) image: Option<String>,
    #[serde(rename = "ImageID", default)]
    pub(super) image_id: Option<String>,
    #[serde(rename = "Created", default)]
    pub(super) created: Count,
    #[serde(rename = "State", default)]
    state: Option<String>,
    #[serde(rename = "Status", default)]
    status: Option<String>,
    #[serde(rename = "Labels", default)]
    pub(super) labels: Option<BTreeMap<String, String>>,
    #[serde(rename = "Ports", default)]
    ports: Option<Vec<Port>>,
    #[serde(rename = "NetworkSettings", default)]
    network_settings: Option<NetworkSettings>,
}

#[derive(Debug, Clone, Deserialize, Hash)]
struct Port {
    #[serde(rename = "IP", default)]
    ip: Option<String>,
    #[serde(rename = "PrivatePort", default)]
    private: Option<u32>,
    #[serde(rename = "PublicPort", default)]
    public: Option<u32>,
    #[serde(rename = "Type", default)]
    protocol: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct NetworkSettings {
    #[serde(rename = "Networks", default)]
    networks: Option<BTreeMap<String, Option<Network>>>,
}

#[derive(Debug, Clone, Deserialize, Hash)]
struct Network {
    #[serde(rename = "IPAddress", default)]
    address: Option<String>,
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// Made, never run.
    Created,
    /// Has processes.
    Running,
    /// Has processes that stand still.
    Paused,
    /// Waits for its next try.
    Restarting,
    /// Has ended, or is being removed.
    Ended,
}

impl State {
    /// The state that an engine's word means.
    pub(super) fn of_word(word: &str) -> State {
        match word {
            "created" | "configured" | "initialized" => State::Created,
            "running" => State::Running,
            "paused" => State::Paused,
            "restarting" => State::Restarting,
            _ => State::Ended,
        }
    }

    /// Whether it has numbers.
    pub(super) fn has_stats(self) -> bool {
        matches!(self, State::Running | State::Paused)
    }
}

/// Reads a list.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Listed>, serde_json::Error> {
    serde_json::from_slice(body)
}

impl Listed {
    /// The container's own name: of all its names the one without a second slash, which links have.
    pub(super) fn name(&self) -> &str {
        let names = self.names.as_deref().unwrap_or_default();
        let own = |name: &&str| !name.contains('/');
        let mut names = names.iter().map(|name| name.strip_prefix('/').unwrap_or(name));
        names.clone().find(own).or_else(|| names.next()).unwrap_or_default()
    }

    /// The name, or for want of one the id's beginning.
    pub(super) fn shown(&self) -> &str {
        let name = self.name();
        if name.is_empty() { self.id.get(..12).unwrap_or(&self.id) } else { name }
    }

    /// What it does. Engines below API 1.23 say it in the text of `Status` only.
    pub(super) fn state(&self) -> State {
        match &self.state {
            Some(word) if !word.is_empty() => State::of_word(word),
            _ => {
                let status = self.status.as_deref().unwrap_or_default();
                if status.starts_with("Up") {
                    if status.contains("(Paused)") { State::Paused } else { State::Running }
                } else if status.starts_with("Restarting") {
                    State::Restarting
                } else if status.is_empty() || status.starts_with("Created") {
                    State::Created
                } else {
                    State::Ended
                }
            }
        }
    }

    /// For how long it has been in its state, as far as the text of `Status` says: the least that the text can mean.
    pub(super) fn status_age_s(&self) -> Option<u64> {
        age_s(self.status.as_deref()?)
    }

    /// A number that differs when anything but the age in `Status` differs. Order of ports is not kept by engines.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.names.hash(&mut hasher);
        self.image_id.hash(&mut hasher);
        self.state().hash(&mut hasher);
        self.state.hash(&mut hasher);
        self.labels.hash(&mut hasher);
        let status = self.status.as_deref().unwrap_or_default();
        // "Exited (3) 5 minutes ago", "Up 5 minutes (healthy)": what stands in parentheses is no age.
        status.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inside, _)| inside).hash(&mut hasher);
        let networks = self.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
        networks.hash(&mut hasher);
        let ports = self.ports.iter().flatten().map(|port| {
            let mut hasher = DefaultHasher::new();
            port.hash(&mut hasher);
            hasher.finish()
        });
        ports.fold(0_u64, u64::wrapping_add).hash(&mut hasher);
        hasher.finish()
    }
}

/// The least age in seconds that an engine's text can mean: "Up 3 hours" is at least 3 h old.
fn age_s(status: &str) -> Option<u64> {
    let words: Vec<&str> =
        status.split(|c: char| c.is_whitespace() || c == '(' || c == ')').filter(|w| !w.is_empty()).collect();
    for (position, word) in words.iter().enumerate() {
        let unit = match word.trim_end_matches('s') {
            "second" => 1,
            "minute" => 60,
            "hour" => 3_600,
            "day" => 86_400,
            "week" => 604_800,
            "month" => 2_592_000,
            "year" => 31_536_000,
            _ => continue,
        };
        let before = |back: usize| position.checked_sub(back).and_then(|at| words.get(at)).copied();
        let number = match before(1) {
            // "Less than a second", "About a minute", "About an hour".
            Some("a" | "an") if before(2) == Some("than") => 0,
            Some("a" | "an") => 1,
            Some(number) => number.parse().ok()?,
            None => return None,
        };
        return Some(unit * number);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(json: &str) -> Listed {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_age_is_the_least_that_the_text_can_mean() {
        for (status, age) in [
            ("Up Less than a second", Some(0)),
            ("Up 1 second", Some(1)),
            ("Up 50 seconds (unhealthy)", Some(50)),
            ("Up About a minute", Some(60)),
            ("Up 5 minutes (Paused)", Some(300)),
            ("Up About an hour", Some(3_600)),
            ("Up 3 hours", Some(10_800)),
            ("Up 2 weeks", Some(1_209_600)),
            ("Exited (137) 5 minutes ago", Some(300)),
            ("Restarting (7) 9 seconds ago", Some(9)),
            ("Created", None),
            ("Up x minutes", None),
            ("", None),
        ] {
            assert_eq!(age_s(status), age, "{status}");
        }
    }

    #[test]
    fn the_own_name_is_the_one_with_one_slash() {
        assert_eq!(listed(r#"{"Id":"1","Names":["/app/database","/db"]}"#).name(), "db");
        assert_eq!(listed(r#"{"Id":"1","Names":["web"]}"#).name(), "web");
        assert_eq!(listed(r#"{"Id":"0123456789abcdef","Names":null}"#).shown(), "0123456789ab");
    }

    #[test]
    fn old_engines_say_the_state_in_the_text_only() {
        for (status, state) in [
            ("Up 3 hours", State::Running),
            ("Up 3 hours (Paused)", State::Paused),
            ("Restarting (7) 9 seconds ago", State::Restarting),
            ("Exited (0) 5 minutes ago", State::Ended),
            ("Dead", State::Ended),
            ("Created", State::Created),
            ("", State::Created),
        ] {
            assert_eq!(listed(&format!(r#"{{"Id":"1","Status":"{status}"}}"#)).state(), state, "{status}");
        }
    }

    #[test]
    fn the_fingerprint_sees_every_change_but_age_and_order() {
        let fingerprint = |rest: &str| listed(&format!(r#"{{"Id":"1",{rest}}}"#)).fingerprint();
        let same = [
            (r#""Status":"Up 5 minutes (healthy)""#, r#""Status":"Up 6 minutes (healthy)""#),
            (r#""Ports":[{"PrivatePort":1},{"PrivatePort":2}]"#, r#""Ports":[{"PrivatePort":2},{"PrivatePort":1}]"#),
        ];
        for (one, other) in same {
            assert_eq!(fingerprint(one), fingerprint(other), "{one} {other}");
        }
        let different = [
            (r#""Status":"Up 5 minutes (healthy)""#, r#""Status":"Up 5 minutes (unhealthy)""#),
            (r#""State":"running""#, r#""State":"paused""#),
            (r#""Names":["/a"]"#, r#""Names":["/b"]"#),
            (r#""Ports":[{"PrivatePort":1}]"#, r#""Ports":[{"PrivatePort":2}]"#),
            (
                r#""NetworkSettings":{"Networks":{"a":{"IPAddress":"10.0.0.1"}}}"#,
                r#""NetworkSettings":{"Networks":{"a":{"IPAddress":"10.0.0.1"},"b":null}}"#,
            ),
        ];
        for (one, other) in different {
            assert_ne!(fingerprint(one), fingerprint(other), "{one} {other}");
        }
    }
}
