//! The daemon as a service of the user: what is written, what the service manager is asked, and in
//! which order. The manager is a stand-in that notes what it is asked.

#![cfg(not(target_os = "macos"))]

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result};
use qmd_proto::Reason;
use qmd_tests::{Daemon, Outcome, Sandbox, program, run};

/// `systemctl`, `loginctl` and `journalctl`, as they are where all goes well.
const MANAGER: &str = r#"#!/bin/sh
here=${0%/*}
echo "${0##*/} $*" >>"$here/calls"
units=$HOME/.config/systemd/user
case "${0##*/} $*" in
"$(cat "$here/fails" 2>/dev/null || echo -)") echo 'Failed to do it.' >&2; exit 1 ;;
"systemctl --user show --property=UnitPath") echo "UnitPath=/etc/systemd/user $units" ;;
"systemctl --user show "*)
    for unit in qmdd.socket qmdd.service; do
        load=not-found
        [ -e "$units/$unit" ] && load=loaded
        enabled=disabled active=inactive
        [ -e "$here/on.$unit" ] && enabled=enabled active=active
        printf 'Id=%s\nLoadState=%s\nActiveState=%s\nUnitFileState=%s\nMainPID=%s\n\n' \
            "$unit" "$load" "$active" "$enabled" "$(cat "$here/pid.$unit" 2>/dev/null || echo 0)"
    done ;;
"systemctl --user enable --now "*) shift 3; for unit; do : >"$here/on.$unit"; done ;;
"systemctl --user disable --now "*) shift 3; for unit; do rm -f "$here/on.$unit"; done ;;
"loginctl show-user "*) cat "$here/linger" ;;
"journalctl "*) cat "$here/journal" ;;
esac
"#;

/// A home with a service manager.
struct Managed {
    sandbox: std::sync::Arc<Sandbox>,
}

impl Managed {
    fn new(sandbox: impl Into<std::sync::Arc<Sandbox>>) -> Result<Self> {
        let managed = Self {
            sandbox: sandbox.into(),
        };
        fs::create_dir_all(managed.sandbox.join("run/systemd"))?;
        fs::write(managed.sandbox.join("run/systemd/private"), "")?;
        fs::create_dir(managed.place(""))?;
        fs::write(managed.place("systemctl"), MANAGER)?;
        fs::set_permissions(managed.place("systemctl"), Permissions::from_mode(0o755))?;
        symlink("systemctl", managed.place("loginctl"))?;
        symlink("systemctl", managed.place("journalctl"))?;
        managed.set("linger", "Linger=yes\n")?;
        managed.set("journal", "from the journal\n")?;
        Ok(managed)
    }

    /// A file of the stand-in.
    fn place(&self, name: &str) -> PathBuf {
        self.sandbox.join("manager").join(name)
    }

    fn set(&self, name: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.place(name), text)?)
    }

    /// Where a unit lies.
    fn unit(&self, name: &str) -> PathBuf {
        self.sandbox.join("home/.config/systemd/user").join(name)
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.sandbox.command(program("qmdctl")?);
        let outer = std::env::var("PATH")?;
        let path = format!("{}:{outer}", self.place("").display());
        command.env("PATH", path).args(arguments);
        Ok(command)
    }

    fn service(&self, arguments: &[&str]) -> Result<Outcome> {
        run(self.command(&["service"])?.args(arguments))
    }

    /// What was changed since the last time: questions are left out.
    fn changes(&self) -> Result<Vec<String>> {
        let calls = fs::read_to_string(self.place("calls")).unwrap_or_default();
        self.set("calls", "")?;
        let is_question = |call: &&str| {
            call.starts_with("systemctl --user show") || call.starts_with("loginctl show-user")
        };
        let calls = calls.lines().filter(|call| !is_question(call));
        Ok(calls.map(str::to_owned).collect())
    }
}

const RELOAD: &str = "systemctl --user daemon-reload";
const ENABLE: &str = "systemctl --user enable --now qmdd.socket";

#[test]
fn a_dry_run_prints_all_and_does_nothing() -> Result<()> {
    let managed = Managed::new(Sandbox::new()?)?;
    let shown = managed.service(&["install", "--dry-run", "--warm"])?.ok();
    for name in ["qmdd.socket", "qmdd.service"] {
        let path = managed.unit(name);
        assert!(
            shown.stdout.contains(path.to_str().context("UTF-8")?),
            "{shown}"
        );
        assert!(!path.exists());
    }
    let start = format!("\nExecStart={} serve\n", program("qmdd")?.display());
    for part in [
        "ListenStream=%t/qmdd/qmdd.sock",
        &start,
        "\nEnvironment=QMDD_WATCH=0\n",
        RELOAD,
        "systemctl --user enable --now qmdd.socket qmdd.service",
    ] {
        assert!(shown.stdout.contains(part), "no {part}: {shown}");
    }
    assert_eq!(managed.changes()?, [] as [&str; 0]);
    Ok(())
}

