//! `[source.host]`: the machine itself, or machines that a node_exporter tells of.

use std::path::Path;

use super::environment::Environment;
use super::section::Section;
use super::services::{ExporterTarget, read_exporter};
use super::timing::{Timing, read_timing};
use super::{HostTarget, check_name};
use crate::source::host;
use crate::source::host_names::HostNames;

/// The host of the file, unless it is turned off or has no /proc to be read.
fn read_host(
    mut section: Section<'_>,
    common: Timing,
    environment: &Environment,
    hosts: &HostNames,
    notes: &mut Vec<String>,
) -> Option<HostTarget> {
    let enabled = section.boolean("enabled", true);
    let defaults = host::Settings::named(hosts.name_of(environment.machine_name()));
    let name_given = section.has("name");
    let name = section.text("name").map_or(defaults.name.clone(), str::to_owned);
    let root = section.path("root").unwrap_or(defaults.root.clone());
    let timing = read_timing(&mut section, common);
    let settings = read_filters(&mut section, host::Settings { name, root, ..defaults });
    if enabled {
        check(&section, &settings, name_given);
    }
    let has_proc = environment.exists(&settings.root.join("proc/stat"));
    if enabled && !has_proc && section.has("root") && settings.root.is_absolute() {
        section.fault("root", format!("there is no {}", settings.root.join("proc/stat").display()));
    }
    section.finish();
    if enabled && !has_proc {
        notes.push("the host is not sampled: it has no /proc/stat".to_owned());
    }
    (enabled && has_proc).then_some(HostTarget { interval: timing.interval, timeout: timing.timeout, settings })
}

/// What of a host is left out.
pub(super) fn read_filters(section: &mut Section<'_>, defaults: host::Settings) -> host::Settings {
    host::Settings {
        filesystems_exclude: section.texts("filesystems_exclude").unwrap_or(defaults.filesystems_exclude),
        filesystem_types: section.texts("filesystem_types").unwrap_or(defaults.filesystem_types),
        devices_exclude: section.texts("devices_exclude").unwrap_or(defaults.devices_exclude),
        partitions: section.boolean("partitions", defaults.partitions),
        interfaces_exclude: section.texts("interfaces_exclude").unwrap_or(defaults.interfaces_exclude),
        ..defaults
    }
}

/// The hosts of the file: `[source.host]`, or a list `[[source.host]]`. One with a `url` is asked there, one without
/// is the machine itself.
pub(super) fn read_hosts(
    source: &mut Section<'_>,
    common: Timing,
    environment: &Environment,
    hosts: &HostNames,
    notes: &mut Vec<String>,
) -> (Option<HostTarget>, Vec<ExporterTarget>) {
    let sections = match source.is_list("host") {
        true => source.sections("host").unwrap_or_default(),
        false => vec![source.section("host")],
    };
    let mut own: Option<HostTarget> = None;
    let mut exporters: Vec<ExporterTarget> = Vec::new();
    for section in sections {
        let (place, faults) = (section.path_of("name"), section.faults());
        let name = if section.has("url") {
            let Some(target) = read_exporter(section, common, environment, hosts) else { continue };
            exporters.push(target);
            exporters.last().map(|target| target.settings.host.name.clone())
        } else if own.is_some() {
            section.fault("url", "needed: the machine itself is there already");
            continue;
        } else {
            own = read_host(section, common, environment, hosts, notes);
            own.as_ref().map(|target| target.settings.name.clone())
        };
        let names = exporters.iter().map(|target| &target.settings.host.name);
        let names = names.chain(own.iter().map(|target| &target.settings.name));
        if let Some(name) = name.filter(|name| names.filter(|other| other == &name).count() > 1) {
            faults.add(place, format!("{name:?} is also the name of another host; give each its own name"));
        }
    }
    (own, exporters)
}

fn check(section: &Section<'_>, settings: &host::Settings, name_given: bool) {
    if let Err(message) = check_name(&settings.name) {
        let lead = if name_given { "" } else { "needed here: " };
        section.fault("name", format!("{lead}{message}"));
    }
    if !settings.root.is_absolute() {
        let root: &Path = &settings.root;
        section.fault("root", format!("{:?} must be an absolute path", root.display().to_string()));
    }
}
