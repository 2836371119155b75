//! Ingestion: folders to documents, documents to vectors.

mod embed;
mod error;
mod plan;
mod read;
mod update;
mod walk;

pub use embed::{EmbedProgress, EmbedSummary, embed};
pub use error::IngestError;
pub use update::{UpdateProgress, UpdateSummary, update};
