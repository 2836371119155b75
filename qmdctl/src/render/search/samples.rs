//! What the tests of the formats show: everything a hit can have, and everything odd in it.

use qmd_proto::v1::{
    Contribution, Explain, Hit, Place, Property, PropertyValue, SearchReply, Stage, StageReport,
    StageState, property_value::Kind,
};

use super::Look;
use crate::cli::SearchFormat;

pub(super) fn look(format: SearchFormat) -> Look<'static> {
    Look {
        format,
        query: "wing heat",
        line_numbers: false,
        trec_id: "q7",
        trec_tag: "qmd-hybrid",
        terminal: None,
        editor_uri: None,
    }
}

pub(super) fn reply() -> SearchReply {
    SearchReply {
        hits: vec![rich(), odd(), wide()],
        stages: vec![
            stage(Stage::Lexical, StageState::Done, 1_200),
            stage(Stage::Vector, StageState::Missing, 0),
            StageReport {
                scored: 12,
                candidates: 40,
                ..stage(Stage::Rerank, StageState::Partial, 180_000)
            },
        ],
        elapsed_us: 183_400,
        ..SearchReply::default()
    }
}

pub(super) fn stage(stage: Stage, state: StageState, elapsed_us: u64) -> StageReport {
    StageReport {
        stage: stage.into(),
        state: state.into(),
        elapsed_us,
        ..StageReport::default()
    }
}

/// One with everything.
fn rich() -> Hit {
    let part = |source: Stage, rank, raw_score, contribution| Contribution {
        source: source.into(),
        rank,
        raw_score,
        contribution,
        query: "wing heat".into(),
        weight: 1.0,
        expanded: false,
    };
    let place = |line, end_line, similarity| Place {
        line,
        end_line,
        similarity,
    };
    Hit {
        docid: "a1b2c3".into(),
        score: 0.925_4,
        collection: "notes".into(),
        path: "wing/heat, thin.md".into(),
        uri: "qmd://notes/wing/heat, thin.md".into(),
        file_path: "/home/me/notes/wing/heat, thin.md".into(),
        title: "Heat on \"wings\"".into(),
        snippet: "Heating of a thin wing\nis slow at first, <later> & \"then\" not.".into(),
        line: 12,
        end_line: 13,
        total_lines: 40,
        context: "Flight notes\n\nOf \"thin\" wings, mostly".into(),
        heading: "Heat on wings > Thin ones".into(),
        page: Some(3),
        metadata: vec![Property {
            key: "status".into(),
            values: vec![PropertyValue {
                kind: Some(Kind::Text("draft".into())),
            }],
            list: false,
        }],
        places: vec![place(20, 24, 0.75), place(31, 31, 0.5)],
        explain: Some(Explain {
            contributions: vec![
                part(Stage::Lexical, 1, 7.25, 0.5),
                part(Stage::Vector, 3, 0.625, 0.425),
            ],
            fused_score: 0.95,
            rerank_score: Some(0.875),
            rerank_weight: 0.25,
            confidence: 0.97,
        }),
        ..Hit::default()
    }
}

/// A whole document, of somebody who means ill.
fn odd() -> Hit {
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
        total_lines: 3,
        body: Some("# B\n\nwing \x1b]0;x\x07\n".into()),
        ..Hit::default()
    }
}

/// Characters that are two columns wide.
fn wide() -> Hit {
    Hit {
        docid: "777777".into(),
        score: 0.041,
        collection: "日本".into(),
        path: "検索.md".into(),
        uri: "qmd://日本/検索.md".into(),
        file_path: "/home/me/日本/検索.md".into(),
        title: "全文検索 👍".into(),
        snippet: "日本語の全文検索です。形態素解析を使わずに、二文字の組で索引を作ります。".into(),
        line: 1,
        end_line: 1,
        total_lines: 1,
        ..Hit::default()
    }
}
