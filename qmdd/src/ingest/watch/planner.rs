//! When to look at what: events of one collection become few paths, at few times. Pure.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

/// Silence after which a path is looked at: an editor writes, renames and removes within it.
pub(super) const QUIET: Duration = Duration::from_millis(100);
/// Longest wait for a path that never falls silent.
pub(super) const LIMIT: Duration = Duration::from_secs(1);
/// A path may be looked at this much before its time, along with another: a rename is two paths.
const SLACK: Duration = Duration::from_millis(50);
/// Up to so many paths go each by its own silence. More are a burst, which goes by its common one.
const FEW: usize = 16;
/// More paths than this are the whole collection.
const MOST: usize = 512;
/// Longest rest after a look.
const REST: Duration = Duration::from_millis(500);
/// Looks in a row that cost a path no waiting.
const FREE_LOOKS: u32 = 4;
/// Looks are in a row when no longer than this lies between them.
const ROW: Duration = Duration::from_secs(10);

/// The path that stands for the whole collection.
pub(super) const WHOLE: &str = "";

/// What waits to be looked at in one collection. A path stands for all that is below it.
#[derive(Debug, Default)]
pub(super) struct Planner {
    waiting: BTreeMap<String, Wait>,
    /// Paths that were looked at lately.
    looked: HashMap<String, Look>,
    /// Nothing is due before.
    rest: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Wait {
    first: Instant,
    last: Instant,
}

impl Wait {
    fn settled(self) -> Instant {
        (self.last + QUIET).min(self.first + LIMIT)
    }
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    row: u32,
}

impl Planner {
    /// Takes note of an event. Returns whether nothing waited before.
    pub(super) fn note(&mut self, path: &str, now: Instant) -> bool {
        let idle = self.waiting.is_empty();
        if let Some(above) = self.waiting_above(path) {
            above.last = now;
            return idle;
        }
        let mut wait = Wait {
            first: now,
            last: now,
        };
        for (_, below) in self.remove_below(path) {
            wait.first = wait.first.min(below.first);
        }
        self.waiting
            .entry(path.to_owned())
            .and_modify(|known| known.last = now)
            .or_insert(wait);
        if self.waiting.len() > MOST {
            self.note(WHOLE, now);
        }
        idle
    }

    /// Has the whole collection looked at now.
    pub(super) fn demand(&mut self, now: Instant) {
        self.waiting.clear();
        self.looked.clear();
        self.rest = None;
        let long_ago = now.checked_sub(LIMIT).unwrap_or(now);
        let wait = Wait {
            first: long_ago,
            last: long_ago,
        };
        self.waiting.insert(WHOLE.to_owned(), wait);
    }

    /// When the next look is due; `None` when nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        let due = if self.waiting.len() > FEW {
            let first = self.waiting.values().map(|wait| wait.first).min()?;
            let last = self.waiting.values().map(|wait| wait.last).max()?;
            let open = self
                .waiting
                .keys()
                .filter_map(|path| self.closed_until(path));
            let burst = Wait { first, last }.settled();
            // All of them are closed: the first that opens.
            if open.clone().count() == self.waiting.len() {
                burst.max(open.min()?)
            } else {
                burst
            }
        } else {
            let times = self
                .waiting
                .iter()
                .map(|(path, wait)| self.time(path, *wait));
            times.min()?
        };
        Some(self.rest.map_or(due, |rest| due.max(rest)))
    }

    /// What is to be looked at now, in the order of the paths.
    pub(super) fn take(&mut self, now: Instant) -> Vec<String> {
        if self.due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let burst = self.waiting.len() > FEW;
        let is_due = |path: &str, wait: Wait| {
            if burst {
                self.closed_until(path).is_none_or(|until| until <= now)
            } else {
                self.time(path, wait) <= now + SLACK
            }
        };
        let taken: Vec<String> = (self.waiting.iter())
            .filter(|(path, wait)| is_due(path, **wait))
            .map(|(path, _)| path.clone())
            .collect();
        self.looked
            .retain(|_, look| now.duration_since(look.at) <= ROW);
        for path in &taken {
            self.waiting.remove(path);
            let row = self.looked.get(path).map_or(0, |look| look.row);
            let look = Look {
                at: now,
                row: row.saturating_add(1),
            };
            self.looked.insert(path.clone(), look);
        }
        taken
    }

    /// Takes note of how long looking took, and rests as long: half of the time is for others. But not
    /// so long that a change that comes behind a large one is not found in time.
    pub(super) fn looked(&mut self, took: Duration, now: Instant) {
        self.rest = Some(now + took.min(REST));
    }

    /// When a path is due by itself.
    fn time(&self, path: &str, wait: Wait) -> Instant {
        let settled = wait.settled();
        self.closed_until(path)
            .map_or(settled, |until| settled.max(until))
    }

    /// A path that changes again and again is looked at ever less often.
    fn closed_until(&self, path: &str) -> Option<Instant> {
        let look = self.looked.get(path)?;
        let pause = match look.row.saturating_sub(FREE_LOOKS) {
            0 => return None,
            1 => 1,
            2 => 2,
            _ => 5,
        };
        Some(look.at + Duration::from_secs(pause))
    }

    fn waiting_above(&mut self, path: &str) -> Option<&mut Wait> {
        let above = above(path).find(|above| self.waiting.contains_key(*above))?;
        self.waiting.get_mut(above)
    }

    fn remove_below(&mut self, path: &str) -> Vec<(String, Wait)> {
        if path == WHOLE {
            return std::mem::take(&mut self.waiting).into_iter().collect();
        }
        let below = (self.waiting)
            .range(format!("{path}/")..format!("{path}0"))
            .map(|(path, _)| path.clone())
            .collect::<Vec<_>>();
        let remove = |path: String| Some((path.clone(), self.waiting.remove(&path)?));
        below.into_iter().filter_map(remove).collect()
    }
}

