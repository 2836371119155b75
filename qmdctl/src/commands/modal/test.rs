//! `modal test`: every model does a little work, through the daemon, and what it answers is checked.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use qmd_proto::{
    Reason,
    v1::{
        EmbedInput, EmbedKind, EmbedRequest, GenerateRequest, ModelRole, PingModalReply,
        PingModalRequest, RerankRequest, StatusRequest, generate_event::Event,
    },
};
use serde::Deserialize;

use crate::{
    cli::Format,
    client::{Client, Home},
    error::{Error, Failure, Result},
    render::{self, Screen},
};

/// Vectors of a model that is known, computed in float32 by another implementation.
const GOLDEN: &str = include_str!("../../../../modal/tests/minilm_golden.json");
/// SHA-256 of the model file they are of: the starter profile's.
const GOLDEN_MODEL: &str = "995351f09a1f55dd4513cdb0531b724c12fb64ee2176913abba21ad025f18f2a";
/// Least cosine between a vector and its golden one.
const LEAST_COSINE: f64 = 0.999;

/// Calls that are timed after the first one, which may have to wait for a container.
const WARM_CALLS: usize = 5;

const QUESTION: &str = "how is bread baked";
const ANSWER: &str = "Bread is baked in a hot oven until its crust is brown.";
const OTHER: &str = "The train to Lisbon leaves in the evening.";

/// What came of one thing that was tried.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trial {
    /// What was tried.
    pub(crate) name: &'static str,
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// More about it.
    pub(crate) detail: String,
    /// How long it took.
    pub(crate) elapsed: Option<Duration>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was right.
    Passed,
    /// It was wrong, or did not work.
    Failed,
    /// There was nothing to try.
    Skipped,
}

pub(in crate::commands) async fn run(home: &Home, screen: Screen) -> Result<()> {
    let client = home.connect().await?;
    check_backend(home, &client).await?;
    let ping = PingModalRequest {
        index: home.named_index(),
        ..PingModalRequest::default()
    };
    // The first call wakes it; what it is can be asked then.
    let woken = embed(&client, &[unique(0)], EmbedKind::Query).await;
    let pong = client.control().ping_modal(ping).await?.into_inner();
    let mut trials = vec![trial(
        "embed",
        woken.map(|(_, elapsed)| (String::new(), elapsed)),
    )];
    trials.push(latency(&client).await);
    trials.push(parity(&client, &pong).await);
    trials.push(meaning(&client).await);
    trials.push(generate(&client, has(&pong, ModelRole::Generate)).await);
    trials.push(rerank(&client, has(&pong, ModelRole::Rerank)).await);
    match screen.format() {
        Format::Cli => Screen::print(&render::trials(&trials))?,
        Format::Json => Screen::print(&render::trials_json(&trials)?)?,
    }
    let failed: Vec<&str> = trials
        .iter()
        .filter(|trial| trial.outcome == Outcome::Failed)
        .map(|trial| trial.name)
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    let message = format!("the deployment did not pass: {}", failed.join(", "));
    Err(Failure::new(Reason::ModalTestFailed, message)
        .hint("see `qmdctl modal logs`")
        .into())
}

/// The test is of the remote end, not of this machine's models.
async fn check_backend(home: &Home, client: &Client) -> Result<()> {
    let request = StatusRequest {
        index: home.named_index(),
    };
    let status = client.control().status(request).await?.into_inner();
    let backend = status
        .daemon
        .map(|daemon| daemon.backend)
        .unwrap_or_default();
    if backend == "modal" {
        return Ok(());
    }
    Err(Failure::new(
        Reason::ModalNotDeployed,
        format!("the daemon's inference is {backend}, not modal"),
    )
    .hint("run `qmdctl modal deploy`")
    .into())
}

fn has(pong: &PingModalReply, role: ModelRole) -> bool {
    pong.models.iter().any(|model| model.role() == role)
}

/// A trial that passed when nothing went wrong.
fn trial(name: &'static str, result: Result<(String, Duration)>) -> Trial {
    match result {
        Ok((detail, elapsed)) => Trial {
            name,
            outcome: Outcome::Passed,
            detail,
            elapsed: Some(elapsed),
        },
        Err(error) => Trial {
            name,
            outcome: Outcome::Failed,
            detail: match error {
                Error::Failed(failure) => format!("{} ({})", failure.message, failure.reason),
                Error::BrokenPipe | Error::Interrupted => "interrupted".to_owned(),
            },
            elapsed: None,
        },
    }
}

fn skipped(name: &'static str, why: &str) -> Trial {
    Trial {
        name,
        outcome: Outcome::Skipped,
        detail: why.to_owned(),
        elapsed: None,
    }
}

/// A text that no cache has.
fn unique(number: usize) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("test {number} at {}", now.as_nanos())
}

async fn embed(
    client: &Client,
    texts: &[String],
    kind: EmbedKind,
) -> Result<(Vec<Vec<f32>>, Duration)> {
    let input = |text: &String| EmbedInput {
        text: text.clone(),
        title: String::new(),
    };
    let request = EmbedRequest {
        inputs: texts.iter().map(input).collect(),
        kind: kind.into(),
        ..EmbedRequest::default()
    };
    let begin = Instant::now();
    let reply = client.inference().embed(request).await?.into_inner();
    let elapsed = begin.elapsed();
    if reply.embeddings.len() != texts.len() {
        return Err(wrong("it gave another number of vectors than of texts").into());
    }
    let vectors = reply
        .embeddings
        .into_iter()
        .map(|embedding| embedding.values);
    Ok((vectors.collect(), elapsed))
}

