//! The arguments of `init` and `trust`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Format, FormatArgs, help};

/// `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The folder
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
}

/// `trust`.
#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<TrustVerb>,
}

/// What to do about trust, other than to give it.
#[derive(Debug, Subcommand)]
pub(crate) enum TrustVerb {
    /// Show what needs trust, and whether it has it
    #[command(after_help = help::TRUST_SHOW)]
    Show(FormatArgs),
    /// List every configuration that is trusted
    #[command(after_help = help::TRUST_LIST)]
    List(FormatArgs),
    /// Trust this project no more
    #[command(after_help = help::TRUST_REVOKE)]
    Revoke,
}

impl TrustVerb {
    /// The format its output is wanted in.
    pub(crate) fn format(&self) -> Format {
        match self {
            Self::Show(format) | Self::List(format) => format.format(),
            Self::Revoke => Format::Cli,
        }
    }
}
