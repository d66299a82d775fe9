//! The program: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use tachograph::cli;

fn main() -> ExitCode {
    match cli::run(&cli::Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.exit_code() {
            None => ExitCode::SUCCESS,
            Some(code) => {
                error.print();
                ExitCode::from(code)
            }
        },
    }
}
