//! `service install`.

use super::{
    Site, VERSION,
    facts::Facts,
    failures,
    files::{self, Wanted},
    manager::{Manager, SERVICE},
    plan::{self, Step, Wish},
    plist, runner, running,
    state::State,
    take, unit, user,
};
use crate::{
    cli::InstallArgs,
    client::Home,
    error::{Failure, Result},
    render::{self, Notice, Screen},
};

pub(super) async fn run(
    home: &Home,
    screen: Screen,
    site: &Site,
    args: &InstallArgs,
) -> Result<()> {
    user::check()?;
    let manager = site.manager;
    let facts = Facts::from_process()?;
    let files = wanted(site, &facts, args.force)?;
    let offline = args.dry_run || args.no_start;
    let mut warnings = Vec::new();
    let state = match ask(site).await {
        Ok(state) => Some(state),
        Err(failure) if offline => {
            warnings.push(notice(failure));
            None
        }
        Err(failure) => {
            return Err(
                failures::or_files_alone(failure, "`--no-start` writes the files alone").into(),
            );
        }
    };
    let by_manager = state.as_ref().and_then(State::pid);
    let in_the_way = running::daemon(&home.dirs.lock_file()).filter(|pid| Some(*pid) != by_manager);
    if let Some(pid) = in_the_way
        && !args.take_over
    {
        let failure = failures::started_by_hand(pid, Some("--take-over"));
        if !offline {
            return Err(failure.into());
        }
        warnings.extend(args.dry_run.then(|| notice(failure)));
    }
    let wish = Wish {
        warm: args.warm,
        stop_daemon: in_the_way.is_some() && (args.take_over || args.no_start),
    };
    let steps = plan::install(manager, files, state.as_ref(), wish);
    if args.dry_run {
        Screen::print(&render::service_plan(&steps))?;
    } else if args.no_start {
        let (now, later): (Vec<_>, Vec<_>) = steps
            .into_iter()
            .partition(|step| matches!(step, Step::Write { .. }));
        take(home, screen, manager, &now).await?;
        Screen::print(&render::service_later(&later))?;
    } else {
        take(home, screen, manager, &steps).await?;
        screen.done(done(manager, args.warm || is_warm(state.as_ref())))?;
    }
    if let Some(warning) = left_out(manager, &facts.left_out) {
        warnings.push(warning);
    }
    if runner::lingering(manager).await == Some(false) {
        warnings.push(short_lived());
    }
    warnings.iter().for_each(Screen::warn);
    Ok(())
}

/// Asks the manager, and makes sure that it would find the files.
async fn ask(site: &Site) -> Result<State, Failure> {
    let state = runner::ask(site.manager, site.runtime()).await?;
    runner::check_folder(site.manager, &site.folder).await?;
    Ok(state)
}

/// The files, and what is to happen to each.
fn wanted(site: &Site, facts: &Facts, force: bool) -> Result<Vec<Wanted>, Failure> {
    let found = site.look()?;
    let shipped = site.manager.shipped().iter();
    let pairs = shipped.zip(found);
    pairs
        .map(|(shipped, (name, path, found))| {
            let text = match site.manager {
                Manager::Systemd => unit::text(*shipped, facts, VERSION)?,
                Manager::Launchd { .. } => plist::text(*shipped, facts, VERSION)?,
            };
            let change = files::change(found, &path, &text, force)?;
            Ok(Wanted {
                name,
                path,
                text,
                change,
            })
        })
        .collect()
}

/// Whether the service is started at login already; that stays so.
fn is_warm(state: Option<&State>) -> bool {
    let service = state.and_then(|state| state.unit(SERVICE));
    service.is_some_and(|service| service.enabled == "enabled")
}

fn done(manager: Manager, warm: bool) -> &'static str {
    match manager {
        Manager::Systemd if !warm => {
            "the service is installed: systemd starts qmdd for the first request"
        }
        Manager::Systemd => "the service is installed: systemd starts qmdd at login",
        Manager::Launchd { .. } => "the service is installed: launchd starts qmdd at login",
    }
}

fn notice(failure: Failure) -> Notice {
    Notice {
        message: failure.message,
        reason: failure.reason.into_owned(),
        hint: failure.hint,
    }
}

/// Says which variables the service does not get.
fn left_out(manager: Manager, names: &[&str]) -> Option<Notice> {
    if names.is_empty() {
        return None;
    }
    let hint = match manager {
        Manager::Systemd => {
            "where the service needs one: `systemctl --user edit qmdd.service`, as Environment="
        }
        Manager::Launchd { .. } => "where the service needs one: `launchctl setenv NAME VALUE`",
    };
    Some(Notice {
        message: format!(
            "set here and not written into the service, since it may be secret or is of this shell \
             alone: {}",
            names.join(", ")
        ),
        reason: String::new(),
        hint: Some(hint.to_owned()),
    })
}

/// Says that the service ends with the session.
fn short_lived() -> Notice {
    Notice {
        message: "lingering is off: the service ends with your last session".to_owned(),
        reason: String::new(),
        hint: Some("`loginctl enable-linger` keeps it running, from boot on".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_stay_behind_are_named_and_not_shown() {
        assert_eq!(left_out(Manager::Systemd, &[]), None);
        let notice = left_out(Manager::Systemd, &["HF_TOKEN", "QMDD_SOCKET"]).unwrap();
        assert!(
            notice.message.ends_with(": HF_TOKEN, QMDD_SOCKET"),
            "{notice:?}"
        );
        assert!(notice.hint.unwrap().contains("systemctl --user edit"));
    }
}
