//! What a deployment costs.

use qmd_proto::price;

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
    let second = factor * price::container(gpu)?;
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
