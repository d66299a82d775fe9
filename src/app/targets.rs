//! From the configuration to targets: which source polls what, how often, and how it is built.
//!
//! The one list of what a new source needs here. Must not know: when polls happen.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::api::ConfiguredTarget;
use crate::clock::Clock;
use crate::config::{Config, DockerTarget, HostTarget};
use crate::model::{Kind, TargetName};
use crate::sampler::{Build, Target};
use crate::source::Source;

use super::Failures;
use crate::source::docker::kinds::{CONTAINER, CONTAINER_DEVICE, CONTAINER_INTERFACE, ENGINE, IMAGE_KIND};
use crate::source::docker::{self, Docker, Images};
use crate::source::host::{HOST, HOST_DEVICE, HOST_FILESYSTEM, HOST_INTERFACE, Host};
use crate::source::http::Tls;
use crate::source::recorder::{self, RECORDER, Recorder, TARGET, Vitals};

/// How often the recorder looks at itself: as often as the default of what it polls.
const RECORDER_INTERVAL: Duration = Duration::from_secs(10);

/// For its own files in /proc; a machine on which this is not enough is out of memory.
const RECORDER_TIMEOUT: Duration = Duration::from_secs(5);

/// The engine walks all layers of all images for their sizes, which takes longer than a list of containers.
const IMAGES_TIMEOUT: Duration = Duration::from_secs(60);

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
        Planner { clock, recorder, vitals, requests: Mutex::new((0, Arc::new(Semaphore::new(0)))) }
    }

    /// All targets of a configuration, the recorder's own first.
    pub fn plan(&self, config: &Config) -> Vec<Planned> {
        let requests = self.requests(config.in_flight_max);
        let engines = config
            .docker
            .iter()
            .flat_map(|engine| [self.engine(engine, config.in_flight_max, &requests), self.images(engine)]);
        let host = config.host.iter().map(|host| self.host(host));
        std::iter::once(self.recorder()).chain(engines).chain(host).collect()
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
        let (clock, requests) = (self.clock.clone(), Arc::clone(requests));
        let build: Build = Arc::new(move || {
            let docker = Docker::new(settings.clone(), clock.clone()).map_err(|error| Failures(&error).to_string())?;
            Ok(Box::new(docker.sharing(Arc::clone(&requests))) as Box<dyn Source>)
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
    }
}

/// Tells whether certificates changed; their texts and the key stay out of it.
fn tls_fingerprint(tls: &crate::config::TlsMaterial) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    tls.ca.hash(&mut hasher);
    if let Some(client) = &tls.client {
        client.cert.hash(&mut hasher);
        client.key.expose().hash(&mut hasher);
    }
    hasher.finish()
}
