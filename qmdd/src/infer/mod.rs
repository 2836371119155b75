//! Inference: one [`backend::Backend`] trait, and the implementations behind it.

pub mod backend;
pub mod expand;
#[cfg(feature = "llama")]
pub mod llama;
pub mod none;
pub mod prompts;
