//! Clusters: `[[source.mesos]]`, `[[source.marathon]]`, `[[source.zookeeper]]`.
//!
//! Must not know: how any of them is talked to.

use std::time::Duration;

use super::address::{DockerUrl, TlsWish};
use super::environment::Environment;
use super::fault::Faults;
use super::section::Section;
use super::service::{client_tls, read_credentials, read_named, read_secret};
use super::timing::{Timing, read_timing};
use super::tls::TlsPaths;
use super::{check_name, seconds};
use crate::source::host_names::HostNames;
use crate::source::http::{Credentials, Tls};
use crate::source::mesos::{self, MasterSource};
use crate::source::zookeeper::nodes::NodesSettings;
use crate::source::{marathon, zookeeper};

/// The leader's lists at most every ten seconds, numbers without a column too; at least once a day.
const SLOW_INTERVAL_RANGE: std::ops::RangeInclusive<Duration> = seconds(10)..=seconds(86_400);
/// Below, no real list fits; above, one reply could take the machine's memory.
const REPLY_BYTES_RANGE: std::ops::RangeInclusive<u64> = 64 << 10..=1 << 30;
/// Where ZooKeeper listens unless an address says otherwise.
const ZOOKEEPER_PORT: u16 = 2181;

/// A Mesos cluster to be sampled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MesosTarget {
    /// How long one visit to masters or agents may take.
    pub timeout: Duration,
    /// What the source is told, its name included.
    pub settings: mesos::Settings,
}

/// A Marathon to be sampled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarathonTarget {
    /// How long one visit may take.
    pub timeout: Duration,
    /// What the source is told, its name included.
    pub settings: marathon::Settings,
}

/// A ZooKeeper ensemble to be sampled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZooKeeperTarget {
    /// How long one visit may take.
    pub timeout: Duration,
    /// What the source is told, its name included.
    pub settings: zookeeper::Settings,
}

/// The Mesos clusters of the file.
pub(super) fn read_mesos(
    sections: Option<Vec<Section<'_>>>,
    common: Timing,
    environment: &Environment,
    hosts: &HostNames,
    faults: &Faults,
) -> Vec<MesosTarget> {
    read_named(
        sections,
        "source.mesos",
        faults,
        |target: &MesosTarget| target.settings.name.as_str(),
        |section| read_mesos_cluster(section, common, environment, hosts),
    )
}

fn read_mesos_cluster(
    mut section: Section<'_>,
    common: Timing,
    environment: &Environment,
    hosts: &HostNames,
) -> Option<MesosTarget> {
    let name = read_name(&mut section);
    let timing = read_timing(&mut section, common);
    let access = read_access(&mut section, environment);
    let masters = read_masters(&mut section, environment, access.wish);
    let agents = read_urls(&mut section, "agents", access.wish).unwrap_or_default();
    let trusts_discovered = section.boolean("credentials_to_discovered", false);
    let tasks_interval = section.duration("tasks_interval", SLOW_INTERVAL_RANGE).unwrap_or(mesos::TASKS_INTERVAL);
    let metrics_interval = section.duration("metrics_interval", SLOW_INTERVAL_RANGE).unwrap_or(mesos::METRICS_INTERVAL);
    let in_flight = section.integer("in_flight", u32::try_from(mesos::IN_FLIGHT).unwrap_or(u32::MAX), 1..=4096);
    let reply_max = read_reply_max(&mut section, mesos::LIST_MAX_BYTES);
    section.finish();
    let settings = mesos::Settings {
        name: name?,
        masters: masters?,
        agents,
        tls: access.tls,
        credentials: access.credentials,
        trusts_discovered,
        interval: timing.interval,
        tasks_interval,
        metrics_interval,
        in_flight_max: usize::try_from(in_flight).unwrap_or(usize::MAX),
        reply_max_bytes: reply_max,
        hosts: hosts.clone(),
    };
    Some(MesosTarget { timeout: timing.timeout, settings })
}

