//! Evaluations of judged collections, and runs beside each other.

use std::{fmt::Write as _, path::Path};

use qmdctl::eval::{
    compare::{Compared, Comparison},
    metrics::{Measure, RECALL_AT},
    report::{Latency, Measured, Mode, Outcome, Report},
    statistics::{CONFIDENCE, Estimate, PERMUTATIONS, RESAMPLES, SIGNIFICANCE},
};
use serde::Serialize;

use super::{
    json::pretty,
    table::table,
    text::{BOLD, clean_line, count},
};
use crate::{cli::CompareArgs, error::Result};

/// How many queries of a comparison are shown, unless all are asked for.
const MOST: usize = 10;

/// An evaluation as a table.
pub(crate) fn evaluated(report: &Report) -> String {
    let mut text = format!(
        "{BOLD}{}{BOLD:#}: {}, {}",
        clean_line(&report.name),
        count(report.documents, "document"),
        queries(report.queries),
    );
    if report.unjudged > 0 {
        let _ = write!(
            text,
            "; {} without relevant documents left out",
            report.unjudged
        );
    }
    text.push_str("\n\n");
    let rows: Vec<[String; 6]> = report.modes.iter().map(row).collect();
    let [ndcg, rank, recall] = Measure::ALL.map(Measure::title);
    text += &table(["Mode", ndcg, rank, recall, "p50", "p95"], &rows);
    let gain = if report.binary {
        "every relevant document gains 1"
    } else {
        "a document gains its grade"
    };
    let _ = writeln!(
        text,
        "\nIn brackets: {:.0} % intervals, by {RESAMPLES} bootstrap samples of the queries from seed {}.\n\
         nDCG: {gain}. Times: inside the daemon, for {RECALL_AT} hits.",
        CONFIDENCE * 100.0,
        report.seed,
    );
    if report.missing > 0 {
        let _ = writeln!(
            text,
            "{} not in the collection, and counted as not found.",
            are(report.missing, "relevant document"),
        );
    }
    for outcome in &report.modes {
        if let Ok(measured) = &outcome.result {
            text += &remarks(outcome.mode, measured, report.queries);
        }
    }
    text
}

fn row(outcome: &Outcome) -> [String; 6] {
    let mode = outcome.mode.name().to_owned();
    if let Ok(measured) = &outcome.result {
        let [ndcg, rank, recall] = measured.quality.map(|estimate| interval(&estimate));
        let [p50, p95] = [measured.inside.p50, measured.inside.p95].map(milliseconds);
        [mode, ndcg, rank, recall, p50, p95]
    } else {
        let none = || "-".to_owned();
        [mode, "not run".to_owned(), none(), none(), none(), none()]
    }
}

/// What the numbers alone would not tell.
fn remarks(mode: Mode, measured: &Measured, queries: usize) -> String {
    let mut text = String::new();
    let name = mode.name();
    if measured.without_hits > 0 {
        let _ = writeln!(
            text,
            "{name}: {} without hits, each of which counts 0.",
            queries_are(measured.without_hits),
        );
    }
    if mode == Mode::Full {
        let _ = writeln!(
            text,
            "{name}: {} of {queries} expanded, {} reranked.",
            measured.expanded, measured.reranked,
        );
    }
    if measured.remembered > 0 {
        let _ = writeln!(
            text,
            "{name}: {} of models were remembered, not computed; a daemon with QMDD_CACHE_MB=0 \
             computes all.",
            count(measured.remembered, "result"),
        );
    }
    text
}

fn queries(number: usize) -> String {
    let noun = if number == 1 { "query" } else { "queries" };
    format!("{number} {noun}")
}

fn queries_are(number: usize) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", queries(number))
}

/// `1 file is`, `2 files are`.
fn are(number: usize, thing: &str) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", count(number as u64, thing))
}

fn interval(estimate: &Estimate) -> String {
    let Estimate { mean, low, high } = estimate;
    format!("{mean:.4} [{low:.3}, {high:.3}]")
}

