//! `modal status`. It asks Modal what runs, and the deployment itself only with `--ping`: an answer
//! of that wakes a GPU.

use std::time::Duration;

use qmd_proto::{
    price,
    v1::{
        DescribeModalReply, DetectRegionReply, DetectRegionRequest, PingModalReply,
        PingModalRequest,
    },
};

use super::{
    Estimate, Record, app, describe, prices,
    record::{self},
    tool::Tool,
};
use crate::{
    cli::{Format, ModalStatusArgs},
    client::{Client, Home},
    error::{Error, Failure, Result},
    render::{self, Notice, Screen},
};

/// What is shown.
#[derive(Debug)]
pub(crate) struct Overview {
    /// The app's name.
    pub(crate) app: String,
    /// As configured.
    pub(crate) configured: DescribeModalReply,
    /// Where requests enter.
    pub(crate) region: DetectRegionReply,
    /// What was deployed last from here.
    pub(crate) record: Option<Record>,
    /// What Modal says; `None` when it could not be asked.
    pub(crate) remote: Option<Remote>,
    /// What it costs, for a GPU whose price is known.
    pub(crate) estimate: Option<Estimate>,
    /// Where the prices are from.
    pub(crate) price_source: &'static str,
    /// What the deployment says, if it was asked.
    pub(crate) pong: Option<PingModalReply>,
}

/// What Modal says of the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    /// It is deployed.
    pub(crate) deployed: bool,
    /// Its containers, with when they started.
    pub(crate) containers: Vec<(String, String)>,
}

pub(in crate::commands) async fn run(
    home: &Home,
    screen: Screen,
    args: &ModalStatusArgs,
) -> Result<()> {
    let client = home.connect().await?;
    let configured = describe(home, &client).await?;
    let request = DetectRegionRequest {
        index: home.named_index(),
        ..DetectRegionRequest::default()
    };
    let region = client.control().detect_region(request).await?.into_inner();
    let app = app();
    let remote = match ask_modal(&app, Duration::from_secs(args.timeout)).await {
        Ok(remote) => Some(remote),
        Err(Error::Failed(failure)) => {
            Screen::warn(&notice(*failure));
            None
        }
        Err(error) => return Err(error),
    };
    let pong = if args.ping {
        Some(ping(home, &client).await?)
    } else {
        None
    };
    let overview = Overview {
        estimate: prices::estimate(
            &configured.gpu,
            configured.scaledown_window_s,
            region.compute_price_factor,
        ),
        record: record::read(&home.dirs.modal_record()),
        price_source: price::SOURCE,
        app,
        configured,
        region,
        remote,
        pong,
    };
    match screen.format() {
        Format::Cli => Screen::print(&render::modal_status(&overview)),
        Format::Json => Screen::print(&render::modal_status_json(&overview)?),
    }
}

/// The rest of the status stands without Modal.
fn notice(failure: Failure) -> Notice {
    Notice {
        message: failure.message,
        reason: failure.reason.into_owned(),
        hint: failure.hint,
    }
}

async fn ask_modal(app: &str, limit: Duration) -> Result<Remote> {
    let tool = Tool::find(limit).await?;
    tool.check_credentials().await?;
    let apps = tool.json(&["app", "list", "--json"]).await?;
    // Apps that were stopped lately are listed too.
    let found = apps
        .as_array()
        .into_iter()
        .flatten()
        .find(|found| found["description"] == app && found["state"] == "deployed");
    let Some(id) = found.and_then(|found| found["app_id"].as_str()) else {
        return Ok(Remote {
            deployed: false,
            containers: Vec::new(),
        });
    };
    let containers = tool
        .json(&["container", "list", "--app-id", id, "--json"])
        .await?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let containers = containers.as_array().into_iter().flatten();
    Ok(Remote {
        deployed: true,
        containers: containers
            .map(|it| (text(&it["container_id"]), text(&it["start_time"])))
            .collect(),
    })
}

async fn ping(home: &Home, client: &Client) -> Result<PingModalReply> {
    let request = PingModalRequest {
        index: home.named_index(),
        ..PingModalRequest::default()
    };
    Ok(client.control().ping_modal(request).await?.into_inner())
}
