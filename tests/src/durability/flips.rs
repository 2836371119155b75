//! One flipped byte of the database file at a time. Whatever is asked of a daemon that finds it so: it
//! answers, with what is right or with a reason, and `doctor` finds whatever changed an answer.

use std::{collections::BTreeMap, fmt, fs, io::Write, path::PathBuf, sync::Arc};

use anyhow::{Context, Result, ensure};
use qmd_proto::v1::ModelRole;
use rustix::process::Signal;
use serde_json::Value;

use super::locks::beside;
use crate::{Daemon, Outcome, Random, Sandbox, corpus};

/// The checks of `doctor` that are about the database.
pub const CHECKS: [&str; 6] = [
    "database",
    "structure",
    "references",
    "texts",
    "vectors",
    "words",
];

/// What is searched for, of the questions of the corpus.
const QUESTIONS: usize = 4;

/// What all flips came to; what was not as it must be is an error before.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Bytes flipped.
    pub flips: usize,
    /// Of these, such that the database could not be opened.
    pub refused: usize,
    /// Such that an answer changed or failed.
    pub felt: usize,
    /// Such that `doctor` found it.
    pub found: usize,
    /// Such that a search found it, said so, and left nothing for `doctor`: a damaged vector is as one that
    /// was never there.
    pub healed: usize,
    /// Such that nobody could tell: in free space, or what is not looked at.
    pub harmless: usize,
    /// Documents, over all repairs, and those of them that kept their vectors.
    pub repaired: (u64, u64),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} flips: {} found by doctor ({} could not be opened), {} by a search, {} felt in an answer, {} harmless",
            self.flips, self.found, self.refused, self.healed, self.felt, self.harmless
        )?;
        writeln!(
            f,
            "repairs: {} of {} documents kept their vectors, all answers as before",
            self.repaired.1, self.repaired.0
        )
    }
}

/// Flips so many bytes, one after another.
///
/// # Errors
/// The first thing that is not as it must be.
pub fn run(seed: u64, flips: usize, out: &mut impl Write) -> Result<Report> {
    let mut trial = Trial::new()?;
    let mut random = Random::new(seed);
    let mut report = Report::default();
    for round in 0..flips {
        let offset = random.below(trial.pristine.len());
        let flip = 1 + random.below(255) as u8;
        trial
            .round(offset, flip, &mut report)
            .with_context(|| format!("seed {seed}, round {round}: byte {offset} ^ {flip:#04x}"))?;
        if (round + 1) % 20 == 0 {
            writeln!(out, "{} flips", round + 1)?;
        }
    }
    Ok(report)
}

struct Trial {
    sandbox: Arc<Sandbox>,
    /// The whole database.
    pristine: Vec<u8>,
    /// Documents in it.
    documents: u64,
    /// What is asked, and what a whole database answers.
    answers: BTreeMap<Vec<String>, String>,
}

/// What came of asking everything.
#[derive(Default)]
struct Asked {
    changed: Vec<String>,
    failed: Vec<String>,
}

impl Asked {
    /// Whether all that failed said that vectors are missing.
    fn is_partial(&self) -> bool {
        self.failed.iter().all(|it| it.ends_with("PARTIAL_ANSWER"))
    }
}

impl Trial {
    fn new() -> Result<Self> {
        let sandbox = Arc::new(Sandbox::with_models()?);
        let daemon = daemon(&sandbox, true)?;
        let folder = corpus::folder();
        let folder = folder.to_str().context("path")?;
        let _ = daemon
            .qmdctl(["collection", "add", folder, "--name", "notes"])
            .ok();
        let _ = daemon.qmdctl(["update"]).ok();
        let _ = daemon.qmdctl(["embed"]).ok();
        let status = daemon.qmdctl(["status", "--json"]).ok().json();
        let documents = status["index"]["documents"].as_u64().context("documents")?;
        let mut trial = Self {
            answers: questions()?,
            documents,
            pristine: Vec::new(),
            sandbox,
        };
        for (question, answer) in &mut trial.answers {
            *answer = daemon.qmdctl(question).ok().stdout;
        }
        daemon.signal(Signal::TERM)?;
        daemon.ended()?;
        trial.pristine = fs::read(trial.database())?;
        Ok(trial)
    }

    fn database(&self) -> PathBuf {
        self.sandbox.dirs().data.join("index.sqlite")
    }

