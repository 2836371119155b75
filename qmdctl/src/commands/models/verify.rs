//! `models verify`.

use qmd_proto::v1::VerifyModelsRequest;

use super::{spelt_out, watch::watch};
use crate::{cli::VerifyArgs, client::Home, error::Result, render::Screen};

pub(in crate::commands) async fn run(home: &Home, screen: Screen, args: &VerifyArgs) -> Result<()> {
    let models = args.models.iter().map(|model| spelt_out(model));
    let request = VerifyModelsRequest {
        models: models.collect::<Result<_>>()?,
    };
    let client = home.connect().await?;
    let events = client.control().verify_models(request).await?.into_inner();
    watch(screen, events, |_| "is sound").await
}
