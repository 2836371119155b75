//! The arguments of the commands that show documents: `get`, `multi-get` and `ls`.

use clap::{Args, ValueEnum};

use super::{Format, FormatArgs};

/// How `get` writes a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentFormat {
    /// For people.
    Cli,
    /// One object.
    Json,
    /// A heading, and the text in a fence.
    Md,
    /// One element.
    Xml,
}

/// How `multi-get` writes documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentsFormat {
    /// For people.
    Cli,
    /// One array.
    Json,
    /// An object in each line.
    Jsonl,
    /// A table.
    Csv,
    /// A section for each document.
    Md,
    /// An element for each document.
    Xml,
    /// A line for each document, without its text.
    Files,
}

/// `get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// qmd://COLLECTION/PATH, '#DOCID', a file, or the end of a path; with :LINE or :LINE:COUNT
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,
    /// Start at line N
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) from: Option<u32>,
    /// Print at most N lines
    #[arg(short = 'l', long, value_name = "N")]
    pub(crate) lines: Option<u32>,
    /// Print the text alone
    #[arg(long)]
    pub(crate) no_line_numbers: bool,
    /// Name the file on disk in place of the address
    #[arg(long)]
    pub(crate) full_path: bool,
    /// Write the output as cli, json, md or xml
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "cli",
        hide_possible_values = true
    )]
    format: DocumentFormat,
    #[command(flatten)]
    short: ShortFormat,
}

impl GetArgs {
    /// The format of the document.
    pub(crate) fn document_format(&self) -> DocumentFormat {
        match self.short {
            ShortFormat { json: true, .. } => DocumentFormat::Json,
            ShortFormat { md: true, .. } => DocumentFormat::Md,
            ShortFormat { xml: true, .. } => DocumentFormat::Xml,
            ShortFormat { .. } => self.format,
        }
    }

    /// The format of errors.
    pub(crate) fn format(&self) -> Format {
        match self.document_format() {
            DocumentFormat::Json => Format::Json,
            DocumentFormat::Cli | DocumentFormat::Md | DocumentFormat::Xml => Format::Cli,
        }
    }
}

/// QMD's own flags for formats.
#[derive(Debug, Args)]
struct ShortFormat {
    /// Short for `--format json`
    #[arg(long, group = "short-format", conflicts_with = "format")]
    json: bool,
    /// Short for `--format md`
    #[arg(long, group = "short-format", conflicts_with = "format", hide = true)]
    md: bool,
    /// Short for `--format xml`
    #[arg(long, group = "short-format", conflicts_with = "format", hide = true)]
    xml: bool,
}

/// `multi-get`.
#[derive(Debug, Args)]
pub(crate) struct MultiGetArgs {
    /// Globs over COLLECTION/PATH or PATH, addresses as in `get`, or lists of them, parted by commas
    #[arg(required = true, value_name = "PATTERN")]
    pub(crate) patterns: Vec<String>,
    /// Print at most N lines of each document
    #[arg(short = 'l', long, value_name = "N")]
    pub(crate) lines: Option<u32>,
    /// Skip documents of more than BYTES bytes; 0 for no limit
    #[arg(long, value_name = "BYTES", default_value_t = 65_536)]
    pub(crate) max_bytes: u64,
    /// Print no line numbers
    #[arg(long)]
    pub(crate) no_line_numbers: bool,
    /// Name files on disk in place of addresses
    #[arg(long)]
    pub(crate) full_path: bool,
    /// Write the output as cli, json, jsonl, csv, md, xml or files
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "cli",
        hide_possible_values = true
    )]
    format: DocumentsFormat,
    #[command(flatten)]
    short: ShortFormat,
    /// Short for `--format csv`
    #[arg(long, group = "short-format", conflicts_with = "format", hide = true)]
    csv: bool,
    /// Short for `--format files`
    #[arg(long, group = "short-format", conflicts_with = "format", hide = true)]
    files: bool,
}

impl MultiGetArgs {
    /// The format of the documents.
    pub(crate) fn documents_format(&self) -> DocumentsFormat {
        match (&self.short, self.csv, self.files) {
            (_, true, _) => DocumentsFormat::Csv,
            (_, _, true) => DocumentsFormat::Files,
            (ShortFormat { json: true, .. }, ..) => DocumentsFormat::Json,
            (ShortFormat { md: true, .. }, ..) => DocumentsFormat::Md,
            (ShortFormat { xml: true, .. }, ..) => DocumentsFormat::Xml,
            _ => self.format,
        }
    }

    /// The format of errors.
    pub(crate) fn format(&self) -> Format {
        match self.documents_format() {
            DocumentsFormat::Json | DocumentsFormat::Jsonl => Format::Json,
            _ => Format::Cli,
        }
    }
}

/// `ls`.
#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// A collection, a folder of it as COLLECTION/PATH, or a glob; without it, the collections
    #[arg(value_name = "PLACE")]
    pub(crate) place: Option<String>,
    /// Only documents whose front matter passes FILTER, as in 'status = draft'; may be repeated
    #[arg(long = "filter", value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    /// List the files that are not indexed, and why
    #[arg(long, conflicts_with_all = ["filters", "full_path"])]
    pub(crate) skipped: bool,
    /// Name files on disk in place of addresses
    #[arg(long)]
    pub(crate) full_path: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}
