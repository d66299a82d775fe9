//! The engine behind TLS that wants a client certificate: with one it is recorded, without one it says why not.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::harness::time::wait_for;
use crate::harness::{Recorder, machine, reaper};

use super::world::world;

/// The port is free: the engine's network namespace is its own.
const PORT: u16 = 2376;

/// Options of a dockerd that is asked over TLS too.
pub(crate) const ENGINE_OPTIONS: [&str; 6] = [
    "--host=tcp://127.0.0.1:2376",
    "--tlsverify",
    "--tlscacert={}/tls/ca.pem",
    "--tlscert={}/tls/server.pem",
    "--tlskey={}/tls/server-key.pem",
    "--log-level=warn",
];

/// Extensions are given always: without any a certificate is X.509 v1, which rustls refuses.
const MAKE: &str = r#"
set -eu
request() { openssl req -newkey rsa:2048 -nodes -subj "/O=test/CN=$2" -keyout "$1-key.pem" -out "$1.csr"; }
sign() {
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -out "$1.pem" -extfile "$1.ext"
}
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/O=test/CN=test ca' -keyout ca-key.pem -out ca.pem
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' >server.ext
printf 'extendedKeyUsage=clientAuth\n' >client.ext
request server localhost
sign server
request client client
sign client
# The layout of docker-machine.
mv client.pem cert.pem
mv client-key.pem key.pem
"#;

/// Makes a CA, a server and a client certificate in DIRECTORY/tls.
pub(crate) fn make_certificates(directory: &Path) {
    let place = directory.join("tls");
    std::fs::create_dir(&place).unwrap();
    machine::output(Command::new("bash").args(["-c", MAKE]).current_dir(&place));
}

#[test]
fn tls_with_a_client_certificate_records_and_without_one_says_why_not() {
    let _together = machine::shared();
    let Some(world) = world() else { return };
    let tls = world.engine.directory().join("tls");
    let file = |name: &str| tls.join(name).display().to_string();
    let directory = reaper::directory();
    let sources = format!(
        "[sampler]\ninterval = \"3s\"\ntimeout = \"2900ms\"\n\n\
         [[source.docker]]\nname = \"files\"\nurl = \"tcp://127.0.0.1:{PORT}\"\nca = {:?}\ncert = {:?}\nkey = {:?}\n\n\
         [[source.docker]]\nname = \"directory\"\nurl = \"https://localhost:{PORT}\"\ncert_path = {:?}\n\n\
         [[source.docker]]\nname = \"stranger\"\nurl = \"https://127.0.0.1:{PORT}\"\nca = {:?}\n\n\
         [[source.docker]]\nname = \"doubter\"\nurl = \"https://127.0.0.1:{PORT}\"\n",
        file("ca.pem"),
        file("cert.pem"),
        file("key.pem"),
        tls.display().to_string(),
        file("ca.pem"),
    );
    let recorder = Recorder::start_in(&directory, &sources, Some(&world.engine.network()));
    let target = |name: &str| {
        let targets = recorder.json("/api/v1/targets");
        let mut all = targets["targets"].as_array().unwrap().iter();
        all.find(|target| target["target"] == format!("docker/{name}")).cloned()
    };
    for name in ["files", "directory"] {
        wait_for(&format!("{name} to be up"), Duration::from_secs(30), || {
            target(name).filter(|target| target["up"] == true)
        });
        let answer = recorder.json(&format!("/api/v1/entities/engine?host={name}"));
        assert_eq!(answer["entities"].as_array().unwrap().len(), 1, "{answer:#}");
    }
    for (name, said) in [("stranger", "certificate"), ("doubter", "certificate")] {
        let target = wait_for(&format!("{name} to be refused"), Duration::from_secs(30), || {
            target(name).filter(|target| target["last_error"].is_string())
        });
        assert_eq!(target["up"], false, "{target:#}");
        assert_eq!(target["last_error_outcome"], "tls", "{target:#}");
        assert!(target["last_error"].as_str().unwrap().to_lowercase().contains(said), "{target:#}");
    }
}
