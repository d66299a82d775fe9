//! The API behind its own TLS and token, through the real program; and what is refused to be served without them.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::harness::recorder::{free_port, run_in};
use crate::harness::{Access, Recorder, http, machine, reaper};

const TOKEN: &str = "correct-horse-battery-staple";
const LIMIT: Duration = Duration::from_secs(30);
const NO_SOURCES: &str = "[source]\ndocker = []\nhost = { enabled = false }\n";

fn certificate(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name).display().to_string()
}

/// Lines of `[server]` for a certificate, and for the token in a file of the directory.
fn tls_lines() -> String {
    format!("tls_cert = {:?}\ntls_key = {:?}\n", certificate("server.pem"), certificate("server-key.pem"))
}

fn token_lines(directory: &Path) -> String {
    let file = directory.join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    format!("token_file = {file:?}\n")
}

#[test]
fn behind_tls_and_a_token_only_who_has_both_is_answered() {
    let _together = machine::shared();
    let directory = reaper::directory();
    let authority = std::fs::read(certificate("ca.pem")).unwrap();
    let access = Access {
        server: tls_lines() + &token_lines(&directory),
        authority: Some(authority.clone()),
        token: Some(TOKEN.to_owned()),
    };
    let recorder = Recorder::guarded(&directory, NO_SOURCES, None, access);
    let address = recorder.address();
    assert_eq!(recorder.json("/api/v1/kinds/container")["name"], "container");
    assert!(recorder.log().contains(&format!("https://{address}")), "{}", recorder.log());

    let get = |path: &str, headers: &[(&str, &str)]| http::get_over_tls(address, &authority, path, headers, LIMIT);
    let wrong = format!("Bearer {}x", &TOKEN[..TOKEN.len() - 1]);
    let shown = format!("Bearer {TOKEN}");
    let twice = [("Authorization", shown.as_str()), ("Authorization", shown.as_str())];
    let refused: [&[(&str, &str)]; 5] = [
        &[],
        &[("Authorization", wrong.as_str())],
        &[("Authorization", TOKEN)],
        &[("Authorization", "Basic Y29ycmVjdDpob3JzZQ==")],
        &twice,
    ];
    for headers in refused {
        for path in ["/api/v1/kinds", "/api/v1/range/container.csv", "/metrics", "/openapi.json", "/api/v1/nothing"] {
            let reply = get(path, headers).unwrap();
            assert_eq!(reply.status, 401, "{path} {headers:?}: {}", reply.text());
            assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{path}");
            assert!(reply.header("www-authenticate").is_some_and(|way| way.starts_with("Bearer")), "{reply:?}");
            assert!(!reply.text().contains(TOKEN));
        }
    }
    assert_eq!(get("/api/v1/kinds", &[("Authorization", &shown)]).unwrap().status, 200);
    assert_eq!(get("/healthz", &[]).unwrap().status, 200, "whether it lives is no secret");

    // Plain HTTP on the same port is not answered, with the token or without.
    for headers in [&[][..], &[("Authorization", shown.as_str())]] {
        match http::get(address, "/api/v1/kinds", headers, LIMIT) {
            Err(error) => {
                let closed = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset, ErrorKind::Other];
                assert!(closed.contains(&error.kind()) || error.kind() == ErrorKind::InvalidData, "{error:?}");
            }
            Ok(reply) => panic!("plain HTTP was answered: {reply:?}"),
        }
    }
    // And the certificate is the configured one: another authority does not vouch for it.
    let other = std::fs::read(certificate("other-ca.pem")).unwrap();
    assert!(http::get_over_tls(address, &other, "/healthz", &[], LIMIT).is_err());
    assert!(!recorder.log().contains(TOKEN), "{}", recorder.log());
}

#[test]
fn an_address_that_others_reach_is_refused_without_token_and_tls_unless_said_in_as_many_words() {
    let _together = machine::shared();
    let directory = reaper::directory();
    let check = |lines: &str, missing: Option<&str>| {
        let config = format!("[server]\nlisten = \"0.0.0.0:{}\"\n{lines}\n{NO_SOURCES}", free_port());
        std::fs::write(directory.join("config.toml"), config).unwrap();
        for command in ["check-config", "serve"] {
            // `serve` would run for ever where nothing is missing: the test below runs it so.
            if command == "serve" && missing.is_none() {
                continue;
            }
            let done = run_in(&directory, &[command]);
            let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
            match missing {
                Some(missing) => {
                    assert_eq!(done.status.code(), Some(1), "{command} {lines}: {said}");
                    assert!(said.contains("server.listen") && said.contains(missing), "{command} {lines}: {said}");
                }
                None => assert!(done.status.success(), "{command} {lines}: {said}"),
            }
        }
    };
    let token = token_lines(&directory);
    check("", Some("a token (token_file) and TLS (tls_cert, tls_key)"));
    check(&token, Some("TLS (tls_cert, tls_key)"));
    check(&tls_lines(), Some("a token (token_file)"));
    check("allow_insecure_listen = false", Some("allow_insecure_listen = true"));
    check(&(tls_lines() + &token), None);
    check("allow_insecure_listen = true", None);
}

#[test]
fn said_in_as_many_words_it_is_served_all_the_same() {
    let _together = machine::shared();
    let directory = reaper::directory();
    let port = free_port();
    let access = Access { server: "allow_insecure_listen = true\n".to_owned(), ..Access::default() };
    let recorder =
        Recorder::listening(&directory, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), NO_SOURCES, None, access);
    assert_eq!(recorder.json("/api/v1/kinds/container")["name"], "container");
    assert!(recorder.log().contains(&format!("http://0.0.0.0:{port}")), "{}", recorder.log());
}
