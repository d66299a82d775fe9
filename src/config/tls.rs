//! Certificates and keys, read when the configuration is read, so that a missing one is a fault and not a target
//! that never answers.

use std::fmt;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::fault::Faults;
use super::secret::Secret;

/// What a TLS client needs, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsMaterial {
    /// The only authorities to trust; None: those that the machine trusts.
    pub ca: Option<Vec<u8>>,
    /// What the client shows of itself, if anything.
    pub client: Option<CertificateAndKey>,
}

/// A certificate chain and its private key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateAndKey {
    /// The chain, the own certificate first.
    pub cert: Vec<u8>,
    /// The private key, not encrypted.
    pub key: Secret,
}

impl fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ca = if self.ca.is_some() { "given" } else { "the machine's" };
        let client = if self.client.is_some() { "given" } else { "none" };
        write!(f, "TlsMaterial(ca: {ca}, client: {client})")
    }
}

impl fmt::Debug for CertificateAndKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CertificateAndKey(…)")
    }
}

/// Where the parts lie; what is None is not given.
pub(super) struct TlsPaths {
    pub(super) ca: Option<PathBuf>,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

impl TlsPaths {
    /// Whether any part is given.
    pub(super) fn any(&self) -> bool {
        self.ca.is_some() || self.cert.is_some() || self.key.is_some()
    }

    /// A directory that must hold ca.pem, cert.pem and key.pem.
    pub(super) fn whole_directory(directory: &Path) -> Self {
        let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| Some(directory.join(name)));
        TlsPaths { ca, cert, key }
    }

    /// A directory as the docker client reads it: ca.pem must be there, cert.pem and key.pem may.
    pub(super) fn client_directory(directory: &Path, environment: &Environment) -> Self {
        let mut paths = TlsPaths::whole_directory(directory);
        paths.cert = paths.cert.filter(|path| environment.exists(path));
        paths.key = paths.key.filter(|path| environment.exists(path));
        paths
    }

    /// Reads what is given; `place` makes the fault's place from `ca`, `cert` or `key`.
    pub(super) fn load(
        &self,
        environment: &Environment,
        place: impl Fn(&str) -> String,
        faults: &Faults,
    ) -> Option<TlsMaterial> {
        let ca = self.ca.as_ref().map(|path| read_certificates(path, environment, &place("ca"), faults));
        let client = match (&self.cert, &self.key) {
            (None, None) => None,
            (Some(_), None) => {
                faults.add(place("key"), "needed beside cert: the certificate's private key");
                return None;
            }
            (None, Some(_)) => {
                faults.add(place("cert"), "needed beside key: the key's certificate");
                return None;
            }
            (Some(cert), Some(key)) => Some(load_pair(cert, key, environment, [&place("cert"), &place("key")], faults)),
        };
        // An inner None is a part that was given and could not be read: its fault is gathered already.
        let ca = match ca {
            Some(read) => Some(read?),
            None => None,
        };
        let client = match client {
            Some(read) => Some(read?),
            None => None,
        };
        Some(TlsMaterial { ca, client })
    }
}

/// Reads a certificate chain and its key; `places` are those of the two in faults.
pub(super) fn load_pair(
    cert: &Path,
    key: &Path,
    environment: &Environment,
    places: [&str; 2],
    faults: &Faults,
) -> Option<CertificateAndKey> {
    let [cert_place, key_place] = places;
    let cert = read_certificates(cert, environment, cert_place, faults);
    let key = read_key(key, environment, key_place, faults);
    Some(CertificateAndKey { cert: cert?, key: key? })
}

fn read_certificates(path: &Path, environment: &Environment, place: &str, faults: &Faults) -> Option<Vec<u8>> {
    let bytes = read(path, environment, place, faults)?;
    if !holds(&bytes, b"-----BEGIN CERTIFICATE-----") {
        faults.add(place, format!("{} holds no certificate in PEM (BEGIN CERTIFICATE)", path.display()));
        return None;
    }
    Some(bytes)
}

fn read_key(path: &Path, environment: &Environment, place: &str, faults: &Faults) -> Option<Secret> {
    let bytes = read(path, environment, place, faults)?;
    if holds(&bytes, b"ENCRYPTED") {
        faults.add(place, format!("{} is encrypted; give the key without a passphrase", path.display()));
        return None;
    }
    if !holds(&bytes, b"PRIVATE KEY-----") {
        faults.add(place, format!("{} holds no private key in PEM (BEGIN PRIVATE KEY)", path.display()));
        return None;
    }
    Some(Secret::new(bytes))
}

/// Reads a file or gathers why not.
pub(super) fn read(path: &Path, environment: &Environment, place: &str, faults: &Faults) -> Option<Vec<u8>> {
    environment
        .read(path)
        .map_err(|error| faults.add(place, format!("cannot read {}: {}", path.display(), io_reason(&error))))
        .ok()
}

/// What went wrong with a file, without the number of the system's error.
pub(super) fn io_reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
