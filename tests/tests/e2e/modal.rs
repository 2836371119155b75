//! Inference at the remote end: a real daemon, the real gateway, and behind it a stand-in for
//! llama-server where the model does not matter, the real one where it does.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use qmd_proto::{
    Reason,
    v1::{
        DetokenizeRequest, EmbedReply, ModelRole, Priority, RerankRequest, TokenIds,
        TokenizeRequest, inference_service_client::InferenceServiceClient,
    },
};
use qmd_tests::{Daemon, Gateway, Outcome, Random, Remote, Sandbox, calls, corpus, models};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tonic::transport::Channel;

/// Has a home's daemon go to a gateway.
fn point(sandbox: &Sandbox, url: &str) -> Result<()> {
    let folder = sandbox.dirs().config;
    fs::create_dir_all(&folder)?;
    let config = format!("modal:\n  inference: true\n  url: {url}\n");
    Ok(fs::write(folder.join("index.yml"), config)?)
}

/// A home with three notes, and a gateway with tiny models for it.
fn tiny() -> Result<(Arc<Sandbox>, Remote, PathBuf)> {
    let sandbox = Sandbox::new()?;
    let notes = sandbox.join("notes");
    fs::create_dir(&notes)?;
    for (name, text) in [
        ("walrus", "# Walrus\n\nA walrus has two long tusks.\n"),
        ("heron", "# Heron\n\nThe heron stands in the reeds.\n"),
        ("empty", "# Nothing\n"),
    ] {
        fs::write(notes.join(format!("{name}.md")), text)?;
    }
    let remote = Remote::tiny(&sandbox.join("models"), "Tiny")?;
    Ok((Arc::new(sandbox), remote, notes))
}

fn status(daemon: &Daemon) -> Value {
    daemon.qmdctl(["status", "--format", "json"]).ok().json()
}

fn points_to_status(outcome: &Outcome) {
    assert!(
        outcome.stderr.contains("`qmdctl modal status`"),
        "{outcome}"
    );
}

#[test]
fn the_whole_path_goes_through_the_gateway_and_nothing_falls_back() -> Result<()> {
    let (sandbox, remote, notes) = tiny()?;
    let log = sandbox.join("gateway.log");
    let gateway = Gateway::start(&remote, 0, &log)?;
    let (url, port) = (gateway.url.clone(), gateway.port);
    point(&sandbox, &url)?;
    let daemon = Daemon::start(Arc::clone(&sandbox))?;
    let notes = notes.to_str().context("the path is not UTF-8")?;
    let _ = daemon
        .qmdctl(["collection", "add", notes, "--name", "notes"])
        .ok();
    let _ = daemon.qmdctl(["update"]).ok();
    let before = status(&daemon);
    assert_eq!(before["daemon"]["backend"], "modal", "{before}");
    assert_eq!(before["models"][0]["state"], "unloaded", "update woke it");

    let _ = daemon.qmdctl(["embed"]).ok();
    let after = status(&daemon);
    assert_eq!(after["models"][0]["state"], "ready");
    assert_eq!(after["models"][0]["name"], "Tiny");
    let device = after["models"][0]["device"].as_str().unwrap_or_default();
    assert!(device.starts_with("Modal T4, last answer in"), "{device}");
    assert_eq!(after["index"]["pendingEmbedding"], 0);
    let found = daemon.qmdctl(["query", "walrus", "--strict"]).ok();
    assert!(found.stdout.contains("walrus.md"), "{found}");
    let _ = daemon.qmdctl(["vsearch", "tusks"]).ok();

    // Gone: the words still find, and what is off is said.
    gateway.stop()?;
    points_to_status(
        &daemon
            .qmdctl(["vsearch", "a new question"])
            .fails(Reason::RemoteUnreachable),
    );
    let partial = daemon.qmdctl(["query", "walrus tusks"]).ok();
    assert!(partial.stdout.contains("walrus.md"), "{partial}");
    assert!(partial.stderr.contains("REMOTE_UNREACHABLE"), "{partial}");
    points_to_status(&partial);
    let lexical = daemon.qmdctl(["search", "walrus"]).ok();
    assert!(lexical.stderr.is_empty(), "{lexical}");
    let failed = status(&daemon);
    assert_eq!(failed["models"][0]["reason"], "REMOTE_UNREACHABLE");

    // Back, with other models: not one vector is mixed.
    let others = Remote::tiny(&sandbox.join("others"), "Other")?;
    let _gateway = Gateway::start(&others, port, &log)?;
    fs::write(sandbox.join("notes/new.md"), "# New\n\nAn otter swims.\n")?;
    let _ = daemon.qmdctl(["update"]).ok();
    let refused = daemon.qmdctl(["embed"]).fails(Reason::ModelsDiffer);
    assert!(refused.stderr.contains("not the same models"), "{refused}");
    let _ = daemon
        .qmdctl(["vsearch", "otter"])
        .fails(Reason::ModelsDiffer);
    assert_eq!(status(&daemon)["index"]["vectors"], 0, "of the new model");
    let _ = daemon.qmdctl(["embed", "--force"]).ok();
    let _ = daemon.qmdctl(["query", "otter", "--strict"]).ok();
    Ok(())
}

