//! The nodes that Mesos masters hold in ZooKeeper: who they are, the leader first.
//!
//! Each master holds an ephemeral `json.info_<sequence>`; the lowest leads. Only reads; a session is kept between
//! visits and made anew when it expired. Must not know: what masters are asked.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use zookeeper_client::{Client, Error};

use crate::model::Outcome;
use crate::source::http::Failure;

/// How long a session outlives its connection; masters themselves use 10 s.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long all of the reading may take: it comes before the masters are asked, within the same visit.
const READING_MAX: Duration = Duration::from_secs(3);

/// The share of a visit that it may take at most, so that masters that are known are asked also without ZooKeeper.
const READING_SHARE: u32 = 3;

/// What the nodes of masters are called.
const PREFIX: &str = "json.info_";

/// Most nodes looked at: a cluster has three or five masters, and each may leave one behind for a session's time.
const NODES_MAX: usize = 64;

/// Where masters stand in ZooKeeper, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct NodesSettings {
    /// `host:port,host:port`.
    pub servers: String,
    /// The directory, with its leading slash.
    pub path: String,
    /// User and password of the `digest` scheme.
    pub digest: Option<(String, String)>,
}

impl std::fmt::Debug for NodesSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digest = if self.digest.is_some() { "given" } else { "none" };
        write!(f, "NodesSettings {{ servers: {:?}, path: {:?}, digest: {digest} }}", self.servers, self.path)
    }
}

/// A master, as its node tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MasterNode {
    /// Host and port.
    pub(crate) address: String,
    sequence: u64,
}

/// Reads the nodes.
pub(crate) struct Nodes {
    settings: NodesSettings,
    client: Option<Client>,
}

impl std::fmt::Debug for Nodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Nodes({:?}, connected: {})", self.settings, self.client.is_some())
    }
}

impl Nodes {
    pub(crate) fn new(settings: NodesSettings) -> Nodes {
        Nodes { settings, client: None }
    }

    /// The masters, the leader first.
    ///
    /// # Errors
    /// When the servers do not answer in time, or the directory cannot be read.
    pub(crate) async fn masters(&mut self, deadline: Instant) -> Result<Vec<MasterNode>, Failure> {
        let now = Instant::now();
        let until = now + READING_MAX.min(deadline.saturating_duration_since(now) / READING_SHARE);
        match timeout_at(until, self.read()).await {
            Ok(Ok(masters)) => Ok(masters),
            Ok(Err(error)) => {
                self.client = None;
                Err(self.failed(&error))
            }
            Err(_) => {
                self.client = None;
                Err(self.failed(&Error::Timeout))
            }
        }
    }

    async fn read(&mut self) -> Result<Vec<MasterNode>, Error> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => {
                // Read-only: a server cut off from the others still knows who led last.
                let mut connector = Client::connector()
                    .with_session_timeout(SESSION_TIMEOUT)
                    .with_connection_timeout(READING_MAX)
                    .with_readonly(true);
                if let Some((user, password)) = &self.settings.digest {
                    connector = connector.with_auth("digest", format!("{user}:{password}").as_bytes());
                }
                let client = connector.connect(&self.settings.servers).await?;
                self.client = Some(client.clone());
                client
            }
        };
        let directory = self.settings.path.trim_end_matches('/');
        let names = client.list_children(if directory.is_empty() { "/" } else { directory }).await?;
        let mut masters = Vec::new();
        for name in names.iter().filter(|name| name.starts_with(PREFIX)).take(NODES_MAX) {
            match client.get_data(&format!("{directory}/{name}")).await {
                Ok((data, _)) => masters.extend(parse_node(name, &data)),
                // It went between the list and now.
                Err(Error::NoNode) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(in_order(masters))
    }

    fn failed(&self, error: &Error) -> Failure {
        let NodesSettings { servers, path, .. } = &self.settings;
        let (outcome, what) = match error {
            Error::Timeout | Error::NoHosts | Error::ConnectionLoss => {
                (Outcome::Timeout, "no server answers in time; are the addresses right and the servers up?".to_owned())
            }
            Error::NoNode => (
                Outcome::Status,
                format!("there is no {path}; it is the path that the masters were started with (--zk)"),
            ),
            Error::NoAuth | Error::AuthFailed => (
                Outcome::Unauthorized,
                "the directory may not be read; give user and password in `zk_digest_file`".to_owned(),
            ),
            Error::SessionExpired => {
                (Outcome::Unreachable, "the session expired; it is made anew at the next visit".to_owned())
            }
            other => (Outcome::Unreachable, other.to_string()),
        };
        Failure::new(outcome, format!("zk://{servers}{path}: {what}"))
    }
}

