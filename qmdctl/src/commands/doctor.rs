//! `doctor`.

use qmd_proto::{
    Reason,
    v1::{CheckState, DoctorRequest},
};

use crate::{
    cli::{DoctorArgs, Format},
    client::Home,
    error::{Failure, Result},
    render::{self, Screen},
};

/// Prints every check. Fails with the reason of the first one that failed.
pub(super) async fn run(home: &Home, screen: Screen, args: &DoctorArgs) -> Result<()> {
    let client = home.connect().await?;
    let request = DoctorRequest {
        index: home.index(),
        quick: args.quick,
        repair: args.repair,
    };
    let checks = client.control().doctor(request).await?.into_inner().checks;
    match screen.format() {
        Format::Cli => Screen::print(&render::checks(&checks))?,
        Format::Json => Screen::print(&render::checks_json(&checks)?)?,
    }
    let mut failed = checks
        .iter()
        .filter(|check| check.state() == CheckState::Failed);
    let Some(first) = failed.next() else {
        return Ok(());
    };
    let reason = first.reason.parse().unwrap_or(Reason::Internal);
    let failure = Failure::new(reason, format!("{}: {}", first.name, first.detail));
    Err(match first.hint.as_str() {
        "" => failure,
        hint => failure.hint(hint),
    }
    .into())
}
