//! `ProjectService`.

use std::sync::Arc;

use qmd_proto::v1::{
    DescribeTrustReply, DescribeTrustRequest, IndexRef, InitProjectReply, InitProjectRequest,
    ListTrustedReply, ListTrustedRequest, RevokeTrustReply, RevokeTrustRequest, TrustPart,
    TrustPartKind, TrustReply, TrustRequest, TrustState, TrustedConfig,
    project_service_server::ProjectService,
};
use tonic::{Request, Response, Status};

use super::{
    App, Index,
    indexes::project_root,
    status::{self, status},
};
use crate::{
    config::project::{self, Gated},
    domain::Reason,
};

/// `ProjectService` over the daemon's state.
pub struct Projects(pub Arc<App>);

impl Projects {
    async fn index(&self, index: Option<&IndexRef>) -> Result<Arc<Index>, Status> {
        let index = self.0.indexes.get(index).await?;
        if index.project.is_some() {
            return Ok(index);
        }
        Err(status::of(
            Reason::InvalidArgument,
            format!(
                "{} is your own configuration, which needs no trust",
                index.config_file().display()
            ),
            Some("go into a project, a folder with .qmd/index.yml in it or above it".into()),
        ))
    }
}

#[tonic::async_trait]
impl ProjectService for Projects {
    async fn init_project(
        &self,
        request: Request<InitProjectRequest>,
    ) -> Result<Response<InitProjectReply>, Status> {
        let root = project_root(&request.into_inner().project_root)?;
        let home = self.0.settings.home.as_deref();
        if home.and_then(|home| home.canonicalize().ok()).as_ref() == Some(&root) {
            // Everything below would be of that project.
            return Err(status::of(
                Reason::InvalidArgument,
                "your home folder is served by your own configuration",
                Some("run `qmdctl collection add DIR`, or go into a project's folder".into()),
            ));
        }
        let (file, created) = project::init(&root).map_err(|error| status(&error))?;
        Ok(Response::new(InitProjectReply {
            config_file: file.to_string_lossy().into_owned(),
            created,
        }))
    }

    async fn describe_trust(
        &self,
        request: Request<DescribeTrustRequest>,
    ) -> Result<Response<DescribeTrustReply>, Status> {
        let index = self.index(request.into_inner().index.as_ref()).await?;
        let parts = index.gated().map_err(|error| status(&error))?;
        let state = if parts.is_empty() {
            TrustState::NotNeeded
        } else if index.trusts(&parts) {
            TrustState::Trusted
        } else {
            TrustState::Untrusted
        };
        Ok(Response::new(DescribeTrustReply {
            config_file: index.config_file().to_string_lossy().into_owned(),
            state: state.into(),
            digest: project::digest(&parts),
            parts: parts.iter().map(part_to_proto).collect(),
        }))
    }

    async fn trust(&self, request: Request<TrustRequest>) -> Result<Response<TrustReply>, Status> {
        let request = request.into_inner();
        let index = self.index(request.index.as_ref()).await?;
        let parts = index.gated().map_err(|error| status(&error))?;
        if project::digest(&parts) != request.digest {
            return Err(status::of(
                Reason::ConfigConflict,
                format!("{} has changed meanwhile", index.config_file().display()),
                Some("run `qmdctl trust show`".into()),
            ));
        }
        index.trust(&parts).map_err(|error| status(&error))?;
        index.config_changed();
        Ok(Response::new(TrustReply {}))
    }

    async fn revoke_trust(
        &self,
        request: Request<RevokeTrustRequest>,
    ) -> Result<Response<RevokeTrustReply>, Status> {
        let index = self.index(request.into_inner().index.as_ref()).await?;
        let trust = &self.0.indexes.trust;
        let revoked = trust.revoke(&index.config_file());
        index.config_changed();
        Ok(Response::new(RevokeTrustReply {
            revoked: revoked.map_err(|error| status(&error))?,
        }))
    }

    async fn list_trusted(
        &self,
        _: Request<ListTrustedRequest>,
    ) -> Result<Response<ListTrustedReply>, Status> {
        let trusted = self.0.indexes.trust.list();
        let trusted = trusted.map_err(|error| status(&error))?.into_iter();
        Ok(Response::new(ListTrustedReply {
            configs: trusted
                .map(|known| TrustedConfig {
                    config_file: known.config.to_string_lossy().into_owned(),
                    trusted_at: known.since,
                })
                .collect(),
        }))
    }
}

fn part_to_proto(part: &Gated) -> TrustPart {
    let (kind, value) = match part {
        Gated::Command { command, .. } => (TrustPartKind::Command, command.clone()),
        Gated::Folder(collection) => (
            TrustPartKind::Folder,
            collection.path.to_string_lossy().into_owned(),
        ),
    };
    TrustPart {
        kind: kind.into(),
        collection: part.collection().to_string(),
        value,
    }
}
