//! The qmdd daemon as a library. A module may use only what stands to its left:
//!
//! `domain < text, rank < config < store | infer | models < ingest | search < rpc < daemon < main`
//!
//! Siblings separated by `|` never see each other. A tidy test enforces it.

pub mod config;
pub mod daemon;
pub mod domain;
pub mod infer;
pub mod ingest;
pub mod models;
pub mod rank;
pub mod rpc;
pub mod search;
pub mod store;
pub mod text;