/// Every path that a path is below of, the whole collection first.
fn above(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    let root = (path != WHOLE).then_some(WHOLE);
    root.into_iter().chain(ends.map(|at| &path[..at]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_path_is_looked_at_when_it_has_fallen_silent() {
        let start = Instant::now();
        let mut planner = Planner::default();
        assert!(planner.note("a.md", start));
        assert!(!planner.note("a.md", start + 60 * MS));
        assert_eq!(planner.due(), Some(start + 160 * MS));
        assert_eq!(planner.take(start + 159 * MS), [] as [&str; 0]);
        assert_eq!(planner.take(start + 160 * MS), ["a.md"]);
        assert_eq!(planner.due(), None);
    }

    #[test]
    fn both_ends_of_a_rename_go_together() {
        let start = Instant::now();
        let mut planner = Planner::default();
        planner.note("old.md", start);
        planner.note("new.md", start + MS);
        assert_eq!(planner.take(start + QUIET), ["new.md", "old.md"]);
    }

    #[test]
    fn one_restless_path_holds_up_no_other() {
        let start = Instant::now();
        let mut planner = Planner::default();
        planner.note("saved.md", start);
        for at in 0..20 {
            planner.note("log.md", start + at * 10 * MS);
        }
        assert_eq!(planner.take(start + QUIET), ["saved.md"]);
        assert_eq!(planner.due(), Some(start + 290 * MS));
    }

    #[test]
    fn a_path_that_is_written_without_end_is_looked_at_ever_less() {
        let start = Instant::now();
        let mut planner = Planner::default();
        let mut looks = Vec::new();
        for at in 0..6_000_u32 {
            let now = start + at * 10 * MS;
            planner.note("log.md", now);
            if !planner.take(now).is_empty() {
                looks.push(now);
            }
        }
        assert!(looks[0] <= start + LIMIT, "within the limit");
        assert!(
            (10..25).contains(&looks.len()),
            "{} in a minute",
            looks.len()
        );
        let longest = looks
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .max()
            .unwrap();
        assert!(longest <= Duration::from_secs(6), "{longest:?}");
        // After a rest it is like any other.
        let later = start + Duration::from_secs(120);
        planner.take(start + Duration::from_secs(70));
        planner.note("log.md", later);
        assert_eq!(planner.due(), Some(later + QUIET));
    }

    #[test]
    fn a_burst_goes_when_it_is_over_and_a_storm_is_the_whole_collection() {
        let start = Instant::now();
        let mut planner = Planner::default();
        for number in 0..40 {
            planner.note(&format!("{number}.md"), start + number * 10 * MS);
        }
        assert_eq!(planner.due(), Some(start + 490 * MS));
        assert_eq!(planner.take(start + 490 * MS).len(), 40);
        for number in 0..5_000 {
            planner.note(&format!("dir/{number}.md"), start + 600 * MS);
        }
        assert_eq!(planner.take(start + 700 * MS), [WHOLE]);
    }

    #[test]
    fn what_is_below_a_waiting_folder_waits_with_it() {
        let start = Instant::now();
        let mut planner = Planner::default();
        planner.note("dir/a.md", start);
        planner.note("dir0", start);
        planner.note("dir", start + 20 * MS);
        planner.note("dir/sub/b.md", start + 30 * MS);
        assert_eq!(planner.take(start + 130 * MS), ["dir", "dir0"]);
    }

    #[test]
    fn looking_leaves_half_of_the_time_to_others() {
        let start = Instant::now();
        let mut planner = Planner::default();
        planner.looked(300 * MS, start);
        planner.note("a.md", start);
        assert_eq!(planner.due(), Some(start + 300 * MS));
        // A long one does not keep what comes behind it waiting as long.
        planner.looked(Duration::from_secs(9), start);
        assert_eq!(planner.due(), Some(start + REST));
        planner.demand(start);
        assert_eq!(planner.take(start), [WHOLE]);
    }

    proptest! {
        /// Whatever happens, everything noted is looked at after its last event, soon, and at no
        /// time do more paths wait than are allowed.
        #[test]
        fn nothing_is_forgotten(
            events in proptest::collection::vec(("[ab]/[a-c]{1,2}|[a-d]{1,4}", 0..400_u32), 1..300),
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut planner = Planner::default();
            let mut open: BTreeMap<String, Instant> = BTreeMap::new();
            let close = |taken: Vec<String>, open: &mut BTreeMap<String, Instant>| {
                open.retain(|path, _| {
                    !taken.iter().any(|taken| {
                        taken == path || above(path).any(|above| above == taken)
                    })
                });
            };
            for (path, pause) in events {
                let next = now + pause * MS;
                while let Some(due) = planner.due().filter(|due| *due <= next) {
                    let taken = planner.take(due.max(now));
                    prop_assert!(!taken.is_empty(), "what is due is taken");
                    close(taken, &mut open);
                }
                now = next;
                planner.note(&path, now);
                open.insert(path, now);
                prop_assert!(planner.waiting.len() <= MOST);
                prop_assert!(planner.due().is_some());
            }
            while let Some(due) = planner.due() {
                let last = open.values().max().copied().unwrap_or(now);
                prop_assert!(due <= last + Duration::from_secs(6), "soon");
                close(planner.take(due.max(now)), &mut open);
                now = now.max(due);
            }
            prop_assert!(open.is_empty(), "{:?}", open);
        }
    }
}
