//! Streamed generation: limits of a request, and its events.

use std::time::Duration;

use qmd_proto::v1::{
    FinishReason, GenerateDone, GenerateEvent, GenerateRequest, generate_event::Event,
};
use tokio::sync::mpsc;
use tonic::Status;

use super::{
    App,
    status::{self, status},
    stream::Progress,
};
use crate::{
    domain::Role,
    infer::backend::{Call, Finish, Sampling},
};

/// Time that a generation may take unless the request says otherwise.
const LIMIT: Duration = Duration::from_secs(60);

/// How a request wants its text.
///
/// # Errors
/// When a number is out of its range.
pub(super) fn sampling(request: &GenerateRequest) -> Result<Sampling, Status> {
    let within = |name: &str, value: f32, low: f32, high: f32| {
        if (low..=high).contains(&value) {
            Ok(value)
        } else {
            Err(status::invalid(format!(
                "{name} is {value}, and must be from {low} to {high}"
            )))
        }
    };
    let top_k = request.top_k.unwrap_or(20);
    Ok(Sampling {
        temperature: within("temperature", request.temperature.unwrap_or(0.7), 0.0, 10.0)?,
        top_k: i32::try_from(top_k)
            .map_err(|_| status::invalid(format!("top_k is {top_k}, which is too large")))?,
        top_p: within("top_p", request.top_p.unwrap_or(0.8), 0.0, 1.0)?,
        presence_penalty: within(
            "presence_penalty",
            request.presence_penalty.unwrap_or(0.0),
            -10.0,
            10.0,
        )?,
        seed: request.seed,
        max_tokens: request.max_tokens.unwrap_or(256),
        grammar: Some(request.grammar.clone()).filter(|grammar| !grammar.is_empty()),
    })
}

/// Time that it may take.
pub(super) fn limit(request: &GenerateRequest) -> Duration {
    match request.limit_ms {
        0 => LIMIT,
        limit => Duration::from_millis(limit.into()),
    }
}

/// Generates, and passes the text on piece by piece. The last event is returned.
pub(super) async fn run(
    app: &App,
    prompt: String,
    sampling: Sampling,
    call: Call,
    progress: &Progress<GenerateEvent>,
) -> Result<GenerateEvent, Status> {
    let backend = app.backend();
    let model = backend
        .described(Role::Generate, &call)
        .await
        .map_err(|error| status(&error))?;
    let (pieces, mut heard) = mpsc::unbounded_channel();
    let passed_on = async {
        while let Some(piece) = heard.recv().await {
            let event = Some(Event::Piece(piece));
            progress.deliver(GenerateEvent { event }).await;
        }
    };
    let generated = backend.generate(prompt, sampling, Some(pieces), call);
    let (generation, ()) = tokio::join!(generated, passed_on);
    let generation = generation.map_err(|error| status(&error))?;
    let finish = match generation.finish {
        Finish::Stop => FinishReason::Stop,
        Finish::Length => FinishReason::Length,
        Finish::Deadline => FinishReason::Deadline,
    };
    Ok(GenerateEvent {
        event: Some(Event::Done(GenerateDone {
            finish: finish.into(),
            tokens: generation.tokens,
            fingerprint: model.sha256,
        })),
    })
}
