//! Every recorded reply, as it is understood, beside `expect.txt`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::*;
use crate::source::http::{CannedReply, Method};
use crate::source::registry::auth::challenge;
use crate::source::registry::manifest::Manifest;
use crate::source::registry::names::next_page;

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            files(&entry, found);
        } else if entry.extension().is_none_or(|it| it != "meta") && !entry.ends_with("expect.txt") {
            found.push(entry);
        }
    }
}

/// What the source makes of a reply.
fn understood(path: &str, meta: &Json, body: &[u8]) -> String {
    let header = |name: &str| meta["headers"][name].as_str().unwrap_or_default().to_owned();
    let mut text = format!("status {}", meta["status"]);
    let asks = header("Www-Authenticate");
    if !asks.is_empty() {
        let _ = write!(text, "; asks for {:?}", challenge([asks.as_str()]));
    }
    if meta["status"] != 200 {
        return text;
    }
    let link = header("Link");
    if !link.is_empty() {
        let from = format!("http://127.0.0.1:5000{path}").parse().unwrap();
        let _ = write!(text, "; next {:?}", next_page(&link, &from));
    }
    let json: Option<Json> = serde_json::from_slice(body).ok();
    let listed = |key: &str| json.as_ref().map_or(0, |json| json[key].as_array().map_or(0, Vec::len));
    if path.contains("/_catalog") {
        let _ = write!(text, "; {} repositories", listed("repositories"));
    } else if path.ends_with("/tags/list") || path.contains("/tags/list?") {
        let _ = write!(text, "; {} tags", listed("tags"));
    } else if path.contains("/manifests/") && meta["method"] == "GET" {
        let manifest = Manifest::parse(body, meta["content_type"].as_str().unwrap_or_default());
        let _ = write!(text, "; {manifest:?}");
    }
    let digest = header("Docker-Content-Digest");
    if !digest.is_empty() {
        let _ = write!(text, "; digest {digest}");
    }
    text
}

#[test]
fn every_recorded_reply_is_understood_as_expected() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/registry-2.8");
    let mut found = Vec::new();
    files(&directory, &mut found);
    assert!(found.len() > 60, "{} replies", found.len());
    let mut text = String::new();
    for file in found {
        let meta: Json =
            serde_json::from_slice(&std::fs::read(file.with_extension(extension(&file))).unwrap()).unwrap();
        let body = std::fs::read(&file).unwrap();
        let path = meta["path"].as_str().unwrap_or_default();
        let name = file.strip_prefix(&directory).unwrap().display().to_string();
        let _ = writeln!(
            text,
            "{name}: {} {path}: {}",
            meta["method"].as_str().unwrap_or("-"),
            understood(path, &meta, &body)
        );
    }
    let expected = directory.join("expect.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&expected, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&expected).unwrap_or_default(), "UPDATE=1 writes it anew");
}

fn extension(file: &Path) -> String {
    format!("{}.meta", file.extension().unwrap().to_str().unwrap())
}

/// The recorded registry as it was with ten repositories, asked as the source asks.
#[tokio::test(start_paused = true)]
async fn the_recorded_registry_has_the_sizes_that_its_manifests_tell() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/registry-2.8");
    let canned = crate::source::http::Canned::new();
    let read = move |file: &str| {
        let meta: Json =
            serde_json::from_slice(&std::fs::read(directory.join(format!("{file}.meta"))).unwrap()).unwrap();
        let mut reply = CannedReply::with_status(
            u16::try_from(meta["status"].as_u64().unwrap()).unwrap(),
            std::fs::read(directory.join(file)).unwrap(),
        );
        for (name, value) in meta["headers"].as_object().unwrap() {
            let name: reqwest::header::HeaderName = name.parse().unwrap();
            reply.headers.insert(name, value.as_str().unwrap().parse().unwrap());
        }
        if let Some(ty) = meta["content_type"].as_str() {
            reply.headers.insert("content-type", ty.parse().unwrap());
        }
        reply
    };
    canned.serve(move |request| {
        let path = request.path.split('?').next().unwrap_or_default();
        Some(match path {
            "/v2/" => read("v2_base.json"),
            "/v2/_catalog" => CannedReply::ok(r#"{"repositories":["bb","gone","multi","uploadonly"]}"#),
            "/v2/bb/tags/list" => CannedReply::ok(r#"{"name":"bb","tags":["1.0"]}"#),
            "/v2/gone/tags/list" => read("tags/gone_after_all_deleted.json"),
            "/v2/uploadonly/tags/list" => read("errors/tags_unknown_repo.json"),
            "/v2/multi/tags/list" => CannedReply::ok(r#"{"name":"multi","tags":["oci","list","amd64","index"]}"#),
            "/v2/bb/manifests/1.0" if request.method == Method::Head => read("manifests/bb_schema2_head.txt"),
            "/v2/bb/manifests/1.0" => read("manifests/bb_schema2.json"),
            "/v2/multi/manifests/amd64" => read("manifests/multi_amd64.json"),
            "/v2/multi/manifests/index" => read("manifests/multi_index.json"),
            "/v2/multi/manifests/list" => read("manifests/multi_list.json"),
            "/v2/multi/manifests/oci" => read("manifests/multi_oci.json"),
            other => panic!("{other} is not asked for: what its digest names is known"),
        })
    });
    let settings = Settings { concurrency: 1, ..Settings::new("hub", "http://127.0.0.1:5000") };
    let clock = Clock::Manual(crate::clock::ManualClock::starting_at(Timestamp::from_ms(1_800_000_000_000)));
    let mut registry = Registry::with_http(settings, clock, Http::Canned(canned), None).unwrap();
    let seen = poll(&mut registry).await;
    assert_eq!((seen.outcome, seen.missing.clone()), (Outcome::Ok, Vec::new()));
    // One configuration and one layer behind an image manifest (527), an OCI one (422), a list (332), an index (304).
    assert_eq!(number(&seen, "registry", &["hub"], "bytes"), Some(930 + 1_068_936 + 527 + 422 + 332 + 304));
    assert_eq!(number(&seen, "registry", &["hub"], "tags"), Some(5));
    assert_eq!(number(&seen, "repository", &["hub", "gone"], "tags"), Some(0));
    assert_eq!(number(&seen, "repository", &["hub", "uploadonly"], "tags"), Some(0));
    assert_eq!(number(&seen, "repository", &["hub", "multi"], "shared_bytes"), Some(930 + 1_068_936 + 527));
    assert_eq!(number(&seen, "tag", &["hub", "multi", "list"], "size_bytes"), Some(930 + 1_068_936 + 527 + 332));
    assert_eq!(
        fact(&seen, "tag", &["hub", "bb", "1.0"], "image_id").as_deref(),
        Some("sha256:48d4e1ff223e0e0a1f93ae4067a3620929a0662830551943c276db47ff01a634")
    );
}
