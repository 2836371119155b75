//! Code found by what its comment says of it: each documented function of a sample of files loses its
//! comment, whose first sentence is then the question. Chunks are cut along the grammar, and without
//! it, and ranked by the embedding model.

use std::{collections::BTreeMap, io::Write, ops::Range};

use anyhow::{Context, Result};
use qmd_proto::v1::{
    EmbedKind, ModelRole, TokenizeRequest, inference_service_client::InferenceServiceClient,
};
use qmd_tests::{Daemon, Random, Sandbox, calls};
use qmdd::text::{language::Language, segment::Kind, syntax};
use tonic::transport::Channel;

use super::{File, packed, pieces};

/// Files of the sample, and questions of one file at most.
const FILES: usize = 60;
const QUESTIONS_A_FILE: usize = 8;
/// Sizes of files taken, in bytes: with several chunks, and none that fills the sample alone.
const SIZES: Range<usize> = 3_000..16_000;
/// Words of a question, at least.
const MIN_WORDS: usize = 6;
/// Tokens of a chunk: MiniLM's.
const MAX_TOKENS: u32 = 254;
/// Pieces counted in one call.
const PIECES_A_CALL: usize = 512;

/// A function's question.
struct Question {
    text: String,
    file: usize,
    /// The function's bytes in the file without comments.
    function: Range<usize>,
}

/// A file without comments before its functions.
struct Bare {
    text: String,
    /// The first sentence of each, and where its function is.
    asked: Vec<(String, Range<usize>)>,
}

/// A chunk in the ranking.
struct Chunk {
    file: usize,
    bytes: Range<usize>,
    text: String,
}

pub(super) fn measure(out: &mut impl Write, files: &[File]) -> Result<()> {
    let (files, questions) = sample(files);
    if questions.is_empty() {
        writeln!(out, "no documented functions of Rust among the files")?;
        return Ok(());
    }
    tokio::runtime::Runtime::new()?.block_on(rank(out, &files, &questions))
}

async fn rank(out: &mut impl Write, files: &[File], questions: &[Question]) -> Result<()> {
    let daemon = Daemon::start(Sandbox::with_models()?)?;
    daemon.wait_for_model(ModelRole::Embed)?;
    let channel = daemon.channel().await?;
    let texts: Vec<String> = questions.iter().map(|it| it.text.clone()).collect();
    let asked = calls::vectors(&channel, &texts, EmbedKind::Query).await?;
    writeln!(
        out,
        "{} files of Rust, {} functions\n\n\
         | | chunks | tokens | function whole in one chunk | MRR@10 of it | of its file |\n\
         | --- | --- | --- | --- | --- | --- |",
        files.len(),
        questions.len()
    )?;
    for (name, grammars) in [("with the grammar", true), ("without", false)] {
        let chunks = chunks(&channel, files, grammars).await?;
        let texts: Vec<String> = chunks.iter().map(|chunk| chunk.text.clone()).collect();
        let vectors = calls::vectors(&channel, &texts, EmbedKind::Document).await?;
        let tokens: u64 = vectors.iter().map(|it| u64::from(it.tokens)).sum();
        let (mut found, mut file_found, mut whole) = (0.0, 0.0, 0);
        for (question, vector) in questions.iter().zip(&asked) {
            let dot = |at: &usize| -> f32 {
                let pairs = vectors[*at].values.iter().zip(&vector.values);
                pairs.map(|(a, b)| a * b).sum()
            };
            let mut order: Vec<usize> = (0..chunks.len()).collect();
            order.sort_by(|a, b| dot(b).total_cmp(&dot(a)));
            let rank = |hit: &dyn Fn(&Chunk) -> bool| {
                let rank = order.iter().take(10).position(|at| hit(&chunks[*at]));
                rank.map_or(0.0, |rank| 1.0 / (rank + 1) as f64)
            };
            let holds = |chunk: &Chunk| chunk.file == question.file && holds_most(chunk, question);
            found += rank(&holds);
            file_found += rank(&|chunk| chunk.file == question.file);
            let function = &question.function;
            let entire = |chunk: &Chunk| {
                chunk.file == question.file
                    && chunk.bytes.start <= function.start
                    && chunk.bytes.end >= function.end
            };
            whole += usize::from(chunks.iter().any(entire));
        }
        let count = questions.len() as f64;
        writeln!(
            out,
            "| {name} | {} | {tokens} | {:.1} % | {:.3} | {:.3} |",
            chunks.len(),
            100.0 * whole as f64 / count,
            found / count,
            file_found / count
        )?;
    }
    Ok(())
}

