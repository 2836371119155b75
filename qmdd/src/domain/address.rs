//! How people name a document: `qmd://collection/path`, `#docid`, a file's path, a path inside of a
//! collection or the end of one, each with an optional `:from` or `:from:count`.

use super::DocId;

/// A parsed address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The document.
    pub target: Target,
    /// The lines, when the address names some.
    pub range: Option<LineRange>,
}

/// What an address points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `#abc123`.
    DocId(DocId),
    /// `qmd://collection/path` or `//collection/path`: exact.
    Uri {
        /// Collection name, unchecked.
        collection: String,
        /// Path inside it.
        path: String,
    },
    /// Anything else: `collection/path`, a file's absolute path, or a path suffix.
    Path(String),
}

/// Lines of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineRange {
    /// First line, from 1.
    pub from: u32,
    /// How many; `None` for all that follow.
    pub count: Option<u32>,
}

/// The text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing there.
    #[error("the document address is empty")]
    Empty,
    /// `qmd://` without both parts.
    #[error("{0:?} lacks a collection or a path: expected qmd://COLLECTION/PATH")]
    Incomplete(String),
    /// Lines count from 1.
    #[error("{0:?} names line 0, lines count from 1")]
    LineZero(String),
}

impl Address {
    /// Parses an address. Surplus slashes after `qmd:` are forgiven.
    ///
    /// # Errors
    /// When it is empty, lacks a part, or names line 0.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let (rest, range) = split_range(text)?;
        let target = Target::parse(rest)?;
        Ok(Self { target, range })
    }

    /// The addresses that a text is when the numbers at its end are a part of the name, the longest
    /// name first; none when it ends in no lines.
    pub fn longer_names(text: &str) -> Vec<Self> {
        let text = text.trim();
        let Ok((_, Some(range))) = split_range(text) else {
            return Vec::new();
        };
        let mut names = vec![(text, None)];
        if let (Some(from @ 1..), Some((name, _))) = (range.count, text.rsplit_once(':')) {
            names.push((name, Some(LineRange { from, count: None })));
        }
        let address = |(name, range)| {
            let target = Target::parse(name).ok()?;
            Some(Self { target, range })
        };
        names.into_iter().filter_map(address).collect()
    }
}

impl Target {
    /// Parses an address without lines: numbers at its end are a part of the name.
    ///
    /// # Errors
    /// When it is empty, or lacks a part.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.starts_with('#')
            && let Ok(docid) = DocId::parse(text)
        {
            return Ok(Self::DocId(docid));
        }
        let Some(uri) = uri(text) else {
            return Ok(Self::Path(text.to_owned()));
        };
        match uri.split_once('/') {
            Some((collection, path)) if !collection.is_empty() && !path.is_empty() => {
                Ok(Self::Uri {
                    collection: collection.to_owned(),
                    path: path.to_owned(),
                })
            }
            _ => Err(AddressError::Incomplete(text.to_owned())),
        }
    }
}

/// What follows `qmd://`, or the slashes that may stand for it.
fn uri(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("qmd:").filter(|it| it.starts_with('/'));
    let rest = rest.or_else(|| text.starts_with("//").then_some(text))?;
    Some(rest.trim_start_matches('/'))
}

