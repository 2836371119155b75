//! `modal deploy`. What makes the daemon use the deployment is written last, so that one that was
//! broken off leaves everything as it was.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use qmd_proto::{
    Reason,
    v1::{
        DescribeModalReply, DetectRegionReply, DetectRegionRequest, ModalDeployment,
        SaveModalRequest, save_modal_request::Change,
    },
};
use serde_json::Value;
use tokio::process::Command;

use super::{
    QUESTION, SERVER, app, describe, files,
    pins::{self, Pins},
    record::{self, Record},
    token,
    tool::{self, Tool, last_complaint},
    warm,
};
use crate::{
    cli::{DeployArgs, Format},
    client::{Client, Home},
    error::{Failure, Result},
    render::{self, Notice, Screen},
};

/// A container is given this much more than it may take to start.
const SLACK: Duration = Duration::from_secs(60);

pub(in crate::commands) async fn run(home: &Home, screen: Screen, args: &DeployArgs) -> Result<()> {
    let whole = Duration::from_secs(args.timeout);
    let question = whole.min(QUESTION);
    pins::check_python(question).await?;
    let tool = Tool::find(question).await?;
    tool.check_credentials().await?;

    let client = home.connect().await?;
    let plan = describe(home, &client).await?;
    if plan.models.is_empty() {
        return Err(
            Failure::new(Reason::ModelNotConfigured, "no model is configured")
                .hint("choose some with `qmdctl models use`")
                .into(),
        );
    }
    let region = region(home, &client, args).await?;
    screen.note(&render::region_line(&region));
    // Before anything is unpacked or hashed: is there a way to Modal?
    tool.json(&["app", "list", "--json"]).await?;

    let folder = files::unpack()
        .map_err(|error| Failure::of_path(&std::env::temp_dir(), &error, Reason::FileUnreadable))?;
    screen.note("pinning the image and the models");
    let pins = pins::resolve(folder.path(), &plan, whole).await?;
    for notice in pins::differences(&pins, &plan) {
        Screen::warn(&notice);
    }
    let gpu = args.gpu.clone().unwrap_or_else(|| plan.gpu.clone());
    let deployment = environment(&plan, &pins, &region, &gpu);
    deploy(screen, &tool, folder.path(), &deployment, whole).await?;
    drop(folder);

    let app = app();
    let server = format!("{app}/{SERVER}");
    let info = tool.json(&["server", "info", &server, "--json"]).await?;
    let url = info["server_url"]
        .as_str()
        .filter(|url| !url.is_empty())
        .ok_or_else(|| {
            Failure::new(
                Reason::ModalDeployFailed,
                format!("modal tells no address of {server}"),
            )
            .hint(format!("see `modal server info {server}`"))
        })?;
    if args.new_token || !plan.has_token {
        token::make(&tool, Path::new(&plan.token_file)).await?;
        screen.note("made a proxy token");
    }
    let begin = Instant::now();
    let startup = Duration::from_secs(plan.startup_timeout_s.into()) + SLACK;
    let pong = warm::wake(home, screen, &client, url, startup).await?;
    let woken = begin.elapsed();

    let record = Record {
        app,
        url: url.to_owned(),
        region: region.region.clone(),
        compute_region: region.compute_region.clone(),
        gpu,
        image: pins.image,
        models: pins.models,
    };
    record::write(&home.dirs.modal_record(), &record).map_err(|error| {
        Failure::of_path(&home.dirs.modal_record(), &error, Reason::FileUnreadable)
    })?;
    let saved = save(home, &client, args, &record).await?;
    match screen.format() {
        Format::Cli => screen.done(&render::deployed(&record, &pong, woken, &saved)),
        Format::Json => Screen::print(&render::deployed_json(&record, &pong, &saved)?),
    }
}

/// Where requests are to enter: as asked for, else as the daemon finds.
async fn region(home: &Home, client: &Client, args: &DeployArgs) -> Result<DetectRegionReply> {
    let request = DetectRegionRequest {
        index: home.named_index(),
        choose: args.region.clone().unwrap_or_default(),
        compute_region: args.compute_region.clone().unwrap_or_default(),
        ..DetectRegionRequest::default()
    };
    let found = client.control().detect_region(request).await?.into_inner();
    for warning in &found.warnings {
        Screen::warn(&Notice {
            message: warning.clone(),
            reason: String::new(),
            hint: None,
        });
    }
    Ok(found)
}

/// What `serve.py` reads.
fn environment(
    plan: &DescribeModalReply,
    pins: &Pins,
    region: &DetectRegionReply,
    gpu: &str,
) -> Vec<(&'static str, String)> {
    let list = |models: &Value| models.to_string();
    vec![
        ("QMD_MODAL_IMAGE", pins.image.clone()),
        ("QMD_MODAL_MODELS", list(&pins.models)),
        ("QMD_MODAL_GPU", gpu.to_owned()),
        ("QMD_MODAL_REGION", region.region.clone()),
        // Empty is anywhere.
        ("QMD_MODAL_COMPUTE_REGION", region.compute_region.clone()),
        ("QMD_MODAL_MIN_CONTAINERS", plan.min_containers.to_string()),
        ("QMD_MODAL_MAX_CONTAINERS", plan.max_containers.to_string()),
        (
            "QMD_MODAL_SCALEDOWN_WINDOW",
            plan.scaledown_window_s.to_string(),
        ),
        // Modal's shim takes no less than half a minute.
        (
            "QMD_MODAL_STARTUP_TIMEOUT",
            plan.startup_timeout_s.max(30).to_string(),
        ),
        ("QMD_MODAL_SNAPSHOT", u8::from(plan.snapshot).to_string()),
    ]
}

/// Runs `modal deploy`, and shows what it prints.
async fn deploy(
    screen: Screen,
    tool: &Tool,
    folder: &Path,
    environment: &[(&'static str, String)],
    limit: Duration,
) -> Result<()> {
    const DEPLOY: [&str; 2] = ["deploy", "serve.py"];
    let mut command: Command = tool.command(&DEPLOY);
    command
        .current_dir(folder)
        .envs(environment.iter().map(|(name, value)| (name, value)));
    let ending = tool::watch(command, limit, |line| {
        screen.note(&render::clean(line));
        Ok(())
    });
    match ending.await? {
        Some(ending) if ending.ok => Ok(()),
        Some(ending) => {
            let failure = tool.failed(&DEPLOY, &ending);
            if failure.reason != Reason::ToolFailed.as_str() {
                return Err(failure.into());
            }
            let last = last_complaint(&ending.stdout);
            Err(Failure::new(
                Reason::ModalDeployFailed,
                format!("modal did not deploy: {last}"),
            )
            .hint("what it said stands above; nothing was changed here")
            .into())
        }
        None => Err(tool.overdue(&DEPLOY, limit).into()),
    }
}

/// Makes the daemon use the deployment.
async fn save(
    home: &Home,
    client: &Client,
    args: &DeployArgs,
    record: &Record,
) -> Result<qmd_proto::v1::SaveModalReply> {
    let request = SaveModalRequest {
        index: home.named_index(),
        change: Some(Change::Deployed(ModalDeployment {
            url: record.url.clone(),
            region: record.region.clone(),
            // What the command line chose stays chosen.
            gpu: args.gpu.clone().unwrap_or_default(),
            compute_region: args.compute_region.clone().unwrap_or_default(),
        })),
    };
    Ok(client.control().save_modal(request).await?.into_inner())
}
