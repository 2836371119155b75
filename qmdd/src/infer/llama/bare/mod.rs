//! What the engine is measured against: llama.cpp's loops with nothing around them.
//!
//! They share no code with the worker, so that a fault there cannot be in both; contexts and batches
//! are of the worker's form.

mod embed;
mod yes_no;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Result;
use llama_cpp_2::{
    llama_backend::LlamaBackend,
    model::{LlamaModel, params::LlamaModelParams},
    token::LlamaToken,
};
use serde::Deserialize;

/// Sequences of a batch, as in the worker.
const SEQUENCES: usize = 64;

/// What to run, and with what.
#[derive(Debug, Deserialize)]
struct Job {
    /// A GGUF file.
    model: PathBuf,
    threads: u32,
    work: Work,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Work {
    /// Vectors of texts.
    Embed(Vec<String>),
    /// Scores of prompts, each given as what stands before the document, the document, and what
    /// follows.
    YesNo(Vec<[String; 3]>),
}

/// Reads a job from standard input, runs it, and prints what it took as one line of JSON.
///
/// # Errors
/// When the job is none, or the model cannot be used for it.
pub fn run() -> Result<()> {
    let job: Job = serde_json::from_reader(io::stdin().lock())?;
    let mut backend = LlamaBackend::init()?;
    // A line for every decode otherwise.
    backend.void_logs();
    let model = LlamaModel::load_from_file(&backend, &job.model, &LlamaModelParams::default())?;
    let line = match job.work {
        Work::Embed(texts) => {
            serde_json::to_string(&embed::run(&backend, &model, job.threads, &texts)?)?
        }
        Work::YesNo(prompts) => {
            serde_json::to_string(&yes_no::run(&backend, &model, job.threads, &prompts)?)?
        }
    };
    writeln!(io::stdout(), "{line}")?;
    Ok(())
}

/// Cuts sequences into batches, in order; one that is over the limit goes alone.
fn pack(sequences: &[Vec<LlamaToken>], batch_tokens: usize) -> Vec<&[Vec<LlamaToken>]> {
    let mut batches = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (at, sequence) in sequences.iter().enumerate() {
        let full = tokens + sequence.len() > batch_tokens || at - start == SEQUENCES;
        if full && at > start {
            batches.push(&sequences[start..at]);
            (start, tokens) = (at, 0);
        }
        tokens += sequence.len();
    }
    if start < sequences.len() {
        batches.push(&sequences[start..]);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(lengths: &[usize]) -> Vec<usize> {
        let sequences: Vec<_> = lengths.iter().map(|&n| vec![LlamaToken(0); n]).collect();
        pack(&sequences, 10)
            .iter()
            .map(|batch| batch.len())
            .collect()
    }

    #[test]
    fn batches_keep_to_tokens_and_sequences() {
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[4, 6, 1, 20, 3]), [2, 1, 1, 1]);
        assert_eq!(sizes(&[0; 130]), [64, 64, 2]);
    }
}
