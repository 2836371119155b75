//! What the configuration says of the remote end, checked without talking to it.

use std::{path::PathBuf, time::Duration};

use qmd_proto::price;
use reqwest::Url;

use super::{
    http::{Patience, is_loopback},
    keep_warm::KeepWarm,
    session::Setup,
};
use crate::{
    config::{ConfigError, ModalConfig, Secret, Settings},
    domain::{Compute, Failure},
    infer::backend::InferError,
};

/// Largest answer. Token lists of a body of the gateway's largest size stay below it.
const LARGEST_ANSWER: usize = 128 << 20;

/// What a GPU that is not in the list is reckoned with, in dollars a second: more than any of them costs.
const UNLISTED: f64 = 10.0 / 3600.0;

/// How the remote end is reached.
#[derive(Debug, Clone)]
pub struct ModalOptions {
    url: Option<String>,
    token: Option<Secret>,
    config: ModalConfig,
    memory: PathBuf,
}

impl ModalOptions {
    /// Gathers them from the file and the environment.
    ///
    /// # Errors
    /// When the token's file cannot be read, or others can read it.
    pub fn new(config: &ModalConfig, settings: &Settings) -> Result<Self, InferError> {
        let token = config.token(settings).map_err(|error| unusable(&error))?;
        Ok(Self {
            url: settings.modal_url.clone().or_else(|| config.url.clone()),
            token,
            config: config.clone(),
            memory: settings.dirs.cache.join("modal.json"),
        })
    }

    /// GPU and region, as `status` shows them.
    pub(super) fn place(&self) -> String {
        // `WORKSPACE--APP-SERVER.REGION.modal.direct`
        let host = self
            .url
            .as_deref()
            .and_then(|url| url.split_once(".modal."));
        let host = host.and_then(|(host, _)| Some(host.rsplit_once('.')?.1.to_owned()));
        match self.config.region.clone().or(host) {
            Some(region) => format!("{}, {region}", self.config.gpu),
            None => self.config.gpu.clone(),
        }
    }

    pub(super) fn setup(self) -> Result<Setup, InferError> {
        let Some(text) = &self.url else {
            return Err(misconfigured(
                "modal.url is not set: no deployment is known",
                "run `qmdctl modal deploy`, which sets it",
            ));
        };
        let url = Url::parse(text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| misconfigured(format!("{text:?} is no web address"), AMEND))?;
        if !url.username().is_empty() || url.password().is_some() {
            let detail = "modal.url holds a password";
            let hint = format!("put it into QMDD_MODAL_TOKEN{RESTART}");
            return Err(misconfigured(detail, hint));
        }
        let local = is_loopback(&url);
        if !local && url.scheme() == "http" {
            let detail = format!("{text} is an address without encryption");
            return Err(misconfigured(detail, AMEND));
        }
        if !local && self.token.is_none() {
            return Err(misconfigured(
                "there is no proxy token for Modal",
                format!(
                    "run `qmdctl modal deploy`, which makes one, or set QMDD_MODAL_TOKEN{RESTART}"
                ),
            ));
        }
        let seconds = |count: u32| Duration::from_secs(count.into());
        let config = &self.config;
        Ok(Setup {
            url,
            token: self.token,
            containers: config.max_containers as usize,
            lives_on: if config.min_containers > 0 {
                Duration::MAX
            } else {
                seconds(config.scaledown_window)
            },
            keep_warm: keep_warm(config),
            patience: Patience {
                // Three of them fit into what a search waits for its vector.
                connect: Duration::from_millis(2500),
                answer: Duration::from_secs(300),
                backoff: Duration::from_millis(100),
                look: Duration::from_millis(500),
                start: seconds(config.timeout),
                most: LARGEST_ANSWER,
            },
            memory: self.memory,
        })
    }
}

