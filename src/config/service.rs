//! What entries of the file have in common: names, addresses, certificates, who asks.
//!
//! Must not know: what is asked of it.

use std::path::Path;

use super::address::{DockerUrl, TlsWish};
use super::check_name;
use super::environment::Environment;
use super::fault::Faults;
use super::section::Section;
use super::tls::{TlsMaterial, TlsPaths, read};
use crate::source::host_names::HostNames;
use crate::source::http::{Credentials, Tls};

/// Longest password or token: longer ones do not fit the head of a request.
const SECRET_BYTES_MAX: usize = 16 * 1024;

/// A service, checked.
pub(super) struct Service {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) tls: Option<Tls>,
    pub(super) credentials: Option<Credentials>,
}

/// Reads `name`, `url`, `ca`, `cert`, `key`, `user`, `password_file` and `token_file`. The name is that of the
/// address' host, unless the file gives one.
pub(super) fn read_service(
    section: &mut Section<'_>,
    environment: &Environment,
    hosts: &HostNames,
    example: &str,
) -> Option<Service> {
    let given_name = section.text("name").map(str::to_owned);
    let text = section.text("url");
    let paths = TlsPaths { ca: section.path("ca"), cert: section.path("cert"), key: section.path("key") };
    let credentials = read_credentials(section, environment);
    if text.is_none() && !section.has("url") {
        section.fault("url", format!("needed: such as {example:?}"));
    }
    let wish = if paths.any() { TlsWish::Given } else { TlsWish::None };
    let url = text.and_then(|text| match address(text, wish) {
        Ok(host) => Some((text.to_owned(), host)),
        Err(message) => {
            section.fault("url", message);
            None
        }
    });
    let tls = match paths.any() {
        true => Some(paths.load(environment, |key| section.path_of(key), section.faults()).map(client_tls)),
        false => None,
    };
    let lead = if given_name.is_some() { "" } else { "needed here: " };
    let name = given_name.or_else(|| url.as_ref().map(|(_, host)| hosts.name_of(host).to_owned()));
    let name = name.filter(|name| match check_name(name) {
        Ok(()) => true,
        Err(message) => {
            section.fault("name", format!("{lead}{message}"));
            false
        }
    });
    let tls = match tls {
        Some(read) => Some(read?),
        None => None,
    };
    Some(Service { name: name?, url: url?.0, tls, credentials: credentials? })
}

/// The host of an address, which may have a query.
fn address(text: &str, wish: TlsWish) -> Result<String, String> {
    let plain = text.split('?').next().unwrap_or_default();
    match DockerUrl::parse(plain, wish)? {
        DockerUrl::Http(address) | DockerUrl::Https(address)
            if text.starts_with("http://") || text.starts_with("https://") =>
        {
            Ok(address.host)
        }
        _ => Err("must be http://host… or https://host…".to_owned()),
    }
}

/// Certificates as sources take them.
pub(super) fn client_tls(material: TlsMaterial) -> Tls {
    let (cert, key) = match material.client {
        Some(client) => (Some(client.cert), Some(client.key.expose().to_vec())),
        None => (None, None),
    };
    Tls { ca: material.ca, cert, key }
}

/// Who asks; the outer None where the file says it wrongly.
pub(super) fn read_credentials(section: &mut Section<'_>, environment: &Environment) -> Option<Option<Credentials>> {
    let user = section.text("user").map(str::to_owned);
    let password = section.path("password_file");
    let token = section.path("token_file");
    match (user, password, token) {
        (None, None, None) => Some(None),
        (None, None, Some(path)) => {
            read_secret(section, "token_file", &path, environment).map(|token| Some(Credentials::Bearer(token)))
        }
        (Some(user), Some(_), None) if user.contains(':') => {
            section.fault("user", "must hold no colon");
            None
        }
        (Some(user), Some(path), None) => {
            let password = read_secret(section, "password_file", &path, environment);
            password.map(|password| Some(Credentials::Basic { user, password }))
        }
        (Some(_), None, None) => {
            section.fault("password_file", "needed beside user: a file that holds the password");
            None
        }
        (None, Some(_), None) => {
            section.fault("user", "needed beside password_file");
            None
        }
        (_, _, Some(_)) => {
            section.fault("token_file", "says who asks by itself; leave user and password_file out");
            None
        }
    }
}

/// The one line of a file with a secret, without the line end that editors leave.
pub(super) fn read_secret(section: &Section<'_>, key: &str, path: &Path, environment: &Environment) -> Option<String> {
    let place = section.path_of(key);
    let bytes = read(path, environment, &place, section.faults())?;
    let text = String::from_utf8(bytes).unwrap_or_default();
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() || secret.len() > SECRET_BYTES_MAX || secret.chars().any(char::is_control) {
        let what = format!("{} must hold one line of text, up to {SECRET_BYTES_MAX} bytes", path.display());
        section.faults().add(place, what);
        return None;
    }
    Some(secret.to_owned())
}

/// Every entry of a list such as `source.docker`, each name once.
pub(super) fn read_named<'a, T>(
    sections: Option<Vec<Section<'a>>>,
    list: &str,
    faults: &Faults,
    name_of: impl Fn(&T) -> &str,
    mut read_one: impl FnMut(Section<'a>) -> Option<T>,
) -> Vec<T> {
    let mut targets: Vec<(usize, T)> = Vec::new();
    for (index, section) in sections.into_iter().flatten().enumerate() {
        let place = section.path_of("name");
        let Some(target) = read_one(section) else { continue };
        if let Some((first, _)) = targets.iter().find(|(_, other)| name_of(other) == name_of(&target)) {
            let name = name_of(&target);
            faults.add(place, format!("{name:?} is also the name of {list}[{first}]; give each its own name"));
        }
        targets.push((index, target));
    }
    targets.into_iter().map(|(_, target)| target).collect()
}
