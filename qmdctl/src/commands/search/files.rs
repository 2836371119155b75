//! The files of hits, where they lie on this machine.

use qmd_proto::v1::Hit;

use crate::{
    commands::on_disk::OnDisk,
    render::{Answer, Notice, count},
};

/// Each hit's file, seen from the present folder; `None` for one that is gone.
pub(super) fn paths(hits: &[Hit]) -> Vec<Option<String>> {
    let on_disk = OnDisk::new();
    hits.iter()
        .map(|hit| on_disk.find(&hit.file_path))
        .collect()
}

/// What is to be said of hits whose files are gone.
pub(super) fn gone(full_path: bool, answer: &Answer<'_>) -> Option<Notice> {
    let pairs = answer.reply.hits.iter().zip(&answer.files);
    let gone: Vec<&Hit> = pairs
        .filter(|(_, file)| file.is_none())
        .map(|(hit, _)| hit)
        .collect();
    let first = gone.first().filter(|_| full_path)?;
    let hits = count(gone.len() as u64, "hit");
    let such = if gone.len() == 1 { "" } else { " such as" };
    Some(Notice {
        message: format!(
            "{hits} named by address, the file is gone:{such} {}",
            first.uri
        ),
        reason: String::new(),
        hint: Some("run `qmdctl update`".into()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use qmd_proto::v1::SearchReply;

    use super::*;

    #[test]
    fn a_file_that_is_gone_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let hit = |name: &str| Hit {
            uri: format!("qmd://n/{name}"),
            file_path: folder.path().join(name).to_str().unwrap().to_owned(),
            ..Hit::default()
        };
        fs::write(folder.path().join("here.md"), "").unwrap();
        let reply = SearchReply {
            hits: vec![hit("here.md"), hit("gone.md"), Hit::default()],
            ..SearchReply::default()
        };
        let files = paths(&reply.hits);
        let there: Vec<bool> = files.iter().map(Option::is_some).collect();
        assert_eq!(there, [true, false, false]);
        let answer = Answer {
            reply: &reply,
            files,
        };
        let notice = gone(true, &answer).unwrap();
        assert_eq!(
            notice.message,
            "2 hits named by address, the file is gone: such as qmd://n/gone.md"
        );
        let unasked = Answer {
            reply: &reply,
            files: Vec::new(),
        };
        assert_eq!(gone(false, &unasked), None);
    }
}
