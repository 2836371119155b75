//! What a term of a query asks the index for.

use super::{
    Analyzer, Language, backwards, cut, flag,
    fold::normalize,
    folded_word, forwards, pairs, parts_of,
    split::{Compound, Piece, parts, pieces},
    stop::{is_abbreviation, is_stop_word},
};
use crate::text::query::Term;

/// Fewest letters of a word that is looked for inside of compounds.
const MIN_INSIDE: usize = 4;
/// What a form counts that only resembles the word: inside of a compound, or in pieces.
const LIKE: f64 = 0.5;

/// One thing that is looked for: a text that has any of its forms has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Want {
    /// Its forms, each of at least one token; the first is the word as it was typed.
    pub forms: Vec<Form>,
    /// Whether it says what the query is about. If any word of a query does, the others do not
    /// count.
    pub telling: bool,
}

/// Tokens that follow each other in a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// The tokens.
    pub tokens: Vec<String>,
    /// The last token may go on.
    pub prefix: bool,
    /// What a place where it stands counts, in (0, 1].
    pub weight: f64,
}

impl Form {
    fn new(tokens: Vec<String>, weight: f64) -> Self {
        Self {
            tokens,
            prefix: false,
            weight,
        }
    }

    fn word(token: String) -> Self {
        Self::new(vec![token], 1.0)
    }

    fn open(self, prefix: bool) -> Self {
        Self { prefix, ..self }
    }
}

impl Analyzer {
    /// What a term asks for, in an index whose texts are in `languages`. A word that hyphens tie
    /// asks for its words one by one; a name such as `a.b.c` or `foo_bar` is one thing.
    pub fn wanted(&mut self, term: &Term, languages: &[Language]) -> Vec<Want> {
        let text = normalize(&term.text);
        if term.phrase {
            return self
                .phrase(&text, term.prefix, languages)
                .into_iter()
                .collect();
        }
        let all: Vec<Piece> = pieces(&text).collect();
        let last = all.len().saturating_sub(1);
        let mut wants = Vec::new();
        for (place, piece) in all.into_iter().enumerate() {
            // The star stands after all of the term.
            let prefix = term.prefix && place == last;
            match piece {
                Piece::Unspaced(run) => wants.extend(of_run(&text[run])),
                Piece::Compound(compound) if is_natural(&text, &compound) && !prefix => {
                    wants.extend(self.words_of(&text, &compound, languages));
                }
                Piece::Compound(compound) => {
                    wants.push(self.name(&text, &compound, prefix, languages));
                }
            }
        }
        for want in &mut wants {
            distinct(&mut want.forms);
        }
        wants
    }

    /// What a text must not have for a term that is excluded: any of these.
    pub fn excluded(&mut self, term: &Term, languages: &[Language]) -> Vec<Form> {
        let mut wants = self.wanted(term, languages);
        // Several words are excluded only where they stand together.
        if wants.len() > 1 {
            let together = Term {
                phrase: true,
                ..term.clone()
            };
            wants = self.wanted(&together, languages);
        }
        let forms = wants.into_iter().flat_map(|want| want.forms);
        forms.filter(|form| form.weight > LIKE).collect()
    }

    /// All words of a text, one after the other.
    fn phrase(&mut self, text: &str, prefix: bool, languages: &[Language]) -> Option<Want> {
        let last = pieces(text).last()?;
        let mut forms = Vec::new();
        for &language in languages {
            let tokens = self.tokens(text, language, |_| ()).words;
            let mut tokens: Vec<String> = tokens.split(' ').map(str::to_owned).collect();
            match &last {
                // A run may go on in the text.
                Piece::Unspaced(run) => {
                    let single = pairs(&text[run.clone()]).nth(1).is_none();
                    if !single {
                        tokens.pop();
                    }
                    forms.push(Form::new(tokens, 1.0).open(single));
                }
                Piece::Compound(compound) => {
                    if prefix && let Some(word) = compound.words.last() {
                        // Stems may be shorter than what was typed, and longer.
                        let mut open = tokens.clone();
                        open.pop();
                        open.push(cut(&folded_word(text, word)).to_owned());
                        forms.push(Form::new(open, 1.0).open(true));
                    }
                    forms.push(Form::new(tokens, 1.0));
                }
            }
        }
        distinct(&mut forms);
        Some(Want {
            forms,
            telling: true,
        })
    }

