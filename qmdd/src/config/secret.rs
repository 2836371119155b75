//! A secret: never shown, and read only from a file that is its owner's alone.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

use super::ConfigError;

/// Longest secret that is read; a token has about 60 bytes.
const LONGEST: u64 = 4096;

/// A token or a password. What prints it prints `[secret]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes one line of visible ASCII; a line break at its end is left out.
    ///
    /// # Errors
    /// What is wrong with it, without showing it.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("it is empty");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it is not one word of visible ASCII");
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Reads a file that nobody but this user can read; `None` when there is none.
    ///
    /// # Errors
    /// [`ConfigError::SecretExposed`] when others can read it, and when it holds no secret.
    pub fn read(file: &Path) -> Result<Option<Self>, ConfigError> {
        let unavailable = |source| ConfigError::Unavailable {
            file: file.to_owned(),
            source,
        };
        let mut opened = match File::open(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(unavailable)?,
        };
        // Of the opened file: a path may come to lead elsewhere.
        let metadata = opened.metadata().map_err(unavailable)?;
        let own = metadata.uid() == rustix::process::getuid().as_raw();
        if !own || metadata.mode() & 0o077 != 0 {
            return Err(ConfigError::SecretExposed {
                file: file.to_owned(),
            });
        }
        let mut text = String::new();
        let mut limited = Read::by_ref(&mut opened).take(LONGEST);
        limited.read_to_string(&mut text).map_err(unavailable)?;
        let secret = Self::new(&text).map_err(|what| ConfigError::SecretInvalid {
            file: file.to_owned(),
            what,
        })?;
        Ok(Some(secret))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt,
    };

    use super::*;
    use crate::domain::Failure;

    #[test]
    fn it_is_never_shown() {
        let secret = Secret::new("wk-a.ws-b\n").unwrap();
        assert_eq!(secret.expose(), "wk-a.ws-b");
        assert_eq!(format!("{secret} {secret:?}"), "[secret] [secret]");
        assert!(Secret::new(" \n").is_err());
        assert!(Secret::new("two words").is_err());
        assert!(Secret::new("a\r\nb").is_err());
    }

    #[test]
    fn its_file_is_the_users_alone() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("modal-token");
        assert_eq!(Secret::read(&file).unwrap(), None);
        fs::write(&file, "wk-a.ws-b\n").unwrap();
        for mode in [0o644, 0o640, 0o604] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let error = Secret::read(&file).unwrap_err();
            assert!(error.to_string().contains("can be read"), "{error}");
            let hint = error.hint().unwrap();
            assert!(hint.contains("chmod 600"), "{hint}");
        }
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let secret = Secret::read(&file).unwrap().unwrap();
        assert_eq!(secret.expose(), "wk-a.ws-b");
        fs::write(&file, "\n").unwrap();
        let error = Secret::read(&file).unwrap_err();
        assert!(error.to_string().ends_with("it is empty"), "{error}");
    }
}
