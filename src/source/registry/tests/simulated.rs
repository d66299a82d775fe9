//! A registry of API version 2 in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use reqwest::header::{HeaderName, HeaderValue};

use crate::source::http::{Canned, CannedReply, Http, Method, Request};

#[derive(Clone, Default)]
pub(super) struct Simulated(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    /// Digests by tag, by repository.
    pub(super) repositories: BTreeMap<String, BTreeMap<String, String>>,
    /// Type and body by digest.
    pub(super) manifests: BTreeMap<String, (String, String)>,
    /// Names on a page, at most.
    pub(super) page_max: usize,
    /// What comes before the path of a link.
    pub(super) link_prefix: String,
    /// The header of a 401 for who does not say this.
    pub(super) wants: Option<(String, Vec<String>)>,
    /// Whether HEAD is known.
    pub(super) has_no_head: bool,
    pub(super) tokens_given: u32,
    pub(super) requests: Vec<String>,
}

pub(super) const IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A digest that can be told from others by its number.
pub(super) fn digest(number: u64) -> String {
    format!("sha256:{number:064x}")
}

/// An image of a configuration and layers, by number and size.
pub(super) fn image(config: (u64, u64), layers: &[(u64, u64)]) -> String {
    let blob =
        |(number, size): &(u64, u64)| format!(r#"{{"mediaType":"x","size":{size},"digest":"{}"}}"#, digest(*number));
    let layers: Vec<String> = layers.iter().map(blob).collect();
    format!(r#"{{"schemaVersion":2,"mediaType":"{IMAGE}","config":{},"layers":[{}]}}"#, blob(&config), layers.join(","))
}

impl Simulated {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Pushes a manifest under a tag.
    pub(super) fn push(&self, repository: &str, tag: &str, number: u64, media_type: &str, body: &str) {
        let mut state = self.lock();
        state.manifests.insert(digest(number), (media_type.to_owned(), body.to_owned()));
        state.repositories.entry(repository.to_owned()).or_default().insert(tag.to_owned(), digest(number));
    }

    pub(super) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().requests)
    }

    pub(super) fn http(&self) -> Http {
        let canned = Canned::new();
        let state = Arc::clone(&self.0);
        canned.serve(move |request| Some(state.lock().unwrap().answer(request)));
        Http::Canned(canned)
    }
}

impl State {
    fn answer(&mut self, request: &Request<'_>) -> CannedReply {
        self.requests.push(format!("{} {}", request.method.name(), request.path));
        let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
        let query: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        if path == "/token" {
            return self.token(request);
        }
        if let Some((asks, takes)) = &self.wants
            && !request.authorization.is_some_and(|given| takes.iter().any(|taken| taken == given))
        {
            return with(
                CannedReply::with_status(401, r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#),
                "www-authenticate",
                asks,
            );
        }
        if path == "/v2/" {
            return with(CannedReply::ok("{}"), "docker-distribution-api-version", "registry/2.0");
        }
        if path == "/v2/_catalog" {
            return self.page(path, &query);
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return CannedReply::with_status(404, "404 page not found") };
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return match self.repositories.get(name) {
                Some(tags) if tags.is_empty() => CannedReply::ok(format!(r#"{{"name":"{name}","tags":null}}"#)),
                Some(tags) => {
                    let tags: Vec<String> = tags.keys().rev().map(|tag| format!("{tag:?}")).collect();
                    CannedReply::ok(format!(r#"{{"name":"{name}","tags":[{}]}}"#, tags.join(",")))
                }
                None => CannedReply::with_status(404, r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#),
            };
        }
        let Some((name, reference)) = rest.split_once("/manifests/") else { return CannedReply::with_status(404, "") };
        if request.method == Method::Head && self.has_no_head {
            return CannedReply::with_status(405, "");
        }
        let by_tag = self.repositories.get(name).and_then(|tags| tags.get(reference).cloned());
        let digest = by_tag.unwrap_or_else(|| reference.to_owned());
        let Some((media_type, body)) = self.manifests.get(&digest) else {
            return CannedReply::with_status(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#);
        };
        assert!(request.accept.is_some_and(|accept| accept.contains(media_type.as_str())), "{request:?}");
        let body = if request.method == Method::Head { String::new() } else { body.clone() };
        with(with(CannedReply::ok(body), "content-type", media_type), "docker-content-digest", &digest)
    }

    /// A page of the catalogue as docker-registry gives it: a full page links to another, be it empty.
    fn page(&self, path: &str, query: &BTreeMap<&str, &str>) -> CannedReply {
        let asked: usize = query.get("n").map_or(100, |n| n.parse().unwrap());
        let count = asked.min(if self.page_max == 0 { 1000 } else { self.page_max });
        let last = query.get("last").map_or(String::new(), |last| last.replace("%2F", "/"));
        let names: Vec<&String> = self.repositories.keys().filter(|name| **name > last).take(count).collect();
        let listed: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        let reply = CannedReply::ok(format!(r#"{{"repositories":[{}]}}"#, listed.join(",")));
        match names.last().filter(|_| names.len() == count) {
            Some(last) => {
                let last = last.replace('/', "%2F");
                with(reply, "link", &format!("<{}{path}?last={last}&n={asked}>; rel=\"next\"", self.link_prefix))
            }
            None => reply,
        }
    }

    fn token(&mut self, request: &Request<'_>) -> CannedReply {
        self.tokens_given += 1;
        let token = format!("t{}", self.tokens_given);
        // Alice, or nobody: `wants` says who may have which.
        assert!(matches!(request.authorization, None | Some("Basic YWxpY2U6czNjcmV0")), "{:?}", request.authorization);
        if let Some((_, takes)) = &mut self.wants {
            takes.push(format!("Bearer {token}"));
        }
        CannedReply::ok(format!(r#"{{"token":"{token}","expires_in":900}}"#))
    }
}

fn with(mut reply: CannedReply, name: &'static str, value: &str) -> CannedReply {
    reply.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    reply
}
