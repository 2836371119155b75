//! The end-to-end tests: real daemons, real models, real clients. One binary, so that it links once.

mod access;
mod chunking;
mod collections;
mod documents;
mod download;
mod durability;
mod engine;
mod errors;
mod eval;
mod foreign;
mod golden;
mod import_qmd;
mod inference;
mod lifecycle;
mod metadata;
mod modal;
mod modal_lifecycle;
mod modal_region;
mod models;
mod output;
mod project;
mod refining;
mod scan;
mod search;
mod update;
mod watch;