fn wrong(message: impl Into<String>) -> Failure {
    Failure::new(Reason::ModalTestFailed, message)
}

/// What a query pays once the deployment is up: the median of some.
async fn latency(client: &Client) -> Trial {
    let mut times = Vec::new();
    for number in 1..=WARM_CALLS {
        match embed(client, &[unique(number)], EmbedKind::Query).await {
            Ok((_, elapsed)) => times.push(elapsed),
            Err(error) => return trial("latency", Err(error)),
        }
    }
    times.sort();
    let detail = format!("median of {WARM_CALLS} queries");
    trial("latency", Ok((detail, times[WARM_CALLS / 2])))
}

#[derive(Deserialize)]
struct Golden {
    texts: Vec<GoldenText>,
}

#[derive(Deserialize)]
struct GoldenText {
    text: String,
    embedding: Vec<f32>,
}

/// Vectors against golden ones, for the model there are some of.
async fn parity(client: &Client, pong: &PingModalReply) -> Trial {
    let known = pong
        .models
        .iter()
        .any(|model| model.role() == ModelRole::Embed && model.sha256 == GOLDEN_MODEL);
    if !known {
        return skipped(
            "parity",
            "no golden values are known of this embedding model",
        );
    }
    trial("parity", against_golden(client).await)
}

async fn against_golden(client: &Client) -> Result<(String, Duration)> {
    let golden: Golden = serde_json::from_str(GOLDEN)
        .map_err(|error| Failure::internal(format!("the golden values: {error}")))?;
    let texts: Vec<String> = golden
        .texts
        .iter()
        .map(|golden| golden.text.clone())
        .collect();
    let (vectors, elapsed) = embed(client, &texts, EmbedKind::Query).await?;
    let least = golden
        .texts
        .iter()
        .zip(&vectors)
        .map(|(golden, vector)| cosine(&golden.embedding, vector))
        .fold(f64::INFINITY, f64::min);
    if least < LEAST_COSINE {
        return Err(wrong(format!("a cosine of {least:.4} to its golden vector")).into());
    }
    Ok((
        format!("cosine of {least:.4} or more to golden vectors"),
        elapsed,
    ))
}

/// A question must be nearer to its answer than to another text, whatever the model.
async fn meaning(client: &Client) -> Trial {
    let near = async {
        let (query, took) = embed(client, &[QUESTION.to_owned()], EmbedKind::Query).await?;
        let texts = [ANSWER.to_owned(), OTHER.to_owned()];
        let (documents, more) = embed(client, &texts, EmbedKind::Document).await?;
        let [answer, other] = [0, 1].map(|at| cosine(&query[0], &documents[at]));
        if answer <= other {
            return Err(wrong(format!("answer {answer:.3}, other text {other:.3}")).into());
        }
        Ok((
            format!("answer {answer:.3}, other text {other:.3}"),
            took + more,
        ))
    };
    trial("meaning", near.await)
}

async fn generate(client: &Client, configured: bool) -> Trial {
    if !configured {
        return skipped("generate", "no generator is deployed");
    }
    trial("generate", generated(client).await)
}

async fn generated(client: &Client) -> Result<(String, Duration)> {
    let request = GenerateRequest {
        prompt: format!("{}: once upon a time", unique(0)),
        max_tokens: Some(16),
        temperature: Some(0.0),
        ..GenerateRequest::default()
    };
    let begin = Instant::now();
    let mut events = client.inference().generate(request).await?.into_inner();
    let mut tokens = 0;
    while let Some(event) = events.message().await? {
        if let Some(Event::Done(done)) = event.event {
            tokens = done.tokens;
        }
    }
    if tokens == 0 {
        return Err(wrong("it generated nothing").into());
    }
    Ok((render::count(tokens.into(), "token"), begin.elapsed()))
}

async fn rerank(client: &Client, configured: bool) -> Trial {
    if !configured {
        return skipped("rerank", "no reranker is deployed");
    }
    trial("rerank", reranked(client).await)
}

/// A reranker without its head scores everything alike, and near zero.
async fn reranked(client: &Client) -> Result<(String, Duration)> {
    let request = RerankRequest {
        query: format!("{QUESTION} ({})", unique(0)),
        documents: vec![OTHER.to_owned(), ANSWER.to_owned()],
        ..RerankRequest::default()
    };
    let begin = Instant::now();
    let reply = client.inference().rerank(request).await?.into_inner();
    let elapsed = begin.elapsed();
    let [other, answer] = reply.scores[..] else {
        return Err(wrong("it gave another number of scores than of texts").into());
    };
    let detail = format!("answer {answer:.3}, other text {other:.3}");
    if answer <= other {
        return Err(wrong(detail).into());
    }
    Ok((detail, elapsed))
}

/// The cosine of two vectors; 0 when they do not fit each other.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() {
        return 0.0;
    }
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum()
    };
    let length = (dot(a, a) * dot(b, b)).sqrt();
    if length > 0.0 {
        dot(a, b) / length
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_values_parse_and_are_of_unit_length() {
        let golden: Golden = serde_json::from_str(GOLDEN).unwrap();
        assert!(!golden.texts.is_empty());
        for text in &golden.texts {
            assert!((cosine(&text.embedding, &text.embedding) - 1.0).abs() < 1e-9);
        }
        assert!(cosine(&[1.0, 0.0], &[0.0, 1.0]).abs() < 1e-9);
        assert!(cosine(&[1.0], &[1.0, 0.0]).abs() < 1e-9);
    }
}
