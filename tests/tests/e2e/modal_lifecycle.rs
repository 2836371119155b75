//! `qmdctl modal`: a deployment's life, against a recorded `modal` program and, offline, the real one.

mod fake;

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use qmd_proto::Reason;
use qmd_tests::{Daemon, Sandbox, program, run, wait, workspace};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use self::fake::{Fake, Gateway};

/// The image in the configuration, so that no registry is asked.
const IMAGE: &str =
    "host.test/llama@sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";

/// A daemon with the starter models, a `modal` program and a gateway to deploy.
struct Scene {
    daemon: Daemon,
    fake: Fake,
    gateway: Gateway,
    config: PathBuf,
    before: String,
}

impl Scene {
    fn new() -> Result<Self> {
        let sandbox = Sandbox::with_models()?;
        let fake = Fake::new(&sandbox)?;
        let gateway = Gateway::start()?;
        fake.set("url", &gateway.url)?;
        let config = sandbox.dirs().config.join("index.yml");
        let before = format!("# mine\nmodal:\n  image: {IMAGE} # pinned\n  max_containers: 2\n");
        fs::create_dir_all(sandbox.dirs().config)?;
        fs::write(&config, &before)?;
        Ok(Self {
            daemon: Daemon::start_with(sandbox, [("QMDD_MODAL_REGION", "eu-west")])?,
            fake,
            gateway,
            config,
            before,
        })
    }

    #[track_caller]
    fn qmdctl(&self, arguments: &[&str]) -> qmd_tests::Outcome {
        match self.fake.qmdctl(&self.daemon, arguments) {
            Ok(outcome) => outcome,
            Err(error) => panic!("{error:#}"),
        }
    }

    /// What the daemon computes with.
    fn backend(&self) -> String {
        let status = self
            .daemon
            .qmdctl(["status", "--format", "json"])
            .ok()
            .json();
        let backend = status["daemon"]["backend"].as_str();
        backend.unwrap_or_default().to_owned()
    }

    fn is_untouched(&self) -> Result<()> {
        assert_eq!(fs::read_to_string(&self.config)?, self.before);
        assert!(!self.daemon.dirs().modal_record().exists());
        let left: Vec<_> = fs::read_dir(self.daemon.join("tmp"))?
            .flatten()
            .map(|entry| entry.file_name())
            .filter(|name| name.to_string_lossy().starts_with("qmd-modal-"))
            .collect();
        assert_eq!(left, [] as [&str; 0], "the unpacked files stay behind");
        Ok(())
    }
}

