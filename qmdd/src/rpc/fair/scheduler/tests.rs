//! The scheduler against a plain model of it, in random order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::rpc::fair::pool::Share;

/// Small, so that everything is full now and then.
fn limits() -> Limits {
    let mut shares = [Share { places: 3, each: 2 }; Pool::ALL.len()];
    shares[Pool::Words as usize] = Share { places: 2, each: 1 };
    Limits {
        shares,
        waiting: 12,
        waiting_each: 5,
        bytes: 100,
        bytes_each: 60,
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A connection asks for something.
    Ask(u64, Pool, usize),
    /// One of those that run, by its place, is done.
    Finish(usize),
    /// One of those that wait, by its place, gives up.
    GiveUp(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let pool = proptest::sample::select(Pool::ALL.to_vec());
    prop_oneof![
        4 => (0..5_u64, pool, 0..30_usize).prop_map(|(id, pool, bytes)| Step::Ask(id, pool, bytes)),
        2 => any::<usize>().prop_map(Step::Finish),
        1 => any::<usize>().prop_map(Step::GiveUp),
    ]
}

/// What a request is known to be.
#[derive(Debug, Clone, Copy)]
struct Known {
    connection: Id,
    pool: Pool,
    bytes: usize,
    runs: bool,
}

/// The scheduler, and what is known of everybody in it.
struct Watched {
    scheduler: Scheduler,
    known: BTreeMap<Ticket, Known>,
}

impl Watched {
    fn new(limits: Limits) -> Self {
        Self {
            scheduler: Scheduler::new(limits),
            known: BTreeMap::new(),
        }
    }

    fn ask(&mut self, id: u64, pool: Pool, bytes: usize) -> Result<Ticket, Full> {
        let connection = Id(id);
        let ticket = if pool.waits() {
            self.scheduler.enter(connection)?
        } else {
            self.scheduler.enter_at_once(connection, pool)?
        };
        if let Err(full) = self.scheduler.grow(ticket, bytes) {
            self.scheduler.leave(ticket);
            return Err(full);
        }
        let known = Known {
            connection,
            pool,
            bytes,
            runs: !pool.waits(),
        };
        self.known.insert(ticket, known);
        if pool.waits() {
            self.scheduler.line_up(ticket, pool);
        }
        Ok(ticket)
    }

    /// Lets everybody run whose turn it is.
    fn run(&mut self) -> Vec<Ticket> {
        let mut called = Vec::new();
        while let Some(ticket) = self.scheduler.next() {
            let known = self.known.get_mut(&ticket).unwrap();
            assert!(!known.runs, "called twice");
            known.runs = true;
            called.push(ticket);
        }
        called
    }

    fn leave(&mut self, place: usize, runs: bool) {
        let of: Vec<Ticket> = self.list(|known| known.runs == runs);
        if let Some(ticket) = of.get(place % of.len().max(1)) {
            self.known.remove(ticket);
            self.scheduler.leave(*ticket);
        }
    }

    fn list(&self, is_one: impl Fn(&Known) -> bool) -> Vec<Ticket> {
        let known = self.known.iter().filter(|(_, known)| is_one(known));
        known.map(|(ticket, _)| *ticket).collect()
    }

    fn count(&self, is_one: impl Fn(&Known) -> bool) -> usize {
        self.known.values().filter(|known| is_one(known)).count()
    }

    /// Every cap holds, and no place is free that somebody could have.
    fn check(&self) {
        let limits = self.scheduler.limits().clone();
        let bytes = |id: Option<Id>| -> usize {
            let of = self.known.values();
            of.filter(|known| id.is_none_or(|id| known.connection == id))
                .map(|known| known.bytes)
                .sum()
        };
        assert!(self.count(|known| !known.runs) <= limits.waiting);
        assert!(bytes(None) <= limits.bytes);
        for pool in Pool::ALL {
            let share = limits.share(pool);
            let running = self.count(|known| known.pool == pool && known.runs);
            assert!(running <= share.places);
            for id in (0..5).map(Id) {
                let of = |known: &Known| known.connection == id && known.pool == pool;
                let (own, waits) = (
                    self.count(|known| of(known) && known.runs),
                    self.count(|known| of(known) && !known.runs),
                );
                assert!(own <= share.each);
                assert!(
                    waits == 0 || own == share.each || running == share.places,
                    "{pool:?} has a place that {id:?} waits for"
                );
                assert_eq!(self.scheduler.waiting_of(id, pool), waits);
            }
        }
        for id in (0..5).map(Id) {
            assert!(
                self.count(|known| known.connection == id && !known.runs) <= limits.waiting_each
            );
            assert!(bytes(Some(id)) <= limits.bytes_each);
        }
    }
}

proptest! {
    #[test]
    fn caps_hold_places_are_used_and_lines_keep_their_order(steps in prop::collection::vec(step(), 1..200)) {
        let mut watched = Watched::new(limits());
        let mut last: BTreeMap<(Id, usize), Ticket> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Ask(id, pool, bytes) => {
                    let _ = watched.ask(id, pool, bytes);
                }
                Step::Finish(place) => watched.leave(place, true),
                Step::GiveUp(place) => watched.leave(place, false),
            }
            for ticket in watched.run() {
                let known = watched.known[&ticket];
                let before = last.insert((known.connection, known.pool as usize), ticket);
                prop_assert!(before.is_none_or(|before| before < ticket), "out of its line's order");
            }
            watched.check();
        }
        // Whoever is left has an end, and nothing is remembered.
        while !watched.known.is_empty() {
            watched.leave(0, true);
            watched.run();
            watched.check();
        }
        prop_assert_eq!(watched.scheduler.all, Room::default());
        prop_assert!(watched.scheduler.rooms.is_empty() && watched.scheduler.requests.is_empty());
        // A turn that nobody took goes with the next one who comes.
        for pool in Pool::ALL.into_iter().filter(|pool| pool.waits()) {
            watched.ask(9, pool, 0).unwrap();
            watched.run();
            watched.leave(0, true);
            prop_assert!(watched.scheduler.lines[pool as usize].of.is_empty());
        }
    }

    #[test]
    fn while_one_waits_for_its_turn_no_other_has_two(lengths in prop::collection::vec(0..5_usize, 2..6)) {
        let mut limits = limits();
        limits.shares = [Share { places: 1, each: 1 }; Pool::ALL.len()];
        limits.waiting = usize::MAX;
        let mut watched = Watched::new(limits);
        for (id, length) in lengths.iter().enumerate() {
            for _ in 0..*length {
                watched.ask(id as u64, Pool::Models, 0).unwrap();
            }
        }
        let mut order = Vec::new();
        while let Some(ticket) = watched.run().first() {
            order.push(watched.known[ticket].connection);
            watched.leave(0, true);
        }
        prop_assert_eq!(order.len(), lengths.iter().sum::<usize>());
        // Between two of one connection, each that still waits has exactly one.
        for (id, length) in lengths.iter().enumerate() {
            let own: Vec<usize> = (0..order.len()).filter(|at| order[*at] == Id(id as u64)).collect();
            prop_assert_eq!(own.len(), *length);
            for pair in own.windows(2) {
                let mut between = order[pair[0] + 1..pair[1]].to_vec();
                between.sort_unstable();
                let count = between.len();
                between.dedup();
                prop_assert_eq!(between.len(), count, "{:?}", order);
            }
        }
    }
}

