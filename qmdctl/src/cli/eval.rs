//! The arguments of `eval` and `bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use qmdctl::eval::{metrics::Measure, report::Mode};

use super::{Format, FormatArgs, help};

/// `eval`.
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<EvalVerb>,
    /// The judged collection: a folder, or a fixture of QMD
    #[arg(value_name = "DIR", required = true)]
    pub(crate) source: Option<PathBuf>,
    /// Measure MODE: lexical, vector, hybrid or full; may be repeated [default: what the models allow]
    #[arg(long = "mode", value_name = "MODE")]
    pub(crate) modes: Vec<Mode>,
    /// The judgements of BEIR to use: qrels/NAME.tsv
    #[arg(long, value_name = "NAME", default_value = "test")]
    pub(crate) split: String,
    /// Count every grade above 0 as 1
    #[arg(long)]
    pub(crate) binary: bool,
    /// Write the rankings of each mode into DIR, as a run of TREC
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    /// Of a fixture: ask the collection NAME [default: the fixture's]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// Draw the intervals' samples from the seed N
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Remove the index that was made for it afterwards
    #[arg(long)]
    pub(crate) clean: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// What else `eval` does.
#[derive(Debug, Subcommand)]
pub(crate) enum EvalVerb {
    /// Tell whether one run is better than another, or by chance
    #[command(after_help = help::EVAL_COMPARE)]
    Compare(CompareArgs),
}

/// `eval compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// A run, as `--run` writes it
    #[arg(value_name = "A.run")]
    pub(crate) a: PathBuf,
    /// Another run of the same queries
    #[arg(value_name = "B.run")]
    pub(crate) b: PathBuf,
    /// The judgements: query, document and grade in each line
    #[arg(long, value_name = "FILE")]
    pub(crate) qrels: PathBuf,
    /// Show the queries by MEASURE: ndcg10, mrr or recall100
    #[arg(long, value_name = "MEASURE", default_value = "ndcg10")]
    pub(crate) by: Measure,
    /// Show every query, not only those that differ most
    #[arg(long)]
    pub(crate) all: bool,
    /// Count every grade above 0 as 1
    #[arg(long)]
    pub(crate) binary: bool,
    /// Draw samples and signs from the seed N
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

impl EvalArgs {
    /// The format its output is wanted in.
    pub(crate) fn format(&self) -> Format {
        match &self.verb {
            Some(EvalVerb::Compare(args)) => args.format.format(),
            None => self.format.format(),
        }
    }
}

/// `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// A fixture of QMD: queries with the files that they should find
    #[arg(value_name = "FIXTURE.json")]
    pub(crate) fixture: PathBuf,
    /// Ask the collection NAME [default: the fixture's, else all]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}