#[test]
fn what_is_missing_is_told_at_once_and_a_change_of_backend_counts_at_once() -> Result<()> {
    let sandbox = Arc::new(Sandbox::new()?);
    let config = sandbox.dirs().config.join("index.yml");
    fs::create_dir_all(sandbox.dirs().config)?;
    fs::write(&config, "modal: {inference: true}\n")?;
    let daemon = Daemon::start(Arc::clone(&sandbox))?;
    let models = status(&daemon)["models"].clone();
    assert_eq!(models[0]["reason"], "CONFIG_INVALID", "{models}");
    let message = models[0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("modal.url is not set"), "{message}");

    // Asks for the models anew, with the configuration as it is now.
    let load = || daemon.qmdctl(["models", "load", "embed"]);
    fs::remove_file(&config)?;
    let here = load();
    assert_ne!(here.code, Some(0), "there is no model here: {here}");
    assert_ne!(status(&daemon)["daemon"]["backend"], "modal");
    let remote = Remote::tiny(&sandbox.join("models"), "Tiny")?;
    let gateway = Gateway::start(&remote, 0, &sandbox.join("gateway.log"))?;
    point(&sandbox, &gateway.url)?;
    let _ = load().ok();
    let after = status(&daemon);
    assert_eq!(after["daemon"]["backend"], "modal");
    assert_eq!(after["models"][0]["name"], "Tiny");
    point(&sandbox, "http://127.0.0.1:9")?;
    points_to_status(&load().fails(Reason::RemoteUnreachable));
    Ok(())
}

async fn inference(daemon: &Daemon) -> Result<InferenceServiceClient<Channel>> {
    let client = InferenceServiceClient::new(daemon.channel().await?);
    Ok(client.max_decoding_message_size(64 << 20))
}

