//! `service uninstall`.

use std::path::{Path, PathBuf};

use super::{
    Site, failures,
    files::Found,
    manager::Manager,
    plan::{self, Step},
    runner, take, user,
};
use crate::{
    cli::UninstallArgs,
    client::Home,
    error::{Failure, Result},
    render::{self, Screen},
};

/// The links that `systemctl enable` makes, which `disable` takes away where it can be asked.
const LINKS: [&str; 2] = [
    "sockets.target.wants/qmdd.socket",
    "default.target.wants/qmdd.service",
];

pub(super) async fn run(
    home: &Home,
    screen: Screen,
    site: &Site,
    args: &UninstallArgs,
) -> Result<()> {
    user::check()?;
    let files = removable(site.look()?, args.force)?;
    if files.is_empty() {
        return screen.done("the service is not installed");
    }
    let manager = site.manager;
    if args.no_stop {
        let steps = plan::uninstall(manager, &files, None);
        let (mut now, later): (Vec<_>, Vec<_>) = steps
            .into_iter()
            .partition(|step| matches!(step, Step::Remove(_)));
        now.extend(links(manager, &site.folder).into_iter().map(Step::Remove));
        take(home, screen, manager, &now).await?;
        let later = without_files(manager, later);
        return Screen::print(&render::service_later(&later));
    }
    let state = runner::ask(manager, site.runtime())
        .await
        .map_err(|failure| {
            failures::or_files_alone(failure, "`--no-stop` removes the files alone")
        })?;
    let steps = plan::uninstall(manager, &files, Some(&state));
    take(home, screen, manager, &steps).await?;
    screen.done("the service is uninstalled: qmdctl starts the daemon by itself again")
}

/// The files that are there, refused where one is somebody's own.
fn removable(
    found: Vec<(&'static str, PathBuf, Found)>,
    force: bool,
) -> Result<Vec<(&'static str, PathBuf)>, Failure> {
    let mut files = Vec::new();
    for (name, path, found) in found {
        let why = match found {
            Found::Absent => continue,
            Found::Ours { .. } => None,
            Found::Shipped => Some("was not written by an installation"),
            Found::Foreign { why, .. } => Some(why),
        };
        if let Some(why) = why.filter(|_| !force) {
            return Err(failures::foreign(&path, why, "uninstall"));
        }
        files.push((name, path));
    }
    Ok(files)
}

/// The links by which units are enabled; anything else in their places is left alone.
fn links(manager: Manager, folder: &Path) -> Vec<PathBuf> {
    if manager != Manager::Systemd {
        return Vec::new();
    }
    let places = LINKS.iter().map(|link| folder.join(link));
    places.filter(|path| path.is_symlink()).collect()
}

/// The commands that still make sense once the files are gone: systemd finds nothing to disable, but
/// can stop what runs.
fn without_files(manager: Manager, later: Vec<Step>) -> Vec<Step> {
    match manager {
        Manager::Systemd => {
            let rest = later.into_iter().skip(1);
            std::iter::once(Step::Run(manager.stop()))
                .chain(rest)
                .collect()
        }
        Manager::Launchd { .. } => later,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(found: Found) -> Vec<(&'static str, PathBuf, Found)> {
        vec![
            ("qmdd.socket", "/u/qmdd.socket".into(), Found::Absent),
            ("qmdd.service", "/u/qmdd.service".into(), found),
        ]
    }

    #[test]
    fn only_what_an_installation_wrote_is_removed() {
        let ours = Found::Ours {
            text: String::new(),
            version: "0.0.9".into(),
        };
        let names = |found, force| {
            removable(found, force).map(|files| files.into_iter().map(|(name, _)| name).collect())
        };
        let one = Ok(vec!["qmdd.service"]);
        assert_eq!(names(found(Found::Absent), false), Ok(vec![]));
        assert_eq!(names(found(ours), false), one);
        let foreign = Found::Foreign {
            text: String::new(),
            why: "is a link",
        };
        for theirs in [Found::Shipped, foreign] {
            let failure = names(found(theirs.clone()), false).unwrap_err();
            assert_eq!(failure.reason, "CONFIG_CONFLICT");
            assert!(failure.hint.unwrap().contains("uninstall --force"));
            assert_eq!(names(found(theirs), true), one);
        }
    }

    #[test]
    fn links_go_and_files_in_their_places_stay() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        for link in LINKS {
            std::fs::create_dir_all(folder.join(link).parent().unwrap()).unwrap();
        }
        std::os::unix::fs::symlink("/gone/qmdd.socket", folder.join(LINKS[0])).unwrap();
        std::fs::write(folder.join(LINKS[1]), "").unwrap();
        assert_eq!(links(Manager::Systemd, folder), [folder.join(LINKS[0])]);
    }

    #[test]
    fn what_is_left_to_run_stops_the_service() {
        let files = [("qmdd.socket", PathBuf::from("/u/qmdd.socket"))];
        let steps = plan::uninstall(Manager::Systemd, &files, None);
        let later = steps
            .into_iter()
            .filter(|step| matches!(step, Step::Run(_)));
        let later: Vec<_> = without_files(Manager::Systemd, later.collect())
            .into_iter()
            .map(|step| match step {
                Step::Run(words) => words.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            later,
            [
                "systemctl --user stop qmdd.socket qmdd.service",
                "systemctl --user daemon-reload",
            ]
        );
    }
}
