//! The engine under ill treatment: a killed worker, broken models, a crowd, callers that leave.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use qmd_proto::{
    Reason,
    v1::{
        EmbedReply, ModelRole, ModelStatus, Priority, ReloadConfigRequest, StatusRequest,
        TokenizeRequest, control_service_client::ControlServiceClient,
        inference_service_client::InferenceServiceClient,
    },
};
use qmd_tests::{
    Daemon, Random, Sandbox, calls,
    models::{self, Flaw},
    wait,
};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::task::JoinSet;
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt;

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(5);

/// Texts that differ, so that each is decoded.
fn texts(count: usize, tag: &str) -> Vec<String> {
    (0..count)
        .map(|n| {
            format!(
                "{tag} {n}: {}",
                "sourdough rises slowly overnight ".repeat(20)
            )
        })
        .collect()
}

async fn embed(
    channel: Channel,
    texts: Vec<String>,
    priority: Priority,
) -> Result<EmbedReply, Status> {
    calls::documents(&channel, &texts, priority).await
}

async fn tokenize(channel: Channel) -> Result<(), Status> {
    let request = TokenizeRequest {
        texts: vec!["words".into()],
        ..TokenizeRequest::default()
    };
    InferenceServiceClient::new(channel)
        .tokenize(request)
        .await
        .map(drop)
}

async fn models(channel: Channel) -> Result<Vec<ModelStatus>> {
    let mut control = ControlServiceClient::new(channel);
    let status = control.status(StatusRequest::default()).await?;
    Ok(status.into_inner().models)
}

async fn embedder(channel: Channel) -> Result<ModelStatus> {
    calls::model(&channel, ModelRole::Embed).await
}

fn reason(status: &Status) -> Option<Reason> {
    status.get_details_error_info()?.reason.parse().ok()
}