#[test]
fn it_is_installed_kept_updated_and_uninstalled() -> Result<()> {
    let managed = Managed::new(Sandbox::new()?)?;
    let first = managed.service(&["install"])?.ok();
    assert_eq!(first.stdout.matches("wrote /").count(), 2, "{first}");
    assert_eq!(managed.changes()?, [RELOAD, ENABLE]);

    let again = managed.service(&["install"])?.ok();
    assert_eq!(again.stdout.matches("unchanged /").count(), 2, "{again}");
    assert_eq!(managed.changes()?, [] as [&str; 0]);

    // Nothing is started behind the manager's back.
    let refused = run(&mut managed.command(&["daemon", "start"])?)?.fails(Reason::DaemonNotRunning);
    assert!(
        refused.stderr.contains("`qmdctl service start`"),
        "{refused}"
    );

    let service = managed.unit("qmdd.service");
    let text = fs::read_to_string(&service)?;
    let mark = "install, version ";
    fs::write(&service, text.replace(mark, "install, version 0.0.1-"))?;
    let updated = managed.service(&["install"])?.ok();
    assert!(
        updated.stdout.contains("it was of version 0.0.1-"),
        "{updated}"
    );
    assert_eq!(fs::read_to_string(&service)?, text);
    let restart = "systemctl --user try-restart qmdd.service";
    assert_eq!(managed.changes()?, [RELOAD, restart, ENABLE]);

    let gone = managed.service(&["uninstall"])?.ok();
    assert_eq!(gone.stdout.matches("removed /").count(), 2, "{gone}");
    assert!(!service.exists() && !managed.unit("qmdd.socket").exists());
    let disable = "systemctl --user disable --now qmdd.socket qmdd.service";
    assert_eq!(managed.changes()?, [disable, RELOAD]);
    let none = managed.service(&["uninstall"])?.ok();
    assert!(none.stdout.contains("not installed"), "{none}");
    assert_eq!(managed.changes()?, [] as [&str; 0]);
    Ok(())
}

#[test]
fn what_the_user_wrote_is_left_alone_unless_forced() -> Result<()> {
    let managed = Managed::new(Sandbox::new()?)?;
    let _ = managed.service(&["install"])?.ok();
    let socket = managed.unit("qmdd.socket");
    let mine: String = fs::read_to_string(&socket)?
        .lines()
        .skip(1)
        .flat_map(|line| [line, "\n"])
        .collect();
    fs::write(&socket, &mine)?;
    let _ = managed.changes()?;
    for verb in ["install", "uninstall"] {
        let refused = managed.service(&[verb])?.fails(Reason::ConfigConflict);
        assert!(refused.stderr.contains("--force"), "{refused}");
        assert_eq!(fs::read_to_string(&socket)?, mine);
        assert_eq!(managed.changes()?, [] as [&str; 0], "{verb}");
    }
    let _ = managed.service(&["install", "--force"])?.ok();
    assert_ne!(fs::read_to_string(&socket)?, mine);
    fs::write(&socket, &mine)?;
    let _ = managed.service(&["uninstall", "--force"])?.ok();
    assert!(!socket.exists());
    Ok(())
}

#[test]
fn without_a_manager_nothing_is_written_unless_the_files_alone_are_wanted() -> Result<()> {
    let managed = Managed::new(Sandbox::new()?)?;
    fs::remove_file(managed.sandbox.join("run/systemd/private"))?;
    let refused = managed.service(&["install"])?.fails(Reason::ToolFailed);
    assert!(refused.stderr.contains("--no-start"), "{refused}");
    let socket = managed.unit("qmdd.socket");
    assert!(!socket.exists());
    let shown = managed.service(&["install", "--dry-run"])?.ok();
    assert!(shown.stderr.contains("warning"), "{shown}");
    assert!(!socket.exists());

    let written = managed.service(&["install", "--no-start"])?.ok();
    assert!(socket.exists());
    for command in [RELOAD, ENABLE] {
        assert!(written.stdout.contains(command), "{written}");
    }
    let _ = managed.service(&["start"])?.fails(Reason::ToolFailed);
    let _ = managed.service(&["uninstall"])?.fails(Reason::ToolFailed);
    assert!(socket.exists());
    let status = managed.service(&["status", "--json"])?.ok().json();
    assert_eq!(status["installed"], true);
    assert!(status["unreachable"].is_string(), "{status}");

    let wants = managed.unit("sockets.target.wants");
    fs::create_dir(&wants)?;
    symlink(&socket, wants.join("qmdd.socket"))?;
    let removed = managed.service(&["uninstall", "--no-stop"])?.ok();
    assert!(
        removed.stdout.contains("systemctl --user stop"),
        "{removed}"
    );
    assert!(!socket.exists() && !wants.join("qmdd.socket").is_symlink());
    assert_eq!(managed.changes()?, [] as [&str; 0]);
    Ok(())
}

