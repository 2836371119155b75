//! The arguments of each command.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::help;

/// How output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Cli,
    /// For programs.
    Json,
}

/// The choice of format.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct FormatArgs {
    /// Write the output as cli or json
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "cli",
        hide_possible_values = true
    )]
    format: Format,
    /// Short for `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl FormatArgs {
    /// The format chosen.
    pub(crate) fn format(self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// `collection`.
#[derive(Debug, Subcommand)]
pub(crate) enum CollectionCommand {
    /// Add a folder
    #[command(after_help = help::COLLECTION_ADD)]
    Add(AddArgs),
    /// List the collections
    #[command(after_help = help::COLLECTION_LIST)]
    List(FormatArgs),
    /// Remove a collection from the index; its files stay
    #[command(visible_alias = "rm", after_help = help::COLLECTION_REMOVE)]
    Remove(CollectionArgs),
    /// Give a collection another name; its vectors stay
    #[command(visible_alias = "mv", after_help = help::COLLECTION_RENAME)]
    Rename(RenameArgs),
    /// Show all that is known of a collection
    #[command(visible_alias = "info", after_help = help::COLLECTION_SHOW)]
    Show(ShowArgs),
    /// Search a collection whenever none is named
    #[command(after_help = help::COLLECTION_INCLUDE)]
    Include(CollectionArgs),
    /// Search a collection only when it is named
    #[command(after_help = help::COLLECTION_EXCLUDE)]
    Exclude(CollectionArgs),
}

/// `collection add`.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The folder
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// The collection's name [default: the folder's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Which files it takes [default: **/*.md]
    #[arg(long, visible_alias = "glob", value_name = "PATTERN")]
    pub(crate) mask: Option<String>,
}

/// `collection remove`, `include` and `exclude`.
#[derive(Debug, Args)]
pub(crate) struct CollectionArgs {
    /// The collection
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// `collection rename`.
#[derive(Debug, Args)]
pub(crate) struct RenameArgs {
    /// The collection
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Its new name
    #[arg(value_name = "NEW")]
    pub(crate) new_name: String,
}

/// `collection show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The collection
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// `context`.
#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// Describe a folder, a document, a collection, or the whole index
    #[command(after_help = help::CONTEXT_ADD)]
    Add(ContextAddArgs),
    /// List the descriptions
    #[command(after_help = help::CONTEXT_LIST)]
    List(FormatArgs),
    /// Take a description away
    #[command(visible_alias = "rm", after_help = help::CONTEXT_REMOVE)]
    Remove(PlaceArgs),
}

/// `context add`.
#[derive(Debug, Args)]
pub(crate) struct ContextAddArgs {
    /// The place, and what it is: without a PLACE, this folder
    #[arg(value_names = ["PLACE", "TEXT"], num_args = 1..=2, required = true)]
    words: Vec<String>,
}

impl ContextAddArgs {
    /// The place and the text.
    pub(crate) fn parts(&self) -> (&str, &str) {
        match self.words.as_slice() {
            [place, text, ..] => (place, text),
            [text] => (".", text),
            [] => (".", ""),
        }
    }
}

/// `context remove`.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// `/` for the whole index, qmd://COLLECTION/PATH, or a file or folder
    #[arg(value_name = "PLACE")]
    pub(crate) place: String,
}

/// `update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// First run `git pull --ff-only` in each collection that lies in a git repository
    #[arg(long)]
    pub(crate) pull: bool,
    /// Only the collection NAME; may be repeated
    #[arg(short = 'c', long = "collection", value_name = "NAME")]
    pub(crate) collections: Vec<String>,
    /// Read every file, changed or not, and believe an empty folder on another disk
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// `watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Only the collection NAME; may be repeated
    #[arg(short = 'c', long = "collection", value_name = "NAME")]
    pub(crate) collections: Vec<String>,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// `embed`.
#[derive(Debug, Args)]
pub(crate) struct EmbedArgs {
    /// Drop the vectors there are and begin again
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Where to cut the code that this run embeds
    #[arg(long, value_enum, value_name = "STRATEGY", default_value_t)]
    pub(crate) chunk_strategy: Strategy,
    /// Only the collection NAME; may be repeated
    #[arg(short = 'c', long = "collection", value_name = "NAME")]
    pub(crate) collections: Vec<String>,
}

/// `import-qmd`.
#[derive(Debug, Args)]
pub(crate) struct ImportQmdArgs {
    /// QMD's database [default: the one QMD has for this index]
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// Where code is cut.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Strategy {
    /// Between items and statements, where the grammar of the language is known
    #[default]
    Auto,
    /// At blank lines, as other text
    Regex,
}

/// `cleanup`.
#[derive(Debug, Args)]
pub(crate) struct CleanupArgs {
    /// Tell what would go, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Leave out what takes its time: reading the whole index, and the measurement
    #[arg(long, conflicts_with = "repair")]
    pub(crate) quick: bool,
    /// Build a damaged index anew from the files, and keep the vectors that are whole
    #[arg(long)]
    pub(crate) repair: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// `daemon`.
#[derive(Debug, Subcommand)]
pub(crate) enum DaemonCommand {
    /// Start the daemon, unless it runs
    #[command(after_help = help::DAEMON_START)]
    Start,
    /// Let it finish what is under way, then end it
    #[command(after_help = help::DAEMON_STOP)]
    Stop,
    /// Stop it, then start it
    #[command(after_help = help::DAEMON_RESTART)]
    Restart,
    /// Show the running daemon; fails when none runs
    #[command(after_help = help::DAEMON_STATUS)]
    Status(FormatArgs),
    /// Print its log
    #[command(after_help = help::DAEMON_LOGS)]
    Logs(LogsArgs),
}

/// `daemon logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Go on printing what is added
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Begin with the last LINES lines
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 100)]
    pub(crate) lines: usize,
}
