//! `check-config`: every fault of the configuration, or a summary of what it asks for.
//!
//! Changes nothing, polls nothing.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::CliError;
use super::table::Table;
use crate::app::load_config_with_kept_name;
use crate::app::targets::{Planned, Planner};
use crate::clock::Clock;
use crate::config::Config;
use crate::query::cell::Cell;
use crate::query::request::Zone;
use crate::source::recorder::{Settings, Vitals};

pub(super) fn run(path: Option<&Path>) -> Result<(), CliError> {
    let (config, machine_name) = load_config_with_kept_name(path).map_err(CliError::Config)?;
    let mut out = io::stdout().lock();
    let source = path.map_or_else(|| "the built-in default".to_owned(), |path| path.display().to_string());
    writeln!(out, "{source}: no faults")?;
    config.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))?;
    writeln!(out)?;
    summary(&config, &mut out)?;
    writeln!(out)?;
    targets(&planned(&config, machine_name), &mut out)
}

/// The targets of a configuration, on this machine, now.
pub(super) fn planned(config: &Config, machine_name: String) -> Vec<Planned> {
    let clock = Clock::System;
    let vitals = Arc::new(Vitals::new(clock.now()));
    Planner::new(clock, Settings { host: machine_name }, vitals).plan(config)
}

fn summary(config: &Config, out: &mut impl Write) -> Result<(), CliError> {
    let server = &config.server;
    let token = if server.token.is_some() { "token" } else { "no token" };
    let tls = if server.tls.is_some() { "TLS" } else { "no TLS" };
    writeln!(out, "listens on  {} ({token}, {tls})", server.listen)?;
    writeln!(out, "keeps in    {}", config.store_path.display())?;
    let (samples, events) = (in_days(config.retention.samples), in_days(config.retention.events));
    writeln!(out, "for         samples {samples}, events {events}")?;
    Ok(())
}

fn in_days(age: Duration) -> String {
    match age.as_secs() {
        seconds if seconds.is_multiple_of(86_400) => format!("{} d", seconds / 86_400),
        seconds if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        seconds => format!("{seconds} s"),
    }
}

fn targets(planned: &[Planned], out: &mut impl Write) -> Result<(), CliError> {
    let mut table = Table::new(out, Zone::Utc, ["target", "address", "every", "timeout", "kinds", "problem"]);
    for Planned { target, kinds } in planned {
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
        let problem = (target.build)().err();
        table.row([
            Cell::Text(target.name.as_str()),
            Cell::Text(&target.address),
            Cell::Text(&format!("{:?}", target.interval)),
            Cell::Text(&format!("{:?}", target.timeout)),
            Cell::Text(&kinds.join(" ")),
            problem.as_deref().map_or(Cell::Null, Cell::Text),
        ])?;
    }
    Ok(table.finish()?)
}
