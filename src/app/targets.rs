//! From the configuration to targets: which source polls what, how often, and how it is built.
//!
//! The one list of what a new source needs here. Must not know: when polls happen.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::api::ConfiguredTarget;
use crate::clock::Clock;
use crate::config::{
    Config, DockerTarget, ExporterTarget, HostTarget, MarathonTarget, MesosTarget, PrometheusTarget, RegistryTarget,
    ZooKeeperTarget,
};
use crate::model::{Kind, TargetName};
use crate::sampler::{Build, Target};
use crate::source::Source;

use super::Failures;
use crate::source::attribution::Book;
use crate::source::docker::kinds::process::CONTAINER_PROCESS;
use crate::source::docker::kinds::{CONTAINER, CONTAINER_DEVICE, CONTAINER_INTERFACE, ENGINE, IMAGE_KIND};
use crate::source::docker::{self, Docker, Images, Processes};
use crate::source::host::{Exporter, HOST, HOST_DEVICE, HOST_FILESYSTEM, HOST_INTERFACE, Host};
use crate::source::http::{SetupError, Tls};
use crate::source::marathon::Marathon;
use crate::source::marathon::kinds::{MARATHON, MARATHON_APP};
use crate::source::mesos::{self, MasterSource};
use crate::source::metric::METRIC;
use crate::source::prometheus::{self, Prometheus};
use crate::source::recorder::{self, RECORDER, Recorder, TARGET, Vitals};
use crate::source::registry::kinds::{MANIFEST, REGISTRY, REPOSITORY, TAG};
use crate::source::registry::{self, Registry};
use crate::source::swarm::{self, SWARM_NODE, SWARM_SERVICE, Swarm};
use crate::source::zookeeper::ZooKeeper;
use crate::source::zookeeper::kinds::ZOOKEEPER;

/// How often the recorder looks at itself: as often as the default of what it polls.
const RECORDER_INTERVAL: Duration = Duration::from_secs(10);

/// For its own files in /proc; a machine on which this is not enough is out of memory.
const RECORDER_TIMEOUT: Duration = Duration::from_secs(5);

/// The engine walks all layers of all images for their sizes, which takes longer than a list of containers.
const IMAGES_TIMEOUT: Duration = Duration::from_secs(60);

/// The list of 50,000 tasks is 50 MB.
const TASKS_TIMEOUT: Duration = Duration::from_secs(30);

/// A target with what is known of it before its first poll.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What the sampler needs.
    pub target: Target,
    /// The kinds its polls fill.
    pub kinds: Vec<&'static Kind>,
}

/// Makes targets from configurations, always with the same clock, vitals and bound on requests.
#[derive(Debug)]
pub struct Planner {
    clock: Clock,
    recorder: recorder::Settings,
    vitals: Arc<Vitals>,
    /// What sources tell each other of containers.
    book: Arc<Book>,
    /// Permits for requests to all engines, and how many there are: the same through every reload.
    requests: Mutex<(usize, Arc<Semaphore>)>,
}

impl Planned {
    /// As the API tells it.
    pub fn configured(&self) -> ConfiguredTarget {
        ConfiguredTarget {
            target: self.target.name.clone(),
            address: self.target.address.clone(),
            interval: self.target.interval,
            kinds: self.kinds.iter().map(|kind| kind.name).collect(),
        }
    }
}

impl Planner {
    /// A planner of a recorder.
    pub fn new(clock: Clock, recorder: recorder::Settings, vitals: Arc<Vitals>) -> Self {
        Planner { clock, recorder, vitals, book: Book::new(), requests: Mutex::new((0, Arc::new(Semaphore::new(0)))) }
    }

