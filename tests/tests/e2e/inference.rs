//! Inference over the API: reranking, expansion, streamed generation and embedding, what is
//! remembered, and models that come and go.

use anyhow::{Context, Result};
use qmd_proto::{
    Reason,
    v1::{
        EmbedKind, EmbedRequest, ExpandRequest, ExpansionKind, FinishReason, GenerateDone,
        GenerateRequest, LoadModelsRequest, ModelRole, ModelState, Priority, RerankRequest,
        StatusReply, StatusRequest, UnloadModelsRequest,
        control_service_client::ControlServiceClient, generate_event::Event,
        inference_service_client::InferenceServiceClient,
    },
};
use qmd_tests::{Daemon, Sandbox, calls::embed_request, models, wait};
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt;

/// The starter generator as a reranker. What it ranks has no meaning, so it is not probed.
fn reranking() -> Result<Daemon> {
    let generator = models::folder()?.join("smollm2-135m-instruct-q4_1.gguf");
    let generator = generator.to_str().context("the path is not UTF-8")?;
    let environment = [
        ("QMD_RERANK_MODEL", generator),
        ("QMDD_RERANK_PROBE", "0"),
        ("QMDD_CACHE_MB", "0"),
    ];
    let daemon = Daemon::start_with(Sandbox::with_models()?, environment)?;
    daemon.wait_for_model(ModelRole::Rerank)?;
    Ok(daemon)
}

fn generating() -> Result<Daemon> {
    let daemon = Daemon::start(Sandbox::with_models()?)?;
    daemon.wait_for_model(ModelRole::Generate)?;
    Ok(daemon)
}

async fn inference(daemon: &Daemon) -> Result<InferenceServiceClient<Channel>> {
    Ok(InferenceServiceClient::new(daemon.channel().await?))
}

async fn status(daemon: &Daemon) -> Result<StatusReply> {
    let mut control = ControlServiceClient::new(daemon.channel().await?);
    Ok(control.status(StatusRequest::default()).await?.into_inner())
}

fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_are_scored_in_order_and_equal_ones_equally() -> Result<()> {
    let daemon = reranking()?;
    let mut inference = inference(&daemon).await?;
    let long = "very long indeed ".repeat(2_000);
    let documents = ["a river", "bread is baked in an oven", "a river", "", &long];
    let request = RerankRequest {
        query: "how is bread made".into(),
        documents: documents.map(str::to_owned).to_vec(),
        ..RerankRequest::default()
    };
    let reply = inference.rerank(request.clone()).await?.into_inner();
    assert_eq!(reply.scores.len(), documents.len());
    assert!(reply.scores.iter().all(|score| (0.0..=1.0).contains(score)));
    assert_eq!(reply.scores[0].to_bits(), reply.scores[2].to_bits());
    assert_eq!(reply.cut, 1, "the long one was read up to the window");
    assert_eq!(reply.fingerprint.len(), 64);

    let again = inference.rerank(request).await?.into_inner();
    let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-3;
    assert!(reply.scores.iter().zip(&again.scores).all(close));

    let none = RerankRequest {
        query: "q".into(),
        ..RerankRequest::default()
    };
    assert!(inference.rerank(none).await?.into_inner().scores.is_empty());
    let endless = RerankRequest {
        query: long,
        documents: vec!["d".into()],
        ..RerankRequest::default()
    };
    let refused = inference.rerank(endless).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::InputTooLong.as_str());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generator_is_no_reranker_unless_told_so() -> Result<()> {
    let embedder = models::folder()?.join("all-minilm-l6-v2-q8_0.gguf");
    let embedder = embedder.to_str().context("the path is not UTF-8")?;
    let daemon = Daemon::start_with(Sandbox::with_models()?, [("QMD_RERANK_MODEL", embedder)])?;
    // An encoder without a rank head: whatever it scores is not relevance.
    let model = wait::until("the reranker to be refused", wait::LIMIT, || {
        let model = daemon.qmdctl(["status", "--format", "json"]).ok().json()["models"][1].clone();
        Ok((model["state"] == "failed").then_some(model))
    })?;
    assert_eq!(model["reason"], Reason::ModelCorrupt.as_str(), "{model}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn expansions_are_whole_lines_of_known_kinds() -> Result<()> {
    let daemon = generating()?;
    let mut inference = inference(&daemon).await?;
    let request = ExpandRequest {
        query: "how do I repair a flat tyre".into(),
        limit_ms: 60_000,
        ..ExpandRequest::default()
    };
    let reply = inference.expand(request.clone()).await?.into_inner();
    assert!(!reply.expansions.is_empty());
    for expansion in &reply.expansions {
        assert_ne!(expansion.kind(), ExpansionKind::Unspecified);
        assert!(!expansion.text.trim().is_empty() && !expansion.text.contains('\n'));
    }
    let again = inference.expand(request).await?.into_inner();
    assert_eq!(again, reply);
    let cache = status(&daemon).await?.cache.context("no cache")?;
    assert_eq!(cache.hits, 1, "the second came from the cache");

    let hurried = ExpandRequest {
        query: "something that was never asked before".into(),
        limit_ms: 1,
        ..ExpandRequest::default()
    };
    let refused = inference.expand(hurried).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::DeadlineExceeded.as_str());
    let empty = inference
        .expand(ExpandRequest::default())
        .await
        .unwrap_err();
    assert_eq!(reason(&empty), Reason::InvalidArgument.as_str());
    Ok(())
}

