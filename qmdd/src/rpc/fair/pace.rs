//! When to ask again: from how long requests took so far.

use std::time::Duration;

use super::{
    pool::Pool,
    scheduler::{Full, Id, Scheduler},
};

/// Shortest and longest that anybody is told to wait.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(60);

/// The latest request counts an eighth.
const WEIGHT: u32 = 8;

/// How long requests of each kind hold their place.
#[derive(Debug)]
pub(super) struct Pace([Duration; Pool::ALL.len()]);

impl Default for Pace {
    fn default() -> Self {
        Self(Pool::ALL.map(Pool::first_guess))
    }
}

impl Pace {
    /// Takes a request into account.
    pub(super) fn note(&mut self, pool: Pool, took: Duration) {
        let mean = &mut self.0[pool as usize];
        *mean = (*mean * (WEIGHT - 1) + took) / WEIGHT;
    }

    /// How long it takes, about, until what is full is half empty, so that who asks again does not meet
    /// it full again at once. `pool` is what the refused request is about.
    pub(super) fn ask_again(
        &self,
        scheduler: &Scheduler,
        connection: Id,
        pool: Pool,
        full: Full,
    ) -> Duration {
        let share = |pool: Pool| scheduler.limits().share(pool);
        let own = |pool: Pool| {
            let fair = share(pool).places / scheduler.sharing(pool).max(1);
            let at_once = fair.clamp(1, share(pool).each);
            self.time(pool, scheduler.waiting_of(connection, pool), at_once)
        };
        let all = |pool: Pool| self.time(pool, scheduler.waiting(pool), share(pool).places);
        let kinds = Pool::ALL.into_iter().filter(|pool| pool.waits());
        let left: Duration = match full {
            // Its kinds of work go on beside each other.
            Full::Waiting | Full::Bytes => kinds.map(own).max().unwrap_or_default() / 2,
            Full::AllWaiting | Full::AllBytes => kinds.map(all).max().unwrap_or_default() / 2,
            Full::Places(_) => self.time(pool, 1, share(pool).each),
            Full::AllPlaces(_) => self.time(pool, 1, share(pool).places),
        };
        left.max(self.time(pool, 1, share(pool).each))
            .clamp(SHORTEST, LONGEST)
    }

    /// How long so many take of which so many run at the same time.
    fn time(&self, pool: Pool, count: usize, at_once: usize) -> Duration {
        let one = self.0[pool as usize].as_secs_f64();
        let all = one * count as f64 / at_once.max(1) as f64;
        Duration::try_from_secs_f64(all).unwrap_or(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::fair::pool::Limits;

    /// A scheduler in which one connection has this many waiting behind those that run.
    fn crowded(pool: Pool, count: usize) -> Scheduler {
        let mut scheduler = Scheduler::new(Limits::default());
        for _ in 0..count {
            let ticket = scheduler.enter(Id(1)).unwrap();
            scheduler.line_up(ticket, pool);
            while scheduler.next().is_some() {}
        }
        scheduler
    }

    #[test]
    fn the_longer_the_line_and_the_slower_the_work_the_later() {
        let ask = |pace: &Pace, count| {
            let scheduler = crowded(Pool::Models, count);
            pace.ask_again(&scheduler, Id(1), Pool::Models, Full::Waiting)
        };
        let mut pace = Pace::default();
        let (few, many) = (ask(&pace, 40), ask(&pace, 120));
        assert!(few < many, "{few:?} {many:?}");
        for _ in 0..100 {
            pace.note(Pool::Models, Duration::from_secs(2));
        }
        // 112 wait behind 8: half of them take 7 turns of 2 s.
        let slow = ask(&pace, 120);
        assert_eq!(slow.as_secs(), 13, "{slow:?}");
    }

    #[test]
    fn nobody_is_told_to_wait_for_ever_or_not_at_all() {
        let scheduler = crowded(Pool::Words, 5);
        let mut pace = Pace::default();
        let ask = |pace: &Pace, full| pace.ask_again(&scheduler, Id(2), Pool::Jobs, full);
        assert_eq!(
            ask(&pace, Full::AllPlaces(Pool::Jobs)),
            pace.time(Pool::Jobs, 1, 4)
        );
        for _ in 0..100 {
            pace.note(Pool::Jobs, Duration::from_secs(100_000));
        }
        assert_eq!(ask(&pace, Full::Places(Pool::Jobs)), LONGEST);
        for _ in 0..200 {
            pace.note(Pool::Jobs, Duration::ZERO);
        }
        assert_eq!(ask(&pace, Full::Places(Pool::Jobs)), SHORTEST);
    }
}
