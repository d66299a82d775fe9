//! `[[source.registry]]`, `[[source.prometheus]]` and hosts that a node_exporter tells of.

use std::time::Duration;

use super::environment::Environment;
use super::fault::Faults;
use super::section::Section;
use super::service::{read_named, read_service};
use super::timing::{Timing, read_timing};
use super::{host_entry, seconds};
use crate::source::host_names::HostNames;
use crate::source::{host, prometheus, registry};

/// A registry changes when somebody pushes.
const REGISTRY_TIMING: Timing = Timing { interval: seconds(300), timeout: seconds(60) };

/// An image registry to be sampled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryTarget {
    /// How often.
    pub interval: Duration,
    /// How long one visit may take.
    pub timeout: Duration,
    /// What the source is told.
    pub settings: registry::Settings,
}

/// A page of metrics to be sampled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusTarget {
    /// How often.
    pub interval: Duration,
    /// How long one visit may take.
    pub timeout: Duration,
    /// What the source is told.
    pub settings: prometheus::Settings,
}

/// A host to be sampled by its node_exporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExporterTarget {
    /// How often.
    pub interval: Duration,
    /// How long one visit may take.
    pub timeout: Duration,
    /// What the source is told.
    pub settings: host::ExporterSettings,
}

pub(super) fn read_registries(
    sections: Option<Vec<Section<'_>>>,
    environment: &Environment,
    hosts: &HostNames,
    faults: &Faults,
) -> Vec<RegistryTarget> {
    read_named(
        sections,
        "source.registry",
        faults,
        |target: &RegistryTarget| &target.settings.name,
        |section| read_registry(section, environment, hosts),
    )
}

pub(super) fn read_pages(
    sections: Option<Vec<Section<'_>>>,
    common: Timing,
    environment: &Environment,
    hosts: &HostNames,
    faults: &Faults,
) -> Vec<PrometheusTarget> {
    read_named(
        sections,
        "source.prometheus",
        faults,
        |target: &PrometheusTarget| &target.settings.name,
        |section| read_page(section, common, environment, hosts),
    )
}

fn read_registry(mut section: Section<'_>, environment: &Environment, hosts: &HostNames) -> Option<RegistryTarget> {
    let service = read_service(&mut section, environment, hosts, "https://registry.example:5000");
    let timing = read_timing(&mut section, REGISTRY_TIMING);
    let realm = section.text("realm").map(str::to_owned);
    if realm.as_ref().is_some_and(|realm| !realm.starts_with("http://") && !realm.starts_with("https://")) {
        section.fault("realm", "must be http://host… or https://host…");
    }
    let repositories = section.texts("repositories").unwrap_or_default();
    let requests = section.integer("requests_per_poll", registry::REQUESTS_PER_POLL, 10..=1_000_000);
    let default_in_flight = u32::try_from(registry::CONCURRENCY).unwrap_or(u32::MAX);
    let in_flight = section.integer("in_flight", default_in_flight, 1..=64);
    section.finish();
    let service = service?;
    let settings = registry::Settings {
        tls: service.tls,
        credentials: service.credentials,
        realm,
        repositories,
        requests_per_poll: requests,
        concurrency: usize::try_from(in_flight).unwrap_or(usize::MAX),
        ..registry::Settings::new(service.name, service.url)
    };
    Some(RegistryTarget { interval: timing.interval, timeout: timing.timeout, settings })
}

fn read_page(
    mut section: Section<'_>,
    common: Timing,
    environment: &Environment,
    hosts: &HostNames,
) -> Option<PrometheusTarget> {
    let service = read_service(&mut section, environment, hosts, "http://node-1:9323/metrics");
    let timing = read_timing(&mut section, common);
    let defaults = prometheus::Settings::new("", "");
    let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let settings = prometheus::Settings {
        allow: section.texts("allow").unwrap_or_default(),
        deny: section.texts("deny").unwrap_or_default(),
        series_max: size(section.integer("series_max", whole(defaults.series_max), 1..=1_000_000)),
        labels_max: size(section.integer("labels_max", whole(defaults.labels_max), 0..=256)),
        label_max_bytes: size(section.integer("label_max", whole(defaults.label_max_bytes), 8..=65_536)),
        reply_max_bytes: section
            .size("reply_max", 64 << 10..=1 << 30)
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(defaults.reply_max_bytes),
        ..defaults
    };
    section.finish();
    let service = service?;
    let settings = prometheus::Settings {
        name: service.name,
        url: service.url,
        tls: service.tls,
        credentials: service.credentials,
        ..settings
    };
    Some(PrometheusTarget { interval: timing.interval, timeout: timing.timeout, settings })
}

/// The hosts of the file that have an address: their node_exporters are asked.
pub(super) fn read_exporter(
    mut section: Section<'_>,
    common: Timing,
    environment: &Environment,
    hosts: &HostNames,
) -> Option<ExporterTarget> {
    let service = read_service(&mut section, environment, hosts, "http://node-1:9100/metrics");
    let timing = read_timing(&mut section, common);
    let name = service.as_ref().map_or("", |service| &service.name);
    let host = host_entry::read_filters(&mut section, host::Settings::named(name));
    section.finish();
    let service = service?;
    let settings =
        host::ExporterSettings { host, url: service.url, tls: service.tls, credentials: service.credentials };
    Some(ExporterTarget { interval: timing.interval, timeout: timing.timeout, settings })
}
