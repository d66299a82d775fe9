//! Who is told what: passwords, tokens, realms.

use super::simulated::{IMAGE, image};
use super::*;

const ALICE: &str = "Basic YWxpY2U6czNjcmV0";

fn alice() -> Option<Credentials> {
    Some(Credentials::Basic { user: "alice".to_owned(), password: "s3cret".to_owned() })
}

fn guarded(asks: &str, takes: &[&str]) -> Simulated {
    let simulated = Simulated::default();
    for name in ["one", "a/b/two"] {
        simulated.push(name, "v1", 1, IMAGE, &image((2, 1), &[]));
    }
    simulated.lock().wants = Some((asks.to_owned(), takes.iter().map(|&it| it.to_owned()).collect()));
    simulated
}

const BEARER: &str = r#"Bearer realm="http://auth.test/token",service="test registry",scope="registry:catalog:*""#;

#[tokio::test(start_paused = true)]
async fn a_password_is_given_when_it_is_asked_for() {
    let simulated = guarded(r#"Basic realm="x""#, &[ALICE]);
    let mut registry = source(&simulated, |settings| settings.credentials = alice());
    let seen = poll(&mut registry).await;
    assert_eq!(seen.outcome, Outcome::Ok, "{:?}", seen.error);
    assert_eq!(number(&seen, "registry", &["hub"], "tags"), Some(2));
    assert_eq!(fact(&seen, "registry", &["hub"], "authentication").as_deref(), Some("basic"));
}

#[tokio::test(start_paused = true)]
async fn without_or_with_wrong_credentials_the_visit_says_so_and_shows_none() {
    let check = async |asks: &str, credentials: Option<Credentials>, expected: &str| {
        let simulated = guarded(asks, &["Bearer right"]);
        let seen = poll(&mut source(&simulated, |settings| settings.credentials = credentials)).await;
        assert_eq!(seen.outcome, Outcome::Unauthorized);
        let error = seen.error.unwrap();
        assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
    };
    check(r#"Basic realm="x""#, None, "give `user` and `password_file`").await;
    check(r#"Basic realm="x""#, alice(), "user or password is refused").await;
    check("Negotiate", alice(), "does not say how").await;
    check(BEARER, Some(Credentials::Bearer("wrong".to_owned())), "the token is refused").await;
}

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_for_each_scope_and_renewed_before_it_ends() {
    let simulated = guarded(BEARER, &[]);
    let mut registry = source(&simulated, |settings| {
        settings.credentials = alice();
        settings.realm = Some("http://auth.test/token".to_owned());
    });
    let seen = poll(&mut registry).await;
    assert_eq!((seen.outcome, seen.error.as_deref()), (Outcome::Ok, None));
    assert_eq!(
        number(&seen, "registry", &["hub"], "bytes"),
        Some(i64::try_from(image((2, 1), &[]).len() + 1).unwrap())
    );
    let requests = simulated.take_requests();
    let scope = |scope: &str| format!("scope={scope}&account=alice");
    assert!(requests.iter().any(|it| it.contains(&scope("repository%3Aa%2Fb%2Ftwo%3Apull"))), "{requests:#?}");
    assert!(requests.iter().any(|it| it.contains("service=test+registry")), "{requests:#?}");
    let tokens = || simulated.lock().tokens_given;
    let first = tokens();
    poll(&mut registry).await;
    assert_eq!(tokens(), first, "tokens of 900 s hold for two visits");
    poll(&mut registry).await;
    poll(&mut registry).await;
    assert!(tokens() > first);
    assert!(simulated.lock().requests.iter().all(|it| !it.contains("s3cret")));
}

#[tokio::test(start_paused = true)]
async fn a_realm_elsewhere_gets_nothing_unless_it_is_configured() {
    let simulated = guarded(BEARER, &[]);
    let seen = poll(&mut source(&simulated, |settings| settings.credentials = alice())).await;
    assert_eq!(seen.outcome, Outcome::Unauthorized);
    assert!(seen.error.unwrap().contains(r#"write realm = "http://auth.test/token""#));
    assert_eq!(simulated.lock().tokens_given, 0);

    let own = guarded(r#"Bearer realm="http://registry.test/token",service="x""#, &[]);
    let seen = poll(&mut source(&own, |settings| settings.credentials = alice())).await;
    assert_eq!(seen.outcome, Outcome::Ok, "{:?}", seen.error);
}

#[tokio::test(start_paused = true)]
async fn a_registry_of_version_1_gets_a_clear_error() {
    let canned = crate::source::http::Canned::new();
    canned.set("/v1/_ping", crate::source::http::CannedReply::ok("true"));
    let check = async |http: Http, expected: &str| {
        let settings = Settings::new("hub", "http://registry.test");
        let mut registry = Registry::with_http(settings, Clock::System, http, None).unwrap();
        let seen = registry.poll(Visit { started: Timestamp::from_ms(0), timeout: TIMEOUT }).await;
        assert_eq!(seen.outcome, Outcome::Malformed);
        let error = seen.error.unwrap();
        assert!(error.contains(expected), "{error}");
    };
    check(Http::Canned(canned), "only version 1 of the registry API").await;
    check(Http::Canned(crate::source::http::Canned::new()), "no registry API is there").await;
}
