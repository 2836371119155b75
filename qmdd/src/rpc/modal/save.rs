//! What became of the remote end, into the configuration.

use std::{sync::Arc, time::Duration};

use qmd_proto::v1::{SaveModalReply, SaveModalRequest, save_modal_request::Change};
use tonic::Status;

use super::{text, the_index};
use crate::{
    config::edit::{self, Deployment},
    domain::{Compute, Role, Routing},
    infer::backend::Call,
    rpc::{
        App,
        status::{self, status},
    },
};

/// What a new deployment, which was awake a moment ago, is given to say what it is.
const LOOK: Duration = Duration::from_secs(10);

/// Writes a deployment into the configuration, or takes it out, and takes up what that asks for.
pub(in crate::rpc) async fn save(
    app: &Arc<App>,
    request: SaveModalRequest,
) -> Result<SaveModalReply, Status> {
    let index = the_index(app, request.index.as_ref()).await?;
    let file = &index.config_file();
    {
        let _writing = index.writing.lock().await;
        match &request.change {
            Some(Change::Deployed(made)) => {
                let optional =
                    |text: &'_ str| Some(text.to_owned()).filter(|text| !text.is_empty());
                let (gpu, compute) = (optional(&made.gpu), optional(&made.compute_region));
                if !made.url.starts_with("https://") && !made.url.starts_with("http://") {
                    return Err(status::invalid("the url is no http or https address"));
                }
                Routing::parse(&made.region).map_err(|error| status(&error))?;
                if let Some(compute) = &compute {
                    Compute::parse(compute).map_err(|error| status(&error))?;
                }
                let deployment = Deployment {
                    url: &made.url,
                    region: &made.region,
                    gpu: gpu.as_deref(),
                    compute_region: compute.as_deref(),
                };
                edit::save_deployment(file, &deployment)
            }
            Some(Change::Removed(_)) => edit::remove_deployment(file),
            None => return Err(status::invalid("say what became of it")),
        }
        .map_err(|error| status(&error))?;
    }
    app.roles.assign(app).await;
    if let Some(Change::Deployed(_)) = &request.change {
        // It may have other models than the one before it at the same address. What keeps it from
        // answering, the next call tells.
        let call = Call::interactive().within(LOOK);
        let _ = app.backend().ready(Role::Embed, call).await;
    }
    Ok(SaveModalReply {
        config_file: text(file),
        ..SaveModalReply::default()
    })
}
