//! `qmdctl eval` and `qmdctl bench`: the numbers are those of the rankings, the user's own index stays as
//! it is, and what cannot run says why.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use qmd_proto::Reason;
use qmd_tests::{Daemon, Outcome, Sandbox, corpus};
use serde_json::{Value, json};

/// The corpus of the tests as a judged collection: paths name the documents.
fn collection(sandbox: &Sandbox) -> Result<PathBuf> {
    let folder = sandbox.join("home/judged");
    copy(&corpus::folder(), &folder.join("docs"))?;
    let (mut queries, mut qrels) = (String::new(), String::new());
    for (at, question) in corpus::questions()?.into_iter().enumerate() {
        let _ = writeln!(queries, "q{at}\t{}", question.query);
        let _ = writeln!(qrels, "q{at}\t{}\t2", question.document);
    }
    let _ = writeln!(queries, "unjudged\twhat nobody judged");
    fs::write(folder.join("queries.tsv"), queries)?;
    fs::write(folder.join("qrels.tsv"), qrels)?;
    Ok(folder)
}

fn copy(from: &Path, into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    for entry in fs::read_dir(from)? {
        let (path, target) = {
            let entry = entry?;
            (entry.path(), into.join(entry.file_name()))
        };
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is not UTF-8")
}

/// What was measured of a mode.
fn mode<'a>(report: &'a Value, name: &str) -> Result<&'a Value> {
    let modes = report["modes"].as_array().context("no modes")?;
    let mut modes = modes.iter();
    modes
        .find(|mode| mode["mode"] == name)
        .with_context(|| format!("no {name}: {report}"))
}

fn mean(mode: &Value, measure: &str) -> Result<f64> {
    let mean = mode[measure]["mean"].as_f64();
    mean.with_context(|| format!("no {measure}: {mode}"))
}

/// The three measures by the ranks in a run, where each query has one relevant document.
fn by_hand(run: &Path) -> Result<[f64; 3]> {
    let mut ranks: HashMap<(String, String), f64> = HashMap::new();
    for line in fs::read_to_string(run)?.lines() {
        let [query, _, document, rank, ..] = line.split(' ').collect::<Vec<_>>()[..] else {
            anyhow::bail!("no run: {line}");
        };
        ranks.insert((query.into(), document.into()), rank.parse()?);
    }
    let questions = corpus::questions()?;
    let mut sums = [0.0; 3];
    for (at, question) in questions.iter().enumerate() {
        let Some(rank) = ranks.get(&(format!("q{at}"), question.document.clone())) else {
            continue;
        };
        let ndcg = if *rank <= 10.0 {
            1.0 / (rank + 1.0).log2()
        } else {
            0.0
        };
        for (sum, value) in sums.iter_mut().zip([ndcg, 1.0 / rank, 1.0]) {
            *sum += value;
        }
    }
    Ok(sums.map(|sum| sum / questions.len() as f64))
}

#[test]
fn a_judged_folder_is_measured_apart_from_the_users_index() -> Result<()> {
    let daemon = Daemon::with_models()?;
    let folder = collection(&daemon)?;
    let runs = daemon.join("home/runs");
    let eval = |more: &[&str]| -> Result<Outcome> {
        Ok(daemon.qmdctl([["eval", text(&folder)?].as_slice(), more].concat()))
    };
    let modes = ["--mode", "hybrid", "--mode", "lexical", "--mode", "vector"];
    let run = ["--json", "--run", text(&runs)?];
    let report = eval(&[modes.as_slice(), &run].concat())?.ok().json();
    let asked = corpus::questions()?.len();
    assert_eq!(report["queries"].as_u64(), Some(asked as u64));
    assert_eq!(
        (&report["unjudged"], &report["missing"]),
        (&json!(1), &json!(0))
    );
    let documents = report["documents"].as_u64().context("documents")?;
    for name in ["lexical", "vector", "hybrid"] {
        let measured = mode(&report, name)?;
        let file = runs.join(format!("judged.{name}.run"));
        for (measure, wanted) in ["ndcg10", "mrr", "recall100"].iter().zip(by_hand(&file)?) {
            let found = mean(measured, measure)?;
            assert!(
                (found - wanted).abs() < 1e-9,
                "{name} {measure}: {found}, {wanted}"
            );
            let [low, high] = ["low", "high"].map(|end| measured[measure][end].as_f64());
            assert!(low <= Some(found) && Some(found) <= high, "{measured}");
        }
        assert!(
            measured["latencyMs"]["p50"].as_f64() > Some(0.0),
            "{measured}"
        );
    }
    assert!(mean(mode(&report, "hybrid")?, "ndcg10")? > 0.7, "{report}");

    // Nothing of it is in the user's own index.
    let status = daemon.qmdctl(["status", "--json"]).ok().json();
    assert_eq!(status["index"]["documents"].as_u64(), Some(0));
    assert_eq!(status["index"]["collections"].as_u64(), Some(0));

    // Again, with a document that is gone and one that is new.
    fs::write(folder.join("docs/new.md"), "# New\n\nsomething else\n")?;
    fs::remove_file(folder.join("docs/piano.md"))?;
    let again = eval(&["--mode", "lexical", "--json"])?.ok().json();
    assert_eq!(again["documents"].as_u64(), Some(documents));
    assert_eq!(again["missing"].as_u64(), Some(1), "what piano.md answers");
    let table = eval(&["--mode", "lexical", "--clean"])?.ok();
    assert!(table.stdout.contains("nDCG@10"), "{table}");
    let left = fs::read_dir(daemon.dirs().cache.join("eval"))?.count();
    assert_eq!(left, 0);

    compares(&daemon, &folder, &runs)
}

