//! Ingestion: folders to documents, documents to vectors.

mod child;
mod decode;
mod embed;
mod error;
mod extract;
mod globs;
mod grammars;
mod inside;
mod left_out;
mod part;
mod plan;
mod qmd;
mod read;
mod root;
mod turn;
mod update;
mod walk;
pub mod watch;

pub use embed::{EmbedOptions, EmbedProgress, EmbedSummary, embed};
pub use error::IngestError;
pub use extract::run as run_extractor;
pub use grammars::run as run_grammars;
pub use left_out::{LeftOut, Standing, standing};
pub use qmd::{Left, QmdDocuments, QmdVectors, VectorProgress, compare, take_vectors};
pub use turn::{Background, ByHand, Turn};
pub use update::{UpdateOptions, UpdateProgress, UpdateSummary, update, update_part};

use tokio::task::spawn_blocking;

/// Runs what blocks on a thread of its own. A panic in it goes on here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
