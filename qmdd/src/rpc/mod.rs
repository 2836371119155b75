//! The gRPC services: requests in, domain calls, replies out. The only place, with the daemon's
//! serving code, that knows tonic and the generated types.

mod address;
mod backends;
mod cleanup;
mod collections;
mod command;
mod context;
mod contexts;
mod control;
mod doctor;
mod document;
mod fair;
mod gate;
mod generate;
mod index;
mod indexes;
mod inference;
mod listing;
mod metadata;
mod miss;
#[cfg(feature = "modal")]
mod modal;
mod models;
mod multi_get;
#[cfg(not(feature = "modal"))]
mod no_modal;
mod notices;
mod places;
mod project;
mod qmd;
mod report;
mod role;
mod roles;
mod search;
mod status;
mod stream;
mod warmth;
mod watch;

use std::{path::PathBuf, sync::Arc, time::Instant};

use tokio_util::sync::CancellationToken;

pub use backends::{Backends, Held, MakeBackend};
pub use control::Control;
pub use document::Document;
pub use fair::{Connection, Fair, InTurn, MAX_INFERENCE_REQUEST, Peer, incoming, server};
pub use gate::Gate;
pub use index::IndexAdmin;
pub use indexes::{DEFAULT_INDEX, Index, Indexes};
pub use inference::Inference;
pub use project::Projects;
pub use roles::Roles;
pub use search::Search;

#[cfg(not(feature = "modal"))]
use no_modal as modal;

use crate::{config::Settings, search::Pace};

/// What every service works on.
pub struct App {
    /// Open indexes.
    pub indexes: Indexes,
    /// Inference.
    pub backends: Arc<Backends>,
    /// Which model each role has.
    pub roles: Roles,
    /// How quick the reranker was so far.
    pub pace: Pace,
    /// The daemon's settings.
    pub settings: Settings,
    /// The socket it really serves.
    pub socket: PathBuf,
    /// When it started.
    pub started: Instant,
    /// Cancelled to end the daemon.
    pub shutdown: CancellationToken,
}

impl App {
    /// The backend for one operation, from its beginning to its end.
    pub fn backend(&self) -> Arc<Held> {
        self.backends.current()
    }
}
