//! The log: text or JSON, to standard error; panics become lines of it.
//!
//! Must not know: what is logged.

use std::io::{self, IsTerminal};

use tracing::error;
use tracing_subscriber::EnvFilter;

use super::CliError;
use crate::config::{Log, LogFormat};

/// Overrides `log.level` of the configuration for one run: a level, or levels by module.
const VARIABLE: &str = "TACHOGRAPH_LOG";

/// Starts the log.
pub(super) fn start(log: Log) -> Result<(), CliError> {
    let filter = match std::env::var(VARIABLE) {
        Ok(directives) if !directives.is_empty() => {
            EnvFilter::try_new(directives).map_err(|error| CliError::Log { message: error.to_string() })?
        }
        _ => EnvFilter::new(log.level.name()),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // A second start, in tests, keeps the first one's settings.
    let _ = match log.format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        error!(place, "panic: {text}");
    }));
    Ok(())
}
