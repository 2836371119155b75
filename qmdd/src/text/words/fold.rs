//! Spellings that count as one: case, accents, ligatures and widths.

use std::borrow::Cow;

use unicode_normalization::{
    IsNormalized, UnicodeNormalization, char::decompose_canonical, is_nfkc_quick,
};

/// The text with compatibility forms resolved: full-width letters, ligatures, loose accents.
pub(super) fn normalize(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfkc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.nfkc().collect())
}

/// Appends a word in lower case and without accents. Marks that make another letter of it stay:
/// those of Cyrillic (й), kana and the scripts of India.
pub(super) fn fold_into(word: &str, out: &mut String) {
    for c in word.chars() {
        if c.is_ascii() {
            out.push(c.to_ascii_lowercase());
        } else {
            c.to_lowercase().for_each(|lower| fold_char(lower, out));
        }
    }
}

/// A word in lower case and without accents.
pub(super) fn fold(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    fold_into(word, &mut out);
    out
}

fn fold_char(c: char, out: &mut String) {
    let letters = match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'ı' => "i",
        'þ' => "th",
        'ħ' => "h",
        'ς' => "σ",
        'ё' => "е",
        // Letters of the Arabic alphabet that are often written for one another.
        'أ' | 'إ' | 'آ' => "ا",
        'ى' => "ي",
        _ => "",
    };
    if !letters.is_empty() {
        out.push_str(letters);
    } else if is_accent(c) {
        // Loose, where no letter with it exists.
    } else if has_droppable_accents(c) {
        decompose_canonical(c, |part| {
            if !is_accent(part) {
                out.push(part);
            }
        });
    } else {
        out.push(c);
    }
}

/// Latin and Greek letters with accents.
fn has_droppable_accents(c: char) -> bool {
    matches!(c, '\u{c0}'..='\u{24f}' | '\u{370}'..='\u{3ff}' | '\u{1e00}'..='\u{1fff}')
}

/// Marks that readers do without: accents, vowel points, what joins or breaks letters.
pub(super) fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{200c}' | '\u{200d}' // soft hyphen, joiners
        | '\u{300}'..='\u{36f}'
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}' // Hebrew points
        | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' // Arabic
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_accents_go() {
        for (word, folded) in [
            ("Naïve", "naive"),
            ("STRASSE", "strasse"),
            ("Straße", "strasse"),
            ("Łódź", "lodz"),
            ("Ægir", "aegir"),
            ("Café\u{301}", "cafe"),
            ("e\u{301}te\u{301}", "ete"),
            ("İstanbul", "istanbul"),
            ("Ὀδυσσεύς", "οδυσσευσ"),
            ("Việt", "viet"),
            ("co\u{ad}operate", "cooperate"),
        ] {
            assert_eq!(fold(word), folded, "{word}");
        }
    }

    #[test]
    fn marks_that_make_letters_stay() {
        for (word, folded) in [
            ("Ёлка", "елка"),
            ("йод", "йод"),
            ("За\u{301}мок", "замок"),
            ("が", "が"),
            ("हिन्दी", "हिन्दी"),
            ("שָׁלוֹם", "שלום"),
            ("מחשב", "מחשב"),
            ("검색", "검색"),
        ] {
            assert_eq!(fold(word), folded, "{word}");
        }
    }

    #[test]
    fn widths_and_ligatures_are_resolved() {
        assert_eq!(normalize("ＡＢＣ ﬁn ｶﾞ"), "ABC fin ガ");
        assert!(matches!(normalize("plain"), Cow::Borrowed(_)));
        assert!(matches!(normalize("café 漢字"), Cow::Borrowed(_)));
    }
}
