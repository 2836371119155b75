//! `collection`.

pub(super) mod add;
pub(super) mod include;
pub(super) mod list;
pub(super) mod remove;
pub(super) mod rename;
pub(super) mod show;