/// For how long a container is kept from ending; `None` where it is not, or need not be.
fn keep_warm(config: &ModalConfig) -> Option<KeepWarm> {
    if config.keep_warm == 0 || config.min_containers > 0 {
        return None;
    }
    let factor = config.compute_region.as_deref().map(Compute::parse);
    let factor = factor.map_or(1.0, |region| region.map_or(1.0, Compute::price_factor));
    let dollars_a_second = factor * price::container(&config.gpu).unwrap_or(UNLISTED);
    let dollars = f64::from(config.keep_warm_cents) / 100.0;
    Some(KeepWarm {
        active: Duration::from_secs(60 * u64::from(config.keep_warm)),
        // The least window is two seconds.
        every: Duration::from_secs(config.scaledown_window.into()).mul_f64(0.6),
        allowance: Duration::from_secs_f64(dollars / dollars_a_second),
    })
}

const AMEND: &str =
    "run `qmdctl modal deploy`, or mend modal.url in index.yml and run `qmdctl daemon restart`";

/// A daemon keeps its environment.
const RESTART: &str = " and run `qmdctl daemon restart`";

fn misconfigured(detail: impl Into<String>, hint: impl Into<String>) -> InferError {
    InferError::Unusable {
        detail: detail.into(),
        hint: hint.into(),
    }
}

fn unusable(error: &ConfigError) -> InferError {
    let hint = error.hint().unwrap_or_default();
    misconfigured(
        error.to_string(),
        format!("{hint}; then run `qmdctl daemon restart`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: Option<&str>, token: Option<&str>) -> ModalOptions {
        ModalOptions {
            url: url.map(str::to_owned),
            token: token.map(|token| Secret::new(token).unwrap()),
            config: ModalConfig::default(),
            memory: PathBuf::new(),
        }
    }

    #[test]
    fn what_cannot_work_is_told_before_it_is_tried() {
        for (url, token, complaint) in [
            (None, None, "modal.url is not set"),
            (Some("https://a.example"), None, "no proxy token"),
            (Some("http://a.example"), Some("t"), "without encryption"),
            (Some("https://u:p@a.example"), Some("t"), "a password"),
            (Some("https://"), Some("t"), "no web address"),
        ] {
            let Err(error) = options(url, token).setup() else {
                panic!("{url:?} is taken");
            };
            assert!(error.to_string().contains(complaint), "{error}");
            let hint = error.hint().unwrap();
            assert!(hint.contains("`qmdctl "), "{hint}");
        }
        for (url, token) in [
            ("http://127.0.0.1:8000", None),
            ("http://[::1]:8000", None),
            ("http://localhost:8000", None),
            ("https://a.example", Some("t")),
        ] {
            assert!(options(Some(url), token).setup().is_ok(), "{url}");
        }
    }

    #[test]
    fn a_container_is_kept_on_request_for_some_minutes_and_some_money() {
        let kept = |change: &dyn Fn(&mut ModalConfig)| {
            let mut config = ModalConfig::default();
            change(&mut config);
            keep_warm(&config)
        };
        assert_eq!(kept(&|_| ()), None, "off by default");
        let usual = kept(&|config| config.keep_warm = 5).unwrap();
        assert_eq!(usual.active, Duration::from_secs(300));
        assert_eq!(usual.every, Duration::from_secs(9));
        // A T4 costs 72 cents an hour.
        assert_eq!(usual.allowance.as_secs() / 60, 83);
        let dear = kept(&|config| {
            config.keep_warm = 5;
            config.gpu = "H100".into();
            config.compute_region = Some("eu".into());
            config.keep_warm_cents = 1500;
        });
        assert_eq!(dear.unwrap().allowance, Duration::from_secs(3600));
        let running = |config: &mut ModalConfig| {
            config.keep_warm = 5;
            config.min_containers = 1;
        };
        assert_eq!(kept(&running), None, "it does not end anyway");
    }

    #[test]
    fn the_place_is_of_the_configuration_else_of_the_address() {
        let at = |url| options(Some(url), None).place();
        assert_eq!(
            at("https://w--qmd-inference.eu-west.modal.direct"),
            "T4, eu-west"
        );
        assert_eq!(at("http://127.0.0.1:1"), "T4");
    }

    #[test]
    fn the_token_is_not_shown() {
        let options = options(Some("https://a.example"), Some("wk-a.ws-b"));
        assert!(!format!("{options:?}").contains("ws-b"));
    }
}
