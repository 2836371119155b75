//! What kind of document a file holds, by its name.

use std::path::Path;

/// A kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Markdown, and plain text, which is read as if it were.
    Markdown,
    /// Org.
    Org,
    /// reStructuredText.
    ReStructured,
    /// AsciiDoc.
    AsciiDoc,
    /// HTML, which is indexed as Markdown.
    Html,
    /// PDF, which is indexed as the text of its pages.
    Pdf,
    /// Any other text, such as source code. A `#` may open a comment in it.
    Other,
}

impl Format {
    /// By the extension.
    pub fn of(path: &str) -> Self {
        let extension = Path::new(path).extension().unwrap_or_default();
        match extension.to_string_lossy().to_lowercase().as_str() {
            "" | "markdown" | "md" | "mdown" | "mdx" | "mkd" | "qmd" | "rmd" | "text" | "txt" => {
                Self::Markdown
            }
            "org" => Self::Org,
            "rst" | "rest" => Self::ReStructured,
            "adoc" | "asciidoc" | "asc" => Self::AsciiDoc,
            "html" | "htm" | "xhtml" => Self::Html,
            "pdf" => Self::Pdf,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_tell() {
        for (path, format) in [
            ("a/b.md", Format::Markdown),
            ("README", Format::Markdown),
            ("x.tar.TXT", Format::Markdown),
            (".hidden", Format::Markdown),
            ("a.Org", Format::Org),
            ("a.rst", Format::ReStructured),
            ("a.adoc", Format::AsciiDoc),
            ("a.HTM", Format::Html),
            ("a.pdf", Format::Pdf),
            ("md/a.rs", Format::Other),
        ] {
            assert_eq!(Format::of(path), format, "{path}");
        }
    }
}
