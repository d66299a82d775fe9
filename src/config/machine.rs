//! Engines that docker-machine made: address and certificates from its store.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::address::{DockerUrl, TlsWish};
use super::check_name;
use super::environment::Environment;
use super::fault::Faults;
use super::tls::{TlsMaterial, TlsPaths, read};

/// The port docker-machine gives every engine.
const PORT: u16 = 2376;

#[derive(Deserialize)]
struct Machine {
    #[serde(rename = "Driver")]
    driver: Driver,
    #[serde(rename = "HostOptions", default)]
    host_options: HostOptions,
}

#[derive(Deserialize)]
struct Driver {
    #[serde(rename = "IPAddress", default)]
    ip_address: String,
    /// Only of the driver `none`: an engine that docker-machine did not make.
    #[serde(rename = "URL", default)]
    url: String,
}

#[derive(Deserialize, Default)]
struct HostOptions {
    #[serde(rename = "AuthOptions", default)]
    auth_options: AuthOptions,
}

#[derive(Deserialize, Default)]
struct AuthOptions {
    #[serde(rename = "CaCertPath", default)]
    ca: PathBuf,
    #[serde(rename = "ClientCertPath", default)]
    cert: PathBuf,
    #[serde(rename = "ClientKeyPath", default)]
    key: PathBuf,
}

/// Address and certificates of a machine, or gathered faults.
pub(super) fn read_machine(
    name: &str,
    environment: &Environment,
    place: &str,
    faults: &Faults,
) -> Option<(DockerUrl, TlsMaterial)> {
    if let Err(message) = check_name(name) {
        faults.add(place, message);
        return None;
    }
    let storage = match environment.variable("MACHINE_STORAGE_PATH") {
        Some(path) => PathBuf::from(path),
        None => match environment.variable("HOME") {
            Some(home) => Path::new(&home).join(".docker/machine"),
            None => {
                faults.add(place, "docker-machine's store is unknown: set HOME or MACHINE_STORAGE_PATH");
                return None;
            }
        },
    };
    let directory = storage.join("machines").join(name);
    let file = directory.join("config.json");
    let bytes = read(&file, environment, place, faults)?;
    let machine: Machine = match serde_json::from_slice(&bytes) {
        Ok(machine) => machine,
        Err(error) => {
            // Without serde's own words: they can repeat what stands there, and drivers keep passwords in it.
            let (line, column) = (error.line(), error.column());
            let file = file.display();
            faults.add(place, format!("{file} is not what docker-machine writes: line {line}, column {column}"));
            return None;
        }
    };
    let url = match machine.driver {
        Driver { ip_address, url } if ip_address.is_empty() && !url.is_empty() => url,
        Driver { ip_address, .. } if ip_address.contains(':') => format!("tcp://[{ip_address}]:{PORT}"),
        Driver { ip_address, .. } if !ip_address.is_empty() => format!("tcp://{ip_address}:{PORT}"),
        Driver { .. } => {
            faults.add(place, format!("{} has no address yet: docker-machine start {name}", file.display()));
            return None;
        }
    };
    let url = match DockerUrl::parse(&url, TlsWish::Given) {
        Ok(url) => url,
        Err(message) => {
            faults.add(place, format!("address in {}: {message}", file.display()));
            return None;
        }
    };
    // The machine's own directory is what `docker-machine env` names; the paths of the file are of the day and the
    // account that it was made with.
    let auth = machine.host_options.auth_options;
    let choose = |own: &str, written: PathBuf| {
        let own = directory.join(own);
        Some(if environment.exists(&own) || written.as_os_str().is_empty() { own } else { written })
    };
    let paths = TlsPaths {
        ca: choose("ca.pem", auth.ca),
        cert: choose("cert.pem", auth.cert),
        key: choose("key.pem", auth.key),
    };
    Some((url, paths.load(environment, |_| place.to_owned(), faults)?))
}
