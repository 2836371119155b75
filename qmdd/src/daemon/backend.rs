//! Which backend the configuration asks for: Modal or this machine, and never one for the other.

use std::sync::Arc;

use super::DaemonError;
use crate::{
    config::{ModalConfig, Settings},
    infer::{
        backend::{Backend, InferError},
        cached::Cached,
        none::NoBackend,
    },
};

/// The backend behind a cache, unless that is turned off. One that cannot be had says so to every
/// call: the daemon serves what needs no model.
///
/// # Errors
/// When this program's own path is not known.
pub(super) fn backend(
    settings: &Settings,
    modal: &ModalConfig,
) -> Result<Arc<dyn Backend>, DaemonError> {
    let backend = if modal.inference {
        at_modal(settings, modal).unwrap_or_else(|error| {
            tracing::error!(%error, "no inference");
            Arc::new(NoBackend(error))
        })
    } else {
        here(settings)?
    };
    if settings.cache_bytes == 0 {
        return Ok(backend);
    }
    let file = settings.dirs.inference_cache();
    Ok(Arc::new(Cached::new(backend, file, settings.cache_bytes)))
}

#[cfg(feature = "modal")]
fn at_modal(settings: &Settings, modal: &ModalConfig) -> Result<Arc<dyn Backend>, InferError> {
    use crate::infer::modal::{Modal, ModalOptions};

    let options = ModalOptions::new(modal, settings)?;
    Ok(Arc::new(Modal::new(options)?))
}

#[cfg(not(feature = "modal"))]
fn at_modal(_: &Settings, _: &ModalConfig) -> Result<Arc<dyn Backend>, InferError> {
    Err(InferError::BackendMissing {
        feature: "modal".into(),
    })
}

#[cfg(feature = "llama")]
fn here(settings: &Settings) -> Result<Arc<dyn Backend>, DaemonError> {
    use crate::infer::llama::{LlamaBackend, LlamaOptions};

    let program = std::env::current_exe().map_err(|source| DaemonError::Io {
        path: "qmdd".into(),
        source,
    })?;
    let threads = settings.threads.unwrap_or_else(super::cores::usable);
    Ok(Arc::new(LlamaBackend::new(LlamaOptions {
        program,
        threads: threads.clamp(1, 64) as u32,
        keep_alive: settings.keep_alive,
        lock_memory: settings.lock_memory,
        memory_limit: settings.memory_limit,
        probe: settings.rerank_probe,
    })))
}

#[cfg(not(feature = "llama"))]
fn here(_: &Settings) -> Result<Arc<dyn Backend>, DaemonError> {
    Ok(Arc::new(NoBackend(InferError::BackendMissing {
        feature: "llama".into(),
    })))
}