/// Splits up to two trailing `:NUMBER` off.
fn split_range(text: &str) -> Result<(&str, Option<LineRange>), AddressError> {
    let number = |text: &str| -> Option<u32> {
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse().ok())
            .flatten()
    };
    let Some((head, last)) = text.rsplit_once(':') else {
        return Ok((text, None));
    };
    let Some(last) = number(last) else {
        return Ok((text, None));
    };
    let (rest, range) = match head.rsplit_once(':') {
        Some((rest, first)) if let Some(from) = number(first) => (
            rest,
            LineRange {
                from,
                count: Some(last),
            },
        ),
        _ => (
            head,
            LineRange {
                from: last,
                count: None,
            },
        ),
    };
    if range.from == 0 {
        return Err(AddressError::LineZero(text.to_owned()));
    }
    Ok((rest, Some(range)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn every_form_parses() {
        let uri = |c: &str, p: &str| Target::Uri {
            collection: c.to_owned(),
            path: p.to_owned(),
        };
        assert_eq!(parse("qmd://notes/a/b.md").target, uri("notes", "a/b.md"));
        for surplus in ["qmd:////notes/b.md", "qmd:/notes/b.md", "//notes/b.md"] {
            assert_eq!(parse(surplus).target, uri("notes", "b.md"), "{surplus}");
        }
        assert_eq!(
            parse("#ba7816").target,
            Target::DocId(DocId::parse("ba7816").unwrap())
        );
        assert_eq!(
            parse("#channel.md").target,
            Target::Path("#channel.md".to_owned())
        );
        for path in ["notes/b.md", "/home/me/b.md", "b.md", "qmd:b.md", "#12"] {
            assert_eq!(parse(path).target, Target::Path(path.to_owned()));
        }
    }

    #[test]
    fn ranges_are_split_off() {
        let range = |from, count| Some(LineRange { from, count });
        assert_eq!(parse("a.md:12").range, range(12, None));
        assert_eq!(parse("qmd://n/a.md:12:5").range, range(12, Some(5)));
        assert_eq!(parse("#ba7816:3").range, range(3, None));
        assert_eq!(parse("a:b.md").range, None);
        assert_eq!(parse("a.md:x:5").target, Target::Path("a.md:x".to_owned()));
        let names = |text| {
            let names = Address::longer_names(text).into_iter();
            let names = names.map(|address| (address.target, address.range));
            names.collect::<Vec<_>>()
        };
        let path = |path: &str| Target::Path(path.to_owned());
        assert_eq!(names("a.md:12"), [(path("a.md:12"), None)]);
        assert_eq!(
            names("at 10:30:2"),
            [
                (path("at 10:30:2"), None),
                (path("at 10:30"), range(2, None))
            ]
        );
        assert_eq!(names("a:1:0"), [(path("a:1:0"), None)]);
        assert_eq!(names("a.md"), []);
        // No line has such a number, so it is a name.
        assert_eq!(parse("a:99999999999").range, None);
    }

    proptest! {
        #[test]
        fn every_part_comes_back(
            collection in "[a-zé東 ._-]{1,8}",
            path in "[a-zé東 :#/._-]{0,12}[a-z]",
            from in 1_u32..,
            count in proptest::option::of(0_u32..),
        ) {
            let collection = collection.trim();
            prop_assume!(!collection.is_empty());
            let count_text = count.map(|count| format!(":{count}")).unwrap_or_default();
            let address = parse(&format!("qmd://{collection}/{path}:{from}{count_text}"));
            let (collection, path) = (collection.to_owned(), path);
            prop_assert_eq!(address.target, Target::Uri { collection, path });
            prop_assert_eq!(address.range, Some(LineRange { from, count }));
        }

        #[test]
        fn no_text_breaks_it(text in any::<String>()) {
            let whole = Target::parse(&text);
            match Address::parse(&text) {
                Ok(Address { target, range: None }) => prop_assert_eq!(Ok(target), whole),
                Ok(Address { range: Some(range), .. }) => prop_assert!(range.from > 0),
                Err(_) => {}
            }
        }
    }

    #[test]
    fn bad_addresses_say_why() {
        assert_eq!(Address::parse("  "), Err(AddressError::Empty));
        assert_eq!(Address::parse(":5"), Err(AddressError::Empty));
        for incomplete in ["qmd://notes", "qmd://notes/", "qmd://", "//notes", "//"] {
            let error = Address::parse(incomplete);
            assert!(
                matches!(error, Err(AddressError::Incomplete(_))),
                "{incomplete}"
            );
        }
        assert!(matches!(
            Address::parse("a.md:0"),
            Err(AddressError::LineZero(_))
        ));
    }
}