async fn embed(daemon: &Daemon, texts: &[String], priority: Priority) -> Result<EmbedReply> {
    Ok(calls::documents(&daemon.channel().await?, texts, priority).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_llama_server_killed_in_the_middle_is_waited_for() -> Result<()> {
    let (sandbox, remote, _) = tiny()?;
    let gateway = Gateway::start(&remote, 0, &sandbox.join("gateway.log"))?;
    point(&sandbox, &gateway.url)?;
    let daemon = Daemon::start(Arc::clone(&sandbox))?;
    let children = gateway.children()?;
    ensure!(children.len() == 3, "{children:?}");
    let calls = (0..60).map(|number| {
        let (daemon, children) = (&daemon, &children);
        async move {
            if number == 20 {
                for child in children {
                    let pid = Pid::from_raw(*child).context("no process id")?;
                    kill_process(pid, Signal::KILL)?;
                }
            }
            let texts = [format!("text {number}")];
            embed(daemon, &texts, Priority::Bulk).await
        }
    });
    for reply in join_all(calls).await {
        assert_eq!(reply?.embeddings.len(), 1);
    }
    // None is left of the old ones, and each has a successor.
    let renewed = gateway.children()?;
    assert_eq!(renewed.len(), 3);
    assert!(renewed.iter().all(|child| !children.contains(child)));
    Ok(())
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Strings of all kinds, the same in every run.
fn strings() -> Vec<String> {
    const LETTERS: [&str; 16] = [
        "a",
        "B",
        "ß",
        " ",
        "\n",
        "7",
        "-",
        "'s",
        "漢",
        "かな",
        "한",
        "🙂",
        "👩‍👩‍👧",
        "é",
        "\u{0}",
        "[SEP]",
    ];
    let mut random = Random::new(5);
    let mut string = || {
        let length = random.below(60);
        (0..length).map(|_| LETTERS[random.below(16)]).collect()
    };
    let mut strings: Vec<String> = (0..998).map(|_| string()).collect();
    strings.push(String::new());
    strings.push("lorem 漢字 🙂 ".repeat(100_000 / 18));
    strings
}

#[tokio::test(flavor = "multi_thread")]
async fn the_remote_end_gives_what_this_machine_gives() -> Result<()> {
    let sandbox = Sandbox::new()?;
    // Floats: with 4-bit weights the scores move with the shape of a batch.
    let reranker = sandbox.join("reranker.gguf");
    let Some(remote) = Remote::real(&reranker)? else {
        return Ok(());
    };
    models::floats(&reranker)?;
    let gateway = Gateway::start(&remote, 0, &sandbox.join("gateway.log"))?;
    point(&sandbox, &gateway.url)?;
    let there = Daemon::start_with(sandbox, [("QMDD_CACHE_MB", "0")])?;
    let reranker = reranker.to_str().context("the path is not UTF-8")?;
    let environment = [
        ("QMD_RERANK_MODEL", reranker),
        ("QMDD_RERANK_PROBE", "0"),
        ("QMDD_CACHE_MB", "0"),
    ];
    let here = Daemon::start_here(Sandbox::with_models()?, environment)?;
    for role in [ModelRole::Embed, ModelRole::Rerank, ModelRole::Generate] {
        here.wait_for_model(role)?;
    }

    let mut texts = Vec::new();
    for question in corpus::questions()? {
        let document = fs::read_to_string(corpus::folder().join(&question.document))?;
        texts.push(document.chars().take(800).collect());
        texts.push(question.query);
    }
    let (near, far) = (
        embed(&here, &texts, Priority::Bulk).await?,
        embed(&there, &texts, Priority::Bulk).await?,
    );
    assert_eq!(near.fingerprint, far.fingerprint, "an index serves both");
    for ((near, far), text) in near.embeddings.iter().zip(&far.embeddings).zip(&texts) {
        assert_eq!(near.tokens, far.tokens, "{text:?}");
        let cosine = cosine(&near.values, &far.values);
        assert!(cosine >= 0.999, "{cosine}: {text:?}");
    }

    let (mut near, mut far) = (inference(&here).await?, inference(&there).await?);
    for (role, add_special) in [(ModelRole::Embed, true), (ModelRole::Generate, false)] {
        let request = TokenizeRequest {
            role: role.into(),
            texts: strings(),
            add_special,
        };
        let here = near.tokenize(request.clone()).await?.into_inner().items;
        let there = far.tokenize(request).await?.into_inner().items;
        for ((near, far), text) in here.iter().zip(&there).zip(strings()) {
            assert_eq!(near.ids, far.ids, "{role:?} {text:?}");
        }
        let items: Vec<TokenIds> = here;
        let request = DetokenizeRequest {
            role: role.into(),
            items,
        };
        let here = near.detokenize(request.clone()).await?.into_inner().texts;
        let there = far.detokenize(request).await?.into_inner().texts;
        assert_eq!(here, there, "{role:?}");
    }

    // A small generator asked for yes or no: what it ranks has no meaning.
    let request = RerankRequest {
        query: "how do whales breathe".into(),
        documents: texts.into_iter().take(10).collect(),
        ..RerankRequest::default()
    };
    let here = near.rerank(request.clone()).await?.into_inner();
    let there = far.rerank(request).await?.into_inner();
    for (near, far) in here.scores.iter().zip(&there.scores) {
        assert!((near - far).abs() <= 1e-3, "{here:?} {there:?}");
    }
    assert_eq!(here.fingerprint, there.fingerprint);
    Ok(())
}
