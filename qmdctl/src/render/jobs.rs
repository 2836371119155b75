//! What an update or an embedding run has done.

use std::time::Duration;

use qmd_proto::v1::{EmbedIndexSummary, ReasonCount, UpdateSummary};

use super::{
    notice::Notice,
    text::{clean_line, count, duration},
};

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

/// The files an update left out, by reason, and with `all` each by itself; `None` without any.
pub(crate) fn skipped(summary: &UpdateSummary, all: bool) -> Option<(Notice, Vec<String>)> {
    let total: u64 = summary
        .skipped_reasons
        .iter()
        .map(|reason| reason.count)
        .sum();
    if total == 0 {
        return None;
    }
    let reasons: Vec<String> = summary.skipped_reasons.iter().map(by_reason).collect();
    let mut lines = Vec::new();
    if all {
        lines.extend(summary.skipped.iter().map(|file| {
            format!(
                "  {}/{}: {} ({})",
                clean_line(&file.collection),
                clean_line(&file.path),
                clean_line(&file.message),
                clean_line(&file.reason),
            )
        }));
        let more = total.saturating_sub(summary.skipped.len() as u64);
        if more > 0 {
            lines.push(format!("  and {more} more"));
        }
    }
    Some((
        Notice {
            message: format!("{} left out: {}", count(total, "file"), reasons.join(", ")),
            reason: String::new(),
            hint: Some("`qmdctl ls --skipped` lists them".to_owned()),
        },
        lines,
    ))
}

/// `2 FILE_BINARY`.
pub(super) fn by_reason(reason: &ReasonCount) -> String {
    format!("{} {}", reason.count, clean_line(&reason.reason))
}

#[cfg(test)]
mod tests {
    use qmd_proto::v1::SkippedFile;

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
    fn skipped_files_are_told_by_reason_and_by_name_on_request() {
        let file = |number: usize| SkippedFile {
            collection: "notes".into(),
            path: format!("{number}.md"),
            reason: "FILE_BINARY".into(),
            message: "it holds no text".into(),
        };
        let count = |reason: &str, count| ReasonCount {
            reason: reason.into(),
            count,
        };
        let summary = UpdateSummary {
            skipped: (0..2).map(file).collect(),
            skipped_reasons: vec![count("FILE_BINARY", 22), count("FILE_EMPTY", 1)],
            ..UpdateSummary::default()
        };
        assert!(skipped(&UpdateSummary::default(), true).is_none());
        let (notice, lines) = skipped(&summary, false).unwrap();
        assert_eq!(
            notice.message,
            "23 files left out: 22 FILE_BINARY, 1 FILE_EMPTY"
        );
        assert!(lines.is_empty());
        let (_, lines) = skipped(&summary, true).unwrap();
        assert_eq!(lines[0], "  notes/0.md: it holds no text (FILE_BINARY)");
        assert_eq!(lines[2], "  and 21 more");
    }
}
