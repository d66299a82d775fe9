//! Answers as they are made: written on a blocking thread, handed over in chunks, stopped when the client is gone.
//!
//! A failure before the first chunk becomes a problem document; one after it breaks the connection off, so that a
//! cut answer never looks like a whole one. Must not know: what is answered.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use tokio::sync::mpsc;
use warp::Reply;
use warp::http::header::{CONTENT_LENGTH, HeaderValue};
use warp::reply::Response;

use super::Context;
use super::negotiate::Encoding;
use super::problem::Problem;
use crate::answer::Stop;

/// Bytes of a chunk: large enough that hand-over, which wakes another thread, costs little; small enough that the first
/// one comes soon.
const CHUNK_BYTES: usize = 64 * 1024;

/// Chunks made before the client has taken the first: the producer runs on while one is being sent.
const CHUNKS_QUEUED: usize = 4;

/// Bytes of an answer that is held back until it is whole, because a header depends on its end.
const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a producer ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request cannot be answered.
    Problem(Problem),
    /// Nobody reads any more, or it took too long.
    Write(io::Error),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Failure::Problem(problem)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Write(error)
    }
}

/// What a producer knows only at its end.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// The `Link` header.
    pub(crate) link: Option<String>,
}

enum Part {
    Chunk(Bytes),
    Last(Bytes, Ending),
}

type Message = Result<Part, Problem>;

/// Gathers bytes and hands them over in chunks.
struct Chunks {
    sender: mpsc::Sender<Message>,
    buffer: Vec<u8>,
    is_held: bool,
    context: Arc<Context>,
    deadline_ms: i64,
}

impl Chunks {
    fn hand_over(&mut self) -> io::Result<()> {
        if self.context.clock.monotonic_ms() > self.deadline_ms {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // The write that fills a chunk goes beyond its end.
        let room = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
        let chunk = std::mem::replace(&mut self.buffer, room);
        let sent = self.sender.blocking_send(Ok(Part::Chunk(chunk.into())));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.is_held {
            if self.sender.is_closed() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            if self.buffer.len() > HELD_BYTES_MAX {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
        } else if self.buffer.len() >= CHUNK_BYTES {
            self.hand_over()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where a producer writes.
pub(crate) struct Output(Form);

enum Form {
    Plain(Chunks),
    Gzip(GzEncoder<Chunks>),
}

impl Output {
    /// Ends work on the answer once its client has gone.
    pub(crate) fn stop(&self) -> Stop {
        let sender = match &self.0 {
            Form::Plain(chunks) => chunks.sender.clone(),
            Form::Gzip(encoder) => encoder.get_ref().sender.clone(),
        };
        Stop::when(move || sender.is_closed())
    }

    fn finish(self) -> io::Result<Chunks> {
        match self.0 {
            Form::Plain(chunks) => Ok(chunks),
            Form::Gzip(encoder) => encoder.finish(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Form::Plain(chunks) => chunks.write(bytes),
            Form::Gzip(encoder) => encoder.write(bytes),
        }
    }

    /// Does nothing: chunks are handed over when they are full, and at the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How an answer is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery {
    /// How the body is compressed.
    pub(crate) encoding: Encoding,
    /// Whether nothing is sent before the end is known.
    pub(crate) is_held: bool,
}

/// Runs `producer` on a blocking thread, under the limit on queries that run at once, and answers with what it
/// writes. The reply carries no header but those of its body and its end.
pub(crate) async fn produce<F>(context: &Arc<Context>, delivery: Delivery, producer: F) -> Result<Response, Problem>
where
    F: FnOnce(&mut Output) -> Result<Ending, Failure> + Send + 'static,
{
    let limits = context.limits;
    let permit = tokio::time::timeout(limits.queue_time, Arc::clone(&context.queries).acquire_owned()).await;
    let Ok(Ok(permit)) = permit else {
        return Err(Problem::unavailable(format!(
            "{} queries run already, as many as the recorder runs at once: try again soon",
            limits.queries
        )));
    };
    let (sender, mut receiver) = mpsc::channel(CHUNKS_QUEUED);
    let deadline_ms =
        context.clock.monotonic_ms().saturating_add(crate::model::time::duration_ms(limits.download_time));
    let chunks =
        Chunks { sender, buffer: Vec::new(), is_held: delivery.is_held, context: Arc::clone(context), deadline_ms };
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        run(chunks, delivery.encoding, producer);
    });
    match tokio::time::timeout(limits.answer_time, receiver.recv()).await {
        Err(_) => Err(Problem::unavailable(format!(
            "the answer took more than {} s: ask for a shorter range, a longer step, or fewer entities",
            limits.answer_time.as_secs()
        ))),
        // The producer ended without a word: it panicked, and the panic is in the log.
        Ok(None) => Err(Problem::internal()),
        Ok(Some(Err(problem))) => Err(problem),
        Ok(Some(Ok(Part::Last(bytes, ending)))) => Ok(whole(bytes, ending)),
        Ok(Some(Ok(Part::Chunk(first)))) => Ok(streamed(first, receiver)),
    }
}

fn run<F>(chunks: Chunks, encoding: Encoding, producer: F)
where
    F: FnOnce(&mut Output) -> Result<Ending, Failure>,
{
    let sender = chunks.sender.clone();
    let mut output = Output(match encoding {
        Encoding::Identity => Form::Plain(chunks),
        Encoding::Gzip => Form::Gzip(GzEncoder::new(chunks, Compression::fast())),
    });
    let ended = producer(&mut output).and_then(|ending| {
        let mut chunks = output.finish()?;
        let last = std::mem::take(&mut chunks.buffer).into();
        Ok(Part::Last(last, ending))
    });
    let message = match ended {
        Ok(last) => Ok(last),
        Err(Failure::Problem(problem)) => Err(problem),
        Err(Failure::Write(error)) => match error.kind() {
            io::ErrorKind::BrokenPipe => return,
            io::ErrorKind::TimedOut => {
                Err(Problem::unavailable("the download took too long: fetch it in parts by cursor or range"))
            }
            io::ErrorKind::OutOfMemory => {
                Err(Problem::parameter("limit", "limit: the page is too large: ask for less"))
            }
            _ => {
                tracing::error!(%error, "an answer could not be written");
                Err(Problem::internal())
            }
        },
    };
    // Nobody may be left to hear it.
    let _ = sender.blocking_send(message);
}

/// A reply whose body is known as a whole, so that its length is too.
fn whole(bytes: Bytes, ending: Ending) -> Response {
    let length = bytes.len();
    let mut response = Response::new(bytes.into());
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(link) = ending.link.and_then(|link| HeaderValue::try_from(link).ok()) {
        response.headers_mut().insert(warp::http::header::LINK, link);
    }
    response
}

/// A reply whose body goes on while it is sent.
fn streamed(first: Bytes, receiver: mpsc::Receiver<Message>) -> Response {
    let state = (Some(first), Some(receiver));
    let body = stream::unfold(state, |(first, receiver)| async move {
        let mut receiver = receiver?;
        if let Some(first) = first {
            return Some((Ok(first), (None, Some(receiver))));
        }
        match receiver.recv().await {
            Some(Ok(Part::Chunk(chunk))) => Some((Ok(chunk), (None, Some(receiver)))),
            Some(Ok(Part::Last(last, _))) => Some((Ok(last), (None, None))),
            Some(Err(problem)) => Some((Err(io::Error::other(problem.detail.into_string())), (None, None))),
            None => Some((Err(io::Error::other("the answer broke off")), (None, None))),
        }
    });
    warp::reply::stream(body).into_response()
}