#[test]
fn a_command_that_fails_says_why_and_can_be_done_again() -> Result<()> {
    let managed = Managed::new(Sandbox::new()?)?;
    managed.set("fails", ENABLE)?;
    let failed = managed.service(&["install"])?.fails(Reason::ToolFailed);
    assert!(failed.stderr.contains("Failed to do it."), "{failed}");
    managed.set("fails", "-")?;
    let _ = managed.changes()?;
    let _ = managed.service(&["install"])?.ok();
    assert_eq!(managed.changes()?, [ENABLE]);
    Ok(())
}

#[test]
fn a_daemon_that_was_started_by_hand_is_in_the_way_until_it_ends() -> Result<()> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let managed = Managed::new(daemon.sandbox())?;
    let refused = managed.service(&["install"])?.fails(Reason::DaemonRunning);
    assert!(refused.stderr.contains("qmdctl daemon stop"), "{refused}");
    assert!(!managed.unit("qmdd.socket").exists());

    // The manager's own is in nobody's way.
    managed.set("pid.qmdd.service", &daemon.pid().to_string())?;
    let _ = managed.service(&["install"])?.ok();
    fs::remove_file(managed.place("pid.qmdd.service"))?;
    let _ = managed.service(&["start"])?.fails(Reason::DaemonRunning);
    let _ = managed.service(&["uninstall"])?.ok();

    let later = managed.service(&["install", "--no-start"])?.ok();
    assert!(later.stdout.contains("  qmdctl daemon stop\n"), "{later}");
    let taken = managed.service(&["install", "--take-over"])?.ok();
    assert!(taken.stdout.contains("qmdd stopped"), "{taken}");
    assert!(daemon.ended()?.success());
    Ok(())
}

#[test]
fn it_is_started_stopped_and_shown() -> Result<()> {
    let managed = Managed::new(Sandbox::new()?)?;
    for verb in ["start", "stop", "restart"] {
        let _ = managed.service(&[verb])?.fails(Reason::ConfigUnavailable);
    }
    let none = managed.service(&["status"])?.ok();
    assert!(none.stdout.contains("qmdctl service install"), "{none}");

    managed.set("linger", "Linger=no\n")?;
    let installed = managed.service(&["install"])?.ok();
    assert!(
        installed.stderr.contains("loginctl enable-linger"),
        "{installed}"
    );
    let _ = managed.changes()?;
    for verb in ["start", "stop", "restart"] {
        let _ = managed.service(&[verb])?.ok();
    }
    assert_eq!(
        managed.changes()?,
        [
            "systemctl --user start qmdd.service",
            "systemctl --user stop qmdd.socket qmdd.service",
            "systemctl --user restart qmdd.service",
        ]
    );
    let status = managed.service(&["status", "--json"])?.ok().json();
    assert_eq!(status["manager"], "systemd");
    assert_eq!(status["upToDate"], true);
    assert_eq!(status["lingering"], false);
    let qmdd = program("qmdd")?;
    assert_eq!(status["program"], qmdd.to_str().context("UTF-8")?);
    assert_eq!(status["files"][1]["version"], status["version"]);
    assert_eq!(status["units"][0]["enabled"], "enabled");
    let shown = managed.service(&["status"])?.ok();
    assert!(shown.stdout.contains("active, enabled"), "{shown}");

    let logs = managed.service(&["logs", "-n", "7"])?.ok();
    assert_eq!(logs.stdout, "from the journal\n");
    let asked = "journalctl --user -u qmdd --no-pager -n 7";
    assert_eq!(managed.changes()?.last().map(String::as_str), Some(asked));
    // Where no journal is kept, the daemon's own file is shown.
    managed.set("journal", "")?;
    let log = managed.sandbox.dirs().log_file();
    fs::create_dir_all(log.parent().context("a folder")?)?;
    fs::write(&log, "from the file\n")?;
    assert_eq!(managed.service(&["logs"])?.ok().stdout, "from the file\n");
    Ok(())
}

