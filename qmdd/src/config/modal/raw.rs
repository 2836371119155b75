//! The section as it is written, and its validation.

use std::path::Path;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::{ConfigError, ModalConfig};
use crate::domain::{Compute, Routing};

/// QMD's names of regions: it has containers run in them, and requests enter at the nearest place.
const QMD_REGIONS: [&str; 5] = ["us", "ca", "eu", "uk", "ap"];

/// What Modal rents. Several of one kind are of no use to one small model.
const GPUS: [&str; 12] = [
    "T4",
    "L4",
    "A10",
    "A10G",
    "L40S",
    "A100",
    "A100-40GB",
    "A100-80GB",
    "RTX-PRO-6000",
    "H100",
    "H200",
    "B200",
];

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct RawModal {
    inference: Option<bool>,
    gpu: Option<Spanned<String>>,
    scaledown_window: Option<Spanned<u32>>,
    region: Option<Spanned<String>>,
    compute_region: Option<Spanned<String>>,
    url: Option<Spanned<String>>,
    token_file: Option<Spanned<String>>,
    max_containers: Option<Spanned<u32>>,
    min_containers: Option<Spanned<u32>>,
    snapshot: Option<bool>,
    image: Option<String>,
    timeout: Option<Spanned<u32>>,
    keep_warm: Option<Spanned<u32>>,
    keep_warm_budget: Option<Spanned<f64>>,
}

/// A complaint, and where.
type Complaint = (Location, String);

impl RawModal {
    /// Validates it. Paths are relative to the file's folder.
    pub(in super::super) fn resolve(
        self,
        file: &Path,
        home: Option<&Path>,
    ) -> Result<ModalConfig, ConfigError> {
        self.check(file, home)
            .map_err(|(place, message)| ConfigError::Invalid {
                file: file.to_owned(),
                line: place.line(),
                column: place.column(),
                message,
            })
    }

    fn check(self, file: &Path, home: Option<&Path>) -> Result<ModalConfig, Complaint> {
        let usual = ModalConfig::default();
        let max_containers = within(
            "max_containers",
            self.max_containers.as_ref(),
            1..=64,
            usual.max_containers,
        )?;
        let min_containers = within(
            "min_containers",
            self.min_containers.as_ref(),
            0..=64,
            usual.min_containers,
        )?;
        if let Some(least) = &self.min_containers
            && min_containers > max_containers
        {
            let message =
                format!("min_containers is {min_containers}, max_containers {max_containers}");
            return Err((least.referenced, message));
        }
        let token_file = self.token_file.map(|path| {
            super::super::index::absolute(&path.value, file, home)
                .map_err(|message| (path.referenced, message.to_owned()))
        });
        Ok(ModalConfig {
            inference: self.inference.unwrap_or(usual.inference),
            gpu: one_of("gpu", self.gpu.as_ref(), &GPUS)?.unwrap_or(usual.gpu),
            scaledown_window: within(
                "scaledown_window",
                self.scaledown_window.as_ref(),
                2..=3600,
                usual.scaledown_window,
            )?,
            region: self.region.as_ref().map_or(Ok(None), routing_region)?,
            compute_region: one_of(
                "compute_region",
                self.compute_region.as_ref(),
                &Compute::names().collect::<Vec<_>>(),
            )?,
            url: self.url.as_ref().map_or(Ok(None), url)?,
            token_file: token_file.transpose()?,
            max_containers,
            min_containers,
            snapshot: self.snapshot.unwrap_or(usual.snapshot),
            image: self.image.filter(|image| !image.is_empty()),
            timeout: within("timeout", self.timeout.as_ref(), 10..=3600, usual.timeout)?,
            keep_warm: within(
                "keep_warm",
                self.keep_warm.as_ref(),
                0..=60,
                usual.keep_warm,
            )?,
            keep_warm_cents: self
                .keep_warm_budget
                .as_ref()
                .map_or(Ok(usual.keep_warm_cents), cents)?,
        })
    }
}

fn within(
    key: &str,
    value: Option<&Spanned<u32>>,
    range: std::ops::RangeInclusive<u32>,
    usual: u32,
) -> Result<u32, Complaint> {
    match value {
        None => Ok(usual),
        Some(value) if range.contains(&value.value) => Ok(value.value),
        Some(value) => Err((
            value.referenced,
            format!(
                "{key} is {}, expected {} to {}",
                value.value,
                range.start(),
                range.end()
            ),
        )),
    }
}

