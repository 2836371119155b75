//! Who is next: each connection has a line of its own for each kind of work, and the lines take turns.
//! Knows neither time nor threads.

use std::collections::{HashMap, VecDeque};

use super::pool::{Limits, Pool};

/// A connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(pub(super) u64);

/// A request that is here. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket(u64);

/// What there is no more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// Requests of this connection that may wait.
    Waiting,
    /// Requests that may wait, of all connections together.
    AllWaiting,
    /// Bytes of this connection's requests.
    Bytes,
    /// Bytes of all requests.
    AllBytes,
    /// This connection's places of the kind.
    Places(Pool),
    /// All places of the kind.
    AllPlaces(Pool),
}

/// Requests between their arrival and their end.
#[derive(Debug)]
pub(super) struct Scheduler {
    limits: Limits,
    issued: u64,
    requests: HashMap<Ticket, Request>,
    rooms: HashMap<Id, Room>,
    /// The sum of the rooms.
    all: Room,
    lines: [Lines; Pool::ALL.len()],
}

#[derive(Debug)]
struct Request {
    connection: Id,
    stage: Stage,
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Arriving,
    Waiting(Pool),
    Running(Pool),
}

/// What requests take up while they are here.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Room {
    /// Those that arrive or wait.
    waiting: usize,
    /// Bytes of all, running or not.
    bytes: usize,
    requests: usize,
}

/// One kind of work.
#[derive(Debug, Default)]
struct Lines {
    running: usize,
    of: HashMap<Id, Line>,
    /// The connections that have somebody waiting, and a place left to take. May name a connection in vain.
    turns: VecDeque<Id>,
}

/// One connection's part in one kind of work.
#[derive(Debug, Default)]
struct Line {
    running: usize,
    waiting: VecDeque<Ticket>,
    has_turn: bool,
}

impl Scheduler {
    /// Nobody is here.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            issued: 0,
            requests: HashMap::new(),
            rooms: HashMap::new(),
            all: Room::default(),
            lines: std::array::from_fn(|_| Lines::default()),
        }
    }

    /// How much there is of everything.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Lets a request in that will wait for its turn once it has arrived in full.
    ///
    /// # Errors
    /// When too many wait.
    pub(super) fn enter(&mut self, connection: Id) -> Result<Ticket, Full> {
        let room = self.rooms.get(&connection).copied().unwrap_or_default();
        if room.waiting >= self.limits.waiting_each {
            return Err(Full::Waiting);
        }
        if self.all.waiting >= self.limits.waiting {
            return Err(Full::AllWaiting);
        }
        Ok(self.issue(connection, Stage::Arriving))
    }

    /// Lets a request in that does not wait: it takes a place, or goes.
    ///
    /// # Errors
    /// When no place is free.
    pub(super) fn enter_at_once(&mut self, connection: Id, pool: Pool) -> Result<Ticket, Full> {
        let share = self.limits.share(pool);
        let lines = &mut self.lines[pool as usize];
        if lines.of.get(&connection).map_or(0, |line| line.running) >= share.each {
            return Err(Full::Places(pool));
        }
        if lines.running >= share.places {
            return Err(Full::AllPlaces(pool));
        }
        lines.running += 1;
        lines.of.entry(connection).or_default().running += 1;
        Ok(self.issue(connection, Stage::Running(pool)))
    }

    /// Makes room for more bytes of a request.
    ///
    /// # Errors
    /// When there is none: the request has to leave.
    pub(super) fn grow(&mut self, ticket: Ticket, bytes: usize) -> Result<(), Full> {
        let Some(request) = self.requests.get_mut(&ticket) else {
            return Ok(());
        };
        let room = self.rooms.entry(request.connection).or_default();
        if room.bytes + bytes > self.limits.bytes_each {
            return Err(Full::Bytes);
        }
        if self.all.bytes + bytes > self.limits.bytes {
            return Err(Full::AllBytes);
        }
        request.bytes += bytes;
        room.bytes += bytes;
        self.all.bytes += bytes;
        Ok(())
    }

    /// Puts a request that has arrived at the end of its connection's line.
    pub(super) fn line_up(&mut self, ticket: Ticket, pool: Pool) {
        let Some(request) = self.requests.get_mut(&ticket) else {
            return;
        };
        request.stage = Stage::Waiting(pool);
        let lines = &mut self.lines[pool as usize];
        let line = lines.of.entry(request.connection).or_default();
        line.waiting.push_back(ticket);
        lines.offer_turn(request.connection, self.limits.share(pool).each);
    }

    /// A request whose turn it is now, until there is none.
    pub(super) fn next(&mut self) -> Option<Ticket> {
        let waiting = Pool::ALL.into_iter().filter(|pool| pool.waits());
        for pool in waiting {
            let share = self.limits.share(pool);
            let lines = &mut self.lines[pool as usize];
            let Some((connection, ticket)) = lines.next(share.places, share.each) else {
                continue;
            };
            if let Some(request) = self.requests.get_mut(&ticket) {
                request.stage = Stage::Running(pool);
            }
            self.all.waiting -= 1;
            if let Some(room) = self.rooms.get_mut(&connection) {
                room.waiting -= 1;
            }
            return Some(ticket);
        }
        None
    }

    /// Ends a request, wherever it is.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        let Some(request) = self.requests.remove(&ticket) else {
            return;
        };
        let connection = request.connection;
        let waits = match request.stage {
            Stage::Arriving => true,
            Stage::Waiting(pool) => {
                self.lines[pool as usize].give_up(connection, ticket);
                true
            }
            Stage::Running(pool) => {
                let each = self.limits.share(pool).each;
                self.lines[pool as usize].done(connection, each);
                false
            }
        };
        self.all.take(usize::from(waits), request.bytes);
        if let Some(room) = self.rooms.get_mut(&connection) {
            room.take(usize::from(waits), request.bytes);
            if room.requests == 0 {
                self.rooms.remove(&connection);
            }
        }
    }

    /// How many of a connection's requests wait for places of a kind.
    pub(super) fn waiting_of(&self, connection: Id, pool: Pool) -> usize {
        let line = self.lines[pool as usize].of.get(&connection);
        line.map_or(0, |line| line.waiting.len())
    }

    /// How many requests wait for places of a kind.
    pub(super) fn waiting(&self, pool: Pool) -> usize {
        let lines = self.lines[pool as usize].of.values();
        lines.map(|line| line.waiting.len()).sum()
    }

    /// How many connections have work of a kind here.
    pub(super) fn sharing(&self, pool: Pool) -> usize {
        self.lines[pool as usize].of.len()
    }

    fn issue(&mut self, connection: Id, stage: Stage) -> Ticket {
        self.issued += 1;
        let ticket = Ticket(self.issued);
        let request = Request {
            connection,
            stage,
            bytes: 0,
        };
        self.requests.insert(ticket, request);
        let waits = usize::from(stage == Stage::Arriving);
        for room in [&mut self.all, self.rooms.entry(connection).or_default()] {
            room.waiting += waits;
            room.requests += 1;
        }
        ticket
    }
}

