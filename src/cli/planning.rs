//! `capacity [name=value …]` and `headroom [name=value …]`: when something will be full and what still fits, straight
//! from the file.
//!
//! Must not know: how that is found.

use std::path::Path;

use super::CliError;
use super::instants::Arguments;
use super::output::{Format, write_to};
use super::recording::open_store;
use super::table::Table;
use crate::answer::{self, Stop};
use crate::clock::Clock;
use crate::query::cell::Cell;
use crate::query::request::{CapacityRequest, HeadroomRequest};
use crate::render::planning as print;
use crate::render::rows::Form;
use crate::source::KINDS;

/// When things will be full.
pub(super) fn capacity(config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let request = CapacityRequest::parse(KINDS, &arguments.parameters, Clock::System.now())?;
    let store = open_store(config, arguments.store.as_deref())?;
    let outlooks = answer::capacity(&store, &request, &Stop::never())?;
    write_to(arguments.output.as_deref(), |out| match arguments.format {
        Format::Json => Ok(print::capacity_json(out, &request, &outlooks)?),
        Format::Csv => Ok(print::capacity_rows(out, Form::Csv, &request, &outlooks)?),
        Format::Table => {
            let mut table = Table::new(out, request.zone, print::OUTLOOK_NAMES);
            let mut row = |cells: &[Cell<'_>]| table.row(cells.iter().cloned());
            print::each_outlook(&request, &outlooks, &mut row)?;
            Ok(table.finish()?)
        }
    })
}

/// What still fits.
pub(super) fn headroom(config: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let request = HeadroomRequest::parse(KINDS, &arguments.parameters, Clock::System.now())?;
    let store = open_store(config, arguments.store.as_deref())?;
    let found = answer::headroom(&store, &request, &Stop::never())?;
    write_to(arguments.output.as_deref(), |out| match arguments.format {
        Format::Json => Ok(print::headroom_json(out, &request, &found)?),
        Format::Csv => Ok(print::headroom_rows(out, Form::Csv, &request, &found)?),
        Format::Table => {
            let mut table = Table::new(out, request.zone, print::ROOM_NAMES);
            let mut row = |cells: &[Cell<'_>]| table.row(cells.iter().cloned());
            print::each_room(&found, &mut row)?;
            Ok(table.finish()?)
        }
    })
}
