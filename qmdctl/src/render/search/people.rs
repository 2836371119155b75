//! Hits for people: blocks as wide as the terminal, the words of the query marked, links to the
//! places.

use anstyle::Style;
use qmd_proto::v1::{Hit, SearchReply};

use super::{
    super::{
        explain,
        highlight::{highlight, terms},
        link::{link, link_template},
        passage::{first_line, header, whole, with_numbers},
        text::{BOLD, DIM, PATH, WARNING, clean, clean_line},
        wrap::{self, Run},
    },
    Look, Row,
    stages::shortfalls,
};

/// A block a hit, blank lines between them, and before them what the ranking lacks.
pub(super) fn blocks(reply: &SearchReply, rows: &[Row<'_>], look: &Look<'_>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let sheet = Sheet {
        terms: terms(look.query),
        width: look.terminal.map(|terminal| terminal.size.columns),
        template: (look.terminal.is_some_and(|terminal| terminal.links))
            .then(|| link_template(look.editor_uri.clone(), &reply.editor_uri))
            .flatten(),
    };
    let mut blocks = Vec::new();
    let lacking = shortfalls(&reply.stages);
    if !lacking.is_empty() {
        let mut text = String::new();
        let what = lacking.join(", ");
        sheet.line(
            &[
                Run::new("partial answer", WARNING),
                Run::plain(format!(": {what}")),
            ],
            &mut text,
        );
        blocks.push(text);
    }
    blocks.extend(rows.iter().map(|row| sheet.block(row)));
    blocks.join("\n")
}

/// What all blocks have in common.
struct Sheet {
    /// Words to mark.
    terms: Vec<String>,
    /// Columns; `None` where lines may be as long as they are.
    width: Option<usize>,
    /// Template of links, where they are taken.
    template: Option<String>,
}

impl Sheet {
    fn block(&self, row: &Row<'_>) -> String {
        let hit = row.hit;
        let mut text = String::new();
        self.address(row, &mut text);
        if !hit.title.is_empty() {
            let title = clean_line(&hit.title);
            self.line(&highlight(&title, &self.terms, BOLD), &mut text);
        }
        if !hit.heading.is_empty() && hit.heading != hit.title {
            self.line(&[Run::new(clean_line(&hit.heading), DIM)], &mut text);
        }
        let score = format!("{:.0}%", hit.score * 100.0);
        self.line(&[Run::plain("Score: "), Run::new(score, BOLD)], &mut text);
        if !hit.context.is_empty() {
            let context = format!("Context: {}", clean_line(&hit.context));
            self.line(&[Run::plain(context)], &mut text);
        }
        for line in hit.explain.iter().flat_map(explain::lines) {
            let line = format!("  {}", clean_line(&line));
            self.line(&[Run::new(line, DIM)], &mut text);
        }
        text.push('\n');
        match &hit.body {
            Some(body) => self.passage(whole(body, row.numbered).trim_end(), &mut text),
            None => self.best(hit, row.numbered, &mut text),
        }
        if let Some(places) = row.places() {
            let word = if hit.places.len() == 1 {
                "line"
            } else {
                "lines"
            };
            let also = format!("also at {word} {places}");
            self.line(&[Run::new(also, DIM)], &mut text);
        }
        text
    }

    /// Where the hit is: a link, where the terminal takes them.
    fn address(&self, row: &Row<'_>, text: &mut String) {
        let hit = row.hit;
        let name = match row.file {
            Some(path) => clean_line(path),
            None => format!("{}/{}", clean_line(&hit.collection), clean_line(&hit.path)),
        };
        let line = first_line(hit);
        let target = (self.template.as_ref())
            .filter(|_| !hit.file_path.is_empty())
            .map(|template| link(template, &hit.file_path, line));
        let mut runs = vec![Run {
            link: target.as_deref(),
            ..Run::new(format!("{name}:{line}"), PATH)
        }];
        if let Some(page) = hit.page {
            runs.push(Run::plain(format!(" page {page}")));
        }
        if let Some(docid) = row.docid() {
            runs.push(Run::plain(" "));
            runs.push(Run::new(clean_line(&docid), DIM));
        }
        self.line(&runs, text);
    }

    /// The best passage, below what it is of.
    fn best(&self, hit: &Hit, numbered: bool, text: &mut String) {
        let header = header(hit, &hit.snippet);
        self.line(&[Run::new(header, DIM)], text);
        if numbered {
            self.passage(&with_numbers(&hit.snippet, first_line(hit)), text);
        } else {
            self.passage(&hit.snippet, text);
        }
    }

    fn passage(&self, passage: &str, text: &mut String) {
        let passage = clean(passage);
        let runs = highlight(&passage, &self.terms, Style::new());
        wrap::lines(&runs, self.width, text);
    }

    fn line(&self, runs: &[Run<'_>], text: &mut String) {
        wrap::line(runs, self.width, text);
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::{
        super::{
            super::terminal::{Size, Terminal},
            Answer, hits,
            samples::{look, reply},
        },
        *,
    };
    use crate::cli::SearchFormat;

    fn on(columns: usize, links: bool, editor_uri: Option<&str>) -> String {
        let look = Look {
            terminal: Some(Terminal {
                size: Size { columns, rows: 24 },
                colour: true,
                moves: true,
                links,
            }),
            editor_uri: editor_uri.map(Into::into),
            ..look(SearchFormat::Cli)
        };
        let reply = SearchReply {
            editor_uri: "vscode://file/{path}:{line}:{col}".into(),
            ..reply()
        };
        let answer = Answer {
            reply: &reply,
            files: Vec::new(),
        };
        hits(&answer, &look).unwrap()
    }

    #[test]
    fn colours_and_links() {
        insta::assert_snapshot!("hits_coloured", on(72, true, None).replace('\x1b', "␛"));
    }

    #[test]
    fn no_row_is_wider_than_the_terminal() {
        let text = on(30, true, None);
        let plain = anstream::adapter::strip_str(&text).to_string();
        insta::assert_snapshot!("hits_narrow", plain);
        for row in plain.lines() {
            assert!(row.width() <= 30, "{row}");
        }
    }

    #[test]
    fn links_lead_where_the_user_wants() {
        let leads = |links, editor: Option<&str>, to: &str| on(72, links, editor).contains(to);
        assert!(leads(
            true,
            None,
            "]8;;vscode://file/home/me/notes/wing/heat%2C%20thin.md:12:1\x1b"
        ));
        assert!(leads(
            true,
            Some("zed://file{path}:{line}"),
            "]8;;zed://file/home/me/notes/wing/"
        ));
        assert!(!leads(true, Some("none"), "]8;;"));
        assert!(!leads(false, None, "]8;;"));
    }
}
