//! `daemon`.

pub(super) mod logs;
pub(super) mod restart;
pub(super) mod start;
pub(super) mod status;
pub(super) mod stop;