    /// Lays a database in place of all there is.
    fn lay(&self, bytes: &[u8]) -> Result<()> {
        let database = self.database();
        let folder = database.parent().context("no folder")?;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if name.is_some_and(|name| name.starts_with("index.sqlite")) {
                fs::remove_file(path)?;
            }
        }
        Ok(fs::write(database, bytes)?)
    }

    fn round(&mut self, offset: usize, flip: u8, report: &mut Report) -> Result<()> {
        let mut bytes = self.pristine.clone();
        bytes[offset] ^= flip;
        self.lay(&bytes)?;
        report.flips += 1;

        let daemon = daemon(&self.sandbox, true)?;
        let asked = self.ask(&daemon)?;
        daemon.signal(Signal::KILL)?;
        daemon.ended()?;
        let is_felt = !asked.changed.is_empty() || !asked.failed.is_empty();
        report.felt += usize::from(is_felt);

        // Without models it starts at once, and measures none.
        let daemon = self::daemon(&self.sandbox, false)?;
        let failed = failed_checks(&daemon)?;
        let is_found = !failed.is_empty();
        let is_healed = !is_found && is_felt && asked.changed.is_empty() && asked.is_partial();
        ensure!(
            is_found || is_healed || !is_felt,
            "doctor found nothing; changed: {:?}; failed: {:?}",
            asked.changed,
            asked.failed
        );
        report.refused += usize::from(failed.contains(&"database".into()));
        report.found += usize::from(is_found);
        report.healed += usize::from(is_healed);
        report.harmless += usize::from(!is_found && !is_healed);
        // It may be refused, and must not hang or break anything.
        reason(&daemon.qmdctl(["update"]))?;
        reason(&daemon.qmdctl(["cleanup", "--dry-run"]))?;
        if is_found || is_healed {
            self.repair(daemon, report)
        } else {
            daemon.signal(Signal::KILL)?;
            daemon.ended().map(drop)
        }
    }

    /// Asks everything. An answer that is no failure must be of true texts.
    fn ask(&self, daemon: &Daemon) -> Result<Asked> {
        let mut asked = Asked::default();
        for (question, expected) in &self.answers {
            let outcome = daemon.qmdctl(question);
            let line = question.join(" ");
            if let Some(reason) = reason(&outcome)? {
                asked.failed.push(format!("{line}: {reason}"));
            } else if outcome.stdout != *expected {
                ensure!(question[0] != "get", "{line} gives another text: {outcome}");
                asked.changed.push(line);
            }
        }
        Ok(asked)
    }

    /// After a repair all is as it was, but for vectors that are to be computed again.
    fn repair(&self, daemon: Daemon, report: &mut Report) -> Result<()> {
        let outcome = daemon.qmdctl(["doctor", "--repair", "--json"]);
        ensure!(
            beside(&self.database(), "").exists(),
            "no database: {outcome}"
        );
        let failed = failed_checks(&daemon)?;
        ensure!(failed.is_empty(), "{failed:?} after the repair: {outcome}");
        let status = daemon.qmdctl(["status", "--json"]).ok().json();
        let count = |name: &str| status["index"][name].as_u64().unwrap_or(0);
        ensure!(
            count("documents") == self.documents,
            "{} documents after the repair: {outcome}",
            count("documents")
        );
        report.repaired.0 += self.documents;
        report.repaired.1 += self.documents - count("pendingEmbedding");
        let vectors = count("pendingEmbedding") == 0;
        daemon.signal(Signal::KILL)?;
        daemon.ended()?;
        let daemon = self::daemon(&self.sandbox, true)?;
        let _ = daemon.qmdctl(["embed"]).ok();
        for (question, expected) in &self.answers {
            let outcome = daemon.qmdctl(question).ok();
            // A vector that was computed again may differ in its last digits.
            let same = if vectors || ["get", "search"].contains(&question[0].as_str()) {
                outcome.stdout == *expected
            } else {
                addresses(&outcome.json()) == addresses(&serde_json::from_str(expected)?)
            };
            ensure!(same, "another answer after the repair: {outcome}");
        }
        daemon.signal(Signal::KILL)?;
        daemon.ended().map(drop)
    }
}

/// Starts a daemon that follows no folder: nothing changes but by what is asked.
fn daemon(sandbox: &Arc<Sandbox>, models: bool) -> Result<Daemon> {
    sandbox.show_models(models)?;
    let daemon = Daemon::start_with(Arc::clone(sandbox), [("QMDD_WATCH", "0")])?;
    if models {
        daemon.wait_for_model(ModelRole::Embed)?;
    }
    Ok(daemon)
}

/// Searches in each way, and every document of the corpus.
fn questions() -> Result<BTreeMap<Vec<String>, String>> {
    let mut questions = BTreeMap::new();
    let mut add = |words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        questions.insert(words, String::new());
    };
    for question in corpus::questions()? {
        let address = format!("qmd://notes/{}", question.document);
        add(&["get", &address, "--no-line-numbers"]);
    }
    for question in corpus::questions()?.into_iter().take(QUESTIONS) {
        for verb in ["search", "vsearch", "query"] {
            add(&[verb, &question.query, "--json", "--strict", "-n", "8"]);
        }
    }
    Ok(questions)
}

/// The reason for which something failed; `None` when it did not.
///
/// # Errors
/// When it failed in a way that no reason is for.
fn reason(outcome: &Outcome) -> Result<Option<String>> {
    if outcome.code == Some(0) {
        return Ok(None);
    }
    let known = [
        "STORE_CORRUPT",
        "CONTENT_CORRUPT",
        "STORE_TOO_NEW",
        "PARTIAL_ANSWER",
        "DOCUMENT_NOT_FOUND",
    ];
    let found = known
        .into_iter()
        .find(|reason| outcome.stderr.contains(reason));
    let found = found.with_context(|| format!("no reason of damage: {outcome}"))?;
    Ok(Some(found.to_owned()))
}

/// The checks of the database that failed.
///
/// # Errors
/// When the daemon does not tell of all of them, and of none why.
pub fn failed_checks(daemon: &Daemon) -> Result<Vec<String>> {
    let outcome = daemon.qmdctl(["doctor", "--format", "json"]);
    let checks = outcome.json();
    let checks = checks.as_array().with_context(|| outcome.to_string())?;
    let of_database: Vec<&Value> = checks
        .iter()
        .filter(|check| CHECKS.iter().any(|name| check["name"] == *name))
        .collect();
    let failed: Vec<String> = of_database
        .iter()
        .filter(|check| check["state"] == "failed")
        .filter_map(|check| check["name"].as_str().map(str::to_owned))
        .collect();
    ensure!(
        of_database.len() == CHECKS.len() || !failed.is_empty(),
        "checks are missing: {outcome}"
    );
    Ok(failed)
}

/// The documents of an answer, in any order.
fn addresses(hits: &Value) -> Vec<String> {
    let hits = hits.as_array().cloned().unwrap_or_default();
    let mut addresses: Vec<String> = hits
        .iter()
        .map(|hit| hit["file"].to_string() + &hit["uri"].to_string())
        .collect();
    addresses.sort_unstable();
    addresses
}
