//! One daemon, however it is started; an orderly end.

use std::{fs, os::unix::fs::PermissionsExt, thread};

use anyhow::{Context, Result};
use qmd_proto::{Reason, v1::ModelRole};
use qmd_tests::{Daemon, Sandbox, program, run, wait};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

#[test]
fn fifty_clients_at_once_start_one_daemon() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let pids: Vec<String> = thread::scope(|scope| {
        let clients: Vec<_> = (0..50)
            .map(|_| {
                scope.spawn(|| {
                    let status = sandbox.qmdctl(["status", "--format", "json"]).ok().json();
                    status["daemon"]["pid"].to_string()
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|client| {
                client
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    assert_eq!(pids.len(), 50);
    assert!(pids.iter().all(|pid| pid == &pids[0]), "{pids:?}");
    let instance = sandbox.instance().context("no daemon holds the lock")?;
    assert_eq!(instance.pid.to_string(), pids[0]);
    Ok(())
}

#[test]
fn a_second_daemon_is_refused_and_the_first_goes_on() -> Result<()> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let second = run(daemon.command(program("qmdd")?).arg("serve"))?;
    let _ = second.fails(Reason::DaemonRunning);
    let _ = daemon.qmdctl(["status"]).ok();
    Ok(())
}

#[test]
fn without_autostart_there_is_no_daemon() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let mut command = sandbox.command(program("qmdctl")?);
    let outcome = run(command.env("QMDD_AUTOSTART", "0").arg("status"))?;
    let _ = outcome.fails(Reason::DaemonNotRunning);
    assert!(sandbox.instance().is_none());
    Ok(())
}

#[test]
fn sigterm_ends_it_in_good_order() -> Result<()> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let socket = daemon.socket()?;
    daemon.signal(Signal::TERM)?;
    let status = daemon.ended()?;
    assert!(status.success(), "{status}");
    assert!(!socket.exists());
    Ok(())
}

#[test]
fn a_killed_daemon_leaves_no_worker_and_nothing_in_the_way() -> Result<()> {
    let sandbox = Sandbox::with_models()?;
    let daemon = Daemon::start(sandbox)?;
    daemon.wait_for_model(ModelRole::Embed)?;
    let worker = worker_pid(&daemon)?;
    daemon.signal(Signal::KILL)?;
    wait::until("the worker's end", wait::LIMIT, || {
        Ok(test_kill_process(worker).is_err().then_some(()))
    })?;
    // Its socket lies there, dead; the next client starts a daemon all the same.
    let _ = daemon.qmdctl(["status"]).ok();
    Ok(())
}

#[test]
fn a_killed_worker_comes_back_while_words_are_searched() -> Result<()> {
    let daemon = Daemon::with_corpus()?;
    let worker = worker_pid(&daemon)?;
    kill_process(worker, Signal::KILL)?;
    let _ = daemon.qmdctl(["search", "sourdough"]).ok();
    wait::until("another worker", wait::LIMIT, || {
        Ok(worker_pid(&daemon).ok().filter(|pid| *pid != worker))
    })?;
    daemon.wait_for_model(ModelRole::Embed)?;
    let _ = daemon.qmdctl(["vsearch", "bread", "--strict"]).ok();
    Ok(())
}

#[test]
fn another_model_takes_the_place_of_the_first() -> Result<()> {
    let daemon = Daemon::with_models()?;
    let first = worker_pid(&daemon)?;
    let copy = daemon.join("copy.gguf");
    fs::copy(
        daemon.dirs().models().join("all-minilm-l6-v2-q8_0.gguf"),
        &copy,
    )?;
    let config = daemon.dirs().config;
    fs::create_dir_all(&config)?;
    fs::write(
        config.join("index.yml"),
        format!("models:\n  embed: {}\n", copy.display()),
    )?;
    daemon.signal(Signal::HUP)?;
    wait::until("the first worker's end", wait::LIMIT, || {
        Ok(test_kill_process(first).is_err().then_some(()))
    })?;
    daemon.wait_for_model(ModelRole::Embed)?;
    assert_ne!(worker_pid(&daemon)?, first);
    Ok(())
}

#[test]
fn the_log_is_private_and_shown() -> Result<()> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let log = daemon.dirs().log_file();
    assert_eq!(fs::metadata(&log)?.permissions().mode() & 0o777, 0o600);
    let shown = daemon.qmdctl(["daemon", "logs"]).ok();
    assert!(shown.stdout.contains("serving"), "{shown}");
    Ok(())
}

/// The embedding worker.
fn worker_pid(daemon: &Daemon) -> Result<Pid> {
    let status = daemon.qmdctl(["status", "--format", "json"]).ok().json();
    let models = status["models"].as_array().context("no models")?;
    let pid = models
        .iter()
        .find(|model| model["role"] == "embed")
        .and_then(|model| model["workerPid"].as_i64())
        .context("no worker")?;
    Pid::from_raw(pid as i32).context("no worker runs")
}
