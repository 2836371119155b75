//! The remote end over the API, in a build that knows none: every request says so.

use std::sync::Arc;

use qmd_proto::v1::{
    DescribeModalReply, DetectRegionReply, DetectRegionRequest, IndexRef, PingModalReply,
    PingModalRequest, SaveModalReply, SaveModalRequest,
};
use tonic::Status;

use super::{App, status};
use crate::domain::Reason;

pub(super) async fn describe(
    _: &Arc<App>,
    _: Option<&IndexRef>,
) -> Result<DescribeModalReply, Status> {
    Err(missing())
}

pub(super) async fn detect(
    _: &Arc<App>,
    _: DetectRegionRequest,
) -> Result<DetectRegionReply, Status> {
    Err(missing())
}

pub(super) async fn ping(_: &Arc<App>, _: PingModalRequest) -> Result<PingModalReply, Status> {
    Err(missing())
}

pub(super) async fn save(_: &Arc<App>, _: SaveModalRequest) -> Result<SaveModalReply, Status> {
    Err(missing())
}

fn missing() -> Status {
    status::of(
        Reason::BackendMissing,
        "this build of qmdd knows no remote end",
        Some("build it with `--features modal`".into()),
    )
}