#[test]
fn a_deployment_comes_is_looked_at_and_goes() -> Result<()> {
    let scene = Scene::new()?;
    let deployed = scene.qmdctl(&["deploy", "--gpu", "L4"]).ok();
    assert_eq!(
        scene.fake.calls()?,
        [
            "app list --json",
            "deploy serve.py",
            "server info qmd/inference --json",
            "workspace proxy-tokens create --name qmd --json",
        ]
    );
    let variables = scene.fake.noted("env.deploy");
    for expected in [
        &format!("QMD_MODAL_IMAGE={IMAGE}"),
        "QMD_MODAL_GPU=L4",
        "QMD_MODAL_REGION=eu-west",
        "QMD_MODAL_COMPUTE_REGION=",
        "QMD_MODAL_MIN_CONTAINERS=0",
        "QMD_MODAL_MAX_CONTAINERS=2",
        "QMD_MODAL_SCALEDOWN_WINDOW=15",
        "QMD_MODAL_SNAPSHOT=0",
    ] {
        assert!(
            variables.lines().any(|line| line == expected),
            "{expected}: {variables}"
        );
    }
    // What is deployed is what is used here, by its hash.
    assert!(variables.contains("995351f09a1f55dd4513cdb0531b724c12fb64ee2176913abba21ad025f18f2a"));
    assert!(deployed.stderr.contains("serve.py") && deployed.stderr.contains("deployed in 3 s"));
    assert!(deployed.stdout.contains("qmdctl modal test"), "{deployed}");
    assert!(!deployed.stdout.contains("ws-secret") && !deployed.stderr.contains("ws-secret"));

    let token = scene.daemon.dirs().modal_token();
    assert_eq!(fs::read_to_string(&token)?, "wk-key.ws-secret\n");
    assert_eq!(fs::metadata(&token)?.mode() & 0o777, 0o600);
    assert!(
        scene
            .gateway
            .tokens()
            .iter()
            .all(|it| it == "Bearer wk-key.ws-secret")
    );
    assert!(!scene.gateway.tokens().is_empty());
    let url = &scene.gateway.url;
    let saved = format!(
        "{}  inference: true\n  url: {url}\n  region: eu-west\n  gpu: L4\n",
        scene.before
    );
    assert_eq!(fs::read_to_string(&scene.config)?, saved);
    // The daemon uses it from now on, and has heard what it is.
    assert_eq!(scene.backend(), "modal");

    // Looking at it asks Modal, and not the deployment.
    let asked = scene.gateway.tokens().len();
    scene.fake.set(
        "apps",
        r#"[{"app_id": "ap-0", "description": "qmd", "state": "stopped"},
            {"app_id": "ap-1", "description": "qmd", "state": "deployed"}]"#,
    )?;
    scene.fake.set(
        "containers",
        r#"[{"container_id": "ta-1", "app_id": "ap-1", "app_name": "qmd", "start_time": "Pending"}]"#,
    )?;
    let status = scene.qmdctl(&["status", "--json"]).ok().json();
    assert_eq!(status["deployed"], true, "{status}");
    assert_eq!(status["containers"][0]["id"], "ta-1");
    assert_eq!(status["lastDeployment"]["image"], IMAGE);
    assert_eq!(status["region"]["region"], "eu-west");
    assert!(
        status["estimate"]["dollarsPerHour"]
            .as_f64()
            .is_some_and(|it| it > 0.5)
    );
    assert_eq!(status["ping"], serde_json::Value::Null);
    assert_eq!(
        scene.fake.calls()?,
        ["app list --json", "container list --app-id ap-1 --json"]
    );
    assert_eq!(scene.gateway.tokens().len(), asked, "it was woken");
    let pinged = scene.qmdctl(&["status", "--ping"]).ok();
    assert!(pinged.stdout.contains("ready in"), "{pinged}");
    assert!(scene.gateway.tokens().len() > asked);

    let logs = scene
        .qmdctl(&["logs", "--tail", "5", "--since", "2h", "-f"])
        .ok();
    assert!(logs.stdout.contains("a line of the log\n"), "{logs}");
    let calls = scene.fake.calls()?;
    assert!(
        calls.contains(&"app logs qmd --tail 5 --since 2h -f".to_owned()),
        "{calls:?}"
    );

    // A second deployment has its token already.
    let _ = scene.qmdctl(&["deploy", "--json"]).ok();
    assert!(
        !scene
            .fake
            .calls()?
            .iter()
            .any(|call| call.contains("proxy-tokens"))
    );

    let _ = scene.qmdctl(&["destroy"]).fails(Reason::Cancelled);
    assert_eq!(scene.fake.calls()?, [] as [&str; 0]);
    let _ = scene.qmdctl(&["destroy", "--yes"]).ok();
    assert_eq!(scene.fake.calls()?, ["app stop qmd --yes"]);
    let gone = fs::read_to_string(&scene.config)?;
    assert!(
        gone.contains("  inference: false\n") && !gone.contains("url:"),
        "{gone}"
    );
    assert_ne!(scene.backend(), "modal");
    // What is gone can be destroyed again.
    scene.fake.set(
        "fail.app",
        "App is already stopped. (Stopped at 2026-01-01).\n",
    )?;
    let again = scene.qmdctl(&["destroy", "--yes", "--json"]).ok().json();
    assert_eq!(again["alreadyStopped"], true);
    Ok(())
}

