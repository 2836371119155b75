//! What a deployment costs, by Modal's list.

/// Where the prices are from. `modal billing rates` tells a workspace's own.
pub(super) const SOURCE: &str = "Modal's list of July 2026";

/// GPUs, in dollars a second.
const GPUS: [(&str, f64); 4] = [
    ("T4", 0.000_164),
    ("L4", 0.000_222),
    ("A10", 0.000_306),
    ("A10G", 0.000_306),
];
/// A core of a processor, in dollars a second.
const CORE: f64 = 0.000_013_1;
/// A GiB of memory, in dollars a second.
const GIB: f64 = 0.000_002_22;

/// What a container has beside its GPU, as the deployment asks for it.
const CORES: f64 = 2.0;
const MEMORY_GIB: f64 = 4.0;

/// A warm query keeps a container busy for about this long.
const QUERY_S: f64 = 1.0;

/// What to reckon with, in dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    /// A container that runs, for an hour.
    pub(crate) per_hour: f64,
    /// A query that comes alone: its work, and the idle time until the container ends.
    pub(crate) per_query: f64,
}

/// An estimate; `None` for a GPU that is not in the list.
pub(super) fn estimate(gpu: &str, scaledown_window_s: u32, factor: f64) -> Option<Estimate> {
    let (_, gpu) = GPUS.iter().find(|(name, _)| *name == gpu)?;
    let second = factor * (gpu + CORES * CORE + MEMORY_GIB * GIB);
    Some(Estimate {
        per_hour: second * 3600.0,
        per_query: second * (QUERY_S + f64::from(scaledown_window_s)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_and_a_query() {
        let usual = estimate("T4", 15, 1.0).unwrap();
        assert!((usual.per_hour - 0.72).abs() < 0.005, "{usual:?}");
        assert!((usual.per_query - 0.0032).abs() < 0.0001, "{usual:?}");
        let pinned = estimate("T4", 15, 1.75).unwrap();
        assert!((pinned.per_hour - 1.25).abs() < 0.01, "{pinned:?}");
        assert_eq!(estimate("H100", 15, 1.0), None);
    }
}
