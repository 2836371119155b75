//! The daemon's executable: `qmdd serve`.

use std::{io::Write, process::ExitCode};

use clap::{Parser, Subcommand};
use qmdd::{
    config::Settings,
    daemon::{self, DaemonError},
    domain::Failure,
};

/// Keeps search models warm and an index of your documents fresh, and answers qmdctl, editors and
/// agents over a Unix socket.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until told to end (SIGTERM). `qmdctl` starts it by itself when it is needed
    Serve,
    /// Hold one model for the daemon, which starts this by itself
    #[cfg(feature = "llama")]
    #[command(hide = true)]
    Worker,
    /// Parse code for the daemon, which starts this by itself
    #[command(hide = true)]
    Parse,
    /// Turn HTML and PDF into text for the daemon, which starts this by itself
    #[command(hide = true)]
    Extract,
    /// Run llama.cpp's plain loop over a job given as JSON on standard input: the limit that
    /// benches measure the engine against
    #[cfg(feature = "llama")]
    #[command(hide = true)]
    Bare,
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve => match serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        Command::Parse => ended(qmdd::ingest::run_grammars()),
        Command::Extract => ended(qmdd::ingest::run_extractor()),
        #[cfg(feature = "llama")]
        Command::Worker => ended(qmdd::infer::llama::run_worker()),
        #[cfg(feature = "llama")]
        Command::Bare => ended(qmdd::infer::llama::run_bare()),
    }
}

fn ended<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), DaemonError> {
    let settings = Settings::from_process()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| DaemonError::Serve(error.to_string()))?;
    let result = runtime.block_on(daemon::run(settings));
    // A blocking task that hangs must not keep a drained daemon alive.
    runtime.shutdown_background();
    result
}

/// Tells on standard error what qmdctl shows to who started it.
fn fail(error: &DaemonError) -> ExitCode {
    let reason = error.reason();
    let mut stderr = std::io::stderr();
    let _ = writeln!(stderr, "error: {error} ({reason})");
    if let Some(hint) = error.hint() {
        let _ = writeln!(stderr, "hint: {hint}");
    }
    ExitCode::from(reason.exit_code())
}
