//! How quick a model is here, learnt from what it decoded: work that cannot end in time is not begun.

use std::time::{Duration, Instant};

use super::{job::Job, queue::Unit};
use crate::{domain::Role, infer::backend::InferError};

/// Fewer tokens say more of what a call costs than of what a token does.
const TELLING: usize = 8;

/// A model's speed on this machine.
#[derive(Debug, Default)]
pub(super) struct Speed {
    /// `None` as long as nothing telling was decoded.
    per_token: Option<Duration>,
}

impl Speed {
    /// Does work on some tokens, and learns from it.
    pub(super) fn learn<T>(&mut self, tokens: usize, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let outcome = work();
        if tokens >= TELLING {
            let measured = began.elapsed() / tokens as u32;
            self.per_token = Some(match self.per_token {
                Some(known) => (3 * known + measured) / 4,
                None => measured,
            });
        }
        outcome
    }

    /// Whether so many tokens can be decoded before the call's deadline, as far as one can tell.
    fn suffices(&self, tokens: usize, job: &Job) -> bool {
        match (self.per_token, job.deadline) {
            (Some(per_token), Some(deadline)) => {
                let left = deadline.saturating_duration_since(Instant::now());
                per_token * tokens as u32 <= left
            }
            _ => true,
        }
    }

    /// Keeps the units that can be decoded in time, where each takes `tokens`; calls of the others
    /// hear at once that they cannot.
    pub(super) fn keep<P>(
        &self,
        units: Vec<Unit<P>>,
        role: Role,
        tokens: impl Fn(&Unit<P>) -> usize,
    ) -> Vec<Unit<P>> {
        let (kept, late): (Vec<_>, Vec<_>) =
            (units.into_iter()).partition(|unit| self.suffices(tokens(unit), &unit.job));
        for unit in late {
            unit.job.fail(InferError::Deadline { role });
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc::channel};

    use super::*;

    #[test]
    fn what_cannot_end_in_time_is_not_begun() {
        let mut speed = Speed::default();
        let (replies, heard) = channel();
        let unit = |id, left: Option<Duration>| {
            let deadline = left.map(|left| Instant::now() + left);
            Unit {
                job: Job::new(id, deadline, 1, vec![0], replies.clone()),
                index: 0,
                tokens: 100,
                group: 0,
                payload: (),
            }
        };
        let keep = |speed: &Speed, units| {
            let kept = speed.keep(units, Role::Rerank, |unit| unit.tokens);
            kept.iter().map(|unit| unit.job.id).collect::<Vec<_>>()
        };
        let short = Some(Duration::from_millis(500));
        assert_eq!(keep(&speed, vec![unit(1, short)]), [1], "nothing is known");
        speed.per_token = Some(Duration::from_millis(10));
        let long = Some(Duration::from_secs(100));
        let units = vec![unit(2, short), unit(3, long), unit(4, None)];
        let late = Arc::clone(&units[0].job);
        assert_eq!(keep(&speed, units), [3, 4]);
        assert!(late.is_over(Role::Rerank));
        assert_eq!(heard.try_iter().count(), 1);
    }

    #[test]
    fn it_is_learnt_from_what_tells() {
        let mut speed = Speed::default();
        speed.learn(TELLING - 1, || ());
        assert_eq!(speed.per_token, None);
        assert_eq!(speed.learn(TELLING, || 7), 7);
        assert!(speed.per_token.is_some());
    }
}
