//! How the remote end does.

use std::{sync::Arc, time::Duration};

use qmd_proto::v1::{PingModalReply, PingModalRequest, RemoteModel, RemoteState};
use tonic::Status;

use super::{configured, the_index, url};
use crate::{
    config::Secret,
    domain::Reason,
    infer::modal::ping::{self, State},
    rpc::{
        App, role,
        status::{self, status},
    },
};

/// Longest wait for an answer, unless the request says otherwise.
const LIMIT: Duration = Duration::from_secs(10);

/// Asks once, at the address the request names or else the configured one.
pub(in crate::rpc) async fn ping(
    app: &Arc<App>,
    request: PingModalRequest,
) -> Result<PingModalReply, Status> {
    let index = the_index(app, request.index.as_ref()).await?;
    let modal = configured(&index)?;
    let named = Some(request.url).filter(|url| !url.is_empty());
    let url = named.or_else(|| url(app, &modal)).ok_or_else(|| {
        status::of(
            Reason::ModalNotDeployed,
            "the configuration names no remote end",
            Some("run `qmdctl modal deploy`".into()),
        )
    })?;
    let token = modal.token(&app.settings).map_err(|error| status(&error))?;
    let limit = match request.timeout_ms {
        0 => LIMIT,
        ms => Duration::from_millis(ms.into()),
    };
    let pong = ping::ping(&url, token.as_ref().map(Secret::expose), limit)
        .await
        .map_err(|error| status(&error))?;
    let (state, message) = match pong.state {
        State::Ready => (RemoteState::Ready, String::new()),
        State::Starting(message) => (RemoteState::Starting, message),
        State::Failed(message) => (RemoteState::Failed, message),
    };
    let mut reply = PingModalReply {
        url,
        state: state.into(),
        message,
        http_status: pong.status.into(),
        elapsed_us: u64::try_from(pong.elapsed.as_micros()).unwrap_or(u64::MAX),
        ..PingModalReply::default()
    };
    if let Some(info) = pong.info {
        let models = info.models().map(|(role, name, sha256)| RemoteModel {
            role: role::to_proto(role).into(),
            name: name.into(),
            sha256: sha256.into(),
        });
        reply.models = models.collect();
        reply.contract = info.contract;
        reply.gateway_version = info.gateway;
        reply.llama_server = info.llama_server;
    }
    Ok(reply)
}
