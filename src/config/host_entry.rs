//! `[source.host]`: the machine itself.

use std::path::Path;

use super::environment::Environment;
use super::section::Section;
use super::timing::{Timing, read_timing};
use super::{HostTarget, check_name};
use crate::source::host;

/// The host of the file, unless it is turned off or has no /proc to be read.
pub(super) fn read_host(
    mut section: Section<'_>,
    common: Timing,
    environment: &Environment,
    notes: &mut Vec<String>,
) -> Option<HostTarget> {
    let enabled = section.boolean("enabled", true);
    let defaults = host::Settings::named(environment.machine_name());
    let name_given = section.has("name");
    let name = section.text("name").map_or(defaults.name, str::to_owned);
    let root = section.path("root").unwrap_or(defaults.root);
    let timing = read_timing(&mut section, common);
    let settings = host::Settings {
        name,
        filesystems_exclude: section.texts("filesystems_exclude").unwrap_or(defaults.filesystems_exclude),
        filesystem_types: section.texts("filesystem_types").unwrap_or(defaults.filesystem_types),
        devices_exclude: section.texts("devices_exclude").unwrap_or(defaults.devices_exclude),
        partitions: section.boolean("partitions", defaults.partitions),
        interfaces_exclude: section.texts("interfaces_exclude").unwrap_or(defaults.interfaces_exclude),
        root,
    };
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
