//! What became of the remote end, into the configuration.

use std::sync::Arc;

use qmd_proto::v1::{SaveModalReply, SaveModalRequest, save_modal_request::Change};
use tonic::Status;

use super::{configured, text, the_index};
use crate::{
    config::edit::{self, Deployment},
    domain::{Compute, Routing},
    rpc::{
        App,
        status::{self, status},
    },
};

/// Writes a deployment into the configuration, or takes it out.
pub(in crate::rpc) async fn save(
    app: &Arc<App>,
    request: SaveModalRequest,
) -> Result<SaveModalReply, Status> {
    let index = the_index(app, request.index.as_ref()).await?;
    let before = configured(&index)?;
    let file = &index.config_file;
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
    let after = configured(&index)?;
    let used = app.backend.name() == "modal";
    Ok(SaveModalReply {
        config_file: text(file),
        restart_needed: used != after.inference || (used && before.url != after.url),
    })
}