#[test]
fn secrets_stay_out_of_the_units() -> Result<()> {
    let managed = Managed::new(Sandbox::new()?)?;
    let mut install = managed.command(&["service", "install"])?;
    let install = install
        .env("QMDD_MODAL_TOKEN", "wk-secret.ws-secret")
        .env("QMD_CONFIG_DIR", managed.sandbox.join("home/my 100% notes"));
    let installed = run(install)?.ok();
    assert!(installed.stderr.contains("QMDD_MODAL_TOKEN"), "{installed}");
    let text = fs::read_to_string(managed.unit("qmdd.service"))?;
    let printed = format!("{}{}", installed.stdout, installed.stderr);
    assert!(
        !text.contains("secret") && !printed.contains("secret."),
        "{text}"
    );
    assert!(text.contains("/home/my 100%% notes\"\n"), "{text}");
    Ok(())
}

#[test]
fn root_installs_nothing_in_the_name_of_another_user() -> Result<()> {
    if !rustix::process::getuid().is_root() {
        eprintln!("skipped: these tests do not run as root");
        return Ok(());
    }
    let managed = Managed::new(Sandbox::new()?)?;
    for verb in ["install", "uninstall", "start"] {
        let mut command = managed.command(&["service", verb])?;
        let refused = run(command.env("SUDO_USER", "ann"))?.fails(Reason::SocketRefused);
        assert!(refused.stderr.contains("run it as ann"), "{refused}");
    }
    assert!(!managed.unit("qmdd.socket").exists());
    Ok(())
}

#[test]
fn systemd_itself_finds_nothing_wrong_with_the_units() -> Result<()> {
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        command.args(arguments);
        command
    };
    if analyze(&["--version"]).output().is_err() {
        eprintln!("skipped: there is no systemd-analyze here");
        return Ok(());
    }
    let managed = Managed::new(Sandbox::new()?)?;
    let odd = managed.sandbox.join("home/odd $HOME 100%h; é");
    fs::create_dir(&odd)?;
    let stand_in = odd.join("qmdd");
    fs::write(&stand_in, "#!/bin/sh\n")?;
    fs::set_permissions(&stand_in, Permissions::from_mode(0o755))?;
    let mut install = managed.command(&["service", "install"])?;
    let install = install
        .env("QMDD_BIN", &stand_in)
        .env("QMD_CONFIG_DIR", managed.sandbox.join("home/a \"b\" \\ 5%"))
        .env("QMDD_LOG", "qmdd=debug,h2=warn");
    let _ = run(install)?.ok();
    let verify = |managed: &Managed| {
        let mut verify = managed.sandbox.command("systemd-analyze");
        run(verify
            .args(["verify", "--user", "--man=no"])
            .arg(managed.unit("qmdd.socket"))
            .arg(managed.unit("qmdd.service")))
    };
    let verified = verify(&managed)?.ok();
    let complaints = format!("{}{}", verified.stdout, verified.stderr);
    assert!(!complaints.contains("qmdd.s"), "{verified}");
    // It does look: at the program too.
    fs::remove_file(&stand_in)?;
    let missing = verify(&managed)?;
    assert_ne!(missing.code, Some(0), "{missing}");
    assert!(
        missing.stderr.contains("odd $HOME 100%h; é/qmdd"),
        "{missing}"
    );
    Ok(())
}

#[test]
fn the_shipped_agent_is_a_property_list() -> Result<()> {
    let agent = qmd_tests::workspace().join("systemd/io.qmdd.qmdd.plist");
    let text = fs::read_to_string(agent)?.replace("/usr/local/bin/qmdd", "/b/qmdd");
    let copy = Sandbox::new()?;
    let path = copy.join("agent.plist");
    fs::write(&path, text)?;
    let script = "import json, plistlib, sys; \
         print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    let mut python = Command::new("python3");
    let agent = run(python.args(["-c", script]).arg(&path))?.ok().json();
    assert_eq!(
        agent["ProgramArguments"],
        serde_json::json!(["/b/qmdd", "serve"])
    );
    assert_eq!(agent["KeepAlive"]["SuccessfulExit"], false);
    assert_eq!(agent["Umask"], 0o077);
    Ok(())
}
