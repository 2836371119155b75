//! The language of a text, as far as it decides how words are cut to their stems.

use std::sync::LazyLock;

use foldhash::HashMap;
use snowball_stemmers_rs::{Algorithm, Stemmer};

/// A language written in Latin letters. Those of other scripts show in each word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    /// Also stands for texts that are in none of the others.
    English,
    /// Danish and Norwegian.
    Danish,
    /// Dutch.
    Dutch,
    /// Finnish.
    Finnish,
    /// French.
    French,
    /// German.
    German,
    /// Hungarian.
    Hungarian,
    /// Italian.
    Italian,
    /// Polish.
    Polish,
    /// Portuguese.
    Portuguese,
    /// Romanian.
    Romanian,
    /// Spanish.
    Spanish,
    /// Swedish.
    Swedish,
    /// Turkish.
    Turkish,
}

/// Frequent words that tell a language, folded, each language's own beside those it shares.
const TELLTALES: &[(Language, &str)] = &[
    (
        Language::English,
        "the of and to is that for with are was this on be as by it from not or have which at you \
         but they we an can has were will if would there their what when how who in a do i",
    ),
    (
        Language::Danish,
        "og at det som en er pa af av for med den ikke til har de om jeg var kan et vi men eller \
         fra sig hvor skal blev være vaere ble seg hva",
    ),
    (
        Language::Dutch,
        "de het een en van is dat op te in zijn niet voor met die er aan ook om als bij maar naar \
         uit wordt worden deze dit heeft ik je we hebben",
    ),
    (
        Language::Finnish,
        "ja on ei se etta oli ovat mutta kun han joka myos niin tai kuin ole jos sen tama mita \
         voi ollut",
    ),
    (
        Language::French,
        "le la les des et est une un dans pour que qui sur pas avec du au ce sont par plus nous \
         vous ne cette il elle aux ou mais comme ses leur en de d l je on",
    ),
    (
        Language::German,
        "der die das und ist nicht ein eine mit von zu den auf fur im dem sich des sind auch es \
         wird bei oder als wie nach noch aus uber wenn nur kann werden aber ich wir hat zum zur \
         einen einer am durch vom beim wurde",
    ),
    (
        Language::Hungarian,
        "az es hogy nem egy is meg van volt mint csak vagy de ez ha mar el kell minden",
    ),
    (
        Language::Italian,
        "il la di che e una un per non con del della in si sono da le dei nel gli anche come piu \
         alla questo lo i ma ha al delle",
    ),
    (
        Language::Polish,
        "i w nie na sie z do jest ze to jak o za co od po przez ale czy dla tego ktory sa oraz",
    ),
    (
        Language::Portuguese,
        "o a de que e do da em um uma para com nao os as no na por mais dos como se das foi ao \
         ele seu sua ou sao",
    ),
    (
        Language::Romanian,
        "si de in la un o cu pe nu este care din mai pentru sa ca sunt dar fi au prin",
    ),
    (
        Language::Spanish,
        "el la los las de y que en un una es por con para del se no su al como mas pero sus lo \
         este son ha esta o sin sobre",
    ),
    (
        Language::Swedish,
        "och att det som en ett pa ar av for med den inte till har de om jag var kan vi men \
         eller fran sig ska",
    ),
    (
        Language::Turkish,
        "ve bir bu da de icin ile cok olarak gibi daha olan kadar ne var degil ama sonra",
    ),
];

static BY_WORD: LazyLock<HashMap<&str, Vec<Language>>> = LazyLock::new(|| {
    let mut by_word: HashMap<&str, Vec<Language>> = HashMap::default();
    for (language, words) in TELLTALES {
        for word in words.split_whitespace() {
            by_word.entry(word).or_default().push(*language);
        }
    }
    by_word
});

/// Words of a text that are looked at; more would not change the answer.
const LOOKED_AT: usize = 100;
/// Telltales that it takes to believe in another language than English.
const FEWEST: usize = 2;

impl Language {
    /// Every language, English first.
    pub const ALL: [Self; 14] = [
        Self::English,
        Self::Danish,
        Self::Dutch,
        Self::Finnish,
        Self::French,
        Self::German,
        Self::Hungarian,
        Self::Italian,
        Self::Polish,
        Self::Portuguese,
        Self::Romanian,
        Self::Spanish,
        Self::Swedish,
        Self::Turkish,
    ];