fn read_masters(section: &mut Section<'_>, environment: &Environment, wish: TlsWish) -> Option<MasterSource> {
    let urls = read_urls(section, "masters", wish);
    let zk = section.text("zk");
    let digest = section.path("zk_digest_file");
    match (urls, zk) {
        (Some(_), Some(_)) => {
            section.fault("zk", "tells where the masters are, as `masters` does; leave one of them out");
            None
        }
        (None, None) => {
            if !section.has("masters") && !section.has("zk") {
                section
                    .fault("masters", "needed: such as [\"http://10.0.0.1:5050\"], or zk = \"zk://host:2181/mesos\"");
            }
            None
        }
        (Some(urls), None) => {
            if digest.is_some() {
                section.fault("zk_digest_file", "is for zk; leave it out beside masters");
            }
            Some(MasterSource::Listed(urls))
        }
        (None, Some(zk)) => {
            let digest = match digest {
                Some(path) => {
                    let secret = read_secret(section, "zk_digest_file", &path, environment)?;
                    match secret.split_once(':') {
                        Some((user, password)) => Some((user.to_owned(), password.to_owned())),
                        None => {
                            section.fault("zk_digest_file", "must hold user:password");
                            return None;
                        }
                    }
                }
                None => None,
            };
            let (servers, path) = parse_zk(zk).map_err(|message| section.fault("zk", message)).ok()?;
            Some(MasterSource::ZooKeeper(NodesSettings { servers, path, digest }))
        }
    }
}

/// Servers and directory of `zk://host:port,host:port/path`.
fn parse_zk(text: &str) -> Result<(String, String), String> {
    let rest = text.strip_prefix("zk://").ok_or("must begin with zk://, as in zk://host:2181/mesos")?;
    if rest.contains('@') {
        return Err("must hold no user or password; name a file with them as zk_digest_file".to_owned());
    }
    let (servers, path) = rest.split_once('/').ok_or("needs the masters' directory, as in zk://host:2181/mesos")?;
    if path.trim_matches('/').is_empty() {
        return Err("needs the masters' directory, as in zk://host:2181/mesos".to_owned());
    }
    let servers: Vec<String> = servers.split(',').map(parse_server).collect::<Result<_, _>>()?;
    Ok((servers.join(","), format!("/{}", path.trim_matches('/'))))
}

/// `host:port`, the port added where it is left out.
fn parse_server(text: &str) -> Result<String, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_host = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b));
    let port = match port {
        None => Some(ZOOKEEPER_PORT),
        Some(port) => port.parse().ok().filter(|port| *port != 0),
    };
    match port {
        Some(port) if is_host => Ok(format!("{host}:{port}")),
        _ => Err(format!("{text:?} is no server; write host:port, as in 10.0.0.1:2181")),
    }
}

/// The Marathons of the file.
pub(super) fn read_marathon(
    sections: Option<Vec<Section<'_>>>,
    common: Timing,
    environment: &Environment,
    hosts: &HostNames,
    faults: &Faults,
) -> Vec<MarathonTarget> {
    read_named(
        sections,
        "source.marathon",
        faults,
        |target: &MarathonTarget| target.settings.name.as_str(),
        |mut section| {
            let name = read_name(&mut section);
            let timing = read_timing(&mut section, Timing { interval: marathon::INTERVAL, ..common });
            let access = read_access(&mut section, environment);
            let urls = read_urls(&mut section, "urls", access.wish);
            if urls.is_none() && !section.has("urls") {
                section.fault("urls", "needed: such as [\"http://10.0.0.1:8080\"]");
            }
            let reply_max_bytes = read_reply_max(&mut section, marathon::REPLY_MAX_BYTES);
            section.finish();
            let settings = marathon::Settings {
                name: name?,
                urls: urls?,
                tls: access.tls,
                credentials: access.credentials,
                interval: timing.interval,
                reply_max_bytes,
                hosts: hosts.clone(),
            };
            Some(MarathonTarget { timeout: timing.timeout, settings })
        },
    )
}

