//! Credentials go to the addresses of the configuration, and to no other unless it says so.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::source::http::{Credentials, Limits};
use crate::source::mesos::{MasterSource, Settings, Trust};

/// What a server on loopback was sent with one request; it answers with a redirect to elsewhere.
async fn sent(settings: &Settings, trust: Trust) -> (String, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !String::from_utf8_lossy(&head).contains(r#"{"type"#) {
            let mut piece = [0; 1024];
            let read = stream.read(&mut piece).await.unwrap();
            assert!(read > 0);
            head.extend_from_slice(&piece[..read]);
        }
        let reply = "HTTP/1.1 307 Temporary Redirect\r\nLocation: //192.0.2.1:5050/\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(reply.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    };
    let http = settings.http(&url, trust).unwrap();
    let limits = Limits::fixed(Instant::now() + Duration::from_secs(5), 1024);
    let (head, reply) = tokio::join!(serve, http.post_json("/api/v1", r#"{"type": "X"}"#.to_owned(), limits));
    (head, reply.unwrap().status)
}

#[tokio::test]
async fn secrets_stay_with_the_configured_addresses() {
    let mut settings = Settings::new("c", MasterSource::Listed(Vec::new()));
    settings.credentials = Some(Credentials::Basic { user: "collector".to_owned(), password: "s3cret".to_owned() });
    let (head, status) = sent(&settings, Trust::Configured).await;
    assert!(head.contains("authorization: Basic Y29sbGVjdG9yOnMzY3JldA=="), "{head}");
    // A type with a charset is refused by Mesos.
    assert!(head.contains("content-type: application/json\r\n") && head.contains("accept: application/json"), "{head}");
    assert_eq!(status, 307, "handed back, not followed");
    let (head, _) = sent(&settings, Trust::Discovered).await;
    assert!(!head.contains("authorization"), "{head}");
    settings.trusts_discovered = true;
    let (head, _) = sent(&settings, Trust::Discovered).await;
    assert!(head.contains("authorization"), "{head}");
    assert!(!format!("{settings:?}").contains("s3cret"));
}
