//! Addresses of Docker engines: Unix sockets and HTTP base addresses.

use std::fmt;
use std::path::PathBuf;

/// Where a Docker engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerUrl {
    /// A Unix socket.
    Unix(PathBuf),
    /// HTTP without TLS.
    Http(HttpAddress),
    /// HTTP over TLS.
    Https(HttpAddress),
}

/// The part of an HTTP address after its scheme. Never holds a user or password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAddress {
    /// Host name or IP address; IPv6 without brackets.
    pub host: String,
    /// Port, always known.
    pub port: u16,
    /// Path before every request's path, with a leading and without a trailing slash; empty for none.
    pub base: String,
}

/// Whether certificates are given beside an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsWish {
    /// None are: `tcp://` means plain HTTP.
    None,
    /// Some are: `tcp://` means TLS.
    Given,
}

impl DockerUrl {
    /// The host of an HTTP address; None for a Unix socket.
    pub fn host(&self) -> Option<&str> {
        match self {
            DockerUrl::Unix(_) => None,
            DockerUrl::Http(address) | DockerUrl::Https(address) => Some(&address.host),
        }
    }

    /// The address an entry of the file means, or what is wrong with it.
    pub(super) fn parse(text: &str, tls: TlsWish) -> Result<DockerUrl, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("needs a scheme: unix:///path, tcp://host:port, http://… or https://…".to_owned());
        };
        let with_tls = tls == TlsWish::Given;
        match scheme {
            "unix" if with_tls => Err("a Unix socket has no TLS; leave the certificates out".to_owned()),
            "unix" if rest.starts_with('/') => Ok(DockerUrl::Unix(rest.into())),
            "unix" => Err("needs an absolute path: unix:///var/run/docker.sock".to_owned()),
            "tcp" if with_tls => Ok(DockerUrl::Https(parse_http(rest, 2376)?)),
            "tcp" => Ok(DockerUrl::Http(parse_http(rest, 2375)?)),
            "http" if with_tls => Err("http:// sends without TLS; write https:// or leave the certificates out".into()),
            "http" => Ok(DockerUrl::Http(parse_http(rest, 80)?)),
            "https" => Ok(DockerUrl::Https(parse_http(rest, 443)?)),
            "ssh" => Err("ssh:// is not supported; forward the socket with ssh -L and name that".to_owned()),
            _ => Err(format!("{scheme}:// is not supported; use unix://, tcp://, http:// or https://")),
        }
    }

    /// The address a DOCKER_HOST means: as [`DockerUrl::parse`], and what the docker client accepts besides.
    pub(super) fn parse_client(text: &str, tls: TlsWish) -> Result<DockerUrl, String> {
        match text {
            "unix://" => Ok(DockerUrl::Unix("/var/run/docker.sock".into())),
            _ if text.starts_with("unix://") => DockerUrl::parse(text, TlsWish::None),
            _ if text.contains("://") => DockerUrl::parse(text, tls),
            _ => DockerUrl::parse(&format!("tcp://{text}"), tls),
        }
    }
}

impl fmt::Display for DockerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DockerUrl::Unix(path) => write!(f, "unix://{}", path.display()),
            DockerUrl::Http(address) => write!(f, "http://{address}"),
            DockerUrl::Https(address) => write!(f, "https://{address}"),
        }
    }
}

impl fmt::Display for HttpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HttpAddress { host, port, base } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}{base}") } else { write!(f, "{host}:{port}{base}") }
    }
}

fn parse_http(rest: &str, default_port: u16) -> Result<HttpAddress, String> {
    let (authority, path) = match rest.find(['/', '?', '#']) {
        Some(end) => rest.split_at(end),
        None => (rest, ""),
    };
    if authority.contains('@') {
        return Err("must hold no user or password".to_owned());
    }
    if path.contains(['?', '#']) {
        return Err("must end with its path: no ? and no #".to_owned());
    }
    let (host, port) = split_port(authority)?;
    if host.is_empty() {
        return Err("needs a host: tcp://10.0.0.5:2375".to_owned());
    }
    let port = match port {
        None => default_port,
        Some(port) => match port.parse() {
            Ok(port) if port != 0 => port,
            _ => return Err(format!("{port:?} is no port: 1 to 65535")),
        },
    };
    let base = path.trim_end_matches('/').to_owned();
    if base.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("must not hold white space".to_owned());
    }
    Ok(HttpAddress { host: host.to_ascii_lowercase(), port, base })
}

/// Host without brackets, and the port's text.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), String> {
    let bad_host = |host: &str| format!("{host:?} is no host: a name, an IPv4 address, or an IPv6 address in brackets");
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(|| bad_host(authority))?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| bad_host(host))?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(bad_host(authority)),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let is_host = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if is_host && !port.is_some_and(|port| port.contains(':')) { Ok((host, port)) } else { Err(bad_host(authority)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised() {
        let check = |text: &str, tls: TlsWish, expected: &str| {
            assert_eq!(DockerUrl::parse(text, tls).unwrap().to_string(), expected, "{text}");
        };
        check("unix:///var/run/docker.sock", TlsWish::None, "unix:///var/run/docker.sock");
        check("tcp://10.0.0.5:2375", TlsWish::None, "http://10.0.0.5:2375");
        check("tcp://10.0.0.5", TlsWish::None, "http://10.0.0.5:2375");
        check("tcp://10.0.0.5", TlsWish::Given, "https://10.0.0.5:2376");
        check("http://Node-1/", TlsWish::None, "http://node-1:80");
        check("https://node-1:8443/docker/", TlsWish::Given, "https://node-1:8443/docker");
        check("https://node-1", TlsWish::None, "https://node-1:443");
        check("tcp://[fe80::1]:2375", TlsWish::None, "http://[fe80::1]:2375");
        check("tcp://[::1]", TlsWish::None, "http://[::1]:2375");
    }

    #[test]
    fn what_the_docker_client_accepts_is_accepted_from_its_variable() {
        let check = |text: &str, tls: TlsWish, expected: &str| {
            assert_eq!(DockerUrl::parse_client(text, tls).unwrap().to_string(), expected, "{text}");
        };
        check("unix://", TlsWish::None, "unix:///var/run/docker.sock");
        check("unix:///run/user/1000/docker.sock", TlsWish::Given, "unix:///run/user/1000/docker.sock");
        check("10.0.0.5:2375", TlsWish::None, "http://10.0.0.5:2375");
        check("tcp://10.0.0.5:2376", TlsWish::Given, "https://10.0.0.5:2376");
    }

    #[test]
    fn a_wrong_address_says_what_would_be_right() {
        let check = |text: &str, expected: &str| {
            let message = DockerUrl::parse(text, TlsWish::None).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        };
        check("10.0.0.5:2375", "needs a scheme");
        check("unix://docker.sock", "absolute path");
        check("ssh://root@node-1", "ssh -L");
        check("npipe:////./pipe/docker", "npipe:// is not supported");
        check("tcp://:2375", "needs a host");
        check("tcp://node:0", "is no port");
        check("tcp://node:99999", "is no port");
        check("tcp://fe80::1", "in brackets");
        check("tcp://[fe80::1", "in brackets");
        check("tcp://no de", "is no host");
        check("http://user:secret@node", "no user or password");
        check("http://node/?x=1", "no ?");
    }

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        let message = DockerUrl::parse("http://user:hunter2@node", TlsWish::None).unwrap_err();
        assert!(!message.contains("hunter2"));
    }
}