    /// All targets of a configuration, the recorder's own first.
    pub fn plan(&self, config: &Config) -> Vec<Planned> {
        let requests = self.requests(config.in_flight_max);
        let engines = config
            .docker
            .iter()
            .flat_map(|engine| [self.engine(engine, config.in_flight_max, &requests), self.images(engine)]);
        let processes = config.docker.iter().filter(|engine| !engine.processes.containers.is_empty());
        let processes = processes.map(|engine| self.processes(engine));
        let swarms = config.docker.iter().filter(|engine| engine.swarm).map(|engine| {
            let settings = docker_settings(engine);
            let name = TargetName::new(swarm::SOURCE, &engine.name);
            let secrets = fingerprint(&settings.tls);
            let about = (name, settings.url.as_str(), engine.interval.max(engine.swarm_interval), engine.timeout);
            let named = (settings.clone(), config.hosts.clone());
            let make = |(settings, hosts), clock| Ok(Swarm::new(settings, clock)?.naming(hosts));
            self.service(about, &named, secrets, vec![&SWARM_NODE, &SWARM_SERVICE], make)
        });
        let host = config.host.iter().map(|host| self.host(host));
        let exporters = config.exporters.iter().map(|target| {
            let ExporterTarget { interval, timeout, settings } = target;
            let kinds = vec![&HOST, &HOST_DEVICE, &HOST_INTERFACE, &HOST_FILESYSTEM];
            let name = TargetName::new("host", &settings.host.name);
            let secrets = fingerprint(&(&settings.tls, &settings.credentials));
            self.service((name, &settings.url, *interval, *timeout), settings, secrets, kinds, Exporter::new)
        });
        let registries = config.registries.iter().map(|target| {
            let RegistryTarget { interval, timeout, settings } = target;
            let name = TargetName::new(registry::SOURCE, &settings.name);
            let secrets = fingerprint(&(&settings.tls, &settings.credentials));
            let kinds = vec![&REGISTRY, &REPOSITORY, &TAG, &MANIFEST];
            self.service((name, &settings.url, *interval, *timeout), settings, secrets, kinds, Registry::new)
        });
        let pages = config.pages.iter().map(|target| {
            let PrometheusTarget { interval, timeout, settings } = target;
            let name = TargetName::new(prometheus::SOURCE, &settings.name);
            let secrets = fingerprint(&(&settings.tls, &settings.credentials));
            self.service((name, &settings.url, *interval, *timeout), settings, secrets, vec![&METRIC], Prometheus::new)
        });
        let own = std::iter::once(self.recorder());
        let mesos = config.mesos.iter().flat_map(|cluster| self.mesos(cluster));
        let marathon = config.marathon.iter().map(|marathon| self.marathon(marathon));
        let zookeeper = config.zookeeper.iter().map(|ensemble| self.zookeeper(ensemble));
        let clusters = mesos.chain(marathon).chain(zookeeper);
        let services = exporters.chain(registries).chain(pages);
        own.chain(engines).chain(processes).chain(swarms).chain(host).chain(clusters).chain(services).collect()
    }

    fn requests(&self, max: usize) -> Arc<Semaphore> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.0 != max {
            *requests = (max, Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))));
        }
        Arc::clone(&requests.1)
    }

    fn recorder(&self) -> Planned {
        let (settings, vitals, clock) = (self.recorder.clone(), Arc::clone(&self.vitals), self.clock.clone());
        let build: Build = Arc::new(move || {
            Ok(Box::new(Recorder::new(settings.clone(), Arc::clone(&vitals), clock.clone())) as Box<dyn Source>)
        });
        let target = Target {
            name: self.recorder.target(),
            address: "this process".to_owned(),
            interval: RECORDER_INTERVAL,
            timeout: RECORDER_TIMEOUT,
            fingerprint: format!("{:?}", self.recorder),
            build,
        };
        Planned { target, kinds: vec![&RECORDER, &TARGET] }
    }

    fn engine(&self, engine: &DockerTarget, in_flight_max: usize, requests: &Arc<Semaphore>) -> Planned {
        let settings = docker_settings(engine);
        let fingerprint = format!("{settings:?} {:?} {in_flight_max}", engine.tls.as_ref().map(tls_fingerprint));
        let (clock, requests, book) = (self.clock.clone(), Arc::clone(requests), Arc::clone(&self.book));
        let build: Build = Arc::new(move || {
            let docker = Docker::new(settings.clone(), clock.clone()).map_err(|error| Failures(&error).to_string())?;
            let docker = docker.sharing(Arc::clone(&requests)).attributed_by(Arc::clone(&book));
            Ok(Box::new(docker) as Box<dyn Source>)
        });
        let target = Target {
            name: TargetName::new("docker", &engine.name),
            address: engine.url.to_string(),
            interval: engine.interval,
            timeout: engine.timeout,
            fingerprint,
            build,
        };
        Planned { target, kinds: vec![&CONTAINER, &CONTAINER_INTERFACE, &CONTAINER_DEVICE, &ENGINE] }
    }

    fn images(&self, engine: &DockerTarget) -> Planned {
        let settings = docker_settings(engine);
        let fingerprint = format!("{settings:?} {:?}", engine.tls.as_ref().map(tls_fingerprint));
        let clock = self.clock.clone();
        let build: Build = Arc::new(move || {
            let images = Images::new(settings.clone(), clock.clone()).map_err(|error| Failures(&error).to_string())?;
            Ok(Box::new(images) as Box<dyn Source>)
        });
        let target = Target {
            name: TargetName::new("docker-images", &engine.name),
            address: engine.url.to_string(),
            interval: engine.images_interval,
            timeout: IMAGES_TIMEOUT.min(engine.images_interval.mul_f64(0.8)).max(engine.timeout),
            fingerprint,
            build,
        };
        Planned { target, kinds: vec![&IMAGE_KIND] }
    }

    fn processes(&self, engine: &DockerTarget) -> Planned {
        let settings = docker_settings(engine);
        let fingerprint = format!("{settings:?} {:?}", engine.tls.as_ref().map(tls_fingerprint));
        let (clock, book) = (self.clock.clone(), Arc::clone(&self.book));
        let build: Build = Arc::new(move || {
            let processes = Processes::new(settings.clone(), clock.clone());
            let processes = processes.map_err(|error| Failures(&error).to_string())?;
            Ok(Box::new(processes.attributed_by(Arc::clone(&book))) as Box<dyn Source>)
        });
        let interval = engine.processes.interval;
        let target = Target {
            name: TargetName::new("docker-processes", &engine.name),
            address: engine.url.to_string(),
            interval,
            timeout: engine.timeout.min(interval.mul_f64(0.8)),
            fingerprint,
            build,
        };
        Planned { target, kinds: vec![&CONTAINER_PROCESS] }
    }

    /// A target that is asked over HTTP: name, address, interval and timeout, and how its source is made.
    fn service<S, T>(
        &self,
        (name, url, interval, timeout): (TargetName, &str, Duration, Duration),
        settings: &S,
        secrets: u64,
        kinds: Vec<&'static Kind>,
        make: fn(S, Clock) -> Result<T, SetupError>,
    ) -> Planned
    where
        S: Clone + std::fmt::Debug + Send + Sync + 'static,
        T: Source + 'static,
    {
        let (settings, clock) = (settings.clone(), self.clock.clone());
        let fingerprint = format!("{settings:?} {secrets}");
        let build: Build = Arc::new(move || {
            let source = make(settings.clone(), clock.clone()).map_err(|error| Failures(&error).to_string())?;
            Ok(Box::new(source) as Box<dyn Source>)
        });
        // What follows ? may hold a key.
        let address = url.split('?').next().unwrap_or_default().to_owned();
        Planned { target: Target { name, address, interval, timeout, fingerprint, build }, kinds }
    }

    fn host(&self, host: &HostTarget) -> Planned {
        let (settings, clock) = (host.settings.clone(), self.clock.clone());
        let fingerprint = format!("{settings:?}");
        let build: Build =
            Arc::new(move || Ok(Box::new(Host::new(settings.clone(), clock.clone())) as Box<dyn Source>));
        let target = Target {
            name: TargetName::new("host", &host.settings.name),
            address: host.settings.root.display().to_string(),
            interval: host.interval,
            timeout: host.timeout,
            fingerprint,
            build,
        };
        Planned { target, kinds: vec![&HOST, &HOST_DEVICE, &HOST_INTERFACE, &HOST_FILESYSTEM] }
    }
}

