//! `[hosts]`: what machines are called here, by what other systems call them.
//!
//! Must not know: which source asks for a name.

use std::collections::BTreeMap;

use super::check_name;
use super::section::Section;
use crate::source::host_names::{HostNames, canonical};

/// Longest name of a machine in DNS; no address is longer.
const GIVEN_BYTES_MAX: usize = 253;

/// The table `[hosts]`.
pub(super) fn read_host_names(section: &Section<'_>) -> HostNames {
    let mut names: BTreeMap<String, (String, String)> = BTreeMap::new();
    for (given, name) in section.entries() {
        if let Err(message) = check_given(given) {
            section.fault_of_entry(given, message);
            continue;
        }
        let Some(name) = name.as_str() else {
            section.fault_of_entry(given, "must be a text: the machine's name here, such as \"node-1\"");
            continue;
        };
        if let Err(message) = check_name(name) {
            section.fault_of_entry(given, message);
            continue;
        }
        match names.get(&canonical(given)) {
            Some((first, other)) if other != name => {
                let message = format!("is the same machine as {first:?}, which is called {other:?}; leave one out");
                section.fault_of_entry(given, message);
            }
            Some(_) => {}
            None => drop(names.insert(canonical(given), (given.to_owned(), name.to_owned()))),
        }
    }
    for (given, name) in names.values() {
        // What is called b here cannot be called c as well.
        if let Some((_, further)) = names.get(&canonical(name)).filter(|(_, further)| further != name) {
            section.fault_of_entry(given, format!("{name:?} is itself called {further:?} here; write that"));
        }
    }
    HostNames::new(names.into_values())
}

/// Whether a text can be what another system calls a machine.
fn check_given(given: &str) -> Result<(), String> {
    if given.is_empty() {
        return Err("must not be empty: a hostname or an IP address stands on the left".to_owned());
    }
    if given.contains("://") {
        return Err("must be a hostname or an IP address, without scheme, port and path".to_owned());
    }
    let is_address = canonical(given).parse::<std::net::IpAddr>().is_ok();
    if !is_address && given.contains(':') {
        return Err("must be a hostname or an IP address, without a port".to_owned());
    }
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !is_address && (given.len() > GIVEN_BYTES_MAX || !given.bytes().all(is_char)) {
        return Err(format!(
            "must be a hostname (at most {GIVEN_BYTES_MAX} characters of A-Z a-z 0-9 - . _) or an IP address"
        ));
    }
    Ok(())
}