/// Dollars, to the cent.
fn cents(dollars: &Spanned<f64>) -> Result<u32, Complaint> {
    let cents = (dollars.value * 100.0).round();
    if (1.0..=10_000.0).contains(&cents) {
        return Ok(cents as u32);
    }
    let message = format!(
        "keep_warm_budget is {}, expected dollars, 0.01 to 100",
        dollars.value
    );
    Err((dollars.referenced, message))
}

/// One of a list, in its spelling; an empty value counts as none.
fn one_of(
    key: &str,
    value: Option<&Spanned<String>>,
    known: &[&str],
) -> Result<Option<String>, Complaint> {
    let Some(value) = value.filter(|value| !value.value.is_empty()) else {
        return Ok(None);
    };
    match known
        .iter()
        .find(|name| name.eq_ignore_ascii_case(&value.value))
    {
        Some(name) => Ok(Some((*name).to_owned())),
        None => Err((
            value.referenced,
            format!(
                "{key} is {:?}, expected one of {}",
                value.value,
                known.join(", ")
            ),
        )),
    }
}

fn routing_region(value: &Spanned<String>) -> Result<Option<String>, Complaint> {
    if QMD_REGIONS.contains(&value.value.as_str())
        && let Ok(region) = Compute::parse(&value.value)
    {
        return Ok(Some(region.routing().as_str().to_owned()));
    }
    one_of("region", Some(value), &Routing::ALL.map(Routing::as_str))
}

fn url(value: &Spanned<String>) -> Result<Option<String>, Complaint> {
    let text = value.value.trim_end_matches('/');
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with("https://") || text.starts_with("http://") {
        return Ok(Some(text.to_owned()));
    }
    let message = format!("url is {text:?}, expected an https address");
    Err((value.referenced, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::IndexConfig;

    fn parse(section: &str) -> Result<ModalConfig, ConfigError> {
        let text = format!("modal: {section}\n");
        IndexConfig::parse(&text, Path::new("/c/index.yml"), Some(Path::new("/home/u")))
            .map(|config| config.modal)
    }

    #[test]
    fn nothing_said_is_nothing_used() {
        assert_eq!(parse("{}").unwrap(), ModalConfig::default());
        assert_eq!(parse("").unwrap(), ModalConfig::default());
        assert!(!ModalConfig::default().inference);
    }

    #[test]
    fn all_keys_are_read() {
        let config = parse(
            "{inference: true, gpu: l4, scaledown_window: 60, region: eu, \
             url: 'https://a--b-c.us-east.modal.direct/', token_file: ~/t, compute_region: eu-north, \
             max_containers: 4, min_containers: 1, snapshot: true, image: 'i@sha256:0', \
             timeout: 300, keep_warm: 5, keep_warm_budget: 2.5, of_a_later_version: [1]}",
        )
        .unwrap();
        let expected = ModalConfig {
            inference: true,
            gpu: "L4".into(),
            scaledown_window: 60,
            region: Some("eu-west".into()),
            compute_region: Some("eu-north".into()),
            url: Some("https://a--b-c.us-east.modal.direct".into()),
            token_file: Some("/home/u/t".into()),
            max_containers: 4,
            min_containers: 1,
            snapshot: true,
            image: Some("i@sha256:0".into()),
            timeout: 300,
            keep_warm: 5,
            keep_warm_cents: 250,
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn nonsense_is_named_with_its_place() {
        for (section, complaint) in [
            ("{gpu: V100}", "gpu is \"V100\", expected one of T4, L4"),
            ("{region: moon}", "region is \"moon\", expected one of us-e"),
            ("{compute_region: us-moon}", "compute_region is \"us-moon\""),
            ("{scaledown_window: 1}", "expected 2 to 3600"),
            ("{max_containers: 0}", "max_containers is 0, expected 1 to"),
            (
                "{min_containers: 2}",
                "min_containers is 2, max_containers 1",
            ),
            ("{keep_warm: 600}", "keep_warm is 600, expected 0 to 60"),
            (
                "{keep_warm_budget: 0}",
                "keep_warm_budget is 0, expected dollars",
            ),
            ("{keep_warm_budget: .inf}", "expected dollars"),
            ("{url: ftp://x}", "url is \"ftp://x\", expected an https"),
            ("{inference: perhaps}", "bool"),
        ] {
            let error = parse(section).unwrap_err().to_string();
            assert!(error.starts_with("/c/index.yml:1:"), "{error}");
            assert!(error.contains(complaint), "{section}: {error}");
        }
    }
}
