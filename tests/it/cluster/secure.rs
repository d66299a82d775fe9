//! TLS with a private authority and client certificates, users and tokens: shown where they belong and nowhere else,
//! neither along a redirect, nor to agents that the leader told of, nor in anything that is printed or stored.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::servers::target;
use super::world::{Agent, Ends, Version, World};
use super::{agents, masters};
use crate::harness::recorder::free_port;
use crate::harness::site::{Answer, Request, Site, Sites};
use crate::harness::time::{LATER, now_ms, wait_for};
use crate::harness::{Recorder, machine, reaper};

const SOON: Duration = Duration::from_secs(60);
const PASSWORD: &str = "s3cret-of-the-collector";
const TOKEN: &str = "t0ken-of-the-collector";
/// `collector:` and the password, as Basic writes them.
const BASIC: &str = "Basic Y29sbGVjdG9yOnMzY3JldC1vZi10aGUtY29sbGVjdG9y";

fn pem(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

/// A server that wants a certificate of our authority from its clients.
fn server() -> Arc<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pem("ca.pem")).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let chain = CertificateDer::pem_file_iter(pem("server.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(pem("server-key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap())
}

/// A leader that wants this authorization, a standby that leads to elsewhere, and an agent that notes what it is shown.
struct Secured {
    masters: [Site; 2],
    agent: Site,
}

impl Secured {
    fn start(sites: &Sites, authorization: &'static str, elsewhere: &Site) -> Secured {
        let port = free_port();
        let world = World::new(Version::V1_11, &[format!("127.0.0.1:{port}")]);
        let of_agent = world.clone();
        let agent = sites.tls_site(server(), move |request| agents::answer(&of_agent, 0, request));
        world.lock().agents.push(Agent {
            id: "a0000000-0000-4000-8000-000000000000-S0".to_owned(),
            hostname: "rack-0".to_owned(),
            address: agent.address(),
            started_ms: now_ms() - 1_800_000,
            registered_ms: now_ms() - 1_790_000,
            ends: Ends::default(),
            executors: Vec::new(),
            clock_ms: 0,
            is_registered: true,
            cpus: 8,
        });
        let guarded = move |request: &Request, answer: &dyn Fn() -> Answer| match request.header("authorization") {
            Some(shown) if shown == authorization => answer(),
            _ if request.bare_path() == "/version" => answer(),
            _ => Answer::status(401, "text/plain", "").with("WWW-Authenticate", "Basic realm=\"mesos\"".to_owned()),
        };
        let leader = sites
            .site_at(port, Some(server()), move |request| guarded(request, &|| masters::answer(&world, 0, request)));
        let to = elsewhere.address();
        let standby = sites.tls_site(server(), move |request| {
            guarded(request, &|| match request.bare_path() {
                "/version" => Answer::json(r#"{"version":"1.11.0"}"#),
                "/metrics/snapshot" => {
                    Answer::json(include_str!("../../fixtures/mesos/standby/get_metrics_snapshot.json"))
                }
                path => Answer::redirect(format!("//{to}{path}")),
            })
        });
        Secured { masters: [leader, standby], agent }
    }

    fn section(&self, name: &str, lines: &[String]) -> String {
        let [leader, standby] = [0, 1].map(|index| self.masters[index].address());
        format!(
            "[[source.mesos]]\nname = \"{name}\"\nmasters = [\"https://{leader}\", \"https://{standby}\"]\n\
             interval = \"3s\"\ntimeout = \"2s\"\ntasks_interval = \"10s\"\n{}\n\n",
            lines.join("\n")
        )
    }
}

/// All that a server was shown as authorization, each once.
fn shown(site: &Site) -> Vec<Option<String>> {
    let mut shown: Vec<_> =
        site.served().iter().map(|served| served.request.header("authorization").map(str::to_owned)).collect();
    shown.sort();
    shown.dedup();
    shown
}

#[test]
fn secrets_are_shown_where_they_belong_and_nowhere_else() {
    let _together = machine::shared();
    let sites = Sites::new();
    let elsewhere = sites.site(|_| Answer::json("{}"));
    let directory = reaper::directory();
    let secret = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        path
    };
    let (password, wrong, token) = (secret("password", PASSWORD), secret("wrong", "guessed"), secret("token", TOKEN));
    let file = |key: &str, path: &Path| format!("{key} = {path:?}");
    let ca = || file("ca", &pem("ca.pem"));
    let client = || [file("cert", &pem("client.pem")), file("key", &pem("client-key.pem"))].join("\n");
    let basic = |path: &Path| format!("user = \"collector\"\n{}", file("password_file", path));

