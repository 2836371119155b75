//! Hits as CSV, Markdown, XML, lines and runs, in QMD's shapes.

use std::fmt::Write as _;

use super::{
    super::{
        escape::{csv as field, quoted, word, xml as element, xml_attribute as attribute},
        text::one_line,
    },
    Look, PASSAGE, Row,
};

/// A row a hit, below a heading. The docid's column is always there.
pub(super) fn csv(rows: &[Row<'_>]) -> String {
    let mut text = "docid,score,file,title,context,line,snippet\n".to_owned();
    for row in rows {
        let hit = row.hit;
        let _ = writeln!(
            text,
            "{},{:.4},{},{},{},{},{}",
            row.docid().unwrap_or_default(),
            hit.score,
            field(row.address()),
            field(&hit.title),
            field(&hit.context),
            hit.line,
            field(&row.content(PASSAGE)),
        );
    }
    text
}

/// A chapter a hit.
pub(super) fn markdown(rows: &[Row<'_>]) -> String {
    let mut chapters = Vec::new();
    for row in rows {
        let hit = row.hit;
        let title = match one_line(&hit.title) {
            title if title.is_empty() => one_line(row.address()),
            title => title,
        };
        let mut text = format!("---\n# {title}\n\n**file:** {}\n", code(row.address()));
        if let Some(docid) = row.docid() {
            let _ = writeln!(text, "**docid:** `{docid}`");
        }
        if !hit.context.is_empty() {
            let _ = writeln!(text, "**context:** {}", one_line(&hit.context));
        }
        if let Some(places) = row.places() {
            let _ = writeln!(text, "**also at lines:** {places}");
        }
        let _ = writeln!(text, "\n{}", row.content(PASSAGE).trim_end());
        chapters.push(text);
    }
    chapters.join("\n")
}

/// A span of code that holds any text without line ends.
fn code(text: &str) -> String {
    let text = one_line(text);
    if text.contains('`') {
        let mut fence = "``".to_owned();
        while text.contains(&fence) {
            fence.push('`');
        }
        return format!("{fence} {text} {fence}");
    }
    format!("`{text}`")
}

/// A document with an element a hit.
pub(super) fn xml(rows: &[Row<'_>]) -> String {
    let mut text = "<results>\n".to_owned();
    for row in rows {
        let hit = row.hit;
        text += "<file";
        let mut set = |name: &str, value: &str| {
            let _ = write!(text, " {name}=\"{}\"", attribute(value));
        };
        if let Some(docid) = row.docid() {
            set("docid", &docid);
        }
        set("name", row.address());
        if !hit.title.is_empty() {
            set("title", &hit.title);
        }
        if !hit.context.is_empty() {
            set("context", &hit.context);
        }
        set("score", &format!("{:.4}", hit.score));
        set("line", &hit.line.to_string());
        if let Some(places) = row.places() {
            set("places", &places);
        }
        let _ = writeln!(
            text,
            ">\n{}\n</file>",
            element(row.content(PASSAGE).trim_end_matches('\n'))
        );
    }
    text + "</results>\n"
}

/// A line a hit: docid, score, address and context.
pub(super) fn files(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    for row in rows {
        if let Some(docid) = row.docid() {
            let _ = write!(text, "{docid},");
        }
        let _ = write!(text, "{:.2},{}", row.hit.score, field(row.address()));
        if !row.hit.context.is_empty() {
            let _ = write!(text, ",{}", quoted(&one_line(&row.hit.context)));
        }
        text.push('\n');
    }
    text
}

/// A line a hit, as `trec_eval` reads them. Documents are named COLLECTION/PATH.
pub(super) fn trec(rows: &[Row<'_>], look: &Look<'_>) -> String {
    let Look {
        trec_id, trec_tag, ..
    } = look;
    let mut text = String::new();
    for (rank, row) in (1..).zip(rows) {
        let hit = row.hit;
        let name = match row.file {
            Some(path) => word(path),
            None => word(&format!("{}/{}", hit.collection, hit.path)),
        };
        let _ = writeln!(text, "{trec_id} Q0 {name} {rank} {} {trec_tag}", hit.score);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_backtick_stays_one_span() {
        assert_eq!(code("a b.md"), "`a b.md`");
        assert_eq!(code("a`b.md"), "`` a`b.md ``");
        assert_eq!(code("a``b`.md"), "``` a``b`.md ```");
        assert_eq!(code("a\nb"), "`a b`");
    }
}
