//! What the remote end says of itself: `/v1/info`.

use serde::{Deserialize, Serialize};

use crate::{
    domain::Role,
    infer::backend::{ChatMarkup, ModelInfo},
};

/// The remote end: its version, its limits, its models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Info {
    pub contract: u32,
    pub gateway: String,
    pub limits: Limits,
    pub models: Models,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Limits {
    pub body_bytes: usize,
    pub items: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Models {
    embed: Option<RemoteModel>,
    rerank: Option<RemoteModel>,
    generate: Option<RemoteModel>,
}

impl Models {
    pub(in super::super) fn of(&self, role: Role) -> Option<&RemoteModel> {
        match role {
            Role::Embed => self.embed.as_ref(),
            Role::Rerank => self.rerank.as_ref(),
            Role::Generate => self.generate.as_ref(),
        }
    }
}

/// A model at the remote end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct RemoteModel {
    pub sha256: String,
    pub architecture: String,
    pub name: String,
    n_ctx: u32,
    #[serde(default)]
    dimensions: u32,
    #[serde(default)]
    scoring: Option<String>,
    #[serde(default)]
    chat_template: Option<String>,
}

impl RemoteModel {
    /// As the rest of the daemon knows models.
    pub(in super::super) fn info(&self) -> ModelInfo {
        ModelInfo {
            architecture: self.architecture.clone(),
            name: self.name.clone(),
            context_tokens: self.n_ctx,
            dimensions: self.dimensions,
            sha256: self.sha256.clone(),
            chat: self
                .chat_template
                .as_deref()
                .map_or(ChatMarkup::Plain, ChatMarkup::of_template),
        }
    }

    /// Whether it has no rank head, and is asked for yes or no in a frame of ours.
    pub(in super::super) fn wants_frame(&self) -> bool {
        self.scoring.as_deref() == Some("yes_no")
    }
}
