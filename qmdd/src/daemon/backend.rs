//! Makes the backend that the configuration asks for: Modal or this machine, and never one for the other.

use std::{path::PathBuf, sync::Arc};

use super::DaemonError;
use crate::{
    config::{ModalConfig, Settings},
    infer::{
        backend::{Backend, InferError},
        cached::{Cached, Store},
        none::NoBackend,
    },
    rpc::MakeBackend,
};

/// Makes backends behind one cache, unless that is turned off. One that cannot be had says so to every
/// call: the daemon serves what needs no model.
///
/// # Errors
/// When this program's own path is not known.
pub(super) fn maker(settings: &Settings) -> Result<MakeBackend, DaemonError> {
    let here = here(settings)?;
    let settings = settings.clone();
    let file = settings.dirs.inference_cache();
    let cache = (settings.cache_bytes > 0).then(|| Store::open(file, settings.cache_bytes));
    Ok(Box::new(move |modal| {
        let backend = if modal.inference {
            at_modal(&settings, modal).unwrap_or_else(|error| {
                tracing::error!(%error, "no inference");
                Arc::new(NoBackend(error))
            })
        } else {
            here()
        };
        match &cache {
            Some(cache) => Arc::new(Cached::new(backend, Arc::clone(cache))),
            None => backend,
        }
    }))
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

/// Makes backends of this machine.
type Here = Box<dyn Fn() -> Arc<dyn Backend> + Send + Sync>;

/// This very program, which runs again what is better kept apart.
pub(super) fn executable() -> Result<PathBuf, DaemonError> {
    std::env::current_exe().map_err(|source| DaemonError::Io {
        path: "qmdd".into(),
        source,
    })
}

#[cfg(feature = "llama")]
fn here(settings: &Settings) -> Result<Here, DaemonError> {
    use crate::infer::llama::{LlamaBackend, LlamaOptions};

    let threads = settings.threads.unwrap_or_else(super::cores::usable);
    let options = LlamaOptions {
        program: executable()?,
        threads: threads.clamp(1, 64) as u32,
        keep_alive: settings.keep_alive,
        lock_memory: settings.lock_memory,
        memory_limit: settings.memory_limit,
        probe: settings.rerank_probe,
    };
    Ok(Box::new(move || {
        Arc::new(LlamaBackend::new(options.clone()))
    }))
}

#[cfg(not(feature = "llama"))]
fn here(_: &Settings) -> Result<Here, DaemonError> {
    Ok(Box::new(|| {
        Arc::new(NoBackend(InferError::BackendMissing {
            feature: "llama".into(),
        }))
    }))
}
