//! What machines are called here, where other systems call them otherwise.
//!
//! Docker's `host` is a target's name, Mesos names a machine by its hostname, Marathon by what Mesos says, a swarm by
//! either: the configuration's `[hosts]` maps these names and addresses to one. Must not know: any source.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Names of machines by what other systems call them. Cheap to copy; equal where they say the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostNames {
    by_given: Arc<BTreeMap<String, String>>,
}

impl HostNames {
    /// Names by hostnames and addresses.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> HostNames {
        HostNames { by_given: Arc::new(pairs.into_iter().map(|(given, name)| (canonical(&given), name)).collect()) }
    }

    /// The name of what another system calls `given`: a hostname or an IP address; `given` itself where nothing else
    /// was said.
    pub fn name_of<'a>(&'a self, given: &'a str) -> &'a str {
        self.mapped(given).unwrap_or(given)
    }

    /// The name of a machine that another system knows by a hostname and by an address with a port, `10.0.0.5:5051`:
    /// by either of them, else the hostname.
    pub fn name_at<'a>(&'a self, hostname: &'a str, address: Option<&str>) -> &'a str {
        let of_address = || self.mapped(host_of(address?));
        self.mapped(hostname).or_else(of_address).unwrap_or(hostname)
    }

    fn mapped(&self, given: &str) -> Option<&str> {
        if self.by_given.is_empty() {
            return None;
        }
        self.by_given.get(&canonical(given)).map(String::as_str)
    }
}

/// One form for all spellings of a hostname or an IP address: upper and lower case, a final dot, brackets and shortened
/// groups of IPv6.
pub(crate) fn canonical(given: &str) -> String {
    let bare = given.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(given);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase(),
    }
}

/// The host of `host:port`, `[IPv6]:port` or a host alone.
fn host_of(address: &str) -> &str {
    match address.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> HostNames {
        let pairs = [("10.0.0.5", "node-1"), ("Worker-2.Example.", "node-2"), ("FE80:0:0::1", "node-3")];
        HostNames::new(pairs.map(|(given, name)| (given.to_owned(), name.to_owned())))
    }

    #[test]
    fn a_name_is_found_by_every_spelling_of_what_it_is_called() {
        let check = |given: &str, expected: &str| assert_eq!(names().name_of(given), expected, "{given}");
        check("10.0.0.5", "node-1");
        check("::ffff:10.0.0.5", "node-1");
        check("worker-2.example", "node-2");
        check("WORKER-2.example.", "node-2");
        check("fe80::1", "node-3");
        check("[fe80::1]", "node-3");
        check("10.0.0.50", "10.0.0.50");
        check("Worker-2", "Worker-2");
        check("node-1", "node-1");
        check("", "");
    }

    #[test]
    fn a_machine_is_known_by_its_hostname_first_and_by_its_address_then() {
        let check = |hostname: &str, address: Option<&str>, expected: &str| {
            assert_eq!(names().name_at(hostname, address), expected, "{hostname} {address:?}");
        };
        check("worker-2.example", Some("10.0.0.5:5051"), "node-2");
        check("ip-10-0-0-5", Some("10.0.0.5:5051"), "node-1");
        check("ip-10-0-0-5", Some("10.0.0.5"), "node-1");
        check("six", Some("[fe80::1]:5051"), "node-3");
        check("six", Some("fe80::1"), "node-3");
        check("ip-10-0-0-6", Some("10.0.0.6:5051"), "ip-10-0-0-6");
        check("ip-10-0-0-6", None, "ip-10-0-0-6");
        assert_eq!(HostNames::default().name_at("a", Some("b:1")), "a");
    }
}
