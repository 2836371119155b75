//! Whose turn it is: work in the background gives way to what somebody asked for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync;
use tokio_util::sync::CancellationToken;

/// A lock for one kind of work, held by one at a time. Who takes it by hand interrupts who has it in
/// the background.
#[derive(Debug, Default)]
pub struct Turn {
    turn: sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many wait for it by hand.
    hands: usize,
    /// Interrupts the work in the background.
    background: CancellationToken,
}

/// The turn of somebody who waits for the result.
#[derive(Debug)]
pub struct ByHand<'a> {
    _turn: sync::MutexGuard<'a, ()>,
}

/// The turn of work in the background.
#[derive(Debug)]
pub struct Background<'a> {
    _turn: sync::MutexGuard<'a, ()>,
    /// Cancelled when the work is to give way.
    pub cancel: CancellationToken,
}

impl Turn {
    /// Takes the turn by hand, as soon as whoever has it is done, or interrupted.
    pub async fn lock(&self) -> ByHand<'_> {
        let waiting = Waiting::new(self);
        let turn = self.turn.lock().await;
        drop(waiting);
        ByHand { _turn: turn }
    }

    /// Takes the turn in the background; `None` when `stop` is cancelled before it comes. Cancelled
    /// later, `stop` ends the turn early.
    pub async fn background(&self, stop: &CancellationToken) -> Option<Background<'_>> {
        let turn = stop.run_until_cancelled(self.turn.lock()).await?;
        let cancel = stop.child_token();
        let mut state = self.state();
        state.background = cancel.clone();
        if state.hands > 0 {
            cancel.cancel();
        }
        drop(state);
        Some(Background {
            _turn: turn,
            cancel,
        })
    }

    /// Interrupts who has the turn in the background: what it works with has changed.
    pub fn interrupt(&self) {
        self.state().background.cancel();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counted until dropped: also when the wait is given up.
struct Waiting<'a>(&'a Turn);

impl<'a> Waiting<'a> {
    fn new(turn: &'a Turn) -> Self {
        let mut state = turn.state();
        state.hands += 1;
        state.background.cancel();
        Self(turn)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().hands -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    fn is_ready<F: Future>(future: F) -> bool {
        pin!(future)
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[tokio::test]
    async fn a_hand_interrupts_the_background_and_not_another_hand() {
        let (turn, stop) = (Turn::default(), CancellationToken::new());
        let background = turn.background(&stop).await.unwrap();
        assert!(!background.cancel.is_cancelled());
        let cancel = background.cancel.clone();
        let mut hand = Box::pin(turn.lock());
        assert!(!is_ready(&mut hand), "it waits for the work to end");
        assert!(cancel.is_cancelled());
        drop(background);
        let hand = hand.await;
        assert!(!is_ready(turn.lock()));
        drop(hand);
        let background = turn.background(&stop).await.unwrap();
        assert!(!background.cancel.is_cancelled() && !stop.is_cancelled());
        let mut second = Box::pin(turn.background(&stop));
        assert!(!is_ready(&mut second));
        stop.cancel();
        assert!(background.cancel.is_cancelled());
        assert!(second.await.is_none(), "it is not waited for any more");
    }

    #[tokio::test]
    async fn a_hand_in_the_queue_is_not_forgotten_by_whoever_comes_first() {
        let (turn, stop) = (Turn::default(), CancellationToken::new());
        let first = turn.lock().await;
        let mut background = Box::pin(turn.background(&stop));
        assert!(!is_ready(&mut background));
        let mut hand = Box::pin(turn.lock());
        assert!(!is_ready(&mut hand));
        drop(first);
        let interrupted = background.await.unwrap();
        assert!(interrupted.cancel.is_cancelled());
        drop(interrupted);
        hand.await;
        drop(turn.background(&stop).await);
        assert_eq!(turn.state().hands, 0);
    }
}
