//! How many threads a decode should have: one for each real core that this process may use.

use std::{collections::HashSet, fs, thread::available_parallelism};

/// Cores for inference. Two hardware threads of one core share its vector units, and a decode on both
/// is slower than on one.
pub(super) fn usable() -> usize {
    let allowed = available_parallelism().map_or(1, usize::from);
    match physical() {
        // Fewer processors may be allowed than there are cores.
        Some(cores) => cores.clamp(1, allowed),
        None => allowed,
    }
}

/// Real cores among the processors this process may run on; `None` where the system does not tell.
fn physical() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut cores = HashSet::new();
    for cpu in processors(list)? {
        let file = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        cores.insert(fs::read_to_string(file).ok()?);
    }
    Some(cores.len()).filter(|count| *count > 0)
}

/// Reads `0-3,8`.
fn processors(list: &str) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        found.extend(first.parse::<u32>().ok()?..=last.parse().ok()?);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_lists_are_read() {
        assert_eq!(processors("0-2,7\n"), Some(vec![0, 1, 2, 7]));
        assert_eq!(processors("5"), Some(vec![5]));
        assert_eq!(processors("x"), None);
    }

    #[test]
    fn there_is_a_core_and_not_more_than_allowed() {
        let allowed = available_parallelism().map_or(1, usize::from);
        assert!((1..=allowed).contains(&usable()));
    }
}
