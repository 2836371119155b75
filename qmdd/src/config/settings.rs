//! What the daemon reads of its environment.

use std::{env, ffi::OsString, path::PathBuf, time::Duration};

use qmd_proto::{paths::Dirs, socket::SocketEnv};

use super::{ConfigError, ModelChoices, Secret, Surroundings};

/// Enough for some tens of thousands of query vectors, scores and expansions.
const DEFAULT_CACHE: u64 = 64 << 20;

/// The daemon's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where configuration, data, models and logs lie.
    pub dirs: Dirs,
    /// The socket to serve.
    pub socket: PathBuf,
    /// Models for roles that no configuration file fills: `QMD_EMBED_MODEL`, `QMD_RERANK_MODEL`,
    /// `QMD_GENERATE_MODEL`.
    pub models: ModelChoices,
    /// Filter of the log, as `tracing-subscriber` reads it: `QMDD_LOG`.
    pub log: Option<String>,
    /// Threads for inference: `QMDD_THREADS`.
    pub threads: Option<usize>,
    /// How long a model that nobody uses stays loaded: `QMDD_KEEP_ALIVE`, as `90s`, `5m`, `2h` or
    /// `0`; `None`, for `forever`, is the default.
    pub keep_alive: Option<Duration>,
    /// Pin models in memory: `QMDD_MLOCK=1`.
    pub lock_memory: bool,
    /// Most bytes that all models together may take: `QMDD_MEMORY_MB`.
    pub memory_limit: Option<u64>,
    /// Bytes of the cache of inference results: `QMDD_CACHE_MB`; 0 turns it off.
    pub cache_bytes: u64,
    /// Try rerankers when they are loaded: off with `QMDD_RERANK_PROBE=0`.
    pub rerank_probe: bool,
    /// Follow folders: off for every index with `QMDD_WATCH=0`.
    pub watch: bool,
    /// Where this machine is.
    pub surroundings: Surroundings,
    /// Where the deployment at Modal answers, before what `index.yml` says: `QMDD_MODAL_URL`.
    pub modal_url: Option<String>,
    /// Its proxy token: `QMDD_MODAL_TOKEN`.
    pub modal_token: Option<Secret>,
    /// The user's home folder, for `~` in model paths.
    pub home: Option<PathBuf>,
    /// Where model files come from.
    pub hub: HubSettings,
}

/// The model hub of the environment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HubSettings {
    /// `HF_ENDPOINT`.
    pub endpoint: Option<String>,
    /// `HF_TOKEN`. Never shown.
    pub token: Option<String>,
}

impl std::fmt::Debug for HubSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubSettings")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads this process's environment.
    ///
    /// # Errors
    /// Without a home folder or a usable socket path, and on variables that make no sense.
    pub fn from_process() -> Result<Self, ConfigError> {
        let dirs = Dirs::from_process().ok_or(ConfigError::HomeMissing)?;
        let mut settings = Self::new(dirs, &SocketEnv::from_process(), |name| env::var_os(name))?;
        settings.surroundings.ask_system();
        Ok(settings)
    }

    fn new(
        dirs: Dirs,
        socket: &SocketEnv,
        var: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        let text = |name| match var(name) {
            Some(value) if value.is_empty() => Ok(None),
            None => Ok(None),
            Some(value) => value
                .into_string()
                .map(Some)
                .map_err(|value| ConfigError::Variable {
                    name,
                    value: value.to_string_lossy().into_owned(),
                    expected: "UTF-8 text",
                }),
        };
        Ok(Self {
            dirs,
            socket: socket.path()?,
            models: ModelChoices {
                profile: None,
                embed: text("QMD_EMBED_MODEL")?,
                rerank: text("QMD_RERANK_MODEL")?,
                generate: text("QMD_GENERATE_MODEL")?,
            },
            log: text("QMDD_LOG")?,
            threads: text("QMDD_THREADS")?.map(threads).transpose()?,
            keep_alive: text("QMDD_KEEP_ALIVE")?.map_or(Ok(None), keep_alive)?,
            lock_memory: text("QMDD_MLOCK")?
                .map_or(Ok(false), |value| switch("QMDD_MLOCK", value))?,
            memory_limit: text("QMDD_MEMORY_MB")?
                .map(|value| mebibytes("QMDD_MEMORY_MB", value))
                .transpose()?,
            cache_bytes: text("QMDD_CACHE_MB")?
                .map_or(Ok(DEFAULT_CACHE), |value| mebibytes("QMDD_CACHE_MB", value))?,
            rerank_probe: text("QMDD_RERANK_PROBE")?
                .map_or(Ok(true), |value| switch("QMDD_RERANK_PROBE", value))?,
            watch: text("QMDD_WATCH")?.map_or(Ok(true), |value| switch("QMDD_WATCH", value))?,
            surroundings: Surroundings::new(&text)?,
            modal_url: text("QMDD_MODAL_URL")?,
            modal_token: text("QMDD_MODAL_TOKEN")?
                .as_deref()
                .map(token)
                .transpose()?,
            home: super::index::home(),
            hub: HubSettings {
                endpoint: text("HF_ENDPOINT")?,
                token: text("HF_TOKEN")?,
            },
        })
    }
}

/// The token is not repeated in an error.
fn token(value: &str) -> Result<Secret, ConfigError> {
    Secret::new(value).map_err(|_| ConfigError::Variable {
        name: "QMDD_MODAL_TOKEN",
        value: "[secret]".into(),
        expected: "one word of visible ASCII",
    })
}

fn threads(value: String) -> Result<usize, ConfigError> {
    match value.parse() {
        Ok(threads) if threads > 0 => Ok(threads),
        _ => Err(ConfigError::Variable {
            name: "QMDD_THREADS",
            value,
            expected: "a whole number above 0",
        }),
    }
}

