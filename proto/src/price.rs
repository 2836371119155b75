//! What containers at Modal cost, by its list: for the client's estimates, and for the daemon's bound on
//! what it spends by itself.

/// Where the prices are from. `modal billing rates` tells a workspace's own.
pub const SOURCE: &str = "Modal's list of July 2026";

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

/// A container that runs, in dollars a second, where no region is asked for; `None` for a GPU that is not
/// in the list.
pub fn container(gpu: &str) -> Option<f64> {
    let (_, gpu) = GPUS.iter().find(|(name, _)| *name == gpu)?;
    Some(gpu + CORES * CORE + MEMORY_GIB * GIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour() {
        let hour = container("T4").unwrap() * 3600.0;
        assert!((hour - 0.72).abs() < 0.005, "{hour}");
        assert_eq!(container("H100"), None);
    }
}
