//! Loads and unloads models on request.

use std::sync::Arc;

use qmd_proto::v1::ModelStatus;
use tonic::Status;

use super::{App, inference::roles, report, status::status};
use crate::{
    domain::Role,
    infer::backend::{Call, InferError},
};

/// Loads the models of roles and waits for them. One that failed before is tried again.
///
/// # Errors
/// What keeps the first of them from loading; roles without a model only where they were named.
pub(super) async fn load(app: &Arc<App>, named: &[i32]) -> Result<Vec<ModelStatus>, Status> {
    let wanted = roles(named)?;
    app.roles.assign(app).await;
    for role in &wanted {
        match app.backend.ready(*role, Call::interactive()).await {
            Ok(_) => {}
            Err(InferError::NotConfigured { .. }) if named.is_empty() => {}
            Err(error) => return Err(status(&error)),
        }
    }
    Ok(reports(app, &wanted))
}

/// Frees the memory of roles' models.
///
/// # Errors
/// When a model is still loading, or a named role has none.
pub(super) async fn unload(app: &App, named: &[i32]) -> Result<Vec<ModelStatus>, Status> {
    let wanted = roles(named)?;
    for role in &wanted {
        match app.backend.unload(*role).await {
            Ok(()) => {}
            Err(InferError::NotConfigured { .. }) if named.is_empty() => {}
            Err(error) => return Err(status(&error)),
        }
    }
    Ok(reports(app, &wanted))
}

fn reports(app: &App, wanted: &[Role]) -> Vec<ModelStatus> {
    let reports = app.backend.report().into_iter();
    reports
        .filter(|report| wanted.contains(&report.role))
        .map(report::model)
        .collect()
}
