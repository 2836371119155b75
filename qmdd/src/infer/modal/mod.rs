//! The remote end at Modal.

pub mod ping;
pub mod region;