impl Room {
    fn take(&mut self, waiting: usize, bytes: usize) {
        self.waiting -= waiting;
        self.bytes -= bytes;
        self.requests -= 1;
    }
}

impl Lines {
    /// Gives a connection a turn, the last of all, if it can use one and has none.
    fn offer_turn(&mut self, connection: Id, each: usize) {
        if let Some(line) = self.of.get_mut(&connection)
            && !line.has_turn
            && !line.waiting.is_empty()
            && line.running < each
        {
            line.has_turn = true;
            self.turns.push_back(connection);
        }
    }

    fn next(&mut self, places: usize, each: usize) -> Option<(Id, Ticket)> {
        while self.running < places {
            let connection = self.turns.pop_front()?;
            let Some(line) = self.of.get_mut(&connection) else {
                continue;
            };
            line.has_turn = false;
            // Who waited may have given up since.
            let Some(ticket) = line.waiting.pop_front() else {
                self.forget_idle(connection);
                continue;
            };
            line.running += 1;
            self.running += 1;
            self.offer_turn(connection, each);
            return Some((connection, ticket));
        }
        None
    }

    fn give_up(&mut self, connection: Id, ticket: Ticket) {
        if let Some(line) = self.of.get_mut(&connection) {
            line.waiting.retain(|waiting| *waiting != ticket);
        }
        self.forget_idle(connection);
    }

    fn done(&mut self, connection: Id, each: usize) {
        self.running -= 1;
        if let Some(line) = self.of.get_mut(&connection) {
            line.running -= 1;
        }
        self.offer_turn(connection, each);
        self.forget_idle(connection);
    }

    /// A line that has a turn is kept: forgotten and made anew, it would have two.
    fn forget_idle(&mut self, connection: Id) {
        let is_idle = |line: &Line| line.running == 0 && line.waiting.is_empty() && !line.has_turn;
        if self.of.get(&connection).is_some_and(is_idle) {
            self.of.remove(&connection);
        }
    }
}

#[cfg(test)]
mod tests;
