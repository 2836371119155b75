//! The arguments of `query`, `search` and `vsearch`.

use clap::{Args, ValueEnum};

use super::args::{Format, Strategy};

/// Heading of the options that change what is shown, not what is found.
const OUTPUT: &str = "Output";
/// What `--all` means.
const ALL: u32 = 100_000;
/// Longest `--budget`, in milliseconds.
const MAX_BUDGET: f64 = 3_600_000.0;

/// How hits are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SearchFormat {
    /// For people.
    Cli,
    /// An array of objects.
    Json,
    /// An object a line.
    Jsonl,
    /// A table with a heading.
    Csv,
    /// For people and language models.
    Md,
    /// One document, an element a hit.
    Xml,
    /// A line a hit, without passages.
    Files,
    /// A run, for tools that judge rankings.
    Trec,
}

impl SearchFormat {
    /// Every format, in the order of the help.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 8] = [
        Self::Cli,
        Self::Json,
        Self::Jsonl,
        Self::Csv,
        Self::Md,
        Self::Xml,
        Self::Files,
        Self::Trec,
    ];

    /// Hits asked for unless `-n` says otherwise: QMD's numbers, and for runs the depth that is usual.
    fn limit(self) -> u32 {
        match self {
            Self::Cli | Self::Csv | Self::Md | Self::Xml => 5,
            Self::Json | Self::Jsonl | Self::Files => 20,
            Self::Trec => 1000,
        }
    }

    /// The format that errors are wanted in.
    pub(crate) fn of_errors(self) -> Format {
        match self {
            Self::Json | Self::Jsonl => Format::Json,
            _ => Format::Cli,
        }
    }

    /// Whether it has a place for where scores come from.
    pub(crate) fn explains(self) -> bool {
        matches!(self, Self::Cli | Self::Json | Self::Jsonl)
    }
}

/// The choice of format, in one way.
#[derive(Debug, Clone, Copy, Args)]
#[group(id = "hits_format", multiple = false)]
struct SearchFormatArgs {
    /// Write hits as cli, json, jsonl, csv, md, xml, files or trec; --json is short for
    /// `--format json`, and so are --csv, --md, --xml and --files
    #[arg(long, value_name = "FORMAT", hide_possible_values = true, help_heading = OUTPUT)]
    format: Option<SearchFormat>,
    #[arg(long, hide = true)]
    json: bool,
    #[arg(long, hide = true)]
    csv: bool,
    #[arg(long, hide = true)]
    md: bool,
    #[arg(long, hide = true)]
    xml: bool,
    #[arg(long, hide = true)]
    files: bool,
}

/// `query`, `search` and `vsearch`.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// What to look for; several words are one query, and - reads it from standard input
    #[arg(required = true, value_name = "QUERY")]
    words: Vec<String>,
    /// Show at most N hits [default: 5; 20 as json, jsonl and files, 1000 as trec]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Show every hit
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Search the collection NAME alone; may be repeated
    #[arg(short = 'c', long = "collection", value_name = "NAME")]
    pub(crate) collections: Vec<String>,
    /// Only documents whose front matter passes FILTER, as in 'status = draft'; may be repeated
    #[arg(long = "filter", value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    /// Drop hits that score below S, between 0 and 1
    #[arg(long, value_name = "S", value_parser = score)]
    pub(crate) min_score: Option<f64>,
    /// What the search is for, to tell apart what the words mean
    #[arg(long, value_name = "TEXT")]
    pub(crate) intent: Option<String>,
    /// Also search what the generator makes of the query, whatever the profile says
    #[arg(long, conflicts_with = "no_expand")]
    expand: bool,
    /// Search the query as it is
    #[arg(long)]
    no_expand: bool,
    /// Rerank the best candidates, whatever the profile says
    #[arg(long, conflicts_with = "no_rerank")]
    rerank: bool,
    /// Leave the ranking to the retrieval
    #[arg(long)]
    no_rerank: bool,
    /// Rerank at most N candidates [default: 40]
    #[arg(short = 'C', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    candidate_limit: Option<u32>,
    /// Answer within TIME, such as 200ms or 1.5s, with what is done by then
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    budget: Option<u32>,
    /// Fail when part of the search could not run
    #[arg(long)]
    pub(crate) strict: bool,
    /// Show whole documents instead of passages
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) full: bool,
    /// Begin each line of a passage with its number
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) line_numbers: bool,
    /// Name files by their path on disk instead of address and docid
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) full_path: bool,
    /// Show where each score comes from, and what took how long; as cli, json and jsonl
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) explain: bool,
    /// The query's id in a trec run
    #[arg(long, value_name = "ID", default_value = "1", value_parser = word, help_heading = OUTPUT)]
    pub(crate) trec_id: String,
    #[command(flatten)]
    format: SearchFormatArgs,
    // Taken for QMD's sake; what they come to here is told when they are used.
    #[arg(long, hide = true)]
    pub(crate) no_gpu: bool,
    #[arg(long, value_enum, value_name = "STRATEGY", hide = true)]
    pub(crate) chunk_strategy: Option<Strategy>,
}

