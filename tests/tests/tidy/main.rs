//! What every file of the workspace keeps to. Each check is a pure function over sources, so that a
//! source that breaks the rule can prove that the check sees it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod layers;
mod modules;
mod owners;
mod paths;
mod proto_lock;
mod protocol_doc;
mod shape;
mod source;
mod thin_client;