/// An interval of differences, signs shown.
fn signed(estimate: &Estimate) -> String {
    let Estimate { mean, low, high } = estimate;
    format!("{mean:+.4} [{low:+.3}, {high:+.3}]")
}

fn milliseconds(time: f64) -> String {
    format!("{time:.1} ms")
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportJson<'a> {
    name: &'a str,
    documents: u64,
    queries: usize,
    unjudged: usize,
    missing: usize,
    gain: &'a str,
    depth: usize,
    confidence: f64,
    resamples: usize,
    seed: u64,
    modes: Vec<ModeJson<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ModeJson<'a> {
    #[serde(rename_all = "camelCase")]
    NotRun {
        mode: &'a str,
        not_run: NotRunJson<'a>,
    },
    #[serde(rename_all = "camelCase")]
    Measured {
        mode: &'a str,
        ndcg10: EstimateJson,
        mrr: EstimateJson,
        recall100: EstimateJson,
        latency_ms: LatencyJson,
        round_trip_ms: LatencyJson,
        without_hits: usize,
        refused: usize,
        partial: usize,
        expanded: usize,
        reranked: usize,
        remembered: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<&'a str>,
    },
}

#[derive(Debug, Serialize)]
struct NotRunJson<'a> {
    reason: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct EstimateJson {
    mean: f64,
    low: f64,
    high: f64,
}

impl From<Estimate> for EstimateJson {
    fn from(Estimate { mean, low, high }: Estimate) -> Self {
        Self { mean, low, high }
    }
}

#[derive(Debug, Serialize)]
struct LatencyJson {
    p50: f64,
    p95: f64,
}

impl From<Latency> for LatencyJson {
    fn from(Latency { p50, p95 }: Latency) -> Self {
        Self { p50, p95 }
    }
}

/// An evaluation as JSON.
pub(crate) fn evaluated_json(report: &Report) -> Result<String> {
    pretty(&ReportJson {
        name: &report.name,
        documents: report.documents,
        queries: report.queries,
        unjudged: report.unjudged,
        missing: report.missing,
        gain: gain(report.binary),
        depth: RECALL_AT,
        confidence: CONFIDENCE,
        resamples: RESAMPLES,
        seed: report.seed,
        modes: report.modes.iter().map(mode_json).collect(),
    })
}

fn gain(binary: bool) -> &'static str {
    if binary { "binary" } else { "grade" }
}

fn mode_json(outcome: &Outcome) -> ModeJson<'_> {
    let mode = outcome.mode.name();
    match &outcome.result {
        Err(why) => ModeJson::NotRun {
            mode,
            not_run: NotRunJson {
                reason: &why.reason,
                message: &why.message,
                hint: why.hint.as_deref(),
            },
        },
        Ok(measured) => {
            let [ndcg10, mrr, recall100] = measured.quality.map(EstimateJson::from);
            ModeJson::Measured {
                mode,
                ndcg10,
                mrr,
                recall100,
                latency_ms: measured.inside.into(),
                round_trip_ms: measured.round_trip.into(),
                without_hits: measured.without_hits,
                refused: measured.refused,
                partial: measured.partial,
                expanded: measured.expanded,
                reranked: measured.reranked,
                remembered: measured.remembered,
                run: outcome.run.as_deref(),
            }
        }
    }
}

