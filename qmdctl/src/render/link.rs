//! Links from a hit to its place in the user's editor.

use std::ffi::OsString;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What of a path stays as it is in a URI.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// Opens a file with whatever the desktop opens it with.
const FILE: &str = "file://{path}";

/// What asks for no links.
const NONE: &str = "none";

/// The template of links: `environment` (the value of `QMD_EDITOR_URI`) goes before what is
/// configured, and empty ones count as none given. `None` when no links are wanted.
pub(crate) fn link_template(environment: Option<OsString>, configured: &str) -> Option<String> {
    let environment = environment.map(|value| plain(&value.to_string_lossy()));
    let given = [environment.unwrap_or_default(), plain(configured)];
    let template = given.into_iter().find(|template| !template.is_empty());
    Some(template.unwrap_or_else(|| FILE.to_owned())).filter(|template| template != NONE)
}

/// Without what a terminal would obey inside of a control sequence.
fn plain(template: &str) -> String {
    let template: String = template.chars().filter(|c| !c.is_control()).collect();
    template.trim().to_owned()
}

/// A template's link to a line of a file; `path` is absolute.
pub(super) fn link(template: &str, path: &str, line: u32) -> String {
    let path = utf8_percent_encode(path, PATH).to_string();
    let path = match template.split_once("{path}") {
        // `vscode://file/{path}`: the slash is there already. After a scheme it is not.
        Some((before, _)) if before.ends_with('/') && !before.ends_with("://") => {
            path.strip_prefix('/').unwrap_or(&path)
        }
        _ => &path,
    };
    template
        .replace("{line}", &line.max(1).to_string())
        .replace("{col}", "1")
        .replace("{path}", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_goes_before_the_configuration() {
        let template = |environment: Option<&str>, configured| {
            link_template(environment.map(OsString::from), configured)
        };
        assert_eq!(template(None, "").as_deref(), Some("file://{path}"));
        assert_eq!(template(None, "a:{path}").as_deref(), Some("a:{path}"));
        assert_eq!(
            template(Some("b:{path}"), "a:{path}").as_deref(),
            Some("b:{path}")
        );
        assert_eq!(template(Some(" "), "a:{path}").as_deref(), Some("a:{path}"));
        assert_eq!(template(Some("none"), "a:{path}"), None);
        assert_eq!(template(None, "none"), None);
        assert_eq!(
            template(None, "a:\u{1b}\\\u{7}{path}").as_deref(),
            Some("a:\\{path}")
        );
    }

    #[test]
    fn paths_become_parts_of_uris() {
        let to = |template: &str| link(template, "/home/me/a b/é{line}.md", 7);
        assert_eq!(
            to("vscode://file/{path}:{line}:{col}"),
            "vscode://file/home/me/a%20b/%C3%A9%7Bline%7D.md:7:1"
        );
        assert_eq!(to(FILE), "file:///home/me/a%20b/%C3%A9%7Bline%7D.md");
        assert_eq!(
            to("subl://open?url=file://{path}&line={line}"),
            "subl://open?url=file:///home/me/a%20b/%C3%A9%7Bline%7D.md&line=7"
        );
        assert_eq!(
            link("idea://open?file={path}", "/a.md", 0),
            "idea://open?file=/a.md"
        );
    }
}
