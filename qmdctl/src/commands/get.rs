//! `get`.

use std::{
    borrow::Cow,
    env,
    path::{Component, Path, PathBuf},
};

use qmd_proto::v1::GetRequest;

use crate::{
    cli::{Format, GetArgs},
    client::Home,
    error::{Failure, Result},
    render::{self, Notice, Screen},
};

pub(super) async fn run(home: &Home, screen: Screen, args: &GetArgs) -> Result<()> {
    let (named, asked) = split_index(&args.address);
    let request = GetRequest {
        index: named.map_or_else(|| home.index(), |name| Some(Home::index_of(name))),
        address: address(&asked)?,
        from_line: args.from,
        max_lines: args.lines,
    };
    let client = home.connect().await?;
    let reply = client.documents().get(request).await?.into_inner();
    if reply.from_line > reply.total_lines && reply.from_line > 1 {
        let message = format!("the document has {} lines", reply.total_lines);
        Screen::warn(&Notice {
            message,
            reason: String::new(),
            hint: None,
        });
    }
    match screen.format() {
        Format::Json => Screen::print(&render::document_json(&reply)?),
        Format::Cli => {
            let terminal = Screen::is_terminal();
            let text = render::document(&reply, !args.no_line_numbers, terminal);
            // Colour codes are kept out of what is not for a terminal; a document's own are not.
            if args.no_line_numbers {
                Screen::print_raw(text.as_bytes())
            } else {
                Screen::print(&text)
            }
        }
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

/// The address as the daemon can understand it: a file named from this folder by its whole path.
fn address(text: &str) -> Result<String> {
    if !is_relative_to_here(text) {
        return Ok(text.to_owned());
    }
    let here = env::current_dir().map_err(|error| {
        Failure::of_path(".".as_ref(), &error, qmd_proto::Reason::FolderMissing)
    })?;
    let path = join(&here, Path::new(text));
    Ok(path.to_string_lossy().into_owned())
}

fn is_relative_to_here(text: &str) -> bool {
    text.starts_with("./") || text.starts_with("../")
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
    fn only_files_named_from_here_are_changed() {
        for kept in [
            "qmd://a/b.md",
            "#a1b2c3",
            "a/b.md:3",
            "/x/./y.md",
            ".hidden.md",
            "..md",
        ] {
            assert_eq!(address(kept).unwrap(), kept);
        }
        let joined = |path: &str| join(Path::new("/home/me"), Path::new(path));
        assert_eq!(joined("./a.md:3:4"), Path::new("/home/me/a.md:3:4"));
        assert_eq!(joined("../you/./b.md"), Path::new("/home/you/b.md"));
        assert_eq!(joined("../../../c.md"), Path::new("/c.md"));
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