impl Planner {
    /// The four targets of a cluster, which share what they learn.
    fn mesos(&self, cluster: &MesosTarget) -> Vec<Planned> {
        let settings = &cluster.settings;
        let fingerprint = format!("{settings:?} {}", fingerprint(&(&settings.tls, &settings.credentials)));
        let group = Arc::new(mesos::Cluster::new(settings.clone(), self.clock.clone(), Arc::clone(&self.book)));
        let address = match &settings.masters {
            MasterSource::Listed(urls) => urls.join(", "),
            MasterSource::ZooKeeper(nodes) => format!("zk://{}{}", nodes.servers, nodes.path),
        };
        let planned = |source: &str, part: mesos::Part, interval: Duration, timeout: Duration, kinds| {
            let group = Arc::clone(&group);
            let build: Build = Arc::new(move || group.source(part).map_err(|error| Failures(&error).to_string()));
            let target = Target {
                name: TargetName::new(source, &settings.name),
                address: address.clone(),
                interval,
                timeout,
                fingerprint: fingerprint.clone(),
                build,
            };
            Planned { target, kinds }
        };
        // A whole list may take long to come; there is time until the next.
        let tasks_timeout = TASKS_TIMEOUT.min(settings.tasks_interval.mul_f64(0.8));
        vec![
            planned(
                "mesos",
                mesos::Part::Masters,
                settings.interval,
                cluster.timeout,
                vec![&mesos::kinds::MESOS_CLUSTER, &mesos::kinds::MESOS_MASTER],
            ),
            planned(
                "mesos-tasks",
                mesos::Part::Tasks,
                settings.tasks_interval,
                tasks_timeout,
                vec![&mesos::kinds::MESOS_FRAMEWORK, &mesos::kinds::MESOS_TASK],
            ),
            planned(
                "mesos-agents",
                mesos::Part::Agents,
                settings.interval,
                cluster.timeout,
                vec![&mesos::kinds::MESOS_AGENT, &mesos::kinds::MESOS_EXECUTOR],
            ),
            planned("mesos-metrics", mesos::Part::Metrics, settings.metrics_interval, cluster.timeout, vec![&METRIC]),
        ]
    }

