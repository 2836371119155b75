//! The prompts of QMD 2.5 to 2.8, by which the vectors in its index were made, and how it names them.

use sha2::{Digest, Sha256};

/// How QMD wants documents for a model. It goes by the model's name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QmdFormat {
    /// Qwen's embedding models; EmbeddingGemma's prompts are for all others.
    qwen: bool,
}

impl QmdFormat {
    /// The format of a model, named as in QMD's configuration.
    pub fn of(model: &str) -> Self {
        let name = model.to_ascii_lowercase();
        let in_order = |first: &str, then: &str| {
            let mut lines = name.lines();
            lines.any(|line| {
                let rest = line.split_once(first).map(|(_, rest)| rest);
                rest.is_some_and(|rest| rest.contains(then))
            })
        };
        Self {
            qwen: in_order("qwen", "embed") || in_order("embed", "qwen"),
        }
    }

    /// A piece of a document, as QMD gives it to the model.
    pub fn document(self, title: &str, text: &str) -> String {
        match (self.qwen, title) {
            (true, "") => text.to_owned(),
            (true, title) => format!("{title}\n{text}"),
            (false, "") => format!("title: none | text: {text}"),
            (false, title) => format!("title: {title} | text: {text}"),
        }
    }

    fn query(self, query: &str) -> String {
        if self.qwen {
            format!("Instruct: Retrieve relevant documents for the given query\nQuery: {query}")
        } else {
            format!("task: search result | query: {query}")
        }
    }
}

/// What QMD marks vectors with: prompts and sizes of chunks, by the model's name.
pub fn fingerprint(model: &str) -> String {
    let format = QmdFormat::of(model);
    let probe = |kind: &str| format!("__qmd_embedding_{kind}_probe__");
    let query = format.query(&probe("query"));
    let document = format.document(&probe("title"), &probe("document"));
    let text = format!(
        "model:{model}\nquery:{query}\ndoc:{document}\nchunk_tokens:900\nchunk_overlap_tokens:135"
    );
    hex::encode(&Sha256::digest(text)[..3])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As QMD 2.8.3 computes them.
    #[test]
    fn fingerprints_are_those_of_qmd() {
        for (model, expected) in [
            (
                "hf:ggml-org/embeddinggemma-300M-GGUF/embeddinggemma-300M-Q8_0.gguf",
                "c37385",
            ),
            (
                "hf:Qwen/Qwen3-Embedding-0.6B-GGUF/Qwen3-Embedding-0.6B-Q8_0.gguf",
                "3f4dfd",
            ),
            ("/m/Embed of QWEN.gguf", "5068c9"),
        ] {
            assert_eq!(fingerprint(model), expected, "{model}");
        }
    }

    #[test]
    fn a_document_is_written_as_qmd_does() {
        let gemma = QmdFormat::of("/m/all-MiniLM.gguf");
        assert_eq!(gemma.document("T", "x"), "title: T | text: x");
        assert_eq!(gemma.document("", "x"), "title: none | text: x");
        let qwen = QmdFormat::of("hf:Qwen/Qwen3-Embedding/x.gguf");
        assert_eq!(qwen.document("T", "x"), "T\nx");
        assert_eq!(qwen.document("", "x"), "x");
        assert_ne!(QmdFormat::of("hf:Qwen/Qwen3-0.6B/x.gguf"), qwen);
    }
}