/// By the order in which they came, which is that of succession; an address once.
fn in_order(mut masters: Vec<MasterNode>) -> Vec<MasterNode> {
    masters.sort_by_key(|node| node.sequence);
    let mut seen = std::collections::BTreeSet::new();
    masters.retain(|node| seen.insert(node.address.clone()));
    masters
}

/// Reads a master's node. `ip` beside the address is a number in the wrong byte order and not used.
fn parse_node(name: &str, data: &[u8]) -> Option<MasterNode> {
    #[derive(Deserialize)]
    struct Info {
        address: Option<Address>,
        hostname: Option<String>,
        port: Option<u16>,
        pid: Option<String>,
    }
    #[derive(Deserialize)]
    struct Address {
        ip: Option<String>,
        hostname: Option<String>,
        port: u16,
    }
    let sequence = name.strip_prefix(PREFIX)?.parse().ok()?;
    let info: Info = serde_json::from_slice(data).ok()?;
    let of_pid = || Some(info.pid.as_deref()?.rsplit_once('@')?.1.to_owned());
    let address = match info.address {
        Some(Address { ip: Some(ip), port, .. }) => with_port(&ip, port),
        Some(Address { ip: None, hostname: Some(hostname), port }) => with_port(&hostname, port),
        _ => of_pid().or_else(|| Some(with_port(info.hostname.as_deref()?, info.port?)))?,
    };
    Some(MasterNode { address, sequence })
}

fn with_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes as `path<tab>facts` with the data in a line below.
    fn masters_of(text: &str) -> Vec<String> {
        let mut lines = text.lines().peekable();
        let mut found = Vec::new();
        while let Some(line) = lines.next() {
            let path = line.split('\t').next().unwrap();
            let name = path.rsplit('/').next().unwrap();
            let data = lines.next_if(|next| next.starts_with("  data: ")).map(|next| &next["  data: ".len()..]);
            found.extend(parse_node(name, data.unwrap_or_default().as_bytes()));
        }
        found.reverse();
        in_order(found).into_iter().map(|node| node.address).collect()
    }

    #[test]
    fn the_lowest_sequence_leads() {
        let before = include_str!("../../../tests/fixtures/mesos/zookeeper/znodes.txt");
        assert_eq!(masters_of(before), ["127.0.0.1:5050", "127.0.0.1:5052"]);
        let after = include_str!("../../../tests/fixtures/mesos/failover/znodes_after.txt");
        assert_eq!(masters_of(after), ["127.0.0.1:5052"]);
    }

    #[test]
    fn older_masters_and_odd_nodes_are_read_as_far_as_they_go() {
        let address = |name: &str, data: &str| parse_node(name, data.as_bytes()).map(|node| node.address);
        // 0.28: the number in `ip` is byte-swapped, the pid is right.
        let old = r#"{"hostname":"m1","id":"x","ip":16777343,"pid":"master@10.0.0.1:5050","port":5050}"#;
        assert_eq!(address("json.info_0000000001", old).as_deref(), Some("10.0.0.1:5050"));
        let v6 = r#"{"address":{"ip":"fd00::1","port":5050}}"#;
        assert_eq!(address("json.info_0000000001", v6).as_deref(), Some("[fd00::1]:5050"));
        let named = r#"{"hostname":"m1","port":5050}"#;
        assert_eq!(address("json.info_0000000001", named).as_deref(), Some("m1:5050"));
        assert_eq!(address("info_0000000001", old), None);
        assert_eq!(address("json.info_x", old), None);
        assert_eq!(address("json.info_0000000001", "{}"), None);
        assert_eq!(address("json.info_0000000001", "\u{0}binary"), None);
    }

    #[test]
    fn the_password_is_not_shown() {
        let settings = NodesSettings {
            servers: "zk1:2181".to_owned(),
            path: "/mesos".to_owned(),
            digest: Some(("op".to_owned(), "s3cret".to_owned())),
        };
        let nodes = Nodes::new(settings);
        assert!(!format!("{nodes:?} {:?}", nodes.failed(&Error::AuthFailed)).contains("s3cret"));
    }
}