    fn marathon(&self, target: &MarathonTarget) -> Planned {
        let settings = target.settings.clone();
        let secrets = fingerprint(&(&settings.tls, &settings.credentials));
        let (clock, book) = (self.clock.clone(), Arc::clone(&self.book));
        let target = Target {
            name: TargetName::new("marathon", &settings.name),
            address: settings.urls.join(", "),
            interval: settings.interval,
            timeout: target.timeout,
            fingerprint: format!("{settings:?} {secrets}"),
            build: Arc::new(move || {
                let marathon = Marathon::new(settings.clone(), clock.clone(), Arc::clone(&book));
                Ok(Box::new(marathon.map_err(|error| Failures(&error).to_string())?) as Box<dyn Source>)
            }),
        };
        Planned { target, kinds: vec![&MARATHON, &MARATHON_APP, &METRIC] }
    }

    fn zookeeper(&self, target: &ZooKeeperTarget) -> Planned {
        let settings = target.settings.clone();
        let clock = self.clock.clone();
        let target = Target {
            name: TargetName::new("zookeeper", &settings.name),
            address: settings.servers.join(", "),
            interval: settings.interval,
            timeout: target.timeout,
            fingerprint: format!("{settings:?} {}", fingerprint(&settings.tls)),
            build: Arc::new(move || {
                let zookeeper = ZooKeeper::new(settings.clone(), clock.clone());
                Ok(Box::new(zookeeper.map_err(|error| Failures(&error).to_string())?) as Box<dyn Source>)
            }),
        };
        Planned { target, kinds: vec![&ZOOKEEPER, &METRIC] }
    }
}

fn docker_settings(engine: &DockerTarget) -> docker::Settings {
    docker::Settings {
        name: engine.name.clone(),
        url: engine.url.to_string(),
        tls: engine.tls.as_ref().map(|tls| Tls {
            ca: tls.ca.clone(),
            cert: tls.client.as_ref().map(|client| client.cert.clone()),
            key: tls.client.as_ref().map(|client| client.key.expose().to_vec()),
        }),
        interval: engine.interval,
        images_interval: engine.images_interval,
        df_interval: engine.df_interval,
        concurrency: engine.in_flight_max,
        reply_max_bytes: usize::try_from(engine.reply_bytes_max).unwrap_or(usize::MAX),
        environment: engine.env_allowed.clone(),
        redact: engine.redact.clone(),
        processes: engine.processes.clone(),
    }
}

/// Tells whether certificates changed; their texts and the key stay out of it.
fn tls_fingerprint(tls: &crate::config::TlsMaterial) -> u64 {
    fingerprint(&(&tls.ca, tls.client.as_ref().map(|client| (&client.cert, client.key.expose()))))
}

/// Tells whether a secret changed, without it.
fn fingerprint(secrets: &impl std::hash::Hash) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    secrets.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Environment;
    use crate::model::Timestamp;

    /// What each target of a configuration is made from, by name.
    fn fingerprints(text: &str) -> BTreeMap<String, String> {
        let environment = Environment::fixed("here", BTreeMap::new(), BTreeMap::new());
        let config = Config::parse(text, &environment).unwrap();
        let recorder = recorder::Settings { host: "here".to_owned() };
        let vitals = Arc::new(Vitals::new(Timestamp::from_ms(0)));
        let planned = Planner::new(Clock::System, recorder, vitals).plan(&config);
        let all = planned.into_iter().map(|planned| (planned.target.name.to_string(), planned.target.fingerprint));
        all.collect()
    }

    #[test]
    fn names_of_machines_make_anew_only_what_asks_for_them() {
        let sources = "[[source.docker]]\nname = \"a\"\nurl = \"tcp://a\"\nswarm = true\n\
                       [[source.mesos]]\nname = \"m\"\nmasters = [\"http://m:5050\"]\n\
                       [[source.marathon]]\nname = \"m\"\nurls = [\"http://m:8080\"]\n\
                       [[source.zookeeper]]\nname = \"z\"\nservers = [\"z:2181\"]\n";
        let before = fingerprints(sources);
        let after = fingerprints(&format!("hosts = {{ \"10.0.0.5\" = \"node-1\" }}\n{sources}"));
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
        let changed: Vec<&str> =
            before.iter().filter(|(name, of)| after[*name] != **of).map(|(name, _)| name.as_str()).collect();
        let expected = ["marathon/m", "mesos-agents/m", "mesos-metrics/m", "mesos-tasks/m", "mesos/m", "swarm/a"];
        assert_eq!(changed, expected);
    }
}