    /// The words of a compound, one by one. Each also counts where all of it is written as one.
    fn words_of(&mut self, text: &str, compound: &Compound, languages: &[Language]) -> Vec<Want> {
        let mut wants = Vec::new();
        for word in &compound.words {
            let folded = folded_word(text, word);
            let mut forms = Vec::new();
            for &language in languages {
                let stem = self.stem(&folded, language).to_owned();
                if language.compounds() && stem.chars().count() >= MIN_INSIDE {
                    let ahead = Form::new(vec![forwards(&stem)], LIKE).open(true);
                    let behind = Form::new(vec![backwards(&stem)], LIKE).open(true);
                    forms.extend([Form::word(stem), ahead, behind]);
                } else {
                    forms.push(Form::word(stem));
                }
            }
            for &language in languages {
                let joined = self.compound(text, compound, language).joined;
                forms.extend(joined.map(Form::word));
            }
            let written = &text[word.runs[0].clone()];
            wants.push(Want {
                telling: !is_stop_word(&folded) || is_abbreviation(written),
                forms,
            });
        }
        wants
    }

    /// A compound as one thing: its words in their order, or written as one.
    fn name(
        &mut self,
        text: &str,
        compound: &Compound,
        prefix: bool,
        languages: &[Language],
    ) -> Want {
        let mut forms = Vec::new();
        for &language in languages {
            let analyzed = self.compound(text, compound, language);
            let mut words = Form::new(analyzed.words.clone(), 1.0);
            if compound.flag {
                let name = analyzed.joined.as_ref().or(analyzed.words.first());
                let name = flag(name.map_or("", |name| name));
                forms.push(Form::word(name).open(prefix));
                words.weight = LIKE;
            }
            if prefix {
                // Stems may be shorter than what was typed, and longer.
                let mut open = words.clone().open(true);
                if let (Some(last), Some(word)) = (open.tokens.last_mut(), compound.words.last()) {
                    cut(&folded_word(text, word)).clone_into(last);
                }
                forms.push(open);
            }
            forms.push(words);
            forms.extend(analyzed.joined.map(Form::word));
            // `foo_bar` may be written as two words.
            if let [word] = compound.words.as_slice()
                && word.suffix.is_empty()
                && word.runs.len() + parts(&text[word.runs[0].clone()]).len() > 2
                && !analyzed.parts.is_empty()
                && parts_of(text, word).iter().all(|part| part.len() > 1)
            {
                forms.push(Form::new(analyzed.parts, LIKE));
            }
        }
        distinct(&mut forms);
        let joined = forms.iter().find(|form| form.tokens.len() == 1);
        Want {
            telling: prefix
                || compound.flag
                || !joined.is_some_and(|form| is_stop_word(&form.tokens[0])),
            forms,
        }
    }
}

/// The pairs of a run; a single character is looked for wherever a pair begins with it.
fn of_run(run: &str) -> Vec<Want> {
    let mut tokens: Vec<&str> = pairs(run).collect();
    let single = tokens.len() == 1;
    if !single {
        tokens.pop();
    }
    tokens
        .into_iter()
        .map(|token| Want {
            forms: vec![Form::word(token.to_owned()).open(single)],
            telling: true,
        })
        .collect()
}

/// Whether a compound is of ordinary words, such as `wind-tunnel`, and no name.
fn is_natural(text: &str, compound: &Compound) -> bool {
    let single = compound.words.len() == 1;
    let ordinary = compound
        .words
        .iter()
        .all(|word| match word.runs.as_slice() {
            [run] => {
                let run = &text[run.clone()];
                word.suffix.is_empty()
                    && parts(run).len() == 1
                    && (single || (run.len() > 1 && run.chars().all(char::is_alphabetic)))
            }
            _ => false,
        });
    ordinary && compound.loose && !compound.flag && (!compound.path || compound.words.len() == 2)
}

/// Leaves out forms that an earlier one covers.
fn distinct(forms: &mut Vec<Form>) {
    let mut kept: Vec<Form> = Vec::with_capacity(forms.len());
    for form in forms.drain(..) {
        let covered = |it: &Form| it.tokens == form.tokens && (it.prefix || !form.prefix);
        if !kept.iter().any(covered) {
            kept.push(form);
        }
    }
    *forms = kept;
}
