//! Nobody but the user: modes, and the peer check behind them.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    process::Command,
};

use anyhow::Result;
use qmd_proto::Reason;
use qmd_tests::{Daemon, Sandbox, program, run};

fn mode(path: &std::path::Path) -> Result<u32> {
    Ok(fs::symlink_metadata(path)?.permissions().mode() & 0o777)
}

#[test]
fn socket_and_folder_are_closed_to_others() -> Result<()> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let socket = daemon.socket()?;
    assert_eq!(mode(&socket)?, 0o600);
    assert_eq!(socket.parent().map(mode).transpose()?, Some(0o700));
    Ok(())
}

/// Runs `qmdctl status` as another user. Only root can.
fn as_another(sandbox: &Sandbox) -> Result<Option<Command>> {
    if !rustix::process::getuid().is_root() {
        return Ok(None);
    }
    // Its own copy: the checkout may be closed to other users.
    let copy = sandbox.join("tmp/qmdctl");
    fs::copy(program("qmdctl")?, &copy)?;
    fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
    let mut command = sandbox.command("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy)
        .arg("status")
        .env("QMDD_AUTOSTART", "0")
        .env("QMDD_SOCKET", sandbox.socket()?);
    Ok(Some(command))
}

#[test]
fn another_user_is_refused_by_the_modes_and_then_by_the_peer_check() -> Result<()> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let Some(mut client) = as_another(&daemon)? else {
        return Ok(());
    };
    let open =
        |path: &std::path::Path, mode| fs::set_permissions(path, Permissions::from_mode(mode));
    for folder in ["", "tmp", "home"] {
        open(&daemon.join(folder), 0o755)?;
    }
    let refused = run(&mut client)?;
    assert_ne!(refused.code, Some(0), "{refused}");

    let socket = daemon.socket()?;
    open(&daemon.join("run"), 0o755)?;
    if let Some(folder) = socket.parent() {
        open(folder, 0o755)?;
    }
    open(&socket, 0o666)?;
    let refused = run(&mut client)?;
    assert_ne!(refused.code, Some(0), "{refused}");
    // Without our client's own check of whom it talks to, the daemon refuses.
    let error = raw_call(&daemon)?;
    assert!(error.contains(Reason::PeerRefused.as_str()), "{error}");
    let _ = daemon.qmdctl(["status"]).ok();
    Ok(())
}

/// Speaks to the socket as another user, with Python's gRPC client.
fn raw_call(daemon: &Daemon) -> Result<String> {
    let script = "
import grpc, os, sys
channel = grpc.insecure_channel('unix:' + sys.argv[1], options=[('grpc.default_authority', 'localhost')])
call = channel.unary_unary('/qmd.v1.ControlService/Status')
# Connects only when called.
os.setgid(65534); os.setuid(65534)
try:
    call(b'', timeout=20)
    print('answered')
except grpc.RpcError as error:
    print(error.code(), error.details(), [value for _, value in error.trailing_metadata()])
";
    let packages = qmd_tests::workspace().join("target/foreign/python");
    let mut python = Command::new("python3");
    python
        .env("PYTHONPATH", packages)
        .args(["-c", script])
        .arg(daemon.socket()?);
    let outcome = run(&mut python)?;
    Ok(format!("{}{}", outcome.stdout, outcome.stderr))
}