/// Whether a chunk shows the function: its beginning, and half of what a chunk can hold of it.
fn holds_most(chunk: &Chunk, question: &Question) -> bool {
    let function = &question.function;
    let shared = function
        .end
        .min(chunk.bytes.end)
        .saturating_sub(function.start);
    chunk.bytes.contains(&function.start) && 2 * shared >= function.len().min(chunk.bytes.len())
}

/// Files without the comments of their functions, and the questions.
fn sample(files: &[File]) -> (Vec<File>, Vec<Question>) {
    let mut candidates: Vec<&File> = files
        .iter()
        .filter(|file| file.kind == Kind::Code(Language::Rust) && SIZES.contains(&file.text.len()))
        .collect();
    Random::new(7).shuffle(&mut candidates);
    let (mut kept, mut questions) = (Vec::new(), Vec::new());
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for file in candidates {
        let Some(Bare { text, asked: found }) = without_comments(&file.text) else {
            continue;
        };
        let at = kept.len();
        for (question, function) in found.into_iter().take(QUESTIONS_A_FILE) {
            *asked.entry(question.clone()).or_default() += 1;
            questions.push(Question {
                text: question,
                file: at,
                function,
            });
        }
        kept.push(File {
            path: file.path.clone(),
            kind: file.kind,
            text,
        });
        if kept.len() == FILES {
            break;
        }
    }
    // What several functions say of themselves has no one answer.
    questions.retain(|question| asked[&question.text] == 1);
    (kept, questions)
}

/// Takes the comments away; `None` when no function has one that says enough.
fn without_comments(text: &str) -> Option<Bare> {
    let syntax = syntax::parse(text, Language::Rust)?;
    let mut bare = String::new();
    let mut found = Vec::new();
    let mut taken = 0;
    for item in syntax.items {
        let lines = &text[item.bytes.clone()];
        let comment: usize = lines
            .split_inclusive('\n')
            .take_while(|line| line.trim_start().starts_with("///"))
            .map(str::len)
            .sum();
        if !item.name.starts_with("fn ") || comment == 0 || item.bytes.start < taken {
            continue;
        }
        bare.push_str(&text[taken..item.bytes.start]);
        let start = bare.len();
        bare.push_str(&lines[comment..]);
        taken = item.bytes.end;
        if let Some(question) = sentence(&lines[..comment]) {
            found.push((question, start..bare.len()));
        }
    }
    bare.push_str(&text[taken..]);
    (!found.is_empty()).then_some(Bare {
        text: bare,
        asked: found,
    })
}

/// The first sentence of a comment, if it says enough.
fn sentence(comment: &str) -> Option<String> {
    let words = comment
        .lines()
        .map(|line| line.trim().trim_start_matches('/').trim())
        .take_while(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let sentence = words.split(". ").next()?.trim_end_matches('.').to_owned();
    (sentence.split_whitespace().count() >= MIN_WORDS).then_some(sentence)
}

/// The chunks of all files, sized by the model's own tokens.
async fn chunks(channel: &Channel, files: &[File], grammars: bool) -> Result<Vec<Chunk>> {
    let mut chunks = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let segments = pieces(file, grammars);
        let texts = segments
            .pieces
            .iter()
            .map(|it| file.text[it.bytes.clone()].to_owned());
        let tokens = count(channel, texts.collect()).await?;
        for chunk in packed(&file.text, &segments, &tokens, MAX_TOKENS) {
            let bytes = chunk.span.bytes;
            chunks.push(Chunk {
                file: at,
                text: file.text[bytes.clone()].to_owned(),
                bytes,
            });
        }
    }
    Ok(chunks)
}

async fn count(channel: &Channel, texts: Vec<String>) -> Result<Vec<u32>> {
    let mut client = InferenceServiceClient::new(channel.clone());
    let mut counts = Vec::with_capacity(texts.len());
    for texts in texts.chunks(PIECES_A_CALL) {
        let request = TokenizeRequest {
            texts: texts.to_vec(),
            role: ModelRole::Embed.into(),
            add_special: false,
        };
        let reply = client
            .tokenize(request)
            .await
            .context("tokenize")?
            .into_inner();
        counts.extend(reply.items.iter().map(|item| item.ids.len() as u32));
    }
    Ok(counts)
}
