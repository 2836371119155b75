//! File descriptors: as many as the connections need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than are ever used, and no more than any system gives.
const WANTED: u64 = 8_192;

/// Descriptors for all that is no connection: databases, models, watches, helpers.
const RESERVED: u64 = 256;

/// Most connections at the same time, and fewest.
const MOST: u64 = 2_000;
const FEWEST: u64 = 16;

/// Has the system give this process the descriptors it wants, as far as the system may; how many it has.
pub(super) fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // `None` is without a limit.
    let (Some(current), most) = (limit.current, limit.maximum.unwrap_or(WANTED)) else {
        return WANTED;
    };
    let wanted = WANTED.min(most);
    if current >= wanted {
        return current;
    }
    let raised = Rlimit {
        current: Some(wanted),
        ..limit
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::warn!(%error, current, wanted, "the limit of descriptors stays as it is");
            current
        }
    }
}

/// How many connections there may be with that many descriptors.
pub(super) fn connections(descriptors: u64) -> usize {
    let connections = descriptors.saturating_sub(RESERVED).clamp(FEWEST, MOST);
    connections as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        assert_eq!(connections(300), 44);
        assert_eq!(connections(64), 16);
        assert_eq!(connections(1_024), 768);
        assert_eq!(connections(WANTED), 2_000);
    }

    #[test]
    fn a_limit_is_never_lowered() {
        let before = getrlimit(Resource::Nofile).current;
        let raised = raise();
        assert!(before.is_none_or(|before| raised >= before.min(WANTED)));
    }
}