/// The whole text, the number of pieces, and how it ended.
async fn generate(
    inference: &mut InferenceServiceClient<Channel>,
    request: GenerateRequest,
) -> Result<(String, usize, GenerateDone), Status> {
    let mut events = inference.generate(request).await?.into_inner();
    let (mut text, mut pieces) = (String::new(), 0);
    loop {
        match events.message().await?.and_then(|event| event.event) {
            Some(Event::Piece(piece)) => {
                text.push_str(&piece);
                pieces += 1;
            }
            Some(Event::Done(done)) => return Ok((text, pieces, done)),
            None => return Err(Status::internal("no end")),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_streams_and_ends_for_a_reason() -> Result<()> {
    let daemon = generating()?;
    let mut inference = inference(&daemon).await?;
    let request = GenerateRequest {
        prompt: "Once upon a time".into(),
        max_tokens: Some(12),
        temperature: Some(0.0),
        ..GenerateRequest::default()
    };
    let (text, pieces, done) = generate(&mut inference, request.clone()).await?;
    assert_eq!(done.finish(), FinishReason::Length);
    assert_eq!(done.tokens, 12);
    assert!(pieces > 1 && !text.is_empty());

    let grammar = GenerateRequest {
        grammar: r#"root ::= "yes" | "no""#.into(),
        ..request.clone()
    };
    let (text, _, done) = generate(&mut inference, grammar).await?;
    assert_eq!(done.finish(), FinishReason::Stop);
    assert!(text == "yes" || text == "no", "{text:?}");

    let late = GenerateRequest {
        max_tokens: Some(1_500),
        // Nothing ends it but the time.
        grammar: r"root ::= [a-z ]+".into(),
        limit_ms: 300,
        ..request.clone()
    };
    let (_, _, done) = generate(&mut inference, late).await?;
    assert_eq!(done.finish(), FinishReason::Deadline);
    assert!(done.tokens < 1_500);

    for (request, expected) in [
        (
            GenerateRequest {
                grammar: "root ::= (".into(),
                ..request.clone()
            },
            Reason::InvalidArgument,
        ),
        (
            GenerateRequest {
                top_p: Some(7.0),
                ..request.clone()
            },
            Reason::InvalidArgument,
        ),
        (
            GenerateRequest {
                max_tokens: Some(1_000_000),
                ..request
            },
            Reason::InputTooLong,
        ),
    ] {
        let refused = generate(&mut inference, request).await.unwrap_err();
        assert_eq!(reason(&refused), expected.as_str(), "{refused}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_batches_gives_what_single_calls_give() -> Result<()> {
    let daemon = Daemon::with_models()?;
    let mut inference = inference(&daemon).await?;
    let batch = |texts: &[&str]| embed_request(texts, EmbedKind::Document, Priority::Bulk);
    // Too long to share a decode with others: the last digits would depend on whom it met there.
    let long = "three ".repeat(300);
    let batches = vec![batch(&["one", "two"]), batch(&[]), batch(&[&long])];
    let mut replies = inference
        .embed_stream(tokio_stream::iter(batches))
        .await?
        .into_inner();
    let mut sizes = Vec::new();
    let mut last = None;
    while let Some(reply) = replies.message().await? {
        sizes.push(reply.embeddings.len());
        last = reply.embeddings.into_iter().next();
    }
    assert_eq!(sizes, [2, 0, 1]);
    let single = inference.embed(batch(&[&long])).await?.into_inner();
    assert_eq!(last.as_ref(), single.embeddings.first());

    // A client may wait for each reply before it sends the next batch.
    let (batches, sent) = tokio::sync::mpsc::channel(1);
    batches.send(batch(&["one"])).await?;
    let sent = tokio_stream::wrappers::ReceiverStream::new(sent);
    let mut replies = inference.embed_stream(sent).await?.into_inner();
    for _ in 0..2 {
        let reply = replies.message().await?.context("no reply")?;
        assert_eq!(reply.embeddings.len(), 1);
        batches.send(batch(&["two"])).await?;
    }
    drop(batches);

    let nothing = inference
        .embed_stream(tokio_stream::iter(Vec::<EmbedRequest>::new()))
        .await?
        .into_inner()
        .message()
        .await
        .unwrap_err();
    assert_eq!(reason(&nothing), Reason::InvalidArgument.as_str());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_remembered_across_restarts() -> Result<()> {
    let sandbox = std::sync::Arc::new(Sandbox::with_models()?);
    let question = embed_request(&["a question"], EmbedKind::Query, Priority::Interactive);
    let mut vectors = Vec::new();
    for round in 0..2 {
        let daemon = Daemon::start(std::sync::Arc::clone(&sandbox))?;
        daemon.wait_for_model(ModelRole::Embed)?;
        let mut inference = inference(&daemon).await?;
        vectors.push(inference.embed(question.clone()).await?.into_inner());
        let cache = status(&daemon).await?.cache.context("no cache")?;
        assert_eq!((cache.hits, cache.entries), (round, 1));
        let _ = daemon.qmdctl(["daemon", "stop"]).ok();
        assert!(daemon.ended()?.success());
    }
    assert_eq!(vectors[0], vectors[1]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unloaded_model_comes_back_when_it_is_called() -> Result<()> {
    let daemon = Daemon::with_models()?;
    let mut control = ControlServiceClient::new(daemon.channel().await?);
    let roles = vec![ModelRole::Embed.into()];
    let request = UnloadModelsRequest {
        roles: roles.clone(),
    };
    let unloaded = control.unload_models(request).await?.into_inner().models;
    assert_eq!(unloaded[0].state(), ModelState::Unloaded);
    assert_eq!(unloaded[0].worker_pid, 0);

    // Eight callers at once wait for one load.
    let calls = (0..8).map(|number| {
        let text = format!("question {number}");
        let request = embed_request(&[&text], EmbedKind::Query, Priority::Interactive);
        let channel = daemon.channel();
        async move {
            let mut inference = InferenceServiceClient::new(channel.await?);
            anyhow::Ok(inference.embed(request).await?.into_inner())
        }
    });
    for reply in futures::future::join_all(calls).await {
        assert_eq!(reply?.embeddings.len(), 1);
    }
    let request = LoadModelsRequest { roles };
    let loaded = control.load_models(request).await?.into_inner().models;
    assert_eq!(loaded[0].state(), ModelState::Ready);
    assert!(loaded[0].device.contains("thread"));
    assert_eq!(loaded[0].restarts, 0, "sleep is no crash");

    let request = LoadModelsRequest {
        roles: vec![ModelRole::Rerank.into()],
    };
    let refused = control.load_models(request).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::ModelNotConfigured.as_str());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_nobody_keeps_alive_leaves() -> Result<()> {
    let daemon = Daemon::start_with(Sandbox::with_models()?, [("QMDD_KEEP_ALIVE", "0")])?;
    let unloaded = || {
        wait::until("the model to be unloaded", wait::LIMIT, || {
            let status = daemon.qmdctl(["status", "--format", "json"]).ok().json();
            Ok((status["models"][0]["state"] == "unloaded").then_some(()))
        })
    };
    unloaded()?;
    let mut inference = inference(&daemon).await?;
    let request = embed_request(&["a"], EmbedKind::Query, Priority::Interactive);
    let reply = inference.embed(request).await?.into_inner();
    assert_eq!(reply.embeddings.len(), 1);
    unloaded()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_memory_is_refused_with_numbers() -> Result<()> {
    let daemon = Daemon::start_with(Sandbox::with_models()?, [("QMDD_MEMORY_MB", "100")])?;
    // The embedder takes most of it; the generator is what does not fit beside it.
    let models = wait::until("the models to settle", wait::LIMIT, || {
        let models = daemon.qmdctl(["status", "--format", "json"]).ok().json()["models"].clone();
        let settled = models[0]["state"] == "ready" && models[2]["state"] == "failed";
        Ok(settled.then_some(models))
    })?;
    assert_eq!(models[2]["reason"], Reason::MemoryShort.as_str());
    let message = models[2]["message"].as_str().context("no message")?;
    assert!(message.contains("MiB of weights"), "{message}");
    let mut inference = inference(&daemon).await?;
    let request = embed_request(&["a"], EmbedKind::Query, Priority::Interactive);
    let reply = inference.embed(request).await?.into_inner();
    assert_eq!(reply.embeddings.len(), 1);
    let expand = ExpandRequest {
        query: "q".into(),
        ..ExpandRequest::default()
    };
    let refused = inference.expand(expand).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::MemoryShort.as_str());
    Ok(())
}

#[test]
fn the_doctor_finds_what_is_there_and_what_is_not() -> Result<()> {
    let daemon = Daemon::with_models()?;
    let checks = daemon
        .qmdctl(["doctor", "--quick", "--format", "json"])
        .ok()
        .json();
    let state = |name: &str| {
        let checks = checks.as_array().into_iter().flatten();
        checks
            .into_iter()
            .find(|check| check["name"] == name)
            .map(|check| check["state"].clone())
    };
    assert_eq!(state("embed model"), Some("ok".into()));
    assert_eq!(
        state("index"),
        Some("warning".into()),
        "it has no collection"
    );
    let measured = daemon.qmdctl(["doctor"]).ok();
    assert!(measured.stdout.contains("tokens/s"), "{}", measured.stdout);

    let bare = Daemon::start(Sandbox::new()?)?;
    let outcome = bare.qmdctl(["doctor", "--quick"]);
    let _ = outcome.fails(Reason::ModelMissing);
    Ok(())
}