/// Two of the runs beside each other.
fn compares(daemon: &Daemon, folder: &Path, runs: &Path) -> Result<()> {
    let qrels = folder.join("qrels.tsv");
    let compare = |a: &str, b: &str, more: &[&str]| -> Result<Outcome> {
        let [a, b] = [a, b].map(|mode| runs.join(format!("judged.{mode}.run")));
        let runs = [
            "eval",
            "compare",
            text(&a)?,
            text(&b)?,
            "--qrels",
            text(&qrels)?,
        ];
        Ok(daemon.qmdctl([runs.as_slice(), more].concat()))
    };
    let same = compare("vector", "vector", &[])?.ok();
    assert!(
        same.stdout.contains("nDCG@10: there is no difference"),
        "{same}"
    );
    let found = compare("lexical", "hybrid", &["--json"])?.ok().json();
    let ndcg = &found["measures"][0];
    assert_eq!(ndcg["measure"], "ndcg10");
    let p = ndcg["p"].as_f64().context("p")?;
    assert!(p > 0.0 && p <= 1.0, "{ndcg}");
    assert!(ndcg["difference"]["mean"].as_f64() > Some(0.0), "{ndcg}");
    let queries = ndcg["queries"].as_array().context("queries")?;
    assert_eq!(queries.len(), corpus::questions()?.len());
    fs::write(
        runs.join("judged.broken.run"),
        "q0 Q0 a 1 0.5 t\nq0 Q0 b 2\n",
    )?;
    let broken = compare("lexical", "broken", &[])?.fails(Reason::EvalFileInvalid);
    assert!(broken.stderr.contains("broken.run:2:"), "{broken}");
    Ok(())
}