/// Tries until the model embeds: it may be loading still.
async fn embeds_in_the_end(daemon: &Daemon) -> Result<()> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
    loop {
        let text = vec!["good".to_owned()];
        match embed(daemon.channel().await?, text, Priority::Interactive).await {
            Ok(reply) => {
                ensure!(reply.embeddings.len() == 1);
                return Ok(());
            }
            Err(error) => ensure!(tokio::time::Instant::now() < deadline, "{error:?}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until nothing is in any queue.
async fn emptied(channel: &Channel) -> Result<()> {
    let deadline = tokio::time::Instant::now() + wait::LIMIT;
    loop {
        let models = models(channel.clone()).await?;
        if models.iter().all(|model| model.queue_depth == 0) {
            return Ok(());
        }
        ensure!(tokio::time::Instant::now() < deadline, "{models:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_at_work_costs_its_callers_a_reason_at_most() -> Result<()> {
    let daemon = Daemon::with_corpus()?;
    let channel = daemon.channel().await?;
    let worker = embedder(channel.clone()).await?.worker_pid;
    let worker = Pid::from_raw(worker as i32).context("no worker runs")?;
    let mut asked = JoinSet::new();
    for call in 0..4 {
        let texts = texts(64, &format!("bulk {call}"));
        asked.spawn(embed(channel.clone(), texts, Priority::Bulk));
    }
    let deadline = tokio::time::Instant::now() + wait::LIMIT;
    while embedder(channel.clone()).await?.queue_depth == 0 {
        ensure!(tokio::time::Instant::now() < deadline, "nothing was queued");
        tokio::time::sleep(PAUSE).await;
    }
    kill_process(worker, Signal::KILL)?;
    let found = daemon.qmdctl(["search", "sourdough", "--strict"]).ok();
    assert!(found.stdout.contains("sourdough.md"), "{found}");
    while let Some(result) = asked.join_next().await {
        if let Err(error) = result? {
            assert_eq!(reason(&error), Some(Reason::WorkerCrashed), "{error:?}");
        }
    }
    embeds_in_the_end(&daemon).await?;
    assert!(
        test_kill_process(worker).is_err(),
        "the dead one was reaped"
    );
    let second = embedder(channel).await?.worker_pid;
    let second = Pid::from_raw(second as i32).context("no worker runs")?;
    assert_ne!(second, worker);
    daemon.signal(Signal::TERM)?;
    daemon.ended()?;
    wait::until("the worker's end", wait::LIMIT, || {
        Ok(test_kill_process(second).is_err().then_some(()))
    })
}

/// How a broken model ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is refused as it is.
    Refused,
    /// It takes its worker along each time, until it is set aside.
    Aborts,
}

/// A daemon whose embedding model is broken serves words, says why, and takes another model. No
/// debugger is started on the way: the one here would hold its caller for ever.
async fn survives(flaw: Flaw, end: End) -> Result<()> {
    let sandbox = Sandbox::new()?;
    let tools = sandbox.join("tools");
    fs::create_dir(&tools)?;
    let debugger = tools.join("gdb");
    fs::write(&debugger, "#!/bin/sh\nexec sleep 86400\n")?;
    fs::set_permissions(&debugger, Permissions::from_mode(0o755))?;
    let mut path = tools.into_os_string();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let model = sandbox.join("broken.gguf");
    models::broken(flaw, &model)?;
    let notes = sandbox.join("notes");
    fs::create_dir(&notes)?;
    fs::write(notes.join("a.md"), "# Alpha\n\nwalrus\n")?;
    let config = sandbox.dirs().config;
    fs::create_dir_all(&config)?;
    let configure = |model: &std::path::Path| {
        let (notes, model) = (notes.display(), model.display());
        let text = format!("collections:\n  n:\n    path: {notes}\nmodels:\n  embed: {model}\n");
        fs::write(config.join("index.yml"), text)
    };
    configure(&model)?;
    let daemon = Daemon::start_with(sandbox, [("PATH", path)])?;
    let _ = daemon.qmdctl(["update"]).ok();

    let channel = daemon.channel().await?;
    let deadline = tokio::time::Instant::now() + wait::LIMIT;
    loop {
        let texts = vec!["anything".to_owned()];
        let Err(error) = embed(channel.clone(), texts, Priority::Interactive).await else {
            bail!("{flaw:?} embeds");
        };
        match (reason(&error), end) {
            (Some(Reason::ModelCorrupt), End::Refused) => break,
            (Some(Reason::ModelQuarantined), End::Aborts) => {
                // SIGABRT, by which a failed assertion ends.
                ensure!(error.message().contains("signal 6"), "{flaw:?}: {error:?}");
                break;
            }
            (Some(Reason::ModelLoading), _) | (Some(Reason::WorkerCrashed), End::Aborts) => {
                ensure!(
                    tokio::time::Instant::now() < deadline,
                    "{flaw:?}: {error:?}"
                );
                tokio::time::sleep(PAUSE).await;
            }
            _ => bail!("{flaw:?}: {error:?}"),
        }
    }
    let found = daemon.qmdctl(["search", "walrus", "--strict"]).ok();
    assert!(found.stdout.contains("a.md"), "{flaw:?}: {found}");

    configure(&models::embedder()?)?;
    let mut control = ControlServiceClient::new(channel);
    control
        .reload_config(ReloadConfigRequest::default())
        .await?;
    embeds_in_the_end(&daemon).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vocabulary_too_short_is_survived() -> Result<()> {
    survives(Flaw::ShortVocabulary, End::Refused).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_while_loading_is_survived() -> Result<()> {
    survives(Flaw::TwinTokens, End::Aborts).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tensor_of_a_wrong_shape_is_survived() -> Result<()> {
    survives(Flaw::WrongShape, End::Refused).await
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_file_is_survived() -> Result<()> {
    survives(Flaw::Truncated, End::Refused).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_while_decoding_is_survived() -> Result<()> {
    survives(Flaw::NegativeEpsilon, End::Aborts).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_is_answered_or_refused_for_a_reason() -> Result<()> {
    let daemon = Daemon::with_models()?;
    let channel = daemon.channel().await?;
    let mut asked = JoinSet::new();
    for caller in 0..64 {
        let channel = channel.clone();
        asked.spawn(async move {
            let tag = format!("caller {caller}");
            match caller % 3 {
                0 => tokenize(channel).await,
                1 => embed(channel, texts(1, &tag), Priority::Interactive)
                    .await
                    .map(drop),
                _ => embed(channel, texts(8, &tag), Priority::Bulk)
                    .await
                    .map(drop),
            }
        });
    }
    while let Some(result) = asked.join_next().await {
        if let Err(error) = result? {
            assert_eq!(reason(&error), Some(Reason::QueueFull), "{error:?}");
        }
    }
    emptied(&channel).await
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_leave_leave_nothing_behind() -> Result<()> {
    let daemon = Daemon::with_models()?;
    let channel = daemon.channel().await?;
    let mut random = Random::new(7);
    for call in 0..100 {
        let priority = if call % 2 == 0 {
            Priority::Bulk
        } else {
            Priority::Interactive
        };
        let patience = Duration::from_millis(random.below(20) as u64);
        let work = embed(channel.clone(), texts(4, &format!("call {call}")), priority);
        // Either end is right: it was answered in time, or is dropped here.
        if let Ok(Err(error)) = tokio::time::timeout(patience, work).await {
            assert_eq!(reason(&error), Some(Reason::QueueFull), "{error:?}");
        }
    }
    emptied(&channel).await?;
    embeds_in_the_end(&daemon).await
}
