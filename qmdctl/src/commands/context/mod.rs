//! `context`.

pub(super) mod add;
pub(super) mod list;
pub(super) mod remove;

use std::path::Path;

use qmd_proto::Reason;

use crate::error::{Failure, Result};

/// A place as the daemon can understand it: a file or folder by its whole path.
fn address(place: &str) -> Result<String> {
    if place == "/" || place.starts_with("qmd:") {
        return Ok(place.to_owned());
    }
    if let Some(rest) = place.strip_prefix("//") {
        return Ok(format!("qmd://{rest}"));
    }
    let path = Path::new(place);
    let whole = path.canonicalize().map_err(|error| {
        Failure::of_path(path, &error, Reason::FolderMissing)
            .hint("name an existing file or folder, or qmd://COLLECTION/PATH")
    })?;
    let whole = whole.to_str().ok_or_else(|| {
        Failure::new(
            Reason::InvalidArgument,
            format!("the path {} is not UTF-8", whole.display()),
        )
    })?;
    Ok(whole.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_named_in_full() {
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        let here = here.to_str().unwrap();
        for (place, expected) in [
            ("/", "/"),
            ("qmd://notes/work", "qmd://notes/work"),
            ("//notes/work", "qmd://notes/work"),
            (".", here),
        ] {
            assert_eq!(address(place).unwrap(), expected, "{place}");
        }
        assert!(address("none/such").is_err());
    }
}
