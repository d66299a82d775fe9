//! Requests to a registry: authorized as it asks for, counted, within the budget of a visit.
//!
//! Must not know: what replies say.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::Url;

use super::auth::{Challenge, challenge, granted};
use super::names::in_query;
use super::{Settings, manifest};
use crate::clock::Clock;
use crate::model::Outcome;
use crate::source::http::{Credentials, Failure, Http, Limits, Method, Reply, Request, SetupError};

/// Failed requests after which a visit asks no more: the registry is not well, and each may have taken long.
const FAILURES_MAX: u32 = 20;

/// Largest reply of a realm: a token is a few kilobytes.
const TOKEN_REPLY_MAX_BYTES: usize = 1024 * 1024;

/// Tokens kept, one a repository; past it they are asked for anew.
const TOKENS_MAX: usize = 100_000;

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum Stop {
    /// The visit's budget or time is spent: it is asked next time.
    Spent,
    /// It failed.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

/// Whether a request counts against the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Budget {
    /// Without it there is no visit: greeting and catalogue.
    Free,
    /// It can wait for the next visit.
    Counted,
}

/// A client of one registry.
#[derive(Debug)]
pub(super) struct Client {
    /// The registry's origin.
    http: Http,
    /// The realm's origin, where it is another one that is configured.
    realm_http: Option<Http>,
    url: Url,
    realm: Option<Url>,
    credentials: Option<Credentials>,
    clock: Clock,
    state: Mutex<State>,
    budget: u32,
    spent: AtomicU32,
    failures: AtomicU32,
    bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    challenge: Option<Challenge>,
    tokens: HashMap<Box<str>, Token>,
}

#[derive(Debug)]
struct Token {
    authorization: String,
    ends_ms: i64,
}

impl Client {
    pub(super) fn new(settings: &Settings, clock: Clock) -> Result<Client, SetupError> {
        let url = parsed("url", &settings.url)?;
        let realm = settings.realm.as_deref().map(|realm| parsed("realm", realm)).transpose()?;
        let live = |url: &Url| Http::live(&url.origin().ascii_serialization(), settings.tls.as_ref());
        let http = live(&url)?;
        let realm_http = realm.as_ref().map(live).transpose()?;
        Ok(Client::over(settings, clock, http, realm_http, url, realm))
    }

    /// The same over clients that are there already.
    pub(super) fn with_http(
        settings: &Settings,
        clock: Clock,
        http: Http,
        realm_http: Option<Http>,
    ) -> Result<Client, SetupError> {
        let url = parsed("url", &settings.url)?;
        let realm = settings.realm.as_deref().map(|realm| parsed("realm", realm)).transpose()?;
        Ok(Client::over(settings, clock, http, realm_http, url, realm))
    }

