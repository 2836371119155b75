//! Prompt templates, by model family. Backends receive finished text; nothing else in the daemon
//! knows a template.

pub mod qmd;

use sha2::{Digest, Sha256};

use super::backend::{ChatMarkup, ModelInfo, Sampling};

/// Raised when a template changes what vectors mean, so that stored ones count as stale.
const FORMAT_VERSION: u32 = 1;

/// How an embedding model wants its texts, and how long they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbedFormat {
    family: Family,
}

/// Families are told apart by the file's `general.name` and architecture, each normalised to
/// lower-case letters and digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// `task: search result | query: …` and `title: … | text: …`
    /// (Google, EmbeddingGemma model card, "Prompt instructions").
    EmbeddingGemma,
    /// `Instruct: …\nQuery: …`, documents bare (Qwen, Qwen3-Embedding model card).
    QwenEmbedding,
    /// `search_query: ` and `search_document: ` (Nomic, nomic-embed-text model card).
    Nomic,
    /// An instruction before queries only (BAAI, bge-*-en-v1.5 model card).
    BgeEnglish,
    /// `query: ` and `passage: ` (Microsoft, E5 model card).
    E5,
    /// No prompt at all: MiniLM, bge-m3, jina and whatever is not known.
    Plain,
}

impl EmbedFormat {
    /// The format of a loaded model.
    pub fn of(model: &ModelInfo) -> Self {
        let folded: String = [&model.name, &model.architecture]
            .into_iter()
            .flat_map(|text| text.chars())
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect();
        let has = |needle: &str| folded.contains(needle);
        let family = if has("embeddinggemma") || has("gemmaembedding") {
            Family::EmbeddingGemma
        } else if has("qwen") && has("embed") {
            Family::QwenEmbedding
        } else if has("nomic") {
            Family::Nomic
        } else if has("bge") && has("en") && !has("bgem3") {
            Family::BgeEnglish
        } else if has("e5base") || has("e5small") || has("e5large") {
            Family::E5
        } else {
            Family::Plain
        };
        Self { family }
    }

    /// A query, ready for the model.
    pub fn query(self, query: &str) -> String {
        match self.family {
            Family::EmbeddingGemma => format!("task: search result | query: {query}"),
            Family::QwenEmbedding => format!(
                "Instruct: Given a search query, retrieve relevant passages that answer the query\nQuery: {query}"
            ),
            Family::Nomic => format!("search_query: {query}"),
            Family::BgeEnglish => {
                format!("Represent this sentence for searching relevant passages: {query}")
            }
            Family::E5 => format!("query: {query}"),
            Family::Plain => query.to_owned(),
        }
    }

    /// A piece of a document, ready for the model. `title` may be empty.
    pub fn document(self, title: &str, text: &str) -> String {
        match self.family {
            Family::EmbeddingGemma => {
                let title = if title.is_empty() { "none" } else { title };
                format!("title: {title} | text: {text}")
            }
            Family::QwenEmbedding if !title.is_empty() => format!("{title}\n{text}"),
            Family::Nomic => format!("search_document: {text}"),
            Family::E5 => format!("passage: {text}"),
            Family::QwenEmbedding | Family::BgeEnglish | Family::Plain => text.to_owned(),
        }
    }

    /// Tokens a chunk should have at most, special tokens and prompt included: what the model was
    /// trained on, within its window.
    pub fn chunk_tokens(self, model: &ModelInfo) -> u32 {
        let trained = match self.family {
            // sentence-transformers caps MiniLM at 256; it takes 512 and does worse beyond.
            Family::Plain if model.context_tokens <= 512 => 256,
            Family::BgeEnglish | Family::E5 => 512,
            // QMD's chunk size.
            _ => 900,
        };
        trained.min(model.context_tokens)
    }
}

/// What stored vectors are keyed by: they compare only within one fingerprint. Covers the model
/// file, the prompt format and the chunker.
pub fn fingerprint(model: &ModelInfo, chunker_version: u32) -> String {
    let format = EmbedFormat::of(model);
    let mut hash = Sha256::new();
    hash.update(&model.sha256);
    for probe in [
        format.query("q"),
        format.document("t", "d"),
        format.document("", "d"),
    ] {
        hash.update([0]);
        hash.update(probe);
    }
    let sizes = (FORMAT_VERSION, chunker_version, format.chunk_tokens(model));
    hash.update(format!("{sizes:?}"));
    hex::encode(&hash.finalize()[..8])
}

/// The fingerprints of a model's vectors under every chunker so far: whichever it was, the vectors are
/// of this model.
pub fn fingerprints(model: &ModelInfo, chunker_version: u32) -> Vec<String> {
    (1..=chunker_version)
        .map(|version| fingerprint(model, version))
        .collect()
}

/// A reranking template cut at the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RerankFrame {
    /// Up to the document; the same for every candidate of a query.
    pub before: String,
    /// Behind the document.
    pub after: String,
}

/// The template of a decoder reranker.
pub fn rerank(architecture: &str, query: &str) -> RerankFrame {
    const TASK: &str = "Judge whether the Document meets the requirements based on the Query and \
                        the Instruct provided. Note that the answer can only be \"yes\" or \"no\".";
    const INSTRUCT: &str =
        "Given a web search query, retrieve relevant passages that answer the query";
    // Qwen3-Reranker's published format, which ends with an empty chain of thought; other instruct
    // models with ChatML markup get the same question without it.
    let thought = if architecture.starts_with("qwen3") {
        "<think>\n\n</think>\n\n"
    } else {
        ""
    };
    RerankFrame {
        before: format!(
            "<|im_start|>system\n{TASK}<|im_end|>\n<|im_start|>user\n<Instruct>: {INSTRUCT}\n\
             <Query>: {query}\n<Document>: "
        ),
        after: format!("<|im_end|>\n<|im_start|>assistant\n{thought}"),
    }
}

