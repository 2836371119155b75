//! The line by which a file is known as one of an installation's own.

/// What the line says before the version.
const MARK: &str = "Written by qmdctl service install, version ";

/// The first lines of a unit.
pub(super) fn unit(name: &str, version: &str) -> String {
    format!(
        "# {MARK}{version}\n\
         # It is written anew with every install: what you change belongs into\n\
         # `systemctl --user edit {name}`. Without the first line this file is yours.\n\n"
    )
}

/// A comment of a property list.
pub(super) fn plist(version: &str) -> String {
    format!("<!-- {MARK}{version} -->\n<!-- Without the line above this file is yours. -->\n")
}

/// The version that wrote a file; `None` when none has, or when its line was taken away.
pub(super) fn version(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let line = line.trim_start_matches(['#', '<', '!', '-', ' ']);
        let version = line.strip_prefix(MARK)?;
        Some(version.trim_end_matches(['-', '>', ' ']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_an_installation_is_known_by_its_line() {
        let unit = unit("qmdd.service", "0.1.0");
        assert_eq!(version(&unit), Some("0.1.0"));
        assert_eq!(
            version(&format!("<?xml?>\n{}", plist("1.2.3"))),
            Some("1.2.3")
        );
        let mine: String = unit.lines().skip(1).collect();
        assert_eq!(version(&mine), None);
        assert_eq!(version("[Unit]\nDescription=by hand\n"), None);
    }
}
