//! `qmdctl`: asks the daemon and shows what it says.

mod cli;
mod client;
mod commands;
mod error;
mod render;

use std::process::ExitCode;

use crate::{
    cli::Cli,
    error::{Error, Failure, Result},
    render::Screen,
};

/// How a shell reports a program ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = cli::parse();
    let screen = Screen::new(&cli);
    match run(cli, screen) {
        Ok(()) | Err(Error::BrokenPipe) => ExitCode::SUCCESS,
        Err(Error::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(Error::Failed(failure)) => {
            screen.error(&failure);
            ExitCode::from(failure.exit_code)
        }
    }
}

fn run(cli: Cli, screen: Screen) -> Result<()> {
    // One thread: its start is a good part of what a search takes.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::internal(format!("no async runtime: {error}")))?;
    runtime.block_on(async {
        tokio::select! {
            result = commands::run(cli, screen) => result,
            // Dropping the command cancels its request and removes its temporary files.
            Ok(()) = tokio::signal::ctrl_c() => Err(Error::Interrupted),
        }
    })
}
