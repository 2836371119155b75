//! Edits of `modal:`, what is known of the deployment.

use std::path::Path;

use super::keys::{Setting, apply};
use crate::config::{ConfigError, IndexConfig};

const SECTION: &str = "modal";

/// What a deployment writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deployment<'a> {
    /// Where it answers.
    pub url: &'a str,
    /// Where requests enter.
    pub region: &'a str,
    /// Its GPU, where that is to be remembered.
    pub gpu: Option<&'a str>,
    /// Where its containers run, where that is to be remembered.
    pub compute_region: Option<&'a str>,
}

/// Sends inference to a deployment from now on.
///
/// # Errors
/// When the file is broken or cannot be written, or it changed meanwhile.
pub fn save_deployment(file: &Path, deployment: &Deployment<'_>) -> Result<(), ConfigError> {
    let optional = [
        ("gpu", deployment.gpu),
        ("compute_region", deployment.compute_region),
    ];
    let optional = optional
        .into_iter()
        .filter_map(|(key, value)| Some((key, Some(Setting::Text(value?)))));
    let changes = [
        ("inference", Some(Setting::Switch(true))),
        ("url", Some(Setting::Text(deployment.url))),
        ("region", Some(Setting::Text(deployment.region))),
    ];
    apply(file, SECTION, changes.into_iter().chain(optional))
}

/// Keeps inference on this machine from now on. What the user chose for a next deployment stays.
///
/// # Errors
/// As [`save_deployment`].
pub fn remove_deployment(file: &Path) -> Result<(), ConfigError> {
    let inference = IndexConfig::load(file)?.modal.inference;
    let off = inference.then_some(("inference", Some(Setting::Switch(false))));
    apply(file, SECTION, off.into_iter().chain([("url", None)]))
}

/// Chooses where requests enter; without a region that is left to detection.
///
/// # Errors
/// As [`save_deployment`].
pub fn choose_region(file: &Path, region: Option<&str>) -> Result<(), ConfigError> {
    apply(file, SECTION, [("region", region.map(Setting::Text))])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const DEPLOYMENT: Deployment<'_> = Deployment {
        url: "https://w--qmd-inference.eu-west.modal.direct",
        region: "eu-west",
        gpu: None,
        compute_region: None,
    };

    fn edited(before: &str, edit: impl FnOnce(&Path) -> Result<(), ConfigError>) -> String {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("index.yml");
        fs::write(&file, before).unwrap();
        edit(&file).unwrap();
        fs::read_to_string(&file).unwrap()
    }

    #[test]
    fn a_deployment_is_written_and_the_rest_stays() {
        let before = "# mine\nmodal:\n  inference: false # not yet\n  gpu: L4\ncollections: {}\n";
        let after = edited(before, |file| save_deployment(file, &DEPLOYMENT));
        assert_eq!(
            after,
            "# mine\nmodal:\n  inference: true # not yet\n  gpu: L4\n  \
             url: https://w--qmd-inference.eu-west.modal.direct\n  region: eu-west\ncollections: {}\n"
        );
        let again = edited(&after, |file| save_deployment(file, &DEPLOYMENT));
        assert_eq!(again, after);
        let removed = edited(&after, remove_deployment);
        assert_eq!(
            removed,
            "# mine\nmodal:\n  inference: false # not yet\n  gpu: L4\n  region: eu-west\ncollections: {}\n"
        );
    }

    #[test]
    fn files_of_every_shape_take_a_deployment_and_lose_it() {
        for before in [
            "",
            "# only a comment",
            "modal:\n",
            "modal: {}\n",
            "modal: { region: eu, inference: false }\n",
            "modal:\n  url: 'http://old'\ncollections: {}\n",
        ] {
            let home = tempfile::tempdir().unwrap();
            let file = home.path().join("index.yml");
            fs::write(&file, before).unwrap();
            let deployment = Deployment {
                gpu: Some("L4"),
                compute_region: Some("eu"),
                ..DEPLOYMENT
            };
            save_deployment(&file, &deployment)
                .unwrap_or_else(|error| panic!("{before:?}: {error}"));
            let modal = IndexConfig::load(&file).unwrap().modal;
            assert!(modal.inference, "{before:?}");
            assert_eq!(modal.url.as_deref(), Some(DEPLOYMENT.url));
            assert_eq!(modal.region.as_deref(), Some("eu-west"));
            assert_eq!(
                (modal.gpu.as_str(), modal.compute_region.as_deref()),
                ("L4", Some("eu"))
            );
            remove_deployment(&file).unwrap();
            let modal = IndexConfig::load(&file).unwrap().modal;
            assert_eq!((modal.inference, modal.url), (false, None), "{before:?}");
        }
    }

    #[test]
    fn a_region_is_chosen_and_left_to_detection_again() {
        let chosen = edited("modal: {gpu: L4}\n", |file| {
            choose_region(file, Some("us-west"))
        });
        assert_eq!(chosen, "modal: {gpu: L4, region: us-west}\n");
        let left = edited(&chosen, |file| choose_region(file, None));
        assert_eq!(left, "modal: {gpu: L4}\n");
    }

    #[test]
    fn where_nothing_is_deployed_nothing_is_written() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("index.yml");
        remove_deployment(&file).unwrap();
        assert!(!file.exists());
    }
}