/// Two runs beside each other, as tables and in a sentence.
pub(crate) fn compared(args: &CompareArgs, comparisons: &[Comparison]) -> String {
    let name = |path: &Path| clean_line(&path.display().to_string());
    let mut text = format!("A: {}\nB: {}\n\n", name(&args.a), name(&args.b));
    let rows: Vec<[String; 6]> = comparisons.iter().map(compared_row).collect();
    text += &table(
        ["Measure", "A", "B", "B - A", "p", "better/worse/same"],
        &rows,
    );
    text.push('\n');
    for comparison in comparisons {
        let _ = writeln!(text, "{}", verdict(comparison));
    }
    let Some(by) = comparisons.iter().find(|one| one.measure == args.by) else {
        return text;
    };
    let mut queries: Vec<&Compared> = by.queries.iter().collect();
    let size = |query: &&Compared| query.difference().abs();
    queries.sort_by(|a, b| size(b).total_cmp(&size(a)));
    if !args.all {
        queries.retain(|query| size(query) > 0.0);
        queries.truncate(MOST);
    }
    if !queries.is_empty() {
        let rows: Vec<[String; 4]> = queries.into_iter().map(query_row).collect();
        let _ = writeln!(text, "\nBy query, {}:", by.measure.title());
        text += &table(["Query", "A", "B", "B - A"], &rows);
    }
    let asked = by.queries.len();
    let _ = writeln!(
        text,
        "\n{} with relevant documents. In brackets: {:.0} % intervals, by {RESAMPLES} bootstrap samples; \
         p: paired\nrandomisation test, two-sided; both from seed {}.",
        self::queries(asked),
        CONFIDENCE * 100.0,
        args.seed,
    );
    text
}

fn compared_row(comparison: &Comparison) -> [String; 6] {
    let [better, worse, same] = comparison.counts();
    [
        comparison.measure.title().to_owned(),
        format!("{:.4}", comparison.a),
        format!("{:.4}", comparison.b),
        signed(&comparison.difference),
        probability(comparison.p),
        format!("{better}/{worse}/{same}"),
    ]
}

fn query_row(query: &Compared) -> [String; 4] {
    [
        clean_line(&query.id),
        format!("{:.4}", query.a),
        format!("{:.4}", query.b),
        format!("{:+.4}", query.difference()),
    ]
}

fn probability(p: f64) -> String {
    if p < 1e-4 {
        "< 0.0001".to_owned()
    } else {
        format!("{p:.4}")
    }
}

/// Whether there is a difference, plainly.
fn verdict(comparison: &Comparison) -> String {
    let measure = comparison.measure.title();
    if comparison.is_significant() {
        let better = if comparison.difference.mean > 0.0 {
            "B"
        } else {
            "A"
        };
        format!(
            "{measure}: {better} is better; the difference is significant (p < {SIGNIFICANCE})."
        )
    } else if comparison.counts()[..2] == [0, 0] {
        format!("{measure}: there is no difference.")
    } else {
        format!(
            "{measure}: the difference is not significant; it may be chance (p >= {SIGNIFICANCE})."
        )
    }
}

#[derive(Debug, Serialize)]
struct CompareJson<'a> {
    a: &'a Path,
    b: &'a Path,
    gain: &'a str,
    confidence: f64,
    resamples: usize,
    permutations: usize,
    seed: u64,
    significance: f64,
    measures: Vec<MeasureJson<'a>>,
}

#[derive(Debug, Serialize)]
struct MeasureJson<'a> {
    measure: &'a str,
    a: f64,
    b: f64,
    difference: EstimateJson,
    p: f64,
    significant: bool,
    better: usize,
    worse: usize,
    same: usize,
    queries: Vec<QueryJson<'a>>,
}

#[derive(Debug, Serialize)]
struct QueryJson<'a> {
    id: &'a str,
    a: f64,
    b: f64,
    difference: f64,
}

/// Two runs beside each other, as JSON.
pub(crate) fn compared_json(args: &CompareArgs, comparisons: &[Comparison]) -> Result<String> {
    pretty(&CompareJson {
        a: &args.a,
        b: &args.b,
        gain: gain(args.binary),
        confidence: CONFIDENCE,
        resamples: RESAMPLES,
        permutations: PERMUTATIONS,
        seed: args.seed,
        significance: SIGNIFICANCE,
        measures: comparisons.iter().map(measure_json).collect(),
    })
}

