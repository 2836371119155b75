//! What documents say of themselves: front matter, and the heads of other formats.

mod head;
mod yaml;

use super::{format::Format, front_matter::FrontMatter};
use crate::domain::Metadata;

/// The metadata in the text of the document at `path`. HTML and PDF have theirs outside of the text.
pub fn metadata(text: &str, path: &str) -> Metadata {
    match Format::of(path) {
        Format::Markdown => front_matter(text),
        Format::Org => head::org(text),
        Format::ReStructured => head::restructured(text),
        Format::AsciiDoc => head::asciidoc(text),
        Format::Html | Format::Pdf | Format::Other => Metadata::default(),
    }
}

fn front_matter(text: &str) -> Metadata {
    FrontMatter::of(text).map_or_else(Metadata::default, |front| yaml::metadata(front.yaml))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Property, Scalar};

    /// `key=value`, lists in brackets, texts in quotes.
    pub(super) fn shown(metadata: &Metadata) -> Vec<String> {
        let value = |value: &Scalar| match value {
            Scalar::Text(text) => format!("{text:?}"),
            other => other.text(),
        };
        let property = |Property { key, values, list }: &Property| {
            let values: Vec<String> = values.iter().map(value).collect();
            let values = values.join(",");
            if *list {
                format!("{key}=[{values}]")
            } else {
                format!("{key}={values}")
            }
        };
        metadata.properties().iter().map(property).collect()
    }

    #[test]
    fn formats_have_their_own() {
        let front = "---\nstatus: draft\n---\n";
        assert_eq!(shown(&metadata(front, "a.md")), ["status=\"draft\""]);
        assert_eq!(
            shown(&metadata("#+STATUS: draft\n", "a.org")),
            ["status=\"draft\""]
        );
        assert_eq!(
            shown(&metadata(":Status: draft\n", "a.rst")),
            ["status=\"draft\""]
        );
        assert_eq!(
            shown(&metadata("= T\n:status: draft\n", "a.adoc")),
            ["status=\"draft\""]
        );
        assert_eq!(metadata(front, "a.yaml"), Metadata::default());
        assert_eq!(metadata("# no\n", "a.md"), Metadata::default());
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(
            body in "(---\n|[a-c]{1,3}: |- |\\[|\\]|\\{|\\}|'|\"|&a|\\*a|!x|#\\+|:|\n|  |é|x|= ){0,40}",
        ) {
            for path in ["a.md", "a.org", "a.rst", "a.adoc"] {
                for text in [body.clone(), format!("---\n{body}\n---\n")] {
                    let metadata = metadata(&text, path);
                    let values: usize = metadata.properties().iter().map(|one| one.values.len()).sum();
                    prop_assert!(values <= 256);
                }
            }
        }
    }
}
