//! A realm: a server that gives signed tokens (ES256) to whoever knows the password.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

use crate::harness::time::now_ms;

/// For whom tokens are.
pub(crate) const SERVICE: &str = "test-registry";
/// Who gives them.
pub(crate) const ISSUER: &str = "test-issuer";
/// How long one lives: shorter than the test takes, so that each has to be renewed.
pub(crate) const LIFETIME_SECONDS: i64 = 20;
/// alice:s3cret
const AUTHORIZATION: &str = "Basic YWxpY2U6czNjcmV0";

/// A running realm; it ends with the test process.
pub(crate) struct Realm {
    /// Its port.
    pub(crate) port: u16,
    /// When (ms) a token was given, for which scope.
    given: Arc<Mutex<Vec<(i64, String)>>>,
    /// Requests that were refused, and why.
    refused: Arc<Mutex<Vec<String>>>,
}

impl Realm {
    /// Starts one that signs with `token-key.der` (PKCS #8) and shows `token.der` of a directory.
    pub(crate) fn start(directory: &Path) -> Realm {
        let key = std::fs::read(directory.join("token-key.der")).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key).unwrap();
        let certificate = base64(&std::fs::read(directory.join("token.der")).unwrap(), STANDARD, true);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let realm = Realm { port, given: Arc::default(), refused: Arc::default() };
        let (given, refused) = (Arc::clone(&realm.given), Arc::clone(&realm.refused));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let reply = match asked(&stream) {
                    Ok(scope) => {
                        given.lock().unwrap().push((now_ms(), scope.clone()));
                        let token = signed(&key, &certificate, &scope);
                        let body = serde_json::json!({ "token": token, "expires_in": LIFETIME_SECONDS }).to_string();
                        format!(
                            "200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                            body.len()
                        )
                    }
                    // A client may open a connection and then use another one.
                    Err(why) if why.is_empty() => continue,
                    Err(why) => {
                        refused.lock().unwrap().push(why);
                        "401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_owned()
                    }
                };
                let _ = (&stream).write_all(
                    format!("HTTP/1.1 {}", reply.replacen("\r\n", "\r\nConnection: close\r\n", 1)).as_bytes(),
                );
            }
        });
        realm
    }

    /// When tokens were given for a scope.
    pub(crate) fn given(&self, scope: &str) -> Vec<i64> {
        self.given.lock().unwrap().iter().filter(|(_, of)| of == scope).map(|(at, _)| *at).collect()
    }

    /// Requests that were not as they should be.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap().clone()
    }
}

/// The scope that a request wants a token for, if it may have one.
fn asked(stream: &TcpStream) -> Result<String, String> {
    let mut lines = BufReader::new(stream.take(65_536)).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let query = first.split(' ').nth(1).and_then(|path| path.strip_prefix("/token?")).ok_or_else(|| first.clone())?;
    let value = |name: &str| {
        let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        found.map(|value| value.replace("%3A", ":").replace("%2F", "/").replace("%2A", "*"))
    };
    let authorization = headers.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization").then_some(value)
    });
    match (authorization, value("service").as_deref(), value("account").as_deref()) {
        (Some(AUTHORIZATION), Some(SERVICE), Some("alice")) => Ok(value("scope").unwrap_or_default()),
        other => Err(format!("{first}: {other:?}")),
    }
}

/// A JSON Web Token that allows what a scope (`type:name:action`) says.
fn signed(key: &EcdsaKeyPair, certificate: &str, scope: &str) -> String {
    let now = now_ms() / 1_000;
    let access: Vec<serde_json::Value> = match scope.split_once(':').zip(scope.rsplit_once(':')) {
        Some(((ty, _), (begin, action))) => {
            let name = &begin[ty.len() + 1..];
            vec![serde_json::json!({ "type": ty, "name": name, "actions": [action] })]
        }
        None => Vec::new(),
    };
    let header = serde_json::json!({ "typ": "JWT", "alg": "ES256", "x5c": [certificate] });
    let claims = serde_json::json!({
        "iss": ISSUER, "sub": "alice", "aud": SERVICE, "exp": now + LIFETIME_SECONDS, "nbf": now - 5, "iat": now,
        "jti": format!("{}", now_ms()), "access": access,
    });
    let part = |value: &serde_json::Value| base64(value.to_string().as_bytes(), URL_SAFE, false);
    let text = format!("{}.{}", part(&header), part(&claims));
    let signature = key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
    format!("{text}.{}", base64(signature.as_ref(), URL_SAFE, false))
}

const STANDARD: [u8; 2] = *b"+/";
const URL_SAFE: [u8; 2] = *b"-_";

/// Base64 (RFC 4648) with these last two digits.
fn base64(bytes: &[u8], last: [u8; 2], is_padded: bool) -> String {
    let digit = |value: u32| match u8::try_from(value & 63).unwrap() {
        value @ 0..=25 => b'A' + value,
        value @ 26..=51 => b'a' + value - 26,
        value @ 52..=61 => b'0' + value - 52,
        value => last[usize::from(value) - 62],
    };
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let word = (0..3).fold(0_u32, |word, at| word << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        let digits: Vec<char> = (0..4).map(|at| char::from(digit(word >> (18 - 6 * at)))).collect();
        text.extend(&digits[..=group.len()]);
        if is_padded {
            text.extend(std::iter::repeat_n('=', 3 - group.len()));
        }
    }
    text
}