/// A finished expansion prompt with how to sample from it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpandPrompt {
    /// The text to continue.
    pub prompt: String,
    /// Grammar, temperature and limits.
    pub sampling: Sampling,
}

/// Whether a generator was trained to expand queries, as QMD's was.
pub fn is_for_expansion(model: &ModelInfo) -> bool {
    let name = model.name.to_lowercase();
    name.contains("query-expansion") || name.contains("query expansion")
}

/// The prompt that makes a generator expand a search query into `lex:`, `vec:` and `hyde:` lines.
///
/// QMD's fine-tuned model gets the prompt and the sampling it was trained with; other instruct
/// models are told what to do, by example, and are held to one line of each kind: small ones run
/// on otherwise.
pub fn expand(model: &ModelInfo, query: &str) -> ExpandPrompt {
    // The query is one line of the prompt, whatever the user typed.
    let query = query.split_whitespace().collect::<Vec<_>>().join(" ");
    let (instruction, grammar, max_tokens) = if is_for_expansion(model) {
        (
            format!("/no_think Expand this search query: {query}"),
            TUNED_GRAMMAR,
            600,
        )
    } else {
        (
            format!("{EXPAND_TASK}\n\nQuery: {query}"),
            PLAIN_GRAMMAR,
            160,
        )
    };
    ExpandPrompt {
        prompt: turn(model.chat, &instruction),
        sampling: Sampling {
            temperature: 0.7,
            top_k: 20,
            top_p: 0.8,
            presence_penalty: 0.5,
            // Equal queries expand equally.
            seed: 0,
            max_tokens,
            grammar: Some(grammar.into()),
        },
    }
}

const EXPAND_TASK: &str = "\
Rewrite a search query in three lines. `lex:` lists a few keywords and synonyms. `vec:` restates the \
query as one plain sentence. `hyde:` is one short sentence that a document answering it would contain.

Query: bike flat repair
lex: bicycle puncture tube patch
vec: how to repair a flat tire on a bicycle
hyde: To fix a flat tire, remove the inner tube, find the hole and glue a patch over it.";

/// Any number of typed lines.
const TUNED_GRAMMAR: &str = r#"root ::= line+
line ::= ("lex" | "vec" | "hyde") ": " [^\n]+ "\n""#;

/// One line of each kind, none of them long.
const PLAIN_GRAMMAR: &str = r#"root ::= "lex: " short "\n" "vec: " short "\n" "hyde: " long "\n"
short ::= [^\n]{3,120}
long ::= [^\n]{3,240}"#;

/// One user turn, and the opening of the answer.
fn turn(chat: ChatMarkup, text: &str) -> String {
    match chat {
        ChatMarkup::ChatMl => {
            format!("<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n")
        }
        ChatMarkup::Gemma => {
            format!("<start_of_turn>user\n{text}<end_of_turn>\n<start_of_turn>model\n")
        }
        ChatMarkup::Llama3 => format!(
            "<|start_header_id|>user<|end_header_id|>\n\n{text}<|eot_id|>\
             <|start_header_id|>assistant<|end_header_id|>\n\n"
        ),
        ChatMarkup::Plain => format!("{text}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, architecture: &str, context_tokens: u32) -> ModelInfo {
        ModelInfo {
            architecture: architecture.into(),
            name: name.into(),
            context_tokens,
            dimensions: 384,
            sha256: "ab".repeat(32),
            chat: ChatMarkup::Plain,
        }
    }

    #[test]
    fn families_are_recognised() {
        let family = |name, architecture| EmbedFormat::of(&model(name, architecture, 512)).family;
        assert_eq!(
            family("embeddinggemma-300M", "gemma-embedding"),
            Family::EmbeddingGemma
        );
        assert_eq!(
            family("Qwen3 Embedding 0.6B", "qwen3"),
            Family::QwenEmbedding
        );
        assert_eq!(family("nomic-embed-text-v1.5", "nomic-bert"), Family::Nomic);
        assert_eq!(family("bge-small-en-v1.5", "bert"), Family::BgeEnglish);
        assert_eq!(family("bge-m3", "bert"), Family::Plain);
        assert_eq!(family("multilingual-e5-small", "bert"), Family::E5);
        assert_eq!(family("all-MiniLM-L6-v2", "bert"), Family::Plain);
    }

    #[test]
    fn chunks_keep_to_what_the_model_learned() {
        let tokens = |name, architecture, context| {
            let model = model(name, architecture, context);
            EmbedFormat::of(&model).chunk_tokens(&model)
        };
        assert_eq!(tokens("all-MiniLM-L6-v2", "bert", 512), 256);
        assert_eq!(tokens("embeddinggemma-300M", "gemma-embedding", 2048), 900);
        assert_eq!(tokens("tiny", "bert", 128), 128);
    }

    #[test]
    fn the_fingerprint_follows_file_and_chunker() {
        let minilm = model("all-MiniLM-L6-v2", "bert", 512);
        let other = ModelInfo {
            sha256: "cd".repeat(32),
            ..minilm.clone()
        };
        assert_eq!(fingerprint(&minilm, 1), fingerprint(&minilm, 1));
        assert_ne!(fingerprint(&minilm, 1), fingerprint(&other, 1));
        assert_ne!(fingerprint(&minilm, 1), fingerprint(&minilm, 2));
    }
}