/// `None` is for ever.
fn keep_alive(value: String) -> Result<Option<Duration>, ConfigError> {
    let parsed = match value.as_str() {
        "forever" => Some(None),
        "0" => Some(Some(Duration::ZERO)),
        text => span(text).map(Some),
    };
    parsed.ok_or(ConfigError::Variable {
        name: "QMDD_KEEP_ALIVE",
        value,
        expected: "a time such as 90s, 5m or 2h, 0, or forever",
    })
}

/// A time such as `90s`, `5m` or `2h`.
pub(super) fn span(text: &str) -> Option<Duration> {
    let units = [("s", 1), ("m", 60), ("h", 3600)];
    let (count, seconds) = units
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    let seconds: u32 = count.parse::<u32>().ok()?.checked_mul(seconds)?;
    Some(Duration::from_secs(seconds.into()))
}

fn switch(name: &'static str, value: String) -> Result<bool, ConfigError> {
    match value.as_str() {
        "1" | "true" | "on" => Ok(true),
        "0" | "false" | "off" => Ok(false),
        _ => Err(ConfigError::Variable {
            name,
            value,
            expected: "1 or 0",
        }),
    }
}

/// Bytes of a count of MiB.
fn mebibytes(name: &'static str, value: String) -> Result<u64, ConfigError> {
    value
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(1 << 20))
        .ok_or(ConfigError::Variable {
            name,
            value,
            expected: "a whole number of MiB",
        })
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, os::unix::ffi::OsStringExt};

    use super::*;
    use crate::domain::{Failure, Reason};

    fn settings(vars: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let vars: HashMap<&str, &str> = vars.iter().copied().collect();
        let socket = SocketEnv {
            socket: vars.get("QMDD_SOCKET").map(OsString::from),
            ..SocketEnv::default()
        };
        Settings::new(dirs(), &socket, |name| vars.get(name).map(OsString::from))
    }

    fn dirs() -> Dirs {
        Dirs {
            config: "/c".into(),
            data: "/d".into(),
            cache: "/k".into(),
            qmd_cache: "/q".into(),
            state: "/s".into(),
        }
    }

    #[test]
    fn variables_are_read_and_empty_ones_passed_over() {
        let found = settings(&[
            ("QMD_EMBED_MODEL", "hf:a/b/c.gguf"),
            ("QMD_RERANK_MODEL", ""),
            ("QMDD_LOG", "debug"),
            ("QMDD_THREADS", "3"),
            ("QMDD_SOCKET", "/run/x.sock"),
        ])
        .unwrap();
        assert_eq!(found.models.embed.as_deref(), Some("hf:a/b/c.gguf"));
        assert_eq!(found.models.rerank, None);
        assert_eq!(found.log.as_deref(), Some("debug"));
        assert_eq!(found.threads, Some(3));
        assert_eq!(found.socket, PathBuf::from("/run/x.sock"));
    }

    #[test]
    fn a_token_is_read_and_never_shown() {
        let vars = [
            ("QMDD_MODAL_URL", "http://127.0.0.1:1"),
            ("QMDD_MODAL_TOKEN", "wk-a.ws-b"),
        ];
        let found = settings(&vars).unwrap();
        assert_eq!(found.modal_url.as_deref(), Some("http://127.0.0.1:1"));
        let token = found.modal_token.as_ref().map(Secret::expose);
        assert_eq!(token, Some("wk-a.ws-b"));
        assert!(!format!("{found:?}").contains("ws-b"));
        let error = settings(&[("QMDD_MODAL_TOKEN", "wk-a ws-b")]).unwrap_err();
        assert!(!error.to_string().contains("ws-b"), "{error}");
    }

    #[test]
    fn times_and_sizes_are_read() {
        let found = settings(&[
            ("QMDD_KEEP_ALIVE", "5m"),
            ("QMDD_MEMORY_MB", "2048"),
            ("QMDD_CACHE_MB", "0"),
            ("QMDD_MLOCK", "1"),
        ])
        .unwrap();
        assert_eq!(found.keep_alive, Some(Duration::from_secs(300)));
        assert_eq!(found.memory_limit, Some(2 << 30));
        assert_eq!((found.cache_bytes, found.lock_memory), (0, true));
        let found = settings(&[("QMDD_KEEP_ALIVE", "forever")]).unwrap();
        assert_eq!(found.keep_alive, None);
        assert!(found.rerank_probe && found.watch && !found.lock_memory);
        assert!(!settings(&[("QMDD_WATCH", "0")]).unwrap().watch);
        for (name, value) in [
            ("QMDD_KEEP_ALIVE", "5 minutes"),
            ("QMDD_KEEP_ALIVE", "99999999h"),
            ("QMDD_MEMORY_MB", "4G"),
            ("QMDD_MLOCK", "maybe"),
        ] {
            let error = settings(&[(name, value)]).unwrap_err();
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for value in ["0", "-1", "many"] {
            let error = settings(&[("QMDD_THREADS", value)]).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidArgument);
            assert!(error.to_string().starts_with("QMDD_THREADS is"), "{error}");
        }
        let long = format!("/{}", "a".repeat(200));
        let error = settings(&[("QMDD_SOCKET", &long)]).unwrap_err();
        assert_eq!(error.reason(), Reason::SocketPathTooLong);
        let error = Settings::new(dirs(), &SocketEnv::default(), |_| {
            Some(OsString::from_vec(vec![0xff]))
        });
        assert_eq!(error.unwrap_err().reason(), Reason::InvalidArgument);
    }
}
