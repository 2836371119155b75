//! What an update or an embedding run has done.

use std::time::Duration;

use qmd_proto::v1::{EmbedIndexSummary, SkippedFile, UpdateSummary};

use super::{
    notice::Notice,
    text::{clean_line, count, duration},
};

/// Skipped files named unless details are wanted.
const SKIPPED_SHOWN: usize = 20;

/// An update in one line.
pub(crate) fn updated(summary: &UpdateSummary) -> String {
    format!(
        "{} added, {} changed, {} removed, {} unchanged in {}",
        count(summary.added, "document"),
        summary.changed,
        summary.removed,
        summary.unchanged,
        duration(Duration::from_micros(summary.elapsed_us)),
    )
}

/// An embedding run in one line.
pub(crate) fn embedded(summary: &EmbedIndexSummary) -> String {
    if summary.documents == 0 {
        return "every document has its vectors".to_owned();
    }
    let span = Duration::from_micros(summary.elapsed_us);
    let rate = summary.tokens as f64 / span.as_secs_f64().max(1e-6);
    format!(
        "{} embedded in {}: {}, {} ({rate:.0} a second)",
        count(summary.documents, "document"),
        duration(span),
        count(summary.chunks, "chunk"),
        count(summary.tokens, "token"),
    )
}

/// The files an update left out, each with its reason; `None` without any.
pub(crate) fn skipped(files: &[SkippedFile], all: bool) -> Option<(Notice, Vec<String>)> {
    if files.is_empty() {
        return None;
    }
    let shown = if all {
        files.len()
    } else {
        SKIPPED_SHOWN.min(files.len())
    };
    let mut lines: Vec<String> = files[..shown]
        .iter()
        .map(|file| {
            format!(
                "  {}/{}: {} ({})",
                clean_line(&file.collection),
                clean_line(&file.path),
                clean_line(&file.message),
                clean_line(&file.reason),
            )
        })
        .collect();
    if shown < files.len() {
        lines.push(format!(
            "  and {} more; -v names them all",
            files.len() - shown
        ));
    }
    let message = format!("{} left out", count(files.len() as u64, "file"));
    Some((
        Notice {
            message,
            reason: String::new(),
            hint: None,
        },
        lines,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries() {
        let update = UpdateSummary {
            added: 1,
            changed: 2,
            unchanged: 1400,
            removed: 3,
            elapsed_us: 1_250_000,
            ..UpdateSummary::default()
        };
        assert_eq!(
            updated(&update),
            "1 document added, 2 changed, 3 removed, 1400 unchanged in 1.2 s"
        );
        let embed = EmbedIndexSummary {
            documents: 10,
            chunks: 20,
            tokens: 5_000,
            elapsed_us: 2_000_000,
            ..EmbedIndexSummary::default()
        };
        assert_eq!(
            embedded(&embed),
            "10 documents embedded in 2.0 s: 20 chunks, 5000 tokens (2500 a second)"
        );
        assert_eq!(
            embedded(&EmbedIndexSummary::default()),
            "every document has its vectors"
        );
    }

    #[test]
    fn skipped_files_are_named_up_to_a_screenful() {
        let file = |number: usize| SkippedFile {
            collection: "notes".into(),
            path: format!("{number}.md"),
            reason: "FILE_BINARY".into(),
            message: "it holds no text".into(),
        };
        let files: Vec<_> = (0..23).map(file).collect();
        assert!(skipped(&[], false).is_none());
        let (notice, lines) = skipped(&files, false).unwrap();
        assert_eq!(notice.message, "23 files left out");
        assert_eq!(lines[0], "  notes/0.md: it holds no text (FILE_BINARY)");
        assert_eq!(lines[20], "  and 3 more; -v names them all");
        assert_eq!(skipped(&files, true).unwrap().1.len(), 23);
    }
}