/// The ZooKeeper ensembles of the file.
pub(super) fn read_zookeeper(
    sections: Option<Vec<Section<'_>>>,
    common: Timing,
    environment: &Environment,
    faults: &Faults,
) -> Vec<ZooKeeperTarget> {
    read_named(
        sections,
        "source.zookeeper",
        faults,
        |target: &ZooKeeperTarget| target.settings.name.as_str(),
        |mut section| {
            let name = read_name(&mut section);
            let timing = read_timing(&mut section, Timing { interval: zookeeper::INTERVAL, ..common });
            let (tls, wish) = read_tls(&mut section, environment);
            let mut servers = Vec::new();
            let texts = section.texts("servers");
            if texts.as_ref().is_none_or(Vec::is_empty) && (texts.is_some() || !section.has("servers")) {
                section.fault("servers", "needed: such as [\"10.0.0.1:2181\"]");
            }
            for (index, text) in texts.into_iter().flatten().enumerate() {
                let server = if text.contains("://") { parse_url(&text, wish) } else { parse_server(&text) };
                match server {
                    Ok(server) if servers.contains(&server) => {
                        section.fault(&format!("servers[{index}]"), format!("{server} is there already"));
                    }
                    Ok(server) => servers.push(server),
                    Err(message) => section.fault(&format!("servers[{index}]"), message),
                }
            }
            section.finish();
            let settings = zookeeper::Settings { name: name?, servers, tls, interval: timing.interval };
            Some(ZooKeeperTarget { timeout: timing.timeout, settings })
        },
    )
}

fn read_name(section: &mut Section<'_>) -> Option<String> {
    let Some(name) = section.text("name").map(str::to_owned) else {
        if !section.has("name") {
            section.fault("name", "needed: what it is called in answers");
        }
        return None;
    };
    check_name(&name).map_err(|message| section.fault("name", message)).ok().map(|()| name)
}

fn read_reply_max(section: &mut Section<'_>, default: usize) -> usize {
    let given = section.size("reply_max", REPLY_BYTES_RANGE);
    given.map_or(default, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// Certificates and credentials.
struct Access {
    tls: Option<Tls>,
    wish: TlsWish,
    credentials: Option<Credentials>,
}

fn read_access(section: &mut Section<'_>, environment: &Environment) -> Access {
    let (tls, wish) = read_tls(section, environment);
    // Where they are said wrongly there is a fault, and no configuration.
    let credentials = read_credentials(section, environment).flatten();
    Access { tls, wish, credentials }
}

fn read_tls(section: &mut Section<'_>, environment: &Environment) -> (Option<Tls>, TlsWish) {
    let paths = TlsPaths { ca: section.path("ca"), cert: section.path("cert"), key: section.path("key") };
    if !paths.any() {
        return (None, TlsWish::None);
    }
    let material = paths.load(environment, |key| section.path_of(key), section.faults());
    (material.map(client_tls), TlsWish::Given)
}

/// Addresses of a list; None where the key is not given.
fn read_urls(section: &mut Section<'_>, key: &'static str, wish: TlsWish) -> Option<Vec<String>> {
    let texts = section.texts(key)?;
    if texts.is_empty() && key != "agents" {
        section.fault(key, "must not be empty");
    }
    let mut urls = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match parse_url(text, wish) {
            Ok(url) if urls.contains(&url) => {
                section.fault(&format!("{key}[{index}]"), format!("{url} is there already"));
            }
            Ok(url) => urls.push(url),
            Err(message) => section.fault(&format!("{key}[{index}]"), message),
        }
    }
    Some(urls)
}

/// An address of HTTP, without a scheme plain or, where certificates are given, over TLS.
fn parse_url(text: &str, wish: TlsWish) -> Result<String, String> {
    let url = match text.split_once("://") {
        Some(("http" | "https", _)) => text.to_owned(),
        Some((scheme, _)) => return Err(format!("{scheme}:// is not supported; use http:// or https://")),
        None if wish == TlsWish::Given => format!("https://{text}"),
        None => format!("http://{text}"),
    };
    DockerUrl::parse(&url, wish).map(|url| url.to_string())
}
