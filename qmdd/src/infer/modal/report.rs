//! What `status` shows of the remote end; nobody is asked for it.

use super::{Modal, error::UNNAMED, warmth::State};
use crate::{
    domain::Role,
    infer::backend::{ModelReport, ModelState},
};

impl Modal {
    /// A role's line.
    pub(super) fn line(&self, role: Role) -> ModelReport {
        let known = self.session.known();
        let remote = known.as_ref().map(|known| known.models.of(role));
        if remote == Some(None) {
            return ModelReport::unconfigured(role);
        }
        let remote = remote.flatten();
        let state = match (self.session.state(), remote) {
            (State::Failed(error), _) => ModelState::Failed(error),
            (State::Warming, _) => ModelState::Loading,
            (State::Warm, Some(remote)) => ModelState::Ready(remote.info()),
            (State::Warm | State::Cold, _) => ModelState::Unloaded,
        };
        let latency = self.session.latency().map_or_else(String::new, |latency| {
            format!(", last answer in {} ms", latency.as_millis())
        });
        ModelReport {
            name: remote.map_or_else(|| UNNAMED.into(), |remote| remote.name.clone()),
            device: format!("Modal {}{latency}", self.place),
            state,
            ..ModelReport::unconfigured(role)
        }
    }
}
