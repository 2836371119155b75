//! Looks an index's database over.

use std::sync::Arc;

use qmd_proto::v1::{Check, CheckState, DoctorRequest};
use tonic::Status;

use super::{MIB, failed, fine, note, repair};
use crate::{
    domain::{Failure, Reason},
    rpc::{App, Index, report, status::status},
    store::{Checked, Depth, Part, StoreError},
};

/// The checks of the database and of what is in it; after a repair, if one is asked for and needed.
///
/// # Errors
/// When the index is unknown or its configuration cannot be read.
pub(super) async fn examine(app: &Arc<App>, request: &DoctorRequest) -> Result<Vec<Check>, Status> {
    let found = look(app, request).await?;
    if !request.repair {
        return Ok(found.checks);
    }
    if !found.damaged {
        let mut checks = found.checks;
        checks.push(note("repair", "nothing is damaged".into()));
        return Ok(checks);
    }
    let repaired = repair::repair(app, request.index.as_ref()).await?;
    let mut checks = look(app, request).await?.checks;
    checks.push(repaired);
    Ok(checks)
}

/// What a look at the database found.
struct Found {
    checks: Vec<Check>,
    /// A repair would mend it.
    damaged: bool,
}

async fn look(app: &App, request: &DoctorRequest) -> Result<Found, Status> {
    let of_error = |error: StoreError| Found {
        checks: vec![failed("database", &error)],
        damaged: matches!(error, StoreError::Corrupt { .. }),
    };
    let index = match app.indexes.try_get(request.index.as_ref()).await? {
        Ok(index) => index,
        Err(error) => return Ok(of_error(error)),
    };
    // What is to be repaired is looked at as a whole.
    let depth = if request.quick && !request.repair {
        Depth::Quick
    } else {
        Depth::Full
    };
    let checked = match index.store.check(depth).await {
        Ok(checked) => checked,
        Err(error) => return Ok(of_error(error)),
    };
    let mut checks = vec![access(&index)];
    checks.extend(checked.iter().map(|part| verdict(&index, part)));
    checks.extend(beside(&index).await);
    checks.push(documents(app, &index).await?);
    Ok(Found {
        checks,
        damaged: checked.iter().any(|part| !part.problems.is_empty()),
    })
}

/// Whether it can be written.
fn access(index: &Index) -> Check {
    const NAME: &str = "database";
    match index.store.read_only() {
        None => fine(NAME, index.database.display().to_string()),
        Some(error) => Check {
            state: CheckState::Warning.into(),
            ..failed(NAME, &error)
        },
    }
}

/// What the check of a part gave.
fn verdict(index: &Index, checked: &Checked) -> Check {
    let count = checked.count;
    let (name, whole) = match checked.part {
        Part::Structure => ("structure", format!("{count} pages are whole")),
        Part::References => (
            "references",
            format!("{count} documents have all their parts"),
        ),
        Part::Texts => ("texts", format!("{count} match their SHA-256")),
        Part::Vectors => ("vectors", format!("{count} match their checksums")),
        Part::Words => ("words", format!("those of {count} documents find them")),
    };
    if checked.problems.is_empty() {
        return fine(name, whole);
    }
    let error = StoreError::Corrupt {
        path: index.database.clone(),
        detail: checked.problems.join("; "),
    };
    let reason = match checked.part {
        Part::Texts => Reason::ContentCorrupt,
        _ => error.reason(),
    };
    Check {
        reason: reason.to_string(),
        ..failed(name, &error)
    }
}

/// What was laid beside it.
async fn beside(index: &Index) -> Option<Check> {
    let files = index.store.beside().await;
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let names: Vec<_> = files
        .iter()
        .filter_map(|file| file.path.file_name()?.to_str())
        .collect();
    let detail = format!("{}, {} MiB", names.join(", "), bytes.div_ceil(MIB));
    (!files.is_empty()).then(|| Check {
        hint: "`qmdctl cleanup` removes what is older than 14 days".into(),
        ..note("beside it", detail)
    })
}

async fn documents(app: &App, index: &Index) -> Result<Check, Status> {
    let counts = match report::counts(app, index).await {
        Ok(counts) => counts,
        Err(error) => return Ok(failed("index", &error)),
    };
    let config = index.config().map_err(|error| status(&error))?;
    let name = &index.name;
    let warning = |detail, reason: &str, hint: &str| Check {
        state: CheckState::Warning.into(),
        reason: reason.into(),
        hint: hint.into(),
        ..note("index", detail)
    };
    if config.collections.is_empty() {
        let detail = format!("index {name} has no collection");
        return Ok(warning(detail, "", "run `qmdctl collection add DIR`"));
    }
    let detail = format!(
        "index {name}: {} documents, {} chunks, {} without vectors",
        counts.documents, counts.chunks, counts.pending
    );
    Ok(if counts.pending == 0 {
        fine("index", detail)
    } else {
        let reason = Reason::VectorsPending.as_str();
        warning(detail, reason, "run `qmdctl embed`")
    })
}
