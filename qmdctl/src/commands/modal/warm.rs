//! Wakes the deployment, so that the first query need not wait for it.

use std::time::{Duration, Instant};

use qmd_proto::{
    Reason,
    v1::{PingModalReply, PingModalRequest, RemoteState},
};
use tokio::time::sleep;

use crate::{
    client::{Client, Home},
    error::{Failure, Result},
    render::{Screen, Step},
};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);
/// Longest that one look may take.
const LOOK: Duration = Duration::from_secs(30);
/// Looks in a row that may fail: the name of a new deployment takes a moment to be known.
const FAILURES: u32 = 5;

/// Asks until the deployment is ready.
pub(super) async fn wake(
    home: &Home,
    screen: Screen,
    client: &Client,
    url: &str,
    limit: Duration,
) -> Result<PingModalReply> {
    let begin = Instant::now();
    let mut progress = screen.progress();
    let mut failures = 0;
    loop {
        let request = PingModalRequest {
            index: home.named_index(),
            url: url.to_owned(),
            timeout_ms: LOOK.as_millis() as u32,
        };
        let last = match client.control().ping_modal(request).await {
            Ok(reply) => {
                let reply = reply.into_inner();
                failures = 0;
                match reply.state() {
                    RemoteState::Ready => {
                        progress.finish();
                        return Ok(reply);
                    }
                    RemoteState::Starting => reply.message,
                    RemoteState::Failed | RemoteState::Unspecified => {
                        progress.finish();
                        return Err(unwell(&reply.message).into());
                    }
                }
            }
            Err(status) => {
                failures += 1;
                let failure = Failure::from(status);
                if failures > FAILURES || !is_passing(&failure) {
                    progress.finish();
                    return Err(failure.into());
                }
                failure.message
            }
        };
        let waited = begin.elapsed();
        if waited >= limit {
            progress.finish();
            return Err(unwell(&format!(
                "it is not ready after {limit:?}, and says: {last}"
            ))
            .into());
        }
        progress.show(&Step {
            label: "waking the deployment".to_owned(),
            done: waited.as_secs(),
            total: limit.as_secs(),
            detail: last,
            bytes: false,
        });
        sleep(PAUSE).await;
    }
}

/// Whether a new deployment may answer so until its name and its token are known everywhere.
fn is_passing(failure: &Failure) -> bool {
    [Reason::RemoteUnreachable, Reason::RemoteRefused]
        .iter()
        .any(|reason| failure.reason == reason.as_str())
}

fn unwell(message: &str) -> Failure {
    Failure::new(
        Reason::RemoteFailed,
        format!("the deployment is not well: {message}"),
    )
    .hint("see `qmdctl modal logs`")
}
