//! Plans for each state that can be found.

use super::*;

const LAUNCHD: Manager = Manager::Launchd { user: 501 };

fn files(changes: [Change; 2]) -> Vec<Wanted> {
    [SOCKET, SERVICE]
        .into_iter()
        .zip(changes)
        .map(|(name, change)| Wanted {
            name,
            path: format!("/u/{name}").into(),
            text: name.to_owned(),
            change,
        })
        .collect()
}

fn agent(change: Change) -> Vec<Wanted> {
    vec![Wanted {
        name: "io.qmdd.qmdd.plist",
        path: "/L A/io.qmdd.qmdd.plist".into(),
        text: String::new(),
        change,
    }]
}

fn unit(name: &str, enabled: &str, active: &str) -> Unit {
    Unit {
        name: name.into(),
        loaded: true,
        enabled: enabled.into(),
        active: active.into(),
        ..Unit::default()
    }
}

fn installed(warm: bool) -> State {
    let service = if warm {
        unit(SERVICE, "enabled", "active")
    } else {
        unit(SERVICE, "disabled", "inactive")
    };
    State {
        units: vec![unit(SOCKET, "enabled", "active"), service],
    }
}

/// The steps after the files, each in a line.
fn commands(steps: &[Step]) -> Vec<String> {
    steps
        .iter()
        .filter_map(|step| match step {
            Step::Write { .. } => None,
            Step::Remove(path) => Some(format!("rm {}", path.display())),
            Step::StopDaemon => Some("stop".to_owned()),
            Step::Run(words) => Some(words.to_string()),
        })
        .collect()
}

fn update(from: &str) -> Change {
    Change::Updated {
        from: Some(from.to_owned()),
    }
}

const WARM: Wish = Wish {
    warm: true,
    stop_daemon: false,
};

#[test]
fn a_first_installation_writes_then_enables() {
    let new = || files([Change::New, Change::New]);
    let nothing = State::default();
    let steps = install(Manager::Systemd, new(), Some(&nothing), Wish::default());
    assert!(matches!(&steps[0], Step::Write { path, .. } if path.ends_with(SOCKET)));
    assert!(matches!(&steps[1], Step::Write { path, .. } if path.ends_with(SERVICE)));
    let expected = [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now qmdd.socket",
    ];
    assert_eq!(commands(&steps), expected);
    let unknown = install(Manager::Systemd, new(), None, Wish::default());
    assert_eq!(commands(&unknown), expected);
    let wish = Wish {
        warm: true,
        stop_daemon: true,
    };
    let steps = install(Manager::Systemd, new(), Some(&nothing), wish);
    assert_eq!(
        commands(&steps),
        [
            "stop",
            "systemctl --user daemon-reload",
            "systemctl --user enable --now qmdd.socket qmdd.service",
        ]
    );
}

#[test]
fn what_is_up_to_date_needs_nothing() {
    let same = || files([Change::Unchanged, Change::Unchanged]);
    let plan =
        |state: &State, wish| commands(&install(Manager::Systemd, same(), Some(state), wish));
    assert_eq!(plan(&installed(false), Wish::default()), [] as [&str; 0]);
    assert_eq!(plan(&installed(true), WARM), [] as [&str; 0]);
    let warm = ["systemctl --user enable --now qmdd.socket qmdd.service"];
    assert_eq!(plan(&installed(false), WARM), warm);
    let mut stopped = installed(false);
    stopped.units[0].active = "inactive".into();
    let enable = "systemctl --user enable --now qmdd.socket";
    assert_eq!(plan(&stopped, Wish::default()), [enable]);
    let mut stale = installed(false);
    stale.units[0].outdated = true;
    let reload = "systemctl --user daemon-reload";
    let restart = "systemctl --user try-restart qmdd.socket";
    assert_eq!(plan(&stale, Wish::default()), [reload, restart, enable]);
}

#[test]
fn an_update_restarts_what_runs() {
    let plan = |changes| {
        let files = files(changes);
        let state = installed(false);
        commands(&install(
            Manager::Systemd,
            files,
            Some(&state),
            Wish::default(),
        ))
    };
    let enable = "systemctl --user enable --now qmdd.socket";
    let reload = "systemctl --user daemon-reload";
    assert_eq!(
        plan([Change::Unchanged, update("0.0.9")]),
        [reload, "systemctl --user try-restart qmdd.service", enable]
    );
    assert_eq!(
        plan([update("0.0.9"), update("0.0.9")]),
        [reload, "systemctl --user try-restart qmdd.socket", enable]
    );
}

#[test]
fn launchd_loads_what_is_new_and_loads_anew_what_changed() {
    let plan = |change, state: Option<&State>| {
        commands(&install(LAUNCHD, agent(change), state, Wish::default()))
    };
    let load = "launchctl bootstrap gui/501 '/L A/io.qmdd.qmdd.plist'";
    let unload = "launchctl bootout gui/501/io.qmdd.qmdd";
    let (loaded, nothing) = (installed(true), State::default());
    assert_eq!(plan(Change::New, Some(&nothing)), [load]);
    assert_eq!(plan(update("0.0.9"), Some(&loaded)), [unload, load]);
    assert_eq!(plan(Change::Unchanged, Some(&nothing)), [load]);
    assert_eq!(plan(Change::Unchanged, Some(&loaded)), [] as [&str; 0]);
    assert_eq!(plan(Change::New, None), [load]);
}

#[test]
fn an_installation_is_stopped_before_it_goes() {
    let files = |names: &[&'static str]| -> Vec<_> {
        let place = |name: &&'static str| (*name, PathBuf::from(format!("/u/{name}")));
        names.iter().map(place).collect()
    };
    let plan = |manager, names: &[&'static str], state: Option<&State>| {
        commands(&uninstall(manager, &files(names), state))
    };
    assert_eq!(
        plan(Manager::Systemd, &[SOCKET, SERVICE], None),
        [
            "systemctl --user disable --now qmdd.socket qmdd.service",
            "rm /u/qmdd.socket",
            "rm /u/qmdd.service",
            "systemctl --user daemon-reload",
        ]
    );
    let (loaded, nothing) = (installed(true), State::default());
    let half = plan(Manager::Systemd, &[SERVICE], Some(&loaded));
    let disable = "systemctl --user disable --now qmdd.service";
    assert_eq!(half[..2], ["systemctl --user stop qmdd.socket", disable]);
    let half = plan(Manager::Systemd, &[SERVICE], Some(&nothing));
    assert_eq!(half[0], disable);
    let unload = "launchctl bootout gui/501/io.qmdd.qmdd";
    let rest = "rm /u/a.plist";
    assert_eq!(plan(LAUNCHD, &["a.plist"], Some(&loaded)), [unload, rest]);
    assert_eq!(plan(LAUNCHD, &["a.plist"], Some(&nothing)), [rest]);
}

#[test]
fn launchd_loads_an_agent_that_it_forgot() {
    let plan = |manager, agent: Option<&str>, state: &State| {
        commands(&start(manager, agent.map(PathBuf::from), state))
    };
    let (loaded, nothing) = (installed(false), State::default());
    assert_eq!(
        plan(LAUNCHD, Some("/a.plist"), &nothing),
        ["launchctl bootstrap gui/501 /a.plist"]
    );
    assert_eq!(
        plan(LAUNCHD, Some("/a.plist"), &loaded),
        ["launchctl kickstart gui/501/io.qmdd.qmdd"]
    );
    assert_eq!(
        plan(Manager::Systemd, Some("/u"), &loaded),
        ["systemctl --user start qmdd.service"]
    );
}