    /// Its code in ISO 639-1.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Danish => "da",
            Self::Dutch => "nl",
            Self::Finnish => "fi",
            Self::French => "fr",
            Self::German => "de",
            Self::Hungarian => "hu",
            Self::Italian => "it",
            Self::Polish => "pl",
            Self::Portuguese => "pt",
            Self::Romanian => "ro",
            Self::Spanish => "es",
            Self::Swedish => "sv",
            Self::Turkish => "tr",
        }
    }

    /// The language of a code.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.code() == code)
    }

    /// The language that most of the small words are of. Who asks with a wrong guess still finds
    /// what he means, as long as the text is asked for in the same language: see
    /// [`super::Analyzer::wanted`].
    pub fn of(text: &str) -> Self {
        let mut counts = [0_usize; Self::ALL.len()];
        let mut folded = String::new();
        let words = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty());
        for word in words.take(LOOKED_AT) {
            // The longest telltale has six letters.
            if word.len() > 8 {
                continue;
            }
            folded.clear();
            super::fold::fold_into(word, &mut folded);
            for language in BY_WORD.get(folded.as_str()).into_iter().flatten() {
                counts[*language as usize] += 1;
            }
        }
        let english = counts[Self::English as usize];
        Self::ALL
            .into_iter()
            .max_by_key(|&language| (counts[language as usize], language == Self::English))
            .filter(|&language| {
                counts[language as usize] >= FEWEST && counts[language as usize] * 2 > english * 3
            })
            .unwrap_or(Self::English)
    }

    /// Whether it writes compounds as one word.
    pub(super) fn compounds(self) -> bool {
        matches!(
            self,
            Self::Danish
                | Self::Dutch
                | Self::Finnish
                | Self::German
                | Self::Hungarian
                | Self::Swedish
        )
    }

    fn algorithm(self) -> Algorithm {
        match self {
            Self::English => Algorithm::English,
            Self::Danish => Algorithm::Danish,
            Self::Dutch => Algorithm::Dutch,
            Self::Finnish => Algorithm::Finnish,
            Self::French => Algorithm::French,
            Self::German => Algorithm::German,
            Self::Hungarian => Algorithm::Hungarian,
            Self::Italian => Algorithm::Italian,
            Self::Polish => Algorithm::Polish,
            Self::Portuguese => Algorithm::Portuguese,
            Self::Romanian => Algorithm::Romanian,
            Self::Spanish => Algorithm::Spanish,
            Self::Swedish => Algorithm::Swedish,
            Self::Turkish => Algorithm::Turkish,
        }
    }
}

/// The stem of a folded word: by its script, for Latin letters by the language.
pub(super) fn stem(word: &str, language: Language) -> String {
    let algorithm = match word.chars().next() {
        Some('a'..='z' | '\u{e0}'..='\u{24f}') => language.algorithm(),
        Some('\u{400}'..='\u{4ff}') => Algorithm::Russian,
        Some('\u{370}'..='\u{3ff}') => Algorithm::Greek,
        Some('\u{620}'..='\u{64a}') => Algorithm::Arabic,
        Some('\u{b80}'..='\u{bff}') => Algorithm::Tamil,
        Some('\u{900}'..='\u{97f}') => Algorithm::Hindi,
        Some('\u{530}'..='\u{58f}') => Algorithm::Armenian,
        _ => return word.to_owned(),
    };
    let stem = Stemmer::create(algorithm).stem(word);
    if stem.is_empty() {
        return word.to_owned();
    }
    if stem.is_ascii() {
        return stem.into_owned();
    }
    // German gives back the umlauts that it sees in `ae`.
    super::fold::fold(&stem)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_words_tell_the_language() {
        for (text, language) in [
            ("Die Häuser am Fluss sind alt.", Language::German),
            (
                "# Rezept\n\nZwei Eier und Mehl in die Schüssel geben.",
                Language::German,
            ),
            ("La maison est grande et belle", Language::French),
            ("el perro corre por la calle", Language::Spanish),
            ("il gatto dorme sulla sedia della cucina", Language::Italian),
            (
                "o gato dorme na cadeira da cozinha e não acorda",
                Language::Portuguese,
            ),
            ("de kat slaapt op het bed van de buren", Language::Dutch),
            ("katten sover på sängen och det är bra", Language::Swedish),
            ("kissa nukkuu ja se on hyvä", Language::Finnish),
            ("kot nie jest na stole, to się zdarza", Language::Polish),
            (
                "Lift and drag of a swept wing in the wind tunnel.",
                Language::English,
            ),
            ("Meeting notes with Anna", Language::English),
            ("fn main() { let x = foo_bar(); }", Language::English),
            ("TODO: call bank, buy milk", Language::English),
            ("Книги и журналы", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::of(text), language, "{text}");
        }
    }

    #[test]
    fn codes_lead_back() {
        for language in Language::ALL {
            assert_eq!(Language::of_code(language.code()), Some(language));
            assert_eq!(Language::ALL[language as usize], language);
        }
        assert_eq!(Language::of_code("xx"), None);
    }

    #[test]
    fn stems_join_the_forms_of_a_word() {
        for (words, language) in [
            ("boundary boundaries", Language::English),
            ("haus hauser hausern haeuser", Language::German),
            ("versicherung versicherungen", Language::German),
            ("marz maerz", Language::German),
            ("книга книги книгой книг", Language::English),
            ("елка елки", Language::German),
        ] {
            let stems: Vec<String> = words.split(' ').map(|word| stem(word, language)).collect();
            assert!(stems.iter().all(|it| *it == stems[0]), "{stems:?}");
        }
        assert_eq!(stem("漢字", Language::English), "漢字");
    }

    proptest! {
        #[test]
        fn any_word_has_a_stem(word in "[a-zä-üа-яα-ω]{1,12}|\\PC{1,12}", place in 0..14_usize) {
            let folded = super::super::fold::fold(&word);
            let stem = stem(&folded, Language::ALL[place]);
            prop_assert!(folded.is_empty() || !stem.is_empty());
        }
    }
}
