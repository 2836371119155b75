//! Inference: one [`backend::Backend`] trait, and the implementations behind it.

pub mod backend;
pub mod cached;
pub mod expand;
pub mod hardware;
mod kept;
#[cfg(feature = "llama")]
pub mod llama;
#[cfg(feature = "modal")]
pub mod modal;
pub mod none;
pub mod prompts;
