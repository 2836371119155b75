//! The backend that the configuration asks for. When that changes another one takes its place: what is
//! under way ends with the one it began with, so that nothing mixes the models of two.

use std::{
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    config::{ModalConfig, Secret, Settings},
    infer::backend::Backend,
};

/// Makes the backend that a configuration asks for. Called inside a tokio runtime.
pub type MakeBackend = Box<dyn Fn(&ModalConfig) -> Arc<dyn Backend> + Send + Sync>;

/// The backend in use.
pub struct Backends {
    make: MakeBackend,
    current: Mutex<Current>,
}

struct Current {
    wish: Wish,
    backend: Arc<Held>,
}

/// What decides on the backend: nothing for this machine's, else the remote end's configuration and token.
type Wish = Option<(ModalConfig, Option<Secret>)>;

/// A backend, which ends with its last user.
pub struct Held(Arc<dyn Backend>);

impl Deref for Held {
    type Target = dyn Backend;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let backend = Arc::clone(&self.0);
        // Without a runtime the process ends, and its workers with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { backend.shutdown().await });
        }
    }
}

impl Backends {
    /// Begins with the backend that a configuration asks for. To be called inside a tokio runtime.
    pub fn new(make: MakeBackend, settings: &Settings, modal: &ModalConfig) -> Self {
        let current = Current {
            wish: wish(settings, modal),
            backend: Arc::new(Held(make(modal))),
        };
        Self {
            make,
            current: Mutex::new(current),
        }
    }

    /// The backend for one operation, from its beginning to its end.
    pub fn current(&self) -> Arc<Held> {
        Arc::clone(&self.lock().backend)
    }

    /// Puts another in its place where the configuration has come to ask for one.
    pub(super) fn take_up(&self, settings: &Settings, modal: &ModalConfig) {
        let wish = wish(settings, modal);
        let mut current = self.lock();
        if current.wish == wish {
            return;
        }
        let backend = Arc::new(Held((self.make)(modal)));
        tracing::info!(backend = backend.name(), "another backend is in use");
        *current = Current { wish, backend };
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wish(settings: &Settings, modal: &ModalConfig) -> Wish {
    // A token that cannot be read is none: the backend says why.
    let token = || modal.token(settings).unwrap_or_default();
    modal.inference.then(|| (modal.clone(), token()))
}
