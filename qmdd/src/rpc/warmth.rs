//! Loads and unloads models on request.

use std::sync::Arc;

use qmd_proto::v1::ModelStatus;
use tonic::Status;

use super::{App, report, role, status::status};
use crate::{
    domain::Role,
    infer::backend::{Call, InferError},
};

/// Loads the models of roles and waits for them. One that failed before is tried again.
///
/// # Errors
/// What keeps the first of them from loading; roles without a model only where they were named.
pub(super) async fn load(app: &Arc<App>, named: &[i32]) -> Result<Vec<ModelStatus>, Status> {
    let wanted = role::all_of(named)?;
    app.roles.assign(app).await;
    let backend = app.backend();
    for role in &wanted {
        let ready = backend.ready(*role, Call::interactive()).await;
        done(ready.map(drop), named)?;
    }
    Ok(reports(app, &wanted))
}

/// Frees the memory of roles' models.
///
/// # Errors
/// When a model is still loading, or a named role has none.
pub(super) async fn unload(app: &App, named: &[i32]) -> Result<Vec<ModelStatus>, Status> {
    let wanted = role::all_of(named)?;
    let backend = app.backend();
    for role in &wanted {
        done(backend.unload(*role).await, named)?;
    }
    Ok(reports(app, &wanted))
}

/// Where all roles are meant, one without a model is passed over.
fn done(result: Result<(), InferError>, named: &[i32]) -> Result<(), Status> {
    match result {
        Err(InferError::NotConfigured { .. }) if named.is_empty() => Ok(()),
        result => result.map_err(|error| status(&error)),
    }
}

fn reports(app: &App, wanted: &[Role]) -> Vec<ModelStatus> {
    let reports = app.backend().report().into_iter();
    reports
        .filter(|report| wanted.contains(&report.role))
        .map(report::model)
        .collect()
}