impl SearchArgs {
    /// The query text; `None` when it is on standard input.
    pub(crate) fn query(&self) -> Option<String> {
        (self.words != ["-"]).then(|| self.words.join(" "))
    }

    /// The format chosen.
    pub(crate) fn format(&self) -> SearchFormat {
        let chosen = &self.format;
        match chosen {
            SearchFormatArgs { json: true, .. } => SearchFormat::Json,
            SearchFormatArgs { csv: true, .. } => SearchFormat::Csv,
            SearchFormatArgs { md: true, .. } => SearchFormat::Md,
            SearchFormatArgs { xml: true, .. } => SearchFormat::Xml,
            SearchFormatArgs { files: true, .. } => SearchFormat::Files,
            _ => chosen.format.unwrap_or(SearchFormat::Cli),
        }
    }

    /// How many hits to ask for.
    pub(crate) fn limit(&self) -> u32 {
        if self.all {
            ALL
        } else {
            self.limit.unwrap_or_else(|| self.format().limit())
        }
    }

    /// Whether to expand the query; `None` leaves it to the profile.
    pub(crate) fn expand(&self) -> Option<bool> {
        choice(self.expand, self.no_expand)
    }

    /// Whether to rerank; `None` leaves it to the profile.
    pub(crate) fn rerank(&self) -> Option<bool> {
        choice(self.rerank, self.no_rerank)
    }

    /// How many candidates may be reranked; 0 is the daemon's own number.
    pub(crate) fn candidate_limit(&self) -> u32 {
        self.candidate_limit.unwrap_or(0)
    }

    /// How long the search may take, in milliseconds; 0 is as long as it needs.
    pub(crate) fn budget_ms(&self) -> u32 {
        self.budget.unwrap_or(0)
    }
}

fn choice(yes: bool, no: bool) -> Option<bool> {
    (yes || no).then_some(yes)
}

fn score(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(score) if (0.0..=1.0).contains(&score) => Ok(score),
        _ => Err("expected a number between 0 and 1".to_owned()),
    }
}

/// A time with its unit; a number alone is milliseconds, as in the API.
fn milliseconds(text: &str) -> Result<u32, String> {
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "" | "ms" => Some(1.0),
        "s" => Some(1e3),
        "m" | "min" => Some(6e4),
        _ => None,
    };
    let span = number
        .trim_end()
        .parse::<f64>()
        .ok()
        .zip(scale)
        .map(|(number, scale)| number * scale);
    match span {
        Some(span) if (1.0..=MAX_BUDGET).contains(&span) => Ok(span.round() as u32),
        Some(_) => Err("expected a time between 1ms and 60m".to_owned()),
        None => Err("expected a time such as 200ms, 1.5s or 2m".to_owned()),
    }
}

/// A text that stands in a column of its own.
fn word(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("expected a word without spaces".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, expected) in [
            ("200ms", 200),
            ("200", 200),
            ("1s", 1_000),
            ("1.5s", 1_500),
            (".5 s", 500),
            ("2m", 120_000),
            ("60min", 3_600_000),
        ] {
            assert_eq!(milliseconds(text), Ok(expected), "{text}");
        }
        for text in [
            "", "s", "0", "0.2ms", "-1s", "61m", "1h", "1 s s", "nan", "inf", "1e3",
        ] {
            assert!(milliseconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn scores_and_ids_are_checked() {
        assert_eq!(score("0.25"), Ok(0.25));
        assert!(
            ["1.5", "-0.1", "nan", "", "x"]
                .map(score)
                .iter()
                .all(Result::is_err)
        );
        assert_eq!(word("q-1"), Ok("q-1".to_owned()));
        assert!(
            ["", "a b", "a\tb", "\u{1b}"]
                .map(word)
                .iter()
                .all(Result::is_err)
        );
    }
}