    let secured = [BASIC, "Bearer t0ken-of-the-collector", BASIC, BASIC, BASIC]
        .map(|authorization| Secured::start(&sites, authorization, &elsewhere));
    let to = elsewhere.address();
    let redirecting =
        sites.tls_site(server(), move |request| Answer::redirect(format!("https://{to}{}", request.path)));
    let marathon = sites.tls_site(server(), |request| match (request.header("authorization"), request.bare_path()) {
        (Some(BASIC), "/v2/apps") => Answer::json(r#"{"apps":[{"id":"/a","instances":1}]}"#),
        (Some(BASIC), "/v2/deployments") => Answer::json("[]"),
        (Some(BASIC), "/v2/queue") => Answer::json(r#"{"queue":[]}"#),
        (Some(BASIC), _) => Answer::json(r#"{"version":"1.10.26"}"#),
        _ => Answer::status(401, "text/plain", ""),
    });
    let of_marathon = |name: &str, site: &Site, lines: &[String]| {
        let address = site.address();
        format!(
            "[[source.marathon]]\nname = \"{name}\"\nurls = [\"https://{address}\"]\ninterval = \"3s\"\n\
             timeout = \"2s\"\n{}\n\n",
            lines.join("\n")
        )
    };
    let sources = [
        "[source]\ndocker = []\nhost.enabled = false\n\n".to_owned(),
        secured[0].section("basic", &[ca(), client(), basic(&password)]),
        secured[1].section(
            "bearer",
            &[ca(), client(), file("token_file", &token), "credentials_to_discovered = true".to_owned()],
        ),
        secured[2].section("wrong", &[ca(), client(), basic(&wrong)]),
        secured[3].section("nameless", &[ca(), basic(&password)]),
        secured[4].section("stranger", &[file("ca", &pem("other-ca.pem")), client(), basic(&password)]),
        of_marathon("good", &marathon, &[ca(), client(), basic(&password)]),
        of_marathon("redirecting", &redirecting, &[ca(), client(), basic(&password)]),
    ]
    .concat();
    let begun_ms = now_ms();
    let recorder = Recorder::start_in(&directory, &sources, None);

    for name in ["mesos/basic", "mesos/bearer", "mesos-agents/basic", "mesos-agents/bearer", "marathon/good"] {
        wait_for(name, SOON, || (target(&recorder, name)["last_success"].is_string()).then_some(()));
    }
    for name in ["basic", "bearer"] {
        wait_for("numbers of a cluster", SOON, || {
            let asked = [("cluster", name), ("start", &(begun_ms - 60_000).to_string()), ("end", LATER)];
            (!recorder.table("samples/mesos_cluster", &asked).rows.is_empty()).then_some(())
        });
    }
    let failures = [
        ("mesos/wrong", "unauthorized", "credentials"),
        ("mesos/nameless", "tls", "certificate"),
        ("mesos/stranger", "tls", "certificate"),
        ("marathon/redirecting", "status", "307"),
    ];
    for (name, outcome, said) in failures {
        let target = wait_for(name, SOON, || {
            let target = target(&recorder, name);
            target["last_error"].is_string().then_some(target)
        });
        let message = target["last_error"].as_str().unwrap();
        assert_eq!(target["last_error_outcome"], outcome, "{message}");
        assert!(message.to_lowercase().contains(said), "{name}: {message}");
        machine::say(&format!("secure: {name}: {message}"));
    }

    // Masters of the configuration were shown the secret, agents that the leader told of only where it says so.
    let basic = Some(BASIC.to_owned());
    assert_eq!(shown(&secured[0].masters[0]), std::slice::from_ref(&basic));
    assert_eq!(shown(&secured[0].masters[1]), std::slice::from_ref(&basic));
    assert_eq!(shown(&secured[0].agent), [None]);
    assert_eq!(shown(&secured[1].agent), [Some("Bearer t0ken-of-the-collector".to_owned())]);
    assert_eq!(shown(&redirecting), [basic]);
    assert!(elsewhere.served().is_empty(), "{:?}", elsewhere.served());
    // And nobody prints or keeps it.
    let printed = format!("{} {}", recorder.log(), recorder.json("/api/v1/targets"));
    let mut kept = printed.into_bytes();
    for name in ["store.db", "store.db-wal"] {
        kept.extend(std::fs::read(directory.join(name)).unwrap_or_default());
    }
    for secret in [PASSWORD, TOKEN, "guessed", &BASIC[6..]] {
        assert!(!kept.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is kept somewhere");
    }
}
