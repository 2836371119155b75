//! Keeps a container from ending while somebody is about, within bounds of time and money.

use std::time::Duration;

use tokio::time::Instant;

/// What the allowance is for.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// For how long a container is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct KeepWarm {
    /// After the last question.
    pub active: Duration,
    /// Between two looks at it: shorter than it lives idle.
    pub every: Duration,
    /// Most time within a day that looks may keep it.
    pub allowance: Duration,
}

/// What is spent of the allowance.
pub(super) struct Spending {
    bounds: KeepWarm,
    day: Instant,
    spent: Duration,
}

impl Spending {
    pub(super) fn new(bounds: KeepWarm, now: Instant) -> Self {
        Self {
            bounds,
            day: now,
            spent: Duration::ZERO,
        }
    }

    /// Whether to look in on the container now, which is counted as spent. `asked` is when somebody last
    /// waited for an answer.
    pub(super) fn look(&mut self, asked: Option<Instant>, now: Instant) -> bool {
        let KeepWarm {
            active,
            every,
            allowance,
        } = self.bounds;
        if asked.is_none_or(|asked| now - asked >= active) {
            return false;
        }
        if now - self.day >= DAY {
            self.day = now;
            self.spent = Duration::ZERO;
        }
        // Paid for until the next look, whoever else may have kept it.
        let spent = self.spent + every;
        if spent <= allowance {
            self.spent = spent;
            return true;
        }
        if self.spent <= allowance {
            let minutes = allowance.as_secs() / 60;
            tracing::info!(minutes, "keep_warm_budget is used up for today");
            self.spent = spent;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_ends_with_the_minutes_and_with_the_money() {
        let begin = Instant::now();
        let bounds = KeepWarm {
            active: 60 * SECOND,
            every: 10 * SECOND,
            allowance: 45 * SECOND,
        };
        let mut spending = Spending::new(bounds, begin);
        assert!(!spending.look(None, begin), "nobody asked yet");
        // Somebody asked just now, each time: four looks are paid for.
        let looks = |spending: &mut Spending, from: Instant| {
            let times = (0..100).map(|look| from + look * bounds.every);
            times.filter(|now| spending.look(Some(*now), *now)).count()
        };
        assert_eq!(looks(&mut spending, begin), 4);
        let next = begin + DAY;
        assert_eq!(looks(&mut spending, next), 4, "another day");

        let mut spending = Spending::new(
            KeepWarm {
                allowance: DAY,
                ..bounds
            },
            begin,
        );
        let times = (0..100).map(|look| begin + look * bounds.every);
        let looks = times.filter(|now| spending.look(Some(begin), *now));
        assert_eq!(looks.count(), 6, "a minute after the last question");
    }
}
