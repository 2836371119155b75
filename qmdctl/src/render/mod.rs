//! What the user sees. The only place that prints: results go to standard output, all else to
//! standard error. What is shown is put together as text first, by functions without effects.

mod bench;
mod board;
mod cleanup;
mod collections;
mod contexts;
mod daemon;
mod doctor;
mod document;
mod documents;
#[cfg(test)]
pub(crate) mod emulated;
mod escape;
mod eval;
mod explain;
mod followed;
mod highlight;
mod import;
mod jobs;
mod json;
mod link;
mod listing;
mod metadata;
mod modal;
mod models;
mod notice;
mod passage;
mod progress;
mod search;
mod service;
mod status;
mod table;
mod terminal;
mod text;
mod trust;
mod wrap;

use std::{
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    process::Stdio,
};

pub(crate) use self::{
    bench::{benched, benched_json},
    board::Board,
    cleanup::{cleaned, cleaned_json},
    collections::{collection, collection_json, collection_list, collection_list_json},
    contexts::{contexts, contexts_json, place},
    daemon::{daemon_status, daemon_status_json},
    doctor::{checks, checks_json},
    document::{document, document_json, document_md, document_xml, file_heading},
    documents::Documents,
    eval::{compared, compared_json, evaluated, evaluated_json},
    followed::{watch_event, watch_event_json},
    import::{imported, imported_json},
    jobs::{embedded, skipped, updated},
    listing::{documents, documents_json, skipped_files, skipped_files_json},
    modal::{
        deployed, deployed_json, destroyed, destroyed_json, log_line_json, modal_status,
        modal_status_json, region, region_json, region_line, trials, trials_json,
    },
    models::{model_list, model_list_json},
    notice::Notice,
    progress::{Progress, Step},
    search::{Answer, Look, hits, status as search_status, timing},
    service::{
        service_later, service_plan, service_status, service_status_json, service_step_done,
    },
    status::{model_states, model_states_json, status, status_json},
    terminal::{Size, Terminal},
    text::{clean, count, size},
    trust::{trust, trust_json, trust_parts, trust_state, trusted, trusted_json},
};
use crate::{
    cli::{Cli, Format},
    error::{Error, Failure, Result},
};

/// Where output goes and how much of it there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    format: Format,
    quiet: bool,
    verbose: bool,
}

impl Screen {
    /// As the command line has it.
    pub(crate) fn new(cli: &Cli) -> Self {
        Self {
            format: cli.format(),
            quiet: cli.global.quiet,
            verbose: cli.global.verbose,
        }
    }

    /// The format wanted.
    pub(crate) fn format(self) -> Format {
        self.format
    }

    /// Whether only results and errors are wanted.
    pub(crate) fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Whether details are wanted.
    pub(crate) fn is_verbose(self) -> bool {
        self.verbose
    }

    /// Whether a person reads the results.
    pub(crate) fn is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    /// Prints a result. Colours are left out where they would not be understood.
    pub(crate) fn print(text: &str) -> Result<()> {
        let mut out = anstream::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|error| unwritten(&error))
    }

    /// Prints a result as it is, byte by byte.
    pub(crate) fn print_raw(bytes: &[u8]) -> Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)
            .and_then(|()| out.flush())
            .map_err(|error| unwritten(&error))
    }

    /// Prints what a program reads: byte by byte, but for a terminal without what that would obey.
    pub(crate) fn print_data(text: &str) -> Result<()> {
        if Self::is_terminal() {
            Self::print_raw(clean(text).as_bytes())
        } else {
            Self::print_raw(text.as_bytes())
        }
    }

    /// Prints what a command has done, unless quiet.
    pub(crate) fn done(self, text: &str) -> Result<()> {
        if self.quiet {
            Ok(())
        } else {
            Self::print(&format!("{text}\n"))
        }
    }

    /// Tells something by the way, unless quiet.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            tell(&format!("{text}\n"));
        }
    }

    /// Asks the person at the terminal, who answers on the same line.
    pub(crate) fn ask(question: &str) {
        tell(question);
    }

    /// Tells a detail, when details are wanted.
    pub(crate) fn detail(self, text: &str) {
        if self.verbose {
            tell(&format!("{text}\n"));
        }
    }

    /// Where a program that is run on the user's behalf says what it does: where notes go.
    pub(crate) fn beside(self) -> io::Result<Stdio> {
        if self.quiet {
            return Ok(Stdio::null());
        }
        Ok(io::stderr().as_fd().try_clone_to_owned()?.into())
    }

    /// Warns.
    pub(crate) fn warn(warning: &Notice) {
        tell(&warning.warning());
    }

    /// Tells why the command failed.
    pub(crate) fn error(self, failure: &Failure) {
        tell(&match self.format {
            Format::Cli => notice::error(failure),
            Format::Json => notice::error_json(failure),
        });
    }

    /// Shows how a long job goes on.
    pub(crate) fn progress(self) -> Progress {
        Progress::new(self.quiet, io::stderr().is_terminal())
    }
}

/// Nobody can be told when even this fails.
fn tell(text: &str) {
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// What a failure to write a result comes to.
pub(crate) fn unwritten(error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Error::BrokenPipe;
    }
    Failure::of_path(
        "standard output".as_ref(),
        error,
        qmd_proto::Reason::FileUnreadable,
    )
    .into()
}
