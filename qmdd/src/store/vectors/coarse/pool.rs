//! The threads that share a search. They stay: a thread that has just begun waits, on Linux, behind the
//! one that began it for longer than a search takes.

use std::{sync::LazyLock, thread};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Threads of a search at most: beyond these, memory is what all wait for.
const THREADS: usize = 4;

static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads.min(THREADS))
        .thread_name(|_| "vectors".into());
    // Where the system gives no threads, a search does without.
    (threads > 1).then(|| pool.build().ok()).flatten()
});

/// The threads, where there are several.
pub(super) fn pool() -> Option<&'static ThreadPool> {
    POOL.as_ref()
}
