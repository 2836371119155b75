//! `service start`, `stop` and `restart`.

use std::path::PathBuf;

use super::{
    Site, failures,
    files::Found,
    plan::{self, Step},
    runner, running,
    state::State,
    take, user,
};
use crate::{client::Home, error::Result, render::Screen};

pub(super) async fn start(home: &Home, screen: Screen, site: &Site) -> Result<()> {
    let (agent, state) = installed(site).await?;
    check_free(home, &state)?;
    let steps = plan::start(site.manager, agent, &state);
    take(home, screen, site.manager, &steps).await?;
    screen.done("the service is started")
}

pub(super) async fn stop(home: &Home, screen: Screen, site: &Site) -> Result<()> {
    let _ = installed(site).await?;
    let steps = [Step::Run(site.manager.stop())];
    take(home, screen, site.manager, &steps).await?;
    screen.done("the service is stopped, until the next login or `qmdctl service start`")
}

pub(super) async fn restart(home: &Home, screen: Screen, site: &Site) -> Result<()> {
    let (agent, state) = installed(site).await?;
    check_free(home, &state)?;
    let steps = if state.is_loaded() {
        vec![Step::Run(site.manager.restart())]
    } else {
        plan::start(site.manager, agent, &state)
    };
    take(home, screen, site.manager, &steps).await?;
    screen.done("the service is restarted")
}

/// What the manager says of the service, and the first of its files; fails when there is none. A
/// package may have put them elsewhere.
async fn installed(site: &Site) -> Result<(Option<PathBuf>, State)> {
    user::check()?;
    let file = site
        .look()?
        .into_iter()
        .find(|(_, _, found)| *found != Found::Absent)
        .map(|(_, path, _)| path);
    let asked = runner::ask(site.manager, site.runtime()).await;
    match (file, asked) {
        (Some(_), Err(failure)) => Err(failure.into()),
        (file, Ok(state)) if file.is_some() || state.is_loaded() => Ok((file, state)),
        _ => Err(failures::not_installed().into()),
    }
}

/// Refuses to start a service that could not take its lock.
fn check_free(home: &Home, state: &State) -> Result<()> {
    let by_hand = running::daemon(&home.dirs.lock_file()).filter(|pid| state.pid() != Some(*pid));
    match by_hand {
        Some(pid) => Err(failures::started_by_hand(pid, None).into()),
        None => Ok(()),
    }
}
