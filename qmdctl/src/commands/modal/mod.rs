//! `modal`.

pub(super) mod deploy;
pub(super) mod destroy;
mod files;
mod keep;
pub(super) mod logs;
mod pins;
pub(crate) mod prices;
mod record;
pub(super) mod region;
pub(crate) mod status;
pub(super) mod test;
mod token;
mod tool;
mod warm;

use std::{env, time::Duration};

use qmd_proto::v1::{DescribeModalReply, DescribeModalRequest};

pub(crate) use self::{
    prices::Estimate,
    record::Record,
    status::Overview,
    test::{Outcome, Trial},
};
use crate::{
    client::{Client, Home},
    error::Result,
};

/// The app's name, unless `QMD_MODAL_APP` gives another.
const APP: &str = "qmd";
/// The name of the app's server, as `serve.py` has it.
const SERVER: &str = "inference";

/// Longest that a question to Modal may take, where the whole command may take longer. Without a
/// connection the program would try for close to a minute.
const QUESTION: Duration = Duration::from_secs(20);

/// The app's name. `serve.py` reads the same variable.
fn app() -> String {
    env::var("QMD_MODAL_APP")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| APP.to_owned())
}

/// What the daemon's configuration says.
async fn describe(home: &Home, client: &Client) -> Result<DescribeModalReply> {
    let request = DescribeModalRequest {
        index: home.named_index(),
    };
    Ok(client.control().describe_modal(request).await?.into_inner())
}
