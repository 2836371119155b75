//! Bytes to text.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::{domain::Reason, store::Why};

/// How much of a file is looked at to tell text from binary data.
const PROBE: usize = 8 << 10;

/// The text of a file: UTF-8 or UTF-16 by its byte-order mark, else UTF-8, else Latin-1 (as
/// Windows-1252).
///
/// # Errors
/// When it holds no text.
pub(super) fn decode(bytes: Vec<u8>) -> Result<String, Why> {
    let text = if let Some((encoding, length)) = mark(&bytes) {
        let (text, broken) = encoding.decode_without_bom_handling(&bytes[length..]);
        if broken && encoding != UTF_8 {
            return Err(binary("binary data, or broken UTF-16"));
        }
        text.into_owned()
    } else {
        if bytes[..bytes.len().min(PROBE)].contains(&0) {
            return Err(binary("binary data"));
        }
        match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => legacy(error.as_bytes())?,
        }
    };
    if text.chars().take(PROBE).any(|c| c == '\0') {
        return Err(binary("binary data"));
    }
    if text.trim().is_empty() {
        return Err(Why {
            reason: Reason::FileEmpty,
            message: "no text in it".into(),
        });
    }
    // Its text goes through programs that end texts there.
    Ok(if text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text
    })
}

/// The encoding that a byte-order mark tells, and the mark's length.
pub(super) fn mark(bytes: &[u8]) -> Option<(&'static Encoding, usize)> {
    [
        (UTF_8, &b"\xEF\xBB\xBF"[..]),
        (UTF_16LE, b"\xFF\xFE"),
        (UTF_16BE, b"\xFE\xFF"),
    ]
    .into_iter()
    .find(|(_, mark)| bytes.starts_with(mark))
    .map(|(encoding, mark)| (encoding, mark.len()))
}

/// A text that is not wholly UTF-8. Where most of it is, the rest is damage; else it is Latin-1, unless
/// it has what no text has.
fn legacy(bytes: &[u8]) -> Result<String, Why> {
    let (mut good, mut bad) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    if good > bad {
        return Ok(String::from_utf8_lossy(bytes).into_owned());
    }
    let is_control = |byte: &&u8| matches!(byte, 0..=8 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f | 0x81 | 0x8d | 0x8f | 0x90 | 0x9d);
    let controls = bytes.iter().filter(is_control).count();
    if controls * 100 > bytes.len() {
        return Err(binary("binary data, or text in an unknown encoding"));
    }
    Ok(WINDOWS_1252
        .decode_without_bom_handling(bytes)
        .0
        .into_owned())
}

fn binary(message: &str) -> Why {
    Why {
        reason: Reason::FileBinary,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
        units
            .flat_map(|unit| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    }

    #[test]
    fn text_is_text_in_every_encoding() {
        for (bytes, expected) in [
            ("\u{feff}héllo\n".as_bytes().to_vec(), "héllo\n"),
            ("héllo".as_bytes().to_vec(), "héllo"),
            (b"\xEF\xBB\xBFbroken \xff".to_vec(), "broken \u{fffd}"),
            (utf16("héllo 東\n", false), "héllo 東\n"),
            (utf16("héllo 東\n", true), "héllo 東\n"),
            (
                b"caf\xe9 \x93quoted\x94 \x80".to_vec(),
                "café \u{201c}quoted\u{201d} €",
            ),
            (
                "éé\u{fffd}"
                    .as_bytes()
                    .iter()
                    .copied()
                    .chain(*b"\xff x")
                    .collect(),
                "éé\u{fffd}\u{fffd} x",
            ),
            (
                [&[b'a'; PROBE][..], b"\0b"].concat(),
                &("a".repeat(PROBE) + "\u{fffd}b"),
            ),
        ] {
            assert_eq!(decode(bytes), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn the_rest_says_why_not() {
        let reason = |bytes: &[u8]| decode(bytes.to_vec()).map_err(|why| why.reason);
        for empty in [
            &b""[..],
            b" \n\t",
            b"\xEF\xBB\xBF",
            b"\xFF\xFE",
            "\u{a0}\n".as_bytes(),
        ] {
            assert_eq!(reason(empty), Err(Reason::FileEmpty));
        }
        for binary in [
            &b"PNG\0\x01"[..],
            b"\xe9\x01\x02\x03\x04",
            b"\x81\x8d\x8f\x90\x9d\xe9",
            b"\xFF\xFEa\0\0\0b\0",
            b"\xFF\xFE\0binary",
        ] {
            assert_eq!(reason(binary), Err(Reason::FileBinary));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_utf8_stays_as_it_is(text in "[^\0]{1,200}") {
            prop_assume!(!text.trim().is_empty() && !text.starts_with('\u{feff}'));
            prop_assert_eq!(decode(text.clone().into_bytes()), Ok(text));
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(text) = decode(bytes) {
                prop_assert!(!text.contains('\0') && !text.trim().is_empty());
            }
        }
    }
}
