//! How people name a document: `qmd://collection/path`, `#docid`, a path or its suffix, each with an
//! optional `:from` or `:from:count`.

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
    /// `qmd://collection/path`: exact.
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
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let (rest, range) = split_range(text)?;
        if rest.is_empty() {
            return Err(AddressError::Empty);
        }
        if rest.starts_with('#')
            && let Ok(docid) = DocId::parse(rest)
        {
            return Ok(Self {
                target: Target::DocId(docid),
                range,
            });
        }
        let Some(uri) = rest.strip_prefix("qmd:").filter(|uri| uri.starts_with('/')) else {
            return Ok(Self {
                target: Target::Path(rest.to_owned()),
                range,
            });
        };
        match uri.trim_start_matches('/').split_once('/') {
            Some((collection, path)) if !collection.is_empty() && !path.is_empty() => Ok(Self {
                target: Target::Uri {
                    collection: collection.to_owned(),
                    path: path.to_owned(),
                },
                range,
            }),
            _ => Err(AddressError::Incomplete(text.to_owned())),
        }
    }
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
        assert_eq!(parse("qmd:////notes/b.md").target, uri("notes", "b.md"));
        assert_eq!(
            parse("#ba7816").target,
            Target::DocId(DocId::parse("ba7816").unwrap())
        );
        assert_eq!(
            parse("#channel.md").target,
            Target::Path("#channel.md".to_owned())
        );
        assert_eq!(
            parse("notes/b.md").target,
            Target::Path("notes/b.md".to_owned())
        );
    }

    #[test]
    fn ranges_are_split_off() {
        let range = |from, count| Some(LineRange { from, count });
        assert_eq!(parse("a.md:12").range, range(12, None));
        assert_eq!(parse("qmd://n/a.md:12:5").range, range(12, Some(5)));
        assert_eq!(parse("#ba7816:3").range, range(3, None));
        assert_eq!(parse("a:b.md").range, None);
        assert_eq!(parse("a.md:x:5").target, Target::Path("a.md:x".to_owned()));
    }

    #[test]
    fn bad_addresses_say_why() {
        assert_eq!(Address::parse("  "), Err(AddressError::Empty));
        assert_eq!(Address::parse(":5"), Err(AddressError::Empty));
        assert!(matches!(
            Address::parse("qmd://notes"),
            Err(AddressError::Incomplete(_))
        ));
        assert!(matches!(
            Address::parse("a.md:0"),
            Err(AddressError::LineZero(_))
        ));
    }
}
