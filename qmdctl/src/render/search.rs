//! The hits of a search.

use std::{fmt::Write as _, time::Duration};

use qmd_proto::v1::{Hit, SearchReply, Stage, StageState};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    explain::{self, ExplainJson},
    highlight::{highlight, terms},
    json::{pretty, unless_empty},
    metadata::metadata_json,
    passage::{header, passage},
    text::{BOLD, DIM, PATH, clean, clean_line, count, duration},
};
use crate::error::Result;

/// Longest `snippet` of a JSON row, in characters, its header not counted.
const JSON_SNIPPET: usize = 300;

/// A JSON row, its keys in QMD's order.
#[derive(Debug, Serialize)]
struct Row<'a> {
    docid: String,
    score: f64,
    file: &'a str,
    line: u32,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heading: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snippet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<ExplainJson>,
}

/// The hits as a JSON array.
pub(crate) fn hits_json(hits: &[Hit]) -> Result<String> {
    pretty(&hits.iter().map(row).collect::<Vec<_>>())
}

fn row(hit: &Hit) -> Row<'_> {
    let body = hit.body.as_deref();
    Row {
        docid: format!("#{}", hit.docid),
        score: (hit.score * 100.0).round() / 100.0,
        file: &hit.uri,
        line: hit.line,
        title: &hit.title,
        context: unless_empty(&hit.context),
        heading: unless_empty(&hit.heading),
        page: hit.page,
        metadata: metadata_json(&hit.metadata),
        snippet: body.is_none().then(|| passage(hit, JSON_SNIPPET)),
        body,
        explain: hit.explain.as_ref().map(ExplainJson::from),
    }
}

/// The hits for people, the words of the query marked.
pub(crate) fn hits(hits: &[Hit], query: &str) -> String {
    let terms = terms(query);
    let blocks: Vec<String> = hits.iter().map(|hit| block(hit, &terms)).collect();
    blocks.join("\n")
}

fn block(hit: &Hit, terms: &[String]) -> String {
    let page = hit
        .page
        .map(|page| format!(" page {page}"))
        .unwrap_or_default();
    let mut text = format!(
        "{PATH}{}/{}:{}{PATH:#}{page} {DIM}#{}{DIM:#}\n{BOLD}{}{BOLD:#}\n",
        clean_line(&hit.collection),
        clean_line(&hit.path),
        hit.line,
        clean_line(&hit.docid),
        clean_line(&hit.title),
    );
    if !hit.heading.is_empty() && hit.heading != hit.title {
        let _ = writeln!(text, "{DIM}{}{DIM:#}", clean_line(&hit.heading));
    }
    let _ = writeln!(text, "Score: {BOLD}{:.0}%{BOLD:#}", hit.score * 100.0);
    if !hit.context.is_empty() {
        let _ = writeln!(text, "Context: {}", clean_line(&hit.context));
    }
    if let Some(explain) = &hit.explain {
        text += &explain::lines(explain);
    }
    match &hit.body {
        Some(body) => {
            let _ = writeln!(text, "\n{}", highlight(clean(body).trim_end(), terms));
        }
        None => {
            let _ = writeln!(
                text,
                "\n{DIM}{}{DIM:#}\n{}",
                header(hit, &hit.snippet),
                highlight(&clean(&hit.snippet), terms),
            );
        }
    }
    text
}

/// How long the search took, and its stages.
pub(crate) fn timing(reply: &SearchReply) -> String {
    let stages: Vec<String> = reply
        .stages
        .iter()
        .filter(|report| matches!(report.state(), StageState::Done | StageState::Partial))
        .map(|report| {
            let name = match report.stage() {
                Stage::Lexical => "words",
                Stage::Vector => "vectors",
                Stage::Expand => "expansion",
                Stage::Rerank => "reranking",
                Stage::Unspecified => "other",
            };
            format!(
                "{name} {}",
                duration(Duration::from_micros(report.elapsed_us))
            )
        })
        .collect();
    format!(
        "{} in {}{}{}",
        count(reply.hits.len() as u64, "hit"),
        duration(Duration::from_micros(reply.elapsed_us)),
        if stages.is_empty() { "" } else { ": " },
        stages.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use qmd_proto::v1::{
        Contribution, Explain, Property, PropertyValue, StageReport, property_value::Kind,
    };

    use super::*;

    fn samples() -> Vec<Hit> {
        vec![
            Hit {
                docid: "a1b2c3".into(),
                score: 0.925_4,
                collection: "notes".into(),
                path: "wing/heat.md".into(),
                uri: "qmd://notes/wing/heat.md".into(),
                title: "Heat on wings".into(),
                snippet: "Heating of a thin wing\nis slow at first.".into(),
                line: 12,
                end_line: 13,
                total_lines: 40,
                context: "Flight notes".into(),
                heading: "Heat on wings > Thin ones".into(),
                page: Some(3),
                metadata: vec![Property {
                    key: "status".into(),
                    values: vec![PropertyValue {
                        kind: Some(Kind::Text("draft".into())),
                    }],
                    list: false,
                }],
                explain: Some(Explain {
                    contributions: vec![
                        Contribution {
                            source: Stage::Lexical.into(),
                            rank: 1,
                            raw_score: 7.25,
                            contribution: 0.5,
                            ..Contribution::default()
                        },
                        Contribution {
                            source: Stage::Vector.into(),
                            rank: 3,
                            raw_score: 0.625,
                            contribution: 0.425,
                            ..Contribution::default()
                        },
                    ],
                    ..Explain::default()
                }),
                ..Hit::default()
            },
            Hit {
                docid: "0f0f0f".into(),
                score: 0.5,
                collection: "notes".into(),
                path: "b.md".into(),
                uri: "qmd://notes/b.md".into(),
                title: "Evil \x1b[2J title".into(),
                snippet: "ignored".into(),
                line: 1,
                end_line: 1,
                total_lines: 2,
                body: Some("# B\n\nwing \x1b]0;x\x07\n".into()),
                ..Hit::default()
            },
        ]
    }

    #[test]
    fn json_rows() {
        insta::assert_snapshot!(hits_json(&samples()).unwrap());
        assert_eq!(hits_json(&[]).unwrap(), "[]\n");
    }

    #[test]
    fn blocks_for_people() {
        let coloured = hits(&samples(), "wing heat");
        insta::assert_snapshot!("blocks_plain", anstream::adapter::strip_str(&coloured));
        insta::assert_snapshot!("blocks_coloured", coloured.replace('\x1b', "␛"));
        assert_eq!(hits(&[], "x"), "");
    }

    #[test]
    fn long_snippets_are_cut_in_json() {
        let long = Hit {
            snippet: "word ".repeat(100),
            line: 1,
            ..Hit::default()
        };
        let row = row(&long).snippet.unwrap();
        let (_, text) = row.split_once('\n').unwrap();
        assert!(text.chars().count() <= JSON_SNIPPET);
    }

    #[test]
    fn the_timing_line() {
        let stage = |stage: Stage, state: StageState| StageReport {
            stage: stage.into(),
            state: state.into(),
            elapsed_us: 1_200,
            ..StageReport::default()
        };
        let reply = SearchReply {
            hits: samples(),
            stages: vec![
                stage(Stage::Lexical, StageState::Done),
                stage(Stage::Vector, StageState::Missing),
            ],
            elapsed_us: 3_400,
            ..SearchReply::default()
        };
        assert_eq!(timing(&reply), "2 hits in 3.4 ms: words 1.2 ms");
        assert_eq!(timing(&SearchReply::default()), "0 hits in 0.0 ms");
    }
}
