//! What was measured, kept with its evidence.

use std::{
    fs, io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::Measure;
use crate::{domain::Routing, infer::kept};

/// A region found by measuring, and the measures that speak for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The region.
    pub region: Routing,
    /// Seconds since 1970 when it was measured.
    pub measured_at_s: u64,
    /// All that was measured, nearest first.
    pub measures: Vec<Measure>,
}

impl Evidence {
    pub(super) fn new(region: Routing, mut measures: Vec<Measure>, now: SystemTime) -> Self {
        let distance = |measure: &Measure| measure.best_ms().unwrap_or(f64::INFINITY);
        measures.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        Self {
            region,
            measured_at_s: now
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            measures,
        }
    }
}

/// The evidence kept, if there is any; else why what is there cannot be used.
pub(super) fn read(file: &Path) -> Result<Option<Evidence>, String> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{} cannot be read: {error}", file.display())),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| format!("{} is damaged and was left out: {error}", file.display()))
}

/// Keeps the evidence; else tells why it could not.
pub(super) fn write(file: &Path, evidence: &Evidence) -> Result<(), String> {
    let written = || -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(evidence)?;
        text.push(b'\n');
        kept::replace(file, &text)
    };
    written().map_err(|error| {
        format!(
            "the region found was not kept in {}: {error}",
            file.display()
        )
    })
}

/// Forgets the evidence.
pub(super) fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_kept_nearest_first_and_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("deep/region.json");
        assert_eq!(read(&file), Ok(None));
        let measure = |target: &str, samples_ms: &[f64]| Measure {
            target: target.into(),
            routing: Some(Routing::EuWest),
            compute: "eu".into(),
            samples_ms: samples_ms.to_vec(),
            error: None,
        };
        let measures = vec![
            measure("dead:1", &[]),
            measure("far:1", &[80.5, 81.0]),
            measure("near:1", &[19.0, 12.25]),
        ];
        let evidence = Evidence::new(Routing::EuWest, measures, SystemTime::now());
        let order: Vec<_> = evidence
            .measures
            .iter()
            .map(|it| it.target.as_str())
            .collect();
        assert_eq!(order, ["near:1", "far:1", "dead:1"]);
        write(&file, &evidence).unwrap();
        assert_eq!(read(&file), Ok(Some(evidence)));
        remove(&file).unwrap();
        remove(&file).unwrap();
        assert_eq!(read(&file), Ok(None));
    }

    #[test]
    fn a_damaged_file_is_named() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("region.json");
        fs::write(&file, "{\"region\": \"moon\"}").unwrap();
        let warning = read(&file).unwrap_err();
        assert!(warning.contains("region.json is damaged"), "{warning}");
    }
}