/// One connection asks for as much as it may, and then another for one thing.
#[test]
fn a_greedy_connection_leaves_a_place_for_the_next() {
    let mut watched = Watched::new(Limits::default());
    for pool in Pool::ALL {
        while watched.ask(0, pool, 0).is_ok() {}
        watched.run();
        let ticket = watched.ask(1, pool, 0).unwrap();
        watched.run();
        assert!(watched.known[&ticket].runs, "{pool:?}");
    }
}

#[test]
fn what_is_full_is_named() {
    let mut watched = Watched::new(limits());
    let fill = |watched: &mut Watched, id, pool, bytes| loop {
        if let Err(full) = watched.ask(id, pool, bytes) {
            break full;
        }
        watched.run();
    };
    assert_eq!(
        fill(&mut watched, 0, Pool::Jobs, 0),
        Full::Places(Pool::Jobs)
    );
    assert_eq!(
        fill(&mut watched, 1, Pool::Jobs, 0),
        Full::AllPlaces(Pool::Jobs)
    );
    assert_eq!(fill(&mut watched, 0, Pool::Reads, 0), Full::Waiting);
    assert_eq!(fill(&mut watched, 0, Pool::Control, 40), Full::Bytes);
    assert_eq!(fill(&mut watched, 1, Pool::Control, 60), Full::Bytes);
    assert_eq!(fill(&mut watched, 2, Pool::Control, 1), Full::AllBytes);
    assert_eq!(fill(&mut watched, 1, Pool::Reads, 0), Full::Waiting);
    assert_eq!(fill(&mut watched, 2, Pool::Reads, 0), Full::AllWaiting);
}