fn measure_json(comparison: &Comparison) -> MeasureJson<'_> {
    let queries = comparison.queries.iter().map(|query| QueryJson {
        id: &query.id,
        a: query.a,
        b: query.b,
        difference: query.difference(),
    });
    let [better, worse, same] = comparison.counts();
    MeasureJson {
        measure: comparison.measure.key(),
        a: comparison.a,
        b: comparison.b,
        difference: comparison.difference.into(),
        p: comparison.p,
        significant: comparison.is_significant(),
        better,
        worse,
        same,
        queries: queries.collect(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use qmdctl::eval::report::NotRun;

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn estimate(mean: f64) -> Estimate {
        Estimate {
            mean,
            low: mean - 0.04,
            high: mean + 0.05,
        }
    }

    fn report() -> Report {
        let measured = |mean: f64, ms: f64| Measured {
            quality: [mean, mean + 0.1, mean + 0.3].map(estimate),
            inside: Latency {
                p50: ms,
                p95: ms * 2.0,
            },
            round_trip: Latency {
                p50: ms + 0.5,
                p95: ms * 2.0 + 0.5,
            },
            without_hits: 0,
            refused: 0,
            partial: 0,
            reranked: 0,
            expanded: 0,
            remembered: 0,
        };
        let outcome = |mode, result| Outcome {
            mode,
            result,
            run: None,
        };
        let not_run = NotRun {
            reason: "MODEL_MISSING".into(),
            message: "the model is not here".into(),
            hint: Some("run `qmdctl models pull starter`".into()),
        };
        Report {
            name: "cranfield".into(),
            documents: 1_400,
            queries: 225,
            unjudged: 3,
            missing: 1,
            binary: false,
            seed: 1,
            modes: vec![
                Outcome {
                    run: Some("runs/cranfield.lexical.run".into()),
                    ..outcome(Mode::Lexical, Ok(measured(0.39, 1.25)))
                },
                outcome(Mode::Vector, Err(not_run)),
                outcome(
                    Mode::Hybrid,
                    Ok(Measured {
                        without_hits: 2,
                        refused: 1,
                        remembered: 225,
                        ..measured(0.44, 7.0)
                    }),
                ),
                outcome(
                    Mode::Full,
                    Ok(Measured {
                        expanded: 200,
                        reranked: 225,
                        ..measured(0.45, 700.0)
                    }),
                ),
            ],
        }
    }

    #[test]
    fn an_evaluation() {
        insta::assert_snapshot!("evaluated", plain(&evaluated(&report())));
        insta::assert_snapshot!("evaluated_json", evaluated_json(&report()).unwrap());
        let small = Report {
            queries: 1,
            unjudged: 0,
            missing: 0,
            binary: true,
            modes: Vec::new(),
            ..report()
        };
        insta::assert_snapshot!("evaluated_small", plain(&evaluated(&small)));
    }

    fn comparisons() -> Vec<Comparison> {
        let query = |id: &str, a, b| Compared {
            id: id.into(),
            a,
            b,
        };
        let comparison = |measure, p, queries: Vec<Compared>| Comparison {
            measure,
            a: 0.4,
            b: 0.45,
            difference: estimate(0.05),
            p,
            queries,
        };
        vec![
            comparison(
                Measure::Ndcg,
                0.0123,
                vec![
                    query("1", 0.5, 0.75),
                    query("2", 0.5, 0.5),
                    query("3", 1.0, 0.0),
                ],
            ),
            comparison(Measure::ReciprocalRank, 0.2, vec![query("1", 0.5, 1.0)]),
            comparison(Measure::Recall, 1.0, vec![query("1", 0.5, 0.5)]),
        ]
    }

    #[derive(Debug, clap::Parser)]
    struct Only {
        #[command(flatten)]
        args: CompareArgs,
    }

    fn args(more: &[&str]) -> CompareArgs {
        let line = ["compare", "a.run", "b.run", "--qrels", "qrels.tsv"];
        Only::parse_from([&line, more].concat()).args
    }

    #[test]
    fn a_comparison() {
        let shown = compared(&args(&[]), &comparisons());
        insta::assert_snapshot!("compared", plain(&shown));
        let all = plain(&compared(&args(&["--all"]), &comparisons()));
        assert_eq!(all.lines().count(), plain(&shown).lines().count() + 1);
        let json = compared_json(&args(&[]), &comparisons()).unwrap();
        insta::assert_snapshot!("compared_json", json);
    }
}
