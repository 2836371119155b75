//! Addresses of documents as the daemon can understand them: it knows neither this folder nor this
//! user's home.

use std::{
    borrow::Cow,
    env,
    path::{Component, Path, PathBuf},
};

use directories::BaseDirs;
use qmd_proto::{
    Reason,
    list::{self, is_glob},
    v1::IndexRef,
};

use crate::{
    client::Home,
    error::{Failure, Result},
};

/// An address, and the index that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Of QMD's `?index=NAME`.
    index: Option<String>,
    pub(super) address: String,
}

impl Asked {
    /// Reads one address.
    pub(super) fn one(text: &str) -> Result<Self> {
        let (index, rest) = split_index(text);
        Ok(Self {
            index: index.map(str::to_owned),
            address: absolute(&rest)?,
        })
    }

    /// The index it is of: the one it names, else the one that requests are about.
    pub(super) fn index(&self, home: &Home) -> Option<IndexRef> {
        let named = self.index.as_deref().map(Home::index_of);
        named.or_else(|| home.index())
    }
}

/// The index that a place is of, and the place without it.
pub(super) fn index_of<'a>(home: &Home, place: &'a str) -> (Option<IndexRef>, Cow<'a, str>) {
    let (index, place) = split_index(place);
    let named = index.map(Home::index_of);
    (named.or_else(|| home.index()), place)
}

/// The addresses and globs of lists, parted by commas, and the index that all of them are of.
pub(super) fn lists(home: &Home, lists: &[String]) -> Result<(Option<IndexRef>, Vec<String>)> {
    let asked: Vec<Asked> = lists
        .iter()
        .flat_map(|list| list::parts(list))
        .map(|part| Asked::one(&unescaped(part)))
        .collect::<Result<_>>()?;
    let Some(first) = asked.first() else {
        return Ok((home.index(), Vec::new()));
    };
    if let Some(other) = asked.iter().find(|asked| asked.index != first.index) {
        let message = format!(
            "{:?} and {:?} are of different indexes",
            first.address, other.address
        );
        return Err(Failure::new(Reason::InvalidArgument, message)
            .hint("ask each index with a command of its own")
            .into());
    }
    let index = first.index(home);
    Ok((index, asked.into_iter().map(|one| one.address).collect()))
}

/// A name whose commas stood behind backslashes. A glob keeps them: it knows what they mean.
fn unescaped(part: &str) -> Cow<'_, str> {
    if is_glob(part) {
        part.into()
    } else {
        part.replace("\\,", ",").into()
    }
}

/// Takes `?index=NAME`, as QMD has it in addresses of other indexes than the default one, out of one.
fn split_index(address: &str) -> (Option<&str>, Cow<'_, str>) {
    let whole = (None, Cow::Borrowed(address));
    if !address.starts_with("qmd:") {
        return whole;
    }
    let Some((document, rest)) = address.split_once("?index=") else {
        return whole;
    };
    let (name, lines) = rest.split_at(rest.find(':').unwrap_or(rest.len()));
    (Some(name), format!("{document}{lines}").into())
}

/// A file or a glob named from this folder, or from the home folder, by its whole path; anything else as
/// it is.
pub(super) fn absolute(text: &str) -> Result<String> {
    let not = text.starts_with('!');
    let place = if not { &text[1..] } else { text };
    let whole = if let Some(inside) = of_home(place) {
        let base = BaseDirs::new().ok_or_else(|| {
            Failure::new(Reason::InvalidArgument, "this user has no home folder")
                .hint("give the whole path")
        })?;
        join(base.home_dir(), Path::new(inside))
    } else if is_relative_to_here(place) {
        let here = env::current_dir()
            .map_err(|error| Failure::of_path(".".as_ref(), &error, Reason::FolderMissing))?;
        join(&here, Path::new(place))
    } else {
        return Ok(text.to_owned());
    };
    let bang = if not { "!" } else { "" };
    Ok(format!("{bang}{}", whole.to_string_lossy()))
}

fn of_home(text: &str) -> Option<&str> {
    match text.strip_prefix('~')? {
        "" => Some(""),
        inside => inside.strip_prefix('/'),
    }
}

fn is_relative_to_here(text: &str) -> bool {
    matches!(text, "." | "..") || text.starts_with("./") || text.starts_with("../")
}

/// `path` seen from the folder `here`, without `.` and `..`.
fn join(here: &Path, path: &Path) -> PathBuf {
    let mut joined = here.to_owned();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                joined.pop();
            }
            Component::CurDir => {}
            part => joined.push(part),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_may_name_its_index() {
        for (address, name, rest) in [
            ("qmd://a/b.md", None, "qmd://a/b.md"),
            ("qmd://a/b.md?index=work", Some("work"), "qmd://a/b.md"),
            (
                "qmd://a/b.md?index=work:3:4",
                Some("work"),
                "qmd://a/b.md:3:4",
            ),
            ("qmd://a/b.md:3?index=work", Some("work"), "qmd://a/b.md:3"),
            ("a/b?index=c.md", None, "a/b?index=c.md"),
        ] {
            assert_eq!(split_index(address), (name, rest.into()), "{address}");
        }
    }

    #[test]
    fn only_files_named_from_here_or_home_are_changed() {
        for kept in [
            "qmd://a/b.md",
            "#a1b2c3",
            "a/b.md:3",
            "/x/./y.md",
            ".hidden.md",
            "..md",
            "~me/a.md",
            "!a/*.md",
        ] {
            assert_eq!(absolute(kept).unwrap(), kept);
        }
        let here = env::current_dir().unwrap();
        let here = here.to_str().unwrap();
        assert_eq!(absolute(".").unwrap(), here);
        assert_eq!(absolute("!./*.md").unwrap(), format!("!{here}/*.md"));
        let home = BaseDirs::new().unwrap().home_dir().to_owned();
        let in_home = home.join("n/a.md:3");
        assert_eq!(absolute("~/n/./a.md:3").unwrap(), in_home.to_str().unwrap());
        let joined = |path: &str| join(Path::new("/home/me"), Path::new(path));
        assert_eq!(joined("./a.md:3:4"), Path::new("/home/me/a.md:3:4"));
        assert_eq!(joined("../you/./b.md"), Path::new("/home/you/b.md"));
        assert_eq!(joined("../../../c.md"), Path::new("/c.md"));
    }

    #[test]
    fn a_comma_of_a_name_stands_behind_a_backslash() {
        assert_eq!(unescaped(r"a\, b.md"), "a, b.md");
        assert_eq!(unescaped(r"a\,*.md"), r"a\,*.md");
    }

    proptest! {
        #[test]
        fn joined_paths_are_absolute_and_plain(path in r"(\.\./|\./|[a-z]{1,3}/|東/){0,8}[a-z]{1,3}") {
            let joined = join(Path::new("/home/me"), Path::new(&path));
            prop_assert!(joined.is_absolute());
            prop_assert!(!joined.components().any(|part| part == Component::ParentDir));
            prop_assert_eq!(joined.file_name(), Path::new(&path).file_name());
        }
    }
}
