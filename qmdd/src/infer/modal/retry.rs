//! Which exchanges are tried again, and when.

use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};
use tower::retry::Policy;

use super::{
    error::Fault,
    http::{Exchange, Patience},
};

/// Tries of an exchange whose connection fails.
const TRIES: u32 = 3;

/// Times an exchange steps back from a remote end that is overloaded, or restarts its model.
const STEPS_BACK: u32 = 40;

/// Between two of them, where the remote end names no time.
const STEP: Duration = Duration::from_millis(500);

/// The tries of one exchange. Every call may be repeated: none changes the remote end's state.
#[derive(Clone)]
pub(super) struct Tries {
    backoff: Duration,
    failures: u32,
    steps_back: u32,
}

impl Tries {
    pub(super) fn new(patience: &Patience) -> Self {
        Self {
            backoff: patience.backoff,
            failures: 0,
            steps_back: 0,
        }
    }

    /// How long to wait before the next try, if there is to be one.
    fn pause(&mut self, fault: &Fault) -> Option<Duration> {
        match fault {
            Fault::Broken(_) => {
                self.failures += 1;
                let pause = self.backoff * 2_u32.pow(self.failures - 1);
                (self.failures < TRIES).then_some(jittered(pause))
            }
            Fault::Busy { wait, .. } => self.step_back(wait.unwrap_or(STEP)),
            Fault::Restarting => self.step_back(STEP),
            Fault::Cold | Fault::Late | Fault::Final(_) => None,
        }
    }

    fn step_back(&mut self, pause: Duration) -> Option<Duration> {
        self.steps_back += 1;
        (self.steps_back <= STEPS_BACK).then_some(jittered(pause))
    }
}

impl<R> Policy<Exchange, R, Fault> for Tries {
    type Future = Sleep;

    fn retry(
        &mut self,
        exchange: &mut Exchange,
        result: &mut Result<R, Fault>,
    ) -> Option<Self::Future> {
        let fault = result.as_ref().err()?;
        let pause = self.pause(fault)?;
        // The fault says more than that the deadline passed.
        if Instant::now() + pause >= exchange.deadline {
            return None;
        }
        let (id, wait_ms) = (&exchange.id, pause.as_millis());
        tracing::debug!(id, path = exchange.path, %fault, wait_ms, "the exchange is tried again");
        Some(sleep(pause))
    }

    fn clone_request(&mut self, exchange: &Exchange) -> Option<Exchange> {
        Some(exchange.clone())
    }
}

/// Between the time and half as much again: who failed together does not come back together, and
/// nobody before the time.
pub(super) fn jittered(time: Duration) -> Duration {
    time.mul_f64(1.0 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries() -> Tries {
        Tries {
            backoff: Duration::from_millis(100),
            failures: 0,
            steps_back: 0,
        }
    }

    #[test]
    fn a_broken_connection_is_tried_three_times() {
        let mut tries = tries();
        let fault = Fault::Broken(String::new());
        let first = tries.pause(&fault).unwrap().as_millis();
        let second = tries.pause(&fault).unwrap().as_millis();
        assert!((100..=150).contains(&first), "{first}");
        assert!((200..=300).contains(&second), "{second}");
        assert_eq!(tries.pause(&fault), None);
    }

    #[test]
    fn an_overload_is_waited_out_apart_from_the_tries() {
        let mut tries = tries();
        let busy = Fault::Busy {
            wait: Some(Duration::from_secs(2)),
            depth: 0,
        };
        for _ in 0..STEPS_BACK {
            let pause = tries.pause(&busy).unwrap();
            assert!(pause >= Duration::from_secs(2));
        }
        assert_eq!(tries.pause(&busy), None);
        assert!(tries.pause(&Fault::Broken(String::new())).is_some());
        assert_eq!(tries.pause(&Fault::Cold), None);
    }
}
