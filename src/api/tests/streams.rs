//! Answers that are larger than a chunk, that fail half-way, that nobody reads.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use warp::Filter;
use warp::http::Response;

use super::seed::{context, header};
use crate::api::Limits;
use crate::api::body::{Delivery, Ending, Failure, Output, produce};
use crate::api::negotiate::Encoding;
use crate::api::problem::Problem;

const PLAIN: Delivery = Delivery { encoding: Encoding::Identity, is_held: false };

/// Some bytes that do not compress away.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(bytes)
    .collect()
}

/// The whole reply of a producer, as a client sees it; an error where the body breaks off.
async fn reply<F>(limits: Limits, delivery: Delivery, producer: F) -> Result<Response<Bytes>, Problem>
where
    F: FnOnce(&mut Output) -> Result<Ending, Failure> + Send + 'static,
{
    let context = Arc::new(context().with_limits(limits));
    let response = produce(&context, delivery, producer).await?;
    let slot = Arc::new(std::sync::Mutex::new(Some(response)));
    let filter = warp::any().map(move || slot.lock().unwrap().take().unwrap());
    Ok(warp::test::request().reply(&filter).await)
}

#[tokio::test]
async fn a_large_answer_comes_in_chunks_and_whole() {
    let bytes = noise(300_000);
    let expected = bytes.clone();
    let response = reply(Limits::default(), PLAIN, move |out| {
        bytes.chunks(1_000).try_for_each(|part| out.write_all(part))?;
        Ok(Ending::default())
    });
    let response = response.await.unwrap();
    assert_eq!(header(&response, "content-length"), "", "its length is not known when it begins");
    assert_eq!(response.body().as_ref(), expected);
}

#[tokio::test]
async fn a_held_answer_has_its_length_and_its_link() {
    let delivery = Delivery { is_held: true, ..PLAIN };
    let response = reply(Limits::default(), delivery, |out| {
        out.write_all(&noise(300_000))?;
        Ok(Ending { link: Some("<x>; rel=\"next\"".to_owned()) })
    });
    let response = response.await.unwrap();
    assert_eq!((header(&response, "content-length"), header(&response, "link")), ("300000", "<x>; rel=\"next\""));
}

#[tokio::test]
async fn a_failure_before_the_first_chunk_is_a_problem() {
    let failed = reply(Limits::default(), PLAIN, |out| {
        out.write_all(b"the beginning of an answer")?;
        Err(Problem::gone("x").into())
    });
    assert_eq!(failed.await.unwrap_err().status, 410);
}

#[tokio::test]
async fn a_panic_is_a_problem_too() {
    let failed = reply(Limits::default(), PLAIN, |_| panic!("on purpose"));
    assert_eq!(failed.await.unwrap_err().status, 500);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_refused() {
    let limits = Limits { answer_time: Duration::from_millis(10), ..Limits::default() };
    let (go_on, wait) = mpsc::sync_channel::<()>(0);
    let failed = reply(limits, PLAIN, move |_| {
        let _ = wait.recv();
        Ok(Ending::default())
    });
    assert_eq!(failed.await.unwrap_err().status, 503);
    drop(go_on);
}

#[tokio::test]
async fn a_download_that_takes_too_long_is_broken_off() {
    let limits = Limits { download_time: Duration::ZERO, ..Limits::default() };
    let failed = reply(limits, PLAIN, |out| {
        std::thread::sleep(Duration::from_millis(2));
        out.write_all(&noise(200_000))?;
        Ok(Ending::default())
    });
    assert_eq!(failed.await.unwrap_err().status, 503);
}

/// Over a socket: what a client sees of a body that fails after its first chunks.
async fn over_a_socket<F>(producer: F) -> String
where
    F: FnOnce(&mut Output) -> Result<Ending, Failure> + Send + 'static,
{
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let context = Arc::new(context());
    let response = produce(&context, PLAIN, producer).await.unwrap();
    let slot = Arc::new(std::sync::Mutex::new(Some(response)));
    let filter = warp::any().map(move || slot.lock().unwrap().take().unwrap());
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let service = hyper_util::service::TowerToHyperService::new(warp::service(filter));
    let connection = tokio::spawn(
        hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(server), service),
    );
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    client.read_to_end(&mut seen).await.unwrap();
    let _ = connection.await;
    String::from_utf8_lossy(&seen).into_owned()
}

#[tokio::test]
async fn a_failure_half_way_never_looks_like_an_end() {
    let text = |out: &mut Output| out.write_all(&b"row\r\n".repeat(40_000));
    let whole = over_a_socket(move |out| {
        text(out)?;
        Ok(Ending::default())
    });
    assert!(whole.await.ends_with("\r\n0\r\n\r\n"), "a whole body ends with the empty chunk");
    let failed = over_a_socket(move |out| {
        text(out)?;
        Err(Problem::internal().into())
    });
    assert!(!failed.await.ends_with("0\r\n\r\n"), "a cut one does not");
    let panicked = over_a_socket(move |out| {
        text(out)?;
        panic!("on purpose")
    });
    assert!(!panicked.await.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn nobody_reads_and_the_producer_stops() {
    let (tell, told) = mpsc::sync_channel(1);
    let context = Arc::new(context());
    let response = produce(&context, PLAIN, move |out| {
        let part = noise(10_000);
        let ended = loop {
            if let Err(error) = out.write_all(&part) {
                break error.kind();
            }
        };
        tell.send(ended).unwrap();
        Err(std::io::Error::from(ended).into())
    });
    drop(response.await.unwrap());
    let ended = tokio::task::spawn_blocking(move || told.recv_timeout(Duration::from_secs(5)).unwrap());
    assert_eq!(ended.await.unwrap(), std::io::ErrorKind::BrokenPipe);
    // Its place is free again.
    while context.queries.available_permits() < context.limits.queries {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn gzip_streams_too() {
    use std::io::Read;
    let bytes = noise(300_000);
    let expected = bytes.clone();
    let delivery = Delivery { encoding: Encoding::Gzip, ..PLAIN };
    let response = reply(Limits::default(), delivery, move |out| {
        out.write_all(&bytes)?;
        Ok(Ending::default())
    });
    let response = response.await.unwrap();
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(response.body().as_ref()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, expected);
}
