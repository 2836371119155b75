//! Brings the index of an evaluation up to date, and finds out which modes can run.

use std::time::Instant;

use qmd_proto::{
    Reason,
    v1::{
        EmbedIndexRequest, ListCollectionsRequest, ModelRole, ModelState, ModelStatus,
        StatusRequest, UpdateRequest, embed_index_event, update_event,
    },
};
use qmdctl::eval::report::{Mode, NotRun};

use super::Index;
use crate::{
    client::Client,
    commands::{embed::shown, models::warmth::load_roles, next, updating, warn_of},
    error::{Failure, Result},
    render::{self, Screen},
};

/// Takes in what changed of the documents.
pub(super) async fn update(client: &Client, screen: Screen, index: Index) -> Result<()> {
    let request = UpdateRequest {
        index,
        ..UpdateRequest::default()
    };
    let mut events = client.index().update(request).await?.into_inner();
    let mut progress = screen.progress();
    let summary = loop {
        match next(&mut events).await?.event {
            Some(update_event::Event::Progress(step)) => progress.show(&updating(step)),
            Some(update_event::Event::Summary(summary)) => break summary,
            // An event of a newer daemon.
            None => {}
        }
    };
    progress.finish();
    warn_of(&summary.notices);
    if let Some((notice, lines)) = render::skipped(&summary, screen.is_verbose()) {
        Screen::warn(&render::Notice {
            hint: Some("with `--verbose`, each is told".into()),
            ..notice
        });
        for line in lines {
            screen.note(&line);
        }
    }
    screen.detail(&render::updated(&summary));
    Ok(())
}

/// Gives every document its vectors.
pub(super) async fn embed(client: &Client, screen: Screen, index: Index) -> Result<()> {
    let request = EmbedIndexRequest {
        index,
        ..EmbedIndexRequest::default()
    };
    let mut events = client.index().embed(request).await?.into_inner();
    let started = Instant::now();
    let mut progress = screen.progress();
    let summary = loop {
        match next(&mut events).await?.event {
            Some(embed_index_event::Event::Progress(step)) => {
                progress.show(&shown(&step, started.elapsed().as_secs_f64()));
            }
            Some(embed_index_event::Event::Summary(summary)) => break summary,
            None => {}
        }
    };
    progress.finish();
    warn_of(&summary.notices);
    screen.detail(&render::embedded(&summary));
    Ok(())
}

/// How many documents there are in the collections named, else in all.
///
/// # Errors
/// When a collection is not there, or there are none.
pub(in crate::commands) async fn documents(
    client: &Client,
    index: Index,
    named: &[String],
) -> Result<u64> {
    let request = ListCollectionsRequest { index };
    let listed = client.index().list_collections(request).await?.into_inner();
    let collections = listed.collections;
    if let Some(name) = named
        .iter()
        .find(|name| collections.iter().all(|one| one.name != **name))
    {
        let names: Vec<&str> = collections.iter().map(|one| one.name.as_str()).collect();
        let failure = Failure::new(Reason::CollectionUnknown, format!("no collection {name:?}"));
        return Err(match names.as_slice() {
            [] => failure.hint("add one with `qmdctl collection add DIR --name NAME`"),
            names => failure.hint(format!("choose with `-c`: {}", names.join(", "))),
        }
        .into());
    }
    let asked = collections
        .iter()
        .filter(|one| named.is_empty() || named.contains(&one.name));
    let documents = asked.map(|one| one.documents).sum();
    if documents == 0 {
        let message = match named {
            [] => "the index has no documents".to_owned(),
            names => format!("the collection {} has no documents", names.join(", ")),
        };
        return Err(Failure::new(Reason::DocumentNotFound, message)
            .hint("run `qmdctl update`, and see `qmdctl ls --skipped`")
            .into());
    }
    Ok(documents)
}

/// What keeps modes from running. Loads the models that the others need, so that no query waits for one.
pub(in crate::commands) async fn unable(
    client: &Client,
    screen: Screen,
    index: Index,
    modes: &[Mode],
) -> Result<Vec<(Mode, NotRun)>> {
    let mut unable = Vec::new();
    if modes.iter().all(|mode| *mode == Mode::Lexical) {
        return Ok(unable);
    }
    let request = StatusRequest { index };
    let status = client.control().status(request).await?.into_inner();
    let has = |role: ModelRole| {
        let mut models = status.models.iter();
        models.find(|model| model.role() == role && model.state() != ModelState::NotConfigured)
    };
    let embed = match has(ModelRole::Embed) {
        None => Some(none("no embedding model is configured")),
        Some(model) => absent(model).or(load(client, screen, ModelRole::Embed).await?),
    };
    for mode in modes {
        let extra = [ModelRole::Rerank, ModelRole::Generate].map(has);
        let why = match (mode, &embed) {
            (Mode::Lexical, _) | (Mode::Vector | Mode::Hybrid, None) => None,
            (_, Some(why)) => Some(why.clone()),
            (Mode::Full, None) if extra.iter().all(Option::is_none) => {
                Some(none("neither a reranker nor a generator is configured"))
            }
            (Mode::Full, None) => {
                let mut why = None;
                for model in extra.into_iter().flatten() {
                    if why.is_none() {
                        why = absent(model);
                    }
                    if why.is_none() {
                        why = load(client, screen, model.role()).await?;
                    }
                }
                why
            }
        };
        unable.extend(why.map(|why| (*mode, why)));
    }
    Ok(unable)
}

/// Whether a mode that can run is about vectors.
pub(super) fn needs_vectors(mode: Mode, unable: &[(Mode, NotRun)]) -> bool {
    mode != Mode::Lexical && unable.iter().all(|(other, _)| *other != mode)
}

/// No model is there for it.
pub(in crate::commands) fn none(message: &str) -> NotRun {
    NotRun {
        reason: Reason::ModelNotConfigured.to_string(),
        message: message.to_owned(),
        hint: Some("see `qmdctl models list`, and choose with `qmdctl models use`".to_owned()),
    }
}

/// Why a model cannot be used, as its status tells.
fn absent(model: &ModelStatus) -> Option<NotRun> {
    (model.state() == ModelState::Missing).then(|| NotRun {
        reason: model.reason.clone(),
        message: model.message.clone(),
        hint: Some(model.hint.clone()).filter(|hint| !hint.is_empty()),
    })
}

/// Loads a model. What keeps it from being loaded keeps a mode from running.
async fn load(client: &Client, screen: Screen, role: ModelRole) -> Result<Option<NotRun>> {
    match load_roles(client, screen, vec![role.into()]).await {
        Ok(_) => Ok(None),
        Err(status) => not_run(status.into()).map(Some),
    }
}

/// A failure as the reason why a mode does not run, unless nothing can run then.
pub(in crate::commands) fn not_run(failure: Failure) -> Result<NotRun> {
    let fatal = [
        Reason::DaemonUnreachable,
        Reason::ProtocolMismatch,
        Reason::ShuttingDown,
        Reason::Internal,
    ];
    if fatal.iter().any(|reason| failure.reason == reason.as_str()) {
        return Err(failure.into());
    }
    Ok(NotRun {
        reason: failure.reason.into_owned(),
        message: failure.message,
        hint: failure.hint,
    })
}