    fn over(
        settings: &Settings,
        clock: Clock,
        http: Http,
        realm_http: Option<Http>,
        url: Url,
        realm: Option<Url>,
    ) -> Client {
        Client {
            http,
            realm_http,
            url,
            realm,
            credentials: settings.credentials.clone(),
            clock,
            state: Mutex::default(),
            budget: settings.requests_per_poll,
            spent: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Begins a visit: nothing of its budget is spent.
    pub(super) fn begin(&self) {
        self.spent.store(0, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// Requests of this visit.
    pub(super) fn spent(&self) -> u32 {
        self.spent.load(Ordering::Relaxed)
    }

    /// Bytes of replies of this visit.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Requests that the visit may still take.
    pub(super) fn left(&self) -> usize {
        if self.failures.load(Ordering::Relaxed) >= FAILURES_MAX {
            return 0;
        }
        usize::try_from(self.budget.saturating_sub(self.spent())).unwrap_or(usize::MAX)
    }

    /// The address of a path, whose links are relative to it.
    pub(super) fn address(&self, path: &str) -> Option<Url> {
        self.url.join(path).ok()
    }

    /// What comes before `/v2/` in the configured address; without a slash at its end.
    pub(super) fn prefix(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// The address for people.
    pub(super) fn shown(&self) -> String {
        let mut url = self.url.clone();
        // These fail only for addresses without a host, which are refused.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.as_str().trim_end_matches('/').to_owned()
    }

    /// How the registry wants to know who asks.
    pub(super) fn authentication(&self) -> &'static str {
        match self.lock().challenge {
            None => "none",
            Some(Challenge::Basic) => "basic",
            Some(Challenge::Bearer { .. }) => "bearer",
        }
    }

    /// The scope of whatever is asked of a repository.
    pub(super) fn repository_scope(repository: &str) -> String {
        format!("repository:{repository}:pull")
    }

    /// Sends a request for a path below `/v2/`… at the configured address and returns the reply, whatever its status
    /// but 401 and 403.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        scope: &str,
        budget: Budget,
        limits: Limits,
    ) -> Result<Reply, Stop> {
        let answer = self.authorized(method, path, scope, budget, limits).await;
        match &answer {
            Ok(reply) => {
                let bytes = u64::try_from(reply.body.len()).unwrap_or(u64::MAX);
                self.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            // A visit that runs out of time is no fault of the registry.
            Err(Stop::Failed(_)) if tokio::time::Instant::now() >= limits.deadline && budget == Budget::Counted => {
                return Err(Stop::Spent);
            }
            // One that answers, if only to refuse, is there.
            Err(Stop::Failed(failure)) if failure.status.is_none() => {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        answer
    }

    async fn authorized(
        &self,
        method: Method,
        path: &str,
        scope: &str,
        budget: Budget,
        limits: Limits,
    ) -> Result<Reply, Stop> {
        let mut is_retry = false;
        loop {
            let authorization = self.authorization(scope, budget, limits).await?;
            let accept = (budget == Budget::Counted).then_some(manifest::ACCEPT);
            let request = Request { method, path, accept, authorization: authorization.as_deref() };
            self.spend(budget, limits)?;
            let reply = self.http.send(&request, limits).await?;
            if reply.status != 401 && reply.status != 403 {
                return Ok(reply);
            }
            let asked = challenge(reply.headers.get_all("www-authenticate").iter().filter_map(|it| it.to_str().ok()));
            let can_answer = match (&asked, &self.credentials) {
                (None, _) | (Some(Challenge::Basic), None) => false,
                (Some(_), Some(Credentials::Bearer(_))) => false,
                (Some(_), _) => true,
            };
            if is_retry || !can_answer || reply.status == 403 {
                return Err(Stop::Failed(self.unauthorized(method, path, &reply, asked.as_ref())));
            }
            is_retry = true;
            let mut state = self.lock();
            state.tokens.remove(scope);
            state.challenge = asked;
        }
    }

    /// What to say in `Authorization`, by what the registry asked for last.
    async fn authorization(&self, scope: &str, budget: Budget, limits: Limits) -> Result<Option<String>, Stop> {
        if let Some(token @ Credentials::Bearer(_)) = &self.credentials {
            return Ok(Some(token.authorization()));
        }
        let now_ms = self.clock.monotonic_ms();
        let (realm, service, asked_scope) = {
            let state = self.lock();
            match &state.challenge {
                None => return Ok(None),
                Some(Challenge::Basic) => return Ok(self.password()),
                Some(Challenge::Bearer { realm, service, scope: asked }) => {
                    if let Some(token) = state.tokens.get(scope).filter(|token| now_ms < token.ends_ms) {
                        return Ok(Some(token.authorization.clone()));
                    }
                    (realm.clone(), service.clone(), asked.clone())
                }
            }
        };
        // The scope that was asked for last may be another repository's; `/v2/` itself needs none.
        let wanted = if scope.is_empty() { asked_scope.unwrap_or_default() } else { scope.to_owned() };
        self.spend(budget, limits)?;
        let granted = self.token(&realm, service.as_deref(), &wanted, limits).await?;
        // Renewed before it ends: by a fifth of its life, at most half a minute.
        let margin_ms = (granted.lifetime_ms / 5).min(30_000);
        let authorization = format!("Bearer {}", granted.token);
        let token = Token { authorization: authorization.clone(), ends_ms: now_ms + granted.lifetime_ms - margin_ms };
        let mut state = self.lock();
        if state.tokens.len() >= TOKENS_MAX {
            state.tokens.clear();
        }
        state.tokens.insert(scope.into(), token);
        Ok(Some(authorization))
    }

    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: &str,
        limits: Limits,
    ) -> Result<super::auth::Granted, Failure> {
        let failed = |what: String| Failure { outcome: Outcome::Unauthorized, status: None, message: what };
        let told = Url::parse(realm)
            .map_err(|error| failed(format!("{}: its token realm {realm:?} is no address ({error})", self.shown())))?;
        let http = match &self.realm {
            Some(named) if named.origin() == told.origin() && named.path() == told.path() => {
                self.realm_http.as_ref().unwrap_or(&self.http)
            }
            _ if told.origin() == self.url.origin() => &self.http,
            _ => {
                let shown = format!("{}{}", told.origin().ascii_serialization(), told.path());
                return Err(failed(format!(
                    "{}: it sends for tokens to {shown}, which is another origin; write realm = \"{shown}\" if it may \
                     be asked",
                    self.shown()
                )));
            }
        };
        let mut query: Vec<String> = told.query().map(str::to_owned).into_iter().collect();
        query.extend(service.map(|service| format!("service={}", in_query(service))));
        if !scope.is_empty() {
            query.push(format!("scope={}", in_query(scope)));
        }
        if let Some(Credentials::Basic { user, .. }) = &self.credentials {
            query.push(format!("account={}", in_query(user)));
        }
        let path = format!("{}?{}", told.path(), query.join("&"));
        let basic = self.password();
        let request = Request { path: &path, authorization: basic.as_deref(), ..Request::default() };
        let limits = limits.at_most(TOKEN_REPLY_MAX_BYTES);
        let reply = http.send(&request, limits).await?;
        http.check_status(told.path(), &reply)?;
        granted(&reply.body)
            .ok_or_else(|| failed(format!("GET {}: the realm's reply holds no token", http.url(told.path()))))
    }

    /// What `Authorization` says of a user with a password.
    fn password(&self) -> Option<String> {
        self.credentials.as_ref().filter(|it| matches!(it, Credentials::Basic { .. })).map(Credentials::authorization)
    }

    fn unauthorized(&self, method: Method, path: &str, reply: &Reply, asked: Option<&Challenge>) -> Failure {
        let advice = match (&self.credentials, asked) {
            (_, _) if reply.status == 403 => "these credentials may not read it",
            (None, _) => "give `user` and `password_file`",
            (Some(Credentials::Bearer(_)), _) => "the token is refused; give another, or `user` and `password_file`",
            (_, None) => "it does not say how it wants to be told who asks",
            (_, Some(Challenge::Basic)) => "user or password is refused",
            (_, Some(Challenge::Bearer { .. })) => "the token of its realm is refused; may this user read it?",
        };
        let message = format!("{} {}: status {}: {advice}", method.name(), self.http.url(path), reply.status);
        Failure { outcome: Outcome::Unauthorized, status: Some(reply.status), message }
    }

    /// The failure that a status other than 200 to 299 means.
    pub(super) fn check_status(&self, path: &str, reply: &Reply) -> Result<(), Failure> {
        self.http.check_status(path, reply)
    }

    /// A reply that is not what it should be.
    pub(super) fn unusable(&self, path: &str, why: &str) -> Failure {
        self.http.unusable(path, why)
    }

    fn spend(&self, budget: Budget, limits: Limits) -> Result<(), Stop> {
        if budget == Budget::Free {
            self.spent.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let is_over = self.failures.load(Ordering::Relaxed) >= FAILURES_MAX
            || tokio::time::Instant::now() >= limits.deadline
            || self
                .spent
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |spent| {
                    (spent < self.budget).then(|| spent.saturating_add(1))
                })
                .is_err();
        if is_over { Err(Stop::Spent) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parsed(key: &str, text: &str) -> Result<Url, SetupError> {
    let url = Url::parse(text).map_err(|error| SetupError::Address(format!("`{key}` cannot be read: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(SetupError::Address(format!("`{key}` must be http://host… or https://host…")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let advice = "must hold no user and no password; give `user` and `password_file`";
        return Err(SetupError::Address(format!("`{key}` {advice}")));
    }
    if url.fragment().is_some() || (key == "url" && url.query().is_some()) {
        return Err(SetupError::Address(format!("`{key}` must end with its path: no ? and no #")));
    }
    Ok(url)
}