#[test]
fn what_beir_publishes_is_measured_without_models() -> Result<()> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let folder = daemon.join("home/beir");
    fs::create_dir_all(folder.join("qrels"))?;
    let (mut corpus, mut queries) = (String::new(), String::new());
    let mut qrels = "query-id\tcorpus-id\tscore\n".to_owned();
    for (at, question) in corpus::questions()?.into_iter().enumerate() {
        let note = fs::read_to_string(corpus::folder().join(&question.document))?;
        // Every word of a document is in it, so the document itself is the query.
        let words: Vec<&str> = note.split_whitespace().take(12).collect();
        let query = words.join(" ").replace(|c: char| !c.is_alphanumeric(), " ");
        let _ = writeln!(
            corpus,
            "{}",
            json!({"_id": format!("n/{at}"), "title": question.query, "text": note})
        );
        let _ = writeln!(
            queries,
            "{}",
            json!({"_id": format!("q{at}"), "text": query})
        );
        let _ = writeln!(qrels, "q{at}\tn/{at}\t1");
    }
    fs::write(folder.join("corpus.jsonl"), &corpus)?;
    fs::write(folder.join("queries.jsonl"), queries)?;
    fs::write(folder.join("qrels/dev.tsv"), qrels)?;
    let eval = |more: &[&str]| -> Result<Outcome> {
        let line = ["eval", text(&folder)?, "--split", "dev"];
        Ok(daemon.qmdctl([line.as_slice(), more].concat()))
    };
    let report = eval(&["--json"])?.ok();
    assert!(
        report.stderr.contains("vector was not measured"),
        "{report}"
    );
    let report = report.json();
    assert!(mean(mode(&report, "lexical")?, "ndcg10")? > 0.9, "{report}");
    for name in ["vector", "hybrid", "full"] {
        let why = &mode(&report, name)?["notRun"];
        assert!(
            why["reason"]
                .as_str()
                .is_some_and(|reason| reason.starts_with("MODEL_"))
        );
        assert!(
            why["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
            "{why}"
        );
    }
    // Asked for by name, it is an error.
    let _ = eval(&["--mode", "vector"])?.fails(Reason::ModelMissing);
    let other = daemon
        .qmdctl(["eval", text(&folder)?])
        .fails(Reason::FileUnreadable);
    assert!(other.stderr.contains("--split`: dev"), "{other}");
    fs::write(folder.join("corpus.jsonl"), corpus + "{\"_id\": 3}\n")?;
    let broken = eval(&["--mode", "lexical"])?.fails(Reason::EvalFileInvalid);
    let line = corpus::questions()?.len() + 1;
    assert!(
        broken.stderr.contains(&format!("corpus.jsonl:{line}:")),
        "{broken}"
    );
    Ok(())
}

#[test]
fn fixtures_of_qmd_ask_the_present_index() -> Result<()> {
    let daemon = Daemon::with_corpus()?;
    let questions = corpus::questions()?;
    let queries = questions.iter().take(4).enumerate().map(|(at, question)| {
        json!({
            "id": format!("q{at}"),
            "query": question.query,
            "type": "easy",
            "description": "a question of the tests",
            "expected_files": [question.document],
            "expected_in_top_k": 3,
        })
    });
    let fixture = daemon.join("home/fixture.json");
    let queries: Vec<Value> = queries.collect();
    let whole = json!({
        "description": "questions",
        "version": 1,
        "collection": "notes",
        "queries": queries,
    });
    fs::write(&fixture, whole.to_string())?;

    let outcome = daemon.qmdctl(["bench", text(&fixture)?, "--json"]).ok();
    let bench = outcome.json();
    let results = bench["results"].as_array().context("results")?;
    assert_eq!(results.len(), 4);
    let vector = &bench["summary"]["vector"];
    assert!(vector["avg_recall_at_5"].as_f64() > Some(0.7), "{vector}");
    for result in results {
        let row = &result["backends"]["vector"];
        let found = row["top_files"].as_array().context("top_files")?;
        assert!(
            found.len() >= 3 && row["latency_ms"].as_f64() > Some(0.0),
            "{row}"
        );
    }
    // Nothing reranks: that is an error, and no row of zeros.
    assert_eq!(bench["summary"]["full"], Value::Null);
    let full = &results[0]["backends"]["full"];
    assert!(
        full["error"]["reason"].is_string() && full["mrr"].is_null(),
        "{full}"
    );
    assert!(outcome.stderr.contains("full failed"), "{outcome}");
    let table = daemon
        .qmdctl(["bench", text(&fixture)?, "-c", "notes"])
        .ok();
    assert!(
        table.stdout.contains("bm25") && table.stdout.contains("R@5"),
        "{table}"
    );

    let line = ["eval", text(&fixture)?, "--mode", "vector", "--json"];
    let report = daemon.qmdctl(line).ok().json();
    let rank = mean(mode(&report, "vector")?, "mrr")?;
    let benched = vector["avg_mrr"].as_f64().context("avg_mrr")?;
    assert!(
        (rank - benched).abs() < 1e-9 || benched < rank,
        "{rank}, {benched}"
    );

    let _ = daemon
        .qmdctl(["bench", text(&fixture)?, "-c", "other"])
        .fails(Reason::CollectionUnknown);
    fs::write(&fixture, "{\n\"queries\": [{\"id\": 1}]}")?;
    let broken = daemon
        .qmdctl(["bench", text(&fixture)?])
        .fails(Reason::EvalFileInvalid);
    assert!(broken.stderr.contains("fixture.json:2:"), "{broken}");
    Ok(())
}
