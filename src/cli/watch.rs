//! Long work at a terminal: a bar that says how far it is, and an end between two steps when it is told to stop.
//!
//! Must not know: what is being done.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use super::{CliError, FAILURE};
use crate::store::Progress;

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(200);

/// Looks after one long work.
pub(super) struct Watch {
    bar: ProgressBar,
    step: &'static str,
    has_whole: bool,
    is_stopped: Arc<AtomicBool>,
}

impl Watch {
    /// Begins to listen for SIGINT and SIGTERM: the first stops the work at its next step, the second the process.
    pub(super) fn start() -> Result<Watch, CliError> {
        let is_stopped = Arc::new(AtomicBool::new(false));
        listen(Arc::clone(&is_stopped)).map_err(|cause| CliError::System { operation: "listen for signals", cause })?;
        let bar = ProgressBar::new_spinner();
        if !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Ok(Watch { bar, step: "", has_whole: false, is_stopped })
    }

    /// Shows how far the work is, and says whether it is to go on.
    pub(super) fn on(&mut self, progress: Progress) -> ControlFlow<()> {
        let has_whole = progress.whole > 0;
        if progress.step != self.step || has_whole != self.has_whole {
            self.step = progress.step;
            self.has_whole = has_whole;
            self.begin();
        }
        self.bar.set_length(progress.whole);
        self.bar.set_position(progress.done);
        if self.is_stopped.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn begin(&self) {
        let template = if self.has_whole {
            "{spinner} {msg} {wide_bar} {percent} %, {eta} left"
        } else {
            "{spinner} {msg} {human_pos}, {elapsed}"
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        self.bar.set_style(style);
        self.bar.set_message(self.step);
        self.bar.reset();
        if !self.bar.is_hidden() {
            self.bar.enable_steady_tick(TICK);
        }
    }

    /// Tells something while the bar stands.
    pub(super) fn tell(&self, line: &str) {
        self.bar.suspend(|| {
            use io::Write as _;
            // Nowhere is left to tell that this failed.
            let _ = writeln!(io::stderr().lock(), "tachograph: {line}");
        });
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn listen(is_stopped: Arc<AtomicBool>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    drop(guard);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if is_stopped.swap(true, Ordering::Relaxed) {
                    std::process::exit(i32::from(FAILURE));
                }
            }
        });
    })?;
    Ok(())
}
