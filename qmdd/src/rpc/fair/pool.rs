//! What requests share: places of each kind of work, and the room to wait in.

use std::time::Duration;

/// A kind of work. Those of one kind share its places; no kind waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Pool {
    /// Milliseconds of reading: searches by words, single documents.
    Words,
    /// Many documents, as a stream that its reader may hold up.
    Reads,
    /// Models, and somebody waits.
    Models,
    /// Models, and nobody does.
    Bulk,
    /// Minutes of work: updates, downloads, streams of texts to embed.
    Jobs,
    /// Streams without an end.
    Watches,
    /// What looks at the daemon or steers it, and what costs next to nothing.
    Control,
}

impl Pool {
    /// Every kind.
    pub(super) const ALL: [Self; 7] = [
        Self::Words,
        Self::Reads,
        Self::Models,
        Self::Bulk,
        Self::Jobs,
        Self::Watches,
        Self::Control,
    ];

    /// Whether requests wait when its places are taken. The others are refused.
    pub(super) fn waits(self) -> bool {
        matches!(self, Self::Words | Self::Reads | Self::Models | Self::Bulk)
    }

    /// How long a request is reckoned to take before any was seen.
    pub(super) fn first_guess(self) -> Duration {
        match self {
            Self::Words => Duration::from_millis(2),
            Self::Reads => Duration::from_millis(20),
            Self::Models => Duration::from_millis(50),
            Self::Bulk => Duration::from_millis(500),
            Self::Jobs | Self::Watches | Self::Control => Duration::from_secs(1),
        }
    }

    /// What several of it are called.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Words | Self::Models | Self::Bulk => "requests",
            Self::Reads => "readings",
            Self::Jobs => "jobs",
            Self::Watches => "watches",
            Self::Control => "requests to the daemon itself",
        }
    }
}

/// Places of one kind of work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    /// In all.
    pub(super) places: usize,
    /// Of one connection: fewer, so that who comes next finds one free.
    pub(super) each: usize,
}

/// How much there is of everything.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// Places of [`Pool::ALL`], in that order.
    pub(super) shares: [Share; Pool::ALL.len()],
    /// Requests that wait, in all.
    pub(super) waiting: usize,
    /// Requests of one connection that wait.
    pub(super) waiting_each: usize,
    /// Bytes of all requests that are here.
    pub(super) bytes: usize,
    /// Bytes of one connection's requests.
    pub(super) bytes_each: usize,
}

impl Limits {
    /// The places of a kind of work.
    pub(super) fn share(&self, pool: Pool) -> Share {
        self.shares[pool as usize]
    }
}

impl Default for Limits {
    /// `docs/configuration.md` has these numbers.
    fn default() -> Self {
        let share = |places, each| Share { places, each };
        Self {
            shares: [
                // An index has two threads that read. Three of one connection keep them busy, and more
                // would only wait in front of them, where the others' come last.
                share(8, 3),
                // A reader that stalls keeps its place.
                share(64, 4),
                // A model takes what waits in batches; a remote end takes several at once.
                share(64, 8),
                share(32, 8),
                share(32, 4),
                share(512, 16),
                share(4_096, 32),
            ],
            waiting: 16_384,
            waiting_each: 128,
            bytes: 64 << 20,
            bytes_each: 32 << 20,
        }
    }
}
