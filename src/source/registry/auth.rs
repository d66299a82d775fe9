//! How a registry wants to know who asks, and the tokens that its realm gives. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password.
    Basic,
    /// A token that `realm` gives.
    Bearer {
        /// Where tokens are given.
        realm: String,
        /// For whom they are.
        service: Option<String>,
        /// What they are to allow.
        scope: Option<String>,
    },
}

/// What a `WWW-Authenticate` header asks for; bearer tokens before passwords.
pub(super) fn challenge<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Challenge> {
    let mut found = None;
    for (scheme, mut parameters) in headers.into_iter().flat_map(challenges) {
        if scheme.eq_ignore_ascii_case("bearer")
            && let Some(realm) = parameters.remove("realm")
        {
            let service = parameters.remove("service");
            return Some(Challenge::Bearer { realm, service, scope: parameters.remove("scope") });
        }
        if scheme.eq_ignore_ascii_case("basic") {
            found = Some(Challenge::Basic);
        }
    }
    found
}

/// Schemes with their parameters, as RFC 9110 writes them: `Bearer realm="…",service="…", Basic realm="…"`.
fn challenges(header: &str) -> Vec<(&str, BTreeMap<String, String>)> {
    let mut found: Vec<(&str, BTreeMap<String, String>)> = Vec::new();
    let mut rest = header.trim();
    while !rest.is_empty() {
        let end = rest.find([' ', '=', ',']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if let Some(value) = after.trim_start().strip_prefix('=') {
            let (value, after) = parameter_value(value.trim_start());
            if let Some((_, parameters)) = found.last_mut() {
                parameters.entry(word.to_ascii_lowercase()).or_insert(value);
            }
            rest = after;
        } else {
            if !word.is_empty() {
                found.push((word, BTreeMap::new()));
            }
            rest = after;
        }
        rest = rest.trim_start_matches([' ', ',', '\t']);
        if word.is_empty() && rest.starts_with('=') {
            break;
        }
    }
    found
}

/// A token or a quoted text, and what follows it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((index, letter)) = letters.next() {
        match letter {
            '"' => return (value, quoted.get(index.saturating_add(1)..).unwrap_or_default()),
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

/// A token with its life, as a realm gives it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) token: String,
    pub(super) lifetime_ms: i64,
}

/// How long a token lives whose realm does not say, by the token specification.
const LIFETIME_DEFAULT_SECONDS: u32 = 60;

/// The token in a realm's reply.
pub(super) fn granted(body: &[u8]) -> Option<Granted> {
    #[derive(Deserialize)]
    struct Body {
        token: Option<String>,
        access_token: Option<String>,
        expires_in: Option<f64>,
    }
    let body: Body = serde_json::from_slice(body).ok()?;
    let token = body.token.or(body.access_token).filter(|token| !token.is_empty())?;
    let seconds = body.expires_in.filter(|seconds| *seconds > 0.0).unwrap_or(f64::from(LIFETIME_DEFAULT_SECONDS));
    // A day at most: whoever means longer is asked again.
    let lifetime_ms = std::time::Duration::from_secs_f64(seconds.min(86_400.0)).as_millis();
    Some(Granted { token, lifetime_ms: i64::try_from(lifetime_ms).unwrap_or(i64::MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        };
        let check = |header: &str, expected: Option<Challenge>| assert_eq!(challenge([header]), expected, "{header}");
        check(r#"Basic realm="test-realm""#, Some(Challenge::Basic));
        check(
            r#"Bearer realm="http://127.0.0.1:5002/token",service="test-registry",scope="repository:a/b/c:pull""#,
            Some(bearer("http://127.0.0.1:5002/token", Some("test-registry"), Some("repository:a/b/c:pull"))),
        );
        check(
            r#"Bearer realm="https://a/t",scope="repository:a:pull,push",error="invalid_token""#,
            Some(bearer("https://a/t", None, Some("repository:a:pull,push"))),
        );
        check(r#"basic realm="a, b", bearer realm="https://a/t""#, Some(bearer("https://a/t", None, None)));
        check(r#"Bearer realm = https://a/t , service=s"#, Some(bearer("https://a/t", Some("s"), None)));
        check("Negotiate", None);
        check("Bearer", None);
        check("", None);
        check(r#"=,="=,"#, None);
    }

    #[test]
    fn tokens_are_read_in_both_spellings() {
        let check = |body: &str, expected: Option<(&str, i64)>| {
            let expected = expected.map(|(token, lifetime_ms)| Granted { token: token.to_owned(), lifetime_ms });
            assert_eq!(granted(body.as_bytes()), expected, "{body}");
        };
        check(r#"{"token":"a","expires_in":300,"issued_at":"2026-01-01T00:00:00Z"}"#, Some(("a", 300_000)));
        check(r#"{"access_token":"b"}"#, Some(("b", 60_000)));
        check(r#"{"token":"a","expires_in":1e300}"#, Some(("a", 86_400_000)));
        check(r#"{"token":""}"#, None);
        check("<html>", None);
    }
}
