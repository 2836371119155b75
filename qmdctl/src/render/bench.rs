//! QMD's bench fixtures.

use qmdctl::eval::{
    bench::{Average, Benched, Row, average, backend},
    fixture::unmatched,
    report::Mode,
};
use serde_json::{Map, Value, json};

use super::{json::pretty, table::table, text::clean_line};
use crate::error::Result;

/// So many of the files found are in the JSON, as in QMD's.
const TOP: usize = 10;

/// Every query by every backend, and the means.
pub(crate) fn benched(queries: &[Benched]) -> String {
    let mut rows: Vec<[String; 9]> = Vec::new();
    for query in queries {
        for (mode, row) in &query.rows {
            let head = [clean_line(&query.id), backend(*mode).to_owned()];
            rows.push(match row {
                Row::Scored { score, ms, .. } => {
                    let [r1, r3, r5] = score.recall_at;
                    let values = [score.precision, r1, r3, r5, score.reciprocal_rank, score.f1];
                    let values = values.map(|value| format!("{value:.2}"));
                    line(head, values, format!("{ms:.1} ms"))
                }
                Row::NotAsked => blank(head, "not asked"),
                Row::Failed(why) => blank(head, &format!("error: {}", clean_line(&why.reason))),
            });
        }
    }
    let mut text = table(
        [
            "Query", "Backend", "P@k", "R@1", "R@3", "R@5", "MRR", "F1", "Time",
        ],
        &rows,
    );
    let rows: Vec<[String; 9]> = Mode::ALL
        .into_iter()
        .filter_map(|mode| Some(summary(mode, &average(queries, mode)?)))
        .collect();
    text.push('\n');
    text += &table(
        [
            "Mean", "P@k", "Recall", "R@1", "R@3", "R@5", "MRR", "F1", "Time",
        ],
        &rows,
    );
    text
}

fn line([id, backend]: [String; 2], values: [String; 6], last: String) -> [String; 9] {
    let [precision, r1, r3, r5, mrr, f1] = values;
    [id, backend, precision, r1, r3, r5, mrr, f1, last]
}

fn blank(head: [String; 2], why: &str) -> [String; 9] {
    line(
        head,
        std::array::from_fn(|_| "-".to_owned()),
        why.to_owned(),
    )
}

fn summary(mode: Mode, means: &Average) -> [String; 9] {
    let [r1, r3, r5] = means.recall_at;
    let values = [
        means.precision,
        means.recall,
        r1,
        r3,
        r5,
        means.mrr,
        means.f1,
    ];
    let [p, r, r1, r3, r5, mrr, f1] = values.map(|value| format!("{value:.3}"));
    let time = format!("{:.1} ms", means.ms);
    [backend(mode).to_owned(), p, r, r1, r3, r5, mrr, f1, time]
}

/// The same as JSON, with QMD's keys. A backend that failed has an `error` and no numbers.
pub(crate) fn benched_json(fixture: &str, queries: &[Benched]) -> Result<String> {
    let results: Vec<Value> = queries.iter().map(query_json).collect();
    let summary: Map<String, Value> = Mode::ALL
        .into_iter()
        .filter_map(|mode| {
            let means = average(queries, mode)?;
            Some((backend(mode).to_owned(), means_json(&means)))
        })
        .collect();
    pretty(&json!({"fixture": fixture, "results": results, "summary": summary}))
}

fn means_json(means: &Average) -> Value {
    let [r1, r3, r5] = means.recall_at;
    json!({
        "queries": means.queries,
        "avg_precision": means.precision,
        "avg_recall": means.recall,
        "avg_recall_at_1": r1,
        "avg_recall_at_3": r3,
        "avg_recall_at_5": r5,
        "avg_mrr": means.mrr,
        "avg_f1": means.f1,
        "avg_latency_ms": means.ms,
    })
}

fn query_json(query: &Benched) -> Value {
    let backends: Map<String, Value> = query
        .rows
        .iter()
        .map(|(mode, row)| (backend(*mode).to_owned(), row_json(query, row)))
        .collect();
    json!({
        "id": query.id,
        "query": query.query,
        "type": query.kind,
        "backends": backends,
    })
}

fn row_json(query: &Benched, row: &Row) -> Value {
    match row {
        Row::NotAsked => Value::Null,
        Row::Failed(why) => json!({
            "error": {"reason": why.reason, "message": why.message, "hint": why.hint},
        }),
        Row::Scored { score, ms, files } => {
            let [r1, r3, r5] = score.recall_at;
            let unmatched = unmatched(files, &query.expected);
            let is_matched = |file: &&String| !unmatched.contains(file);
            let matched: Vec<&String> = query.expected.iter().filter(is_matched).collect();
            json!({
                "precision_at_k": score.precision,
                "recall": score.recall,
                "recall_at_1": r1,
                "recall_at_3": r3,
                "recall_at_5": r5,
                "mrr": score.reciprocal_rank,
                "f1": score.f1,
                "hits_at_k": score.hits,
                "total_expected": query.expected.len(),
                "latency_ms": ms,
                "top_files": files.iter().take(TOP).collect::<Vec<_>>(),
                "matched_files": matched,
                "unmatched_expected_files": unmatched,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use qmdctl::eval::{fixture::Score, report::NotRun};

    use super::*;

    fn queries() -> Vec<Benched> {
        let expected: Vec<String> = vec!["heat.md".into(), "cold.md".into()];
        let files: Vec<String> = vec!["qmd://notes/wing/heat.md".into(), "qmd://notes/b.md".into()];
        let scored = |ms| Row::Scored {
            score: Score::of(&files, &expected, 3),
            ms,
            files: files.clone(),
        };
        let failed = Row::Failed(NotRun {
            reason: "MODEL_NOT_CONFIGURED".into(),
            message: "no reranker is configured".into(),
            hint: Some("see `qmdctl models list`".into()),
        });
        vec![Benched {
            id: "q1".into(),
            query: "lex: heat".into(),
            kind: "easy".into(),
            expected: expected.clone(),
            rows: vec![
                (Mode::Lexical, scored(1.25)),
                (Mode::Vector, Row::NotAsked),
                (Mode::Hybrid, scored(7.0)),
                (Mode::Full, failed),
            ],
        }]
    }

    #[test]
    fn a_bench() {
        let text = benched(&queries());
        insta::assert_snapshot!("benched", anstream::adapter::strip_str(&text));
        insta::assert_snapshot!("benched_json", benched_json("f.json", &queries()).unwrap());
    }
}
