//! `ControlService`: who answers what.

use std::sync::Arc;

use qmd_proto::v1::{
    DescribeModalReply, DescribeModalRequest, DetectRegionReply, DetectRegionRequest, DoctorReply,
    DoctorRequest, ImportModelRequest, ListModelsReply, ListModelsRequest, LoadModelsReply,
    LoadModelsRequest, ModelEvent, PingModalReply, PingModalRequest, PullModelsRequest,
    ReloadConfigReply, ReloadConfigRequest, RemoveModelReply, RemoveModelRequest, SaveModalReply,
    SaveModalRequest, ShutdownReply, ShutdownRequest, StatusReply, StatusRequest,
    UnloadModelsReply, UnloadModelsRequest, UseModelReply, UseModelRequest, VerifyModelsRequest,
    control_service_server::ControlService,
};
use tonic::{Request, Response, Status};

use super::{App, doctor, modal, models, report, status::status, stream::Events, warmth};

/// `ControlService` over the daemon's state.
pub struct Control(pub Arc<App>);

#[tonic::async_trait]
impl ControlService for Control {
    type ImportModelStream = Events<ModelEvent>;
    type PullModelsStream = Events<ModelEvent>;
    type VerifyModelsStream = Events<ModelEvent>;

    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusReply>, Status> {
        let request = request.into_inner();
        let index = match self.0.indexes.try_get(request.index.as_ref()).await? {
            Ok(index) => report::index(&self.0, &index).await?,
            Err(error) => report::closed(self.0.indexes.place(request.index.as_ref())?, &error),
        };
        let backend = self.0.backend();
        let reports = backend.report();
        Ok(Response::new(StatusReply {
            daemon: Some(report::daemon(&self.0)),
            index: Some(index),
            models: reports.into_iter().map(report::model).collect(),
            cache: Some(report::cache(backend.cache())),
        }))
    }

    async fn list_models(
        &self,
        _: Request<ListModelsRequest>,
    ) -> Result<Response<ListModelsReply>, Status> {
        models::list(&self.0).map(Response::new)
    }

    async fn import_model(
        &self,
        request: Request<ImportModelRequest>,
    ) -> Result<Response<Self::ImportModelStream>, Status> {
        models::import(&self.0, request.into_inner())
    }

    async fn pull_models(
        &self,
        request: Request<PullModelsRequest>,
    ) -> Result<Response<Self::PullModelsStream>, Status> {
        models::pull(&self.0, request.into_inner())
    }

    async fn verify_models(
        &self,
        request: Request<VerifyModelsRequest>,
    ) -> Result<Response<Self::VerifyModelsStream>, Status> {
        models::verify(&self.0, request.into_inner())
    }

    async fn remove_model(
        &self,
        request: Request<RemoveModelRequest>,
    ) -> Result<Response<RemoveModelReply>, Status> {
        let reply = models::remove(&self.0, request.into_inner()).await?;
        Ok(Response::new(reply))
    }

    async fn use_model(
        &self,
        request: Request<UseModelRequest>,
    ) -> Result<Response<UseModelReply>, Status> {
        let reply = models::choose(&self.0, request.into_inner()).await?;
        Ok(Response::new(reply))
    }

    async fn load_models(
        &self,
        request: Request<LoadModelsRequest>,
    ) -> Result<Response<LoadModelsReply>, Status> {
        let models = warmth::load(&self.0, &request.into_inner().roles).await?;
        Ok(Response::new(LoadModelsReply { models }))
    }

    async fn unload_models(
        &self,
        request: Request<UnloadModelsRequest>,
    ) -> Result<Response<UnloadModelsReply>, Status> {
        let models = warmth::unload(&self.0, &request.into_inner().roles).await?;
        Ok(Response::new(UnloadModelsReply { models }))
    }

    async fn doctor(
        &self,
        request: Request<DoctorRequest>,
    ) -> Result<Response<DoctorReply>, Status> {
        let checks = doctor::examine(&self.0, request.into_inner()).await?;
        Ok(Response::new(DoctorReply { checks }))
    }

    async fn reload_config(
        &self,
        request: Request<ReloadConfigRequest>,
    ) -> Result<Response<ReloadConfigReply>, Status> {
        let index = self
            .0
            .indexes
            .get(request.into_inner().index.as_ref())
            .await?;
        index.config().map_err(|error| status(&error))?;
        index.config_changed();
        self.0.roles.assign(&self.0).await;
        Ok(Response::new(ReloadConfigReply {}))
    }

    async fn detect_region(
        &self,
        request: Request<DetectRegionRequest>,
    ) -> Result<Response<DetectRegionReply>, Status> {
        let reply = modal::detect(&self.0, request.into_inner()).await?;
        Ok(Response::new(reply))
    }

    async fn describe_modal(
        &self,
        request: Request<DescribeModalRequest>,
    ) -> Result<Response<DescribeModalReply>, Status> {
        let reply = modal::describe(&self.0, request.into_inner().index.as_ref()).await?;
        Ok(Response::new(reply))
    }

    async fn ping_modal(
        &self,
        request: Request<PingModalRequest>,
    ) -> Result<Response<PingModalReply>, Status> {
        let reply = modal::ping(&self.0, request.into_inner()).await?;
        Ok(Response::new(reply))
    }

    async fn save_modal(
        &self,
        request: Request<SaveModalRequest>,
    ) -> Result<Response<SaveModalReply>, Status> {
        let reply = modal::save(&self.0, request.into_inner()).await?;
        Ok(Response::new(reply))
    }

    async fn shutdown(
        &self,
        _: Request<ShutdownRequest>,
    ) -> Result<Response<ShutdownReply>, Status> {
        tracing::info!("asked to end");
        self.0.shutdown.cancel();
        Ok(Response::new(ShutdownReply {
            pid: std::process::id(),
        }))
    }
}
