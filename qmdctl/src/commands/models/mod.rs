//! `models`.

pub(super) mod list;
mod pip;
pub(super) mod pull;