#[test]
fn what_is_missing_is_named_before_anything_is_done() -> Result<()> {
    let scene = Scene::new()?;
    let nowhere = scene.daemon.join("nowhere");
    let without = run(scene
        .fake
        .command(&scene.daemon, &["deploy"])?
        .env("PATH", &nowhere))?
    .fails(Reason::ToolFailed);
    assert!(without.stderr.contains("python3"), "{without}");

    scene.fake.set("version", "1.4.2")?;
    let old = scene.qmdctl(&["deploy"]).fails(Reason::ModalToolMissing);
    assert!(
        old.stderr.contains("1.4.2") && old.stderr.contains("pip install"),
        "{old}"
    );
    scene.fake.set("version", "1.10.0")?;

    scene
        .fake
        .set("config", r#"{"token_id": null, "token_secret": null}"#)?;
    let unknown = scene
        .qmdctl(&["deploy"])
        .fails(Reason::ModalCredentialsMissing);
    assert!(unknown.stderr.contains("modal token new"), "{unknown}");
    scene
        .fake
        .set("config", r#"{"token_id": "ak-1", "token_secret": "***"}"#)?;

    let refused = scene
        .qmdctl(&["deploy", "--region", "eu"])
        .fails(Reason::RegionUnknown);
    assert!(refused.stderr.contains("perhaps eu-west"), "{refused}");
    let refused = scene
        .qmdctl(&["deploy", "--compute-region", "eu-wets"])
        .fails(Reason::RegionUnknown);
    assert!(refused.stderr.contains("perhaps eu-west"), "{refused}");
    assert_eq!(scene.fake.calls()?, [] as [&str; 0]);

    let pinged = scene.qmdctl(&["status", "--ping"]);
    let _ = pinged.fails(Reason::ModalNotDeployed);
    let _ = scene.qmdctl(&["test"]).fails(Reason::ModalNotDeployed);
    scene.is_untouched()
}

#[test]
fn a_deployment_that_fails_changes_nothing() -> Result<()> {
    let scene = Scene::new()?;
    scene.fake.set(
        "fail.deploy",
        "building\nError: Image build failed: no such GPU\n",
    )?;
    let failed = scene.qmdctl(&["deploy"]).fails(Reason::ModalDeployFailed);
    assert!(
        failed.stderr.contains("Image build failed: no such GPU"),
        "{failed}"
    );
    scene.is_untouched()?;

    scene.fake.set(
        "fail.deploy",
        "Error: Could not connect to the Modal server.\n",
    )?;
    let _ = scene.qmdctl(&["deploy"]).fails(Reason::ModalUnreachable);
    scene.is_untouched()?;
    scene.fake.unset("fail.deploy")?;

    // It hangs: at the first question, and in the deployment itself.
    scene.fake.set("block.app", "")?;
    let late = scene
        .qmdctl(&["deploy", "--timeout", "2"])
        .fails(Reason::ModalUnreachable);
    assert!(
        late.stderr
            .contains("`modal app list --json` did not end within 2s"),
        "{late}"
    );
    let status = scene.qmdctl(&["status", "--timeout", "1"]).ok();
    assert!(status.stderr.contains("MODAL_UNREACHABLE"), "{status}");
    scene.fake.unset("block.app")?;

    scene.fake.set("block.deploy", "")?;
    let late = scene
        .qmdctl(&["deploy", "--timeout", "10"])
        .fails(Reason::ModalUnreachable);
    assert!(
        late.stderr.contains("`modal deploy serve.py` did not end"),
        "{late}"
    );
    scene.is_untouched()?;
    assert!(!scene.daemon.dirs().modal_token().exists());
    Ok(())
}

#[test]
fn an_interrupted_deployment_leaves_nothing_behind() -> Result<()> {
    let scene = Scene::new()?;
    scene.fake.set("block.deploy", "")?;
    let mut child = scene
        .fake
        .command(&scene.daemon, &["deploy"])?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let pid = wait::until("the deployment to begin", wait::LIMIT, || {
        if let Some(status) = child.try_wait()? {
            bail!("it ended with {status}");
        }
        Ok(scene.fake.noted("pid").trim().parse::<i32>().ok())
    })?;
    let own = Pid::from_raw(child.id() as i32).context("no process id")?;
    kill_process(own, Signal::INT)?;
    let status = wait::until("its end", wait::LIMIT, || Ok(child.try_wait()?))?;
    assert_eq!(status.code(), Some(130));
    let modal = Pid::from_raw(pid).context("no process id")?;
    wait::until("the end of modal", wait::LIMIT, || {
        Ok(test_kill_process(modal).is_err().then_some(()))
    })?;
    scene.is_untouched()
}

/// Where the real `modal` package is; `None`, with a loud line, where it is not.
fn real_modal() -> Result<Option<PathBuf>> {
    let folder = workspace().join("target/foreign/modal");
    if folder.join("bin/modal").is_file() {
        return Ok(Some(folder));
    }
    let absent = format!("no modal in {}: run `make foreign`", folder.display());
    if env::var_os("QMD_REQUIRE_REAL").is_some_and(|value| value == "1") {
        bail!(absent);
    }
    // Not by a macro: what those print is held back.
    writeln!(io::stderr(), "SKIPPED: {absent}")?;
    Ok(None)
}

#[test]
fn the_real_program_without_credentials_and_without_a_network() -> Result<()> {
    let Some(folder) = real_modal()? else {
        return Ok(());
    };
    let sandbox = Sandbox::with_models()?;
    let daemon = Daemon::start_with(sandbox, [("QMDD_MODAL_REGION", "eu-west")])?;
    let path = format!("{}:{}", folder.join("bin").display(), env::var("PATH")?);
    let deploy = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = daemon.command(program("qmdctl")?);
        command.env("PATH", &path).env("PYTHONPATH", &folder);
        command.envs(variables.iter().copied());
        run(command.args(["modal", "deploy"]).args(arguments))
    };
    let unknown = deploy(&[], &[])?.fails(Reason::ModalCredentialsMissing);
    assert!(unknown.stderr.contains("modal token new"), "{unknown}");

    // Nobody listens there: a port that was free a moment ago.
    let dead = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let variables = [
        ("MODAL_TOKEN_ID", "ak-none"),
        ("MODAL_TOKEN_SECRET", "as-none"),
        ("MODAL_SERVER_URL", &format!("http://{dead}")),
    ];
    let unreachable = deploy(&variables, &["--timeout", "10"])?.fails(Reason::ModalUnreachable);
    assert!(unreachable.stderr.contains("app list"), "{unreachable}");
    assert!(!daemon.dirs().config.join("index.yml").exists());
    Ok(())
}
