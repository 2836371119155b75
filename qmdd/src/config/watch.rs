//! How an index follows its folders.

use std::{fmt, path::Path, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_saphyr::{Location, Spanned};

use super::{ConfigError, settings::span};

/// How an index follows its folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchConfig {
    /// Whether it does.
    pub enabled: bool,
    /// How often everything is looked at, whatever events said; `None`: only at start.
    pub reconcile: Option<Duration>,
    /// How often a folder is looked at that the system does not tell of; `None`: at `reconcile` alone.
    pub poll: Option<Duration>,
    /// Whether what was taken in gets its vectors at once; unset, it does unless the model is at a
    /// remote end.
    pub embed: Option<bool>,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            reconcile: Some(Duration::from_secs(15 * 60)),
            poll: Some(Duration::from_secs(30)),
            embed: None,
        }
    }
}

/// The key as it is written.
pub(super) enum RawWatch {
    /// On or off.
    Switch(bool),
    /// More than that.
    Keys(WatchKeys),
    /// Neither.
    Other,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WatchKeys {
    enabled: Option<bool>,
    reconcile: Option<Spanned<String>>,
    poll: Option<Spanned<String>>,
    embed: Option<bool>,
}

/// Validates the key.
pub(super) fn resolve(raw: Spanned<RawWatch>, file: &Path) -> Result<WatchConfig, ConfigError> {
    let usual = WatchConfig::default();
    let invalid = |place: Location, message: String| ConfigError::Invalid {
        file: file.to_owned(),
        line: place.line(),
        column: place.column(),
        message,
    };
    let keys = match raw.value {
        RawWatch::Switch(enabled) => return Ok(WatchConfig { enabled, ..usual }),
        RawWatch::Keys(keys) => keys,
        RawWatch::Other => {
            let message = "watch is true, false, or a mapping".to_owned();
            return Err(invalid(raw.referenced, message));
        }
    };
    // `None` is never.
    let time = |key: &str, written: Option<Spanned<String>>, usual| match written {
        None => Ok(usual),
        Some(text) if text.value == "never" => Ok(None),
        Some(text) => match span(&text.value).filter(|time| !time.is_zero()) {
            Some(time) => Ok(Some(time)),
            None => Err(invalid(
                text.referenced,
                format!("{key} is a time such as 90s, 15m or 2h, or never"),
            )),
        },
    };
    Ok(WatchConfig {
        enabled: keys.enabled.unwrap_or(usual.enabled),
        reconcile: time("reconcile", keys.reconcile, usual.reconcile)?,
        poll: time("poll", keys.poll, usual.poll)?,
        embed: keys.embed,
    })
}

impl<'de> Deserialize<'de> for RawWatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SwitchOrKeys;

        impl<'de> Visitor<'de> for SwitchOrKeys {
            type Value = RawWatch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, or a mapping")
            }

            fn visit_bool<E>(self, enabled: bool) -> Result<RawWatch, E> {
                Ok(RawWatch::Switch(enabled))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawWatch, A::Error> {
                WatchKeys::deserialize(MapAccessDeserializer::new(map)).map(RawWatch::Keys)
            }

            // An error from here would not know its place.

            fn visit_str<E>(self, _: &str) -> Result<RawWatch, E> {
                Ok(RawWatch::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<RawWatch, E> {
                Ok(RawWatch::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<RawWatch, E> {
                Ok(RawWatch::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<RawWatch, E> {
                Ok(RawWatch::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawWatch, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(RawWatch::Other)
            }
        }

        deserializer.deserialize_any(SwitchOrKeys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::IndexConfig;

    fn parse(text: &str) -> Result<WatchConfig, ConfigError> {
        IndexConfig::parse(text, Path::new("/c/index.yml"), None).map(|config| config.watch)
    }

    #[test]
    fn a_switch_or_keys() {
        assert_eq!(parse("").unwrap(), WatchConfig::default());
        assert_eq!(parse("watch: true").unwrap(), WatchConfig::default());
        assert!(!parse("watch: false").unwrap().enabled);
        assert!(!parse("watch: {enabled: false}").unwrap().enabled);
        let minute = Duration::from_secs(60);
        let expected = WatchConfig {
            enabled: true,
            reconcile: Some(60 * minute),
            poll: Some(minute / 12),
            embed: Some(true),
        };
        let text = "watch:\n  reconcile: 1h\n  poll: 5s\n  embed: true\n";
        assert_eq!(parse(text).unwrap(), expected);
        assert_eq!(parse("watch: {reconcile: never}").unwrap().reconcile, None);
        assert_eq!(parse("watch: {poll: never}").unwrap().poll, None);
    }

    #[test]
    fn errors_name_the_place() {
        for (text, said) in [
            ("watch: sometimes\n", "1:8: watch is true"),
            ("watch: [1]\n", "1:8: watch is true"),
            ("watch: {reconcile: 0s}\n", "1:20: reconcile is a time"),
            ("watch: {reconcile: soon}\n", "1:20: reconcile is a time"),
            ("watch:\n  poll: 5\n", "2:9: poll is a time"),
            ("watch: {embed: maybe}\n", "1:16: "),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(said), "{text:?} gives {message}");
        }
    }
}
