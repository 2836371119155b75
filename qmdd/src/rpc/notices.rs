//! What of an index's configuration is not in force, and what its database does not allow, said with
//! every reply that it may matter to.

use std::path::Path;

use qmd_proto::v1::Notice;

use super::{App, DEFAULT_INDEX, Index, models::choices};
use crate::{
    config::{IndexConfig, project::Gated},
    domain::{CollectionName, Failure, Reason, Role},
    models::{ModelSpec, ModelStore},
    store::{Skipped, StoreError},
};

/// All of it.
pub(super) fn of_index(app: &App, index: &Index, config: &IndexConfig) -> Vec<Notice> {
    let mut notices = untrusted(config, index);
    notices.extend(other_models(app, index, config));
    notices.extend(index.store.read_only().as_ref().map(of_store));
    notices
}

/// Why a database cannot be used, or not be written.
pub(super) fn of_store(error: &StoreError) -> Notice {
    Notice {
        reason: error.reason().to_string(),
        message: error.to_string(),
        hint: error.hint().unwrap_or_default(),
    }
}

/// What waits for trust: one notice for the commands, one for the folders.
pub(super) fn untrusted(config: &IndexConfig, index: &Index) -> Vec<Notice> {
    let named = |wanted: fn(&Gated) -> bool| -> Vec<&str> {
        let parts = config.withheld.iter().filter(|part| wanted(part));
        parts.map(|part| part.collection().as_str()).collect()
    };
    let commands = named(|part| matches!(part, Gated::Command { .. }));
    let folders = named(|part| matches!(part, Gated::Folder(_)));
    [
        (folders, "collections outside of the project are left out"),
        (commands, "`update:` commands are not run"),
    ]
    .into_iter()
    .filter(|(collections, _)| !collections.is_empty())
    .map(|(collections, what)| Notice {
        reason: Reason::ConfigUntrusted.to_string(),
        message: format!(
            "{} is not trusted, so {what}: {}",
            index.config_file().display(),
            collections.join(", ")
        ),
        hint: "run `qmdctl trust show`, then `qmdctl trust` if you want that".into(),
    })
    .collect()
}

/// A collection whose folder is not there.
pub(super) fn missing(collection: &CollectionName, folder: &Skipped) -> Notice {
    Notice {
        reason: folder.why.reason.to_string(),
        message: format!("{collection}: {}: {}", folder.path, folder.why.message),
        hint: format!("bring the folder back, or `qmdctl collection remove {collection}`"),
    }
}

/// Models that the configuration names beside those in use: the default index's count for all.
fn other_models(app: &App, index: &Index, config: &IndexConfig) -> Option<Notice> {
    if index.name == DEFAULT_INDEX {
        return None;
    }
    // A default configuration that is broken is told of where it matters.
    let shared = choices(app).ok()?;
    let home = app.settings.home.as_deref();
    let others: Vec<(Role, &str)> = Role::ALL
        .into_iter()
        .filter_map(|role| Some((role, config.models.role(role)?)))
        .filter(|(role, name)| {
            let used = shared.iter().find(|choice| choice.role == *role);
            let used = used.and_then(|choice| choice.model.as_deref());
            !used.is_some_and(|used| is_same(&app.roles.store, home, name, used))
        })
        .collect();
    let (role, model) = others.first()?;
    let list: Vec<String> = (others.iter())
        .map(|(role, name)| format!("{role}: {name}"))
        .collect();
    Some(Notice {
        reason: Reason::ModelsNotShared.to_string(),
        message: format!(
            "{} names models that are not used, as all indexes share those of the default index: {}",
            index.config_file().display(),
            list.join(", ")
        ),
        hint: format!(
            "run `qmdctl models use {role} {model}` to have it for all, or take it out there"
        ),
    })
}

/// Whether two names mean one model, such as a catalogue name and the address it stands for.
fn is_same(store: &ModelStore, home: Option<&Path>, a: &str, b: &str) -> bool {
    a == b
        || match (ModelSpec::parse(a, home), ModelSpec::parse(b, home)) {
            (Ok(a), Ok(b)) => {
                store.place(&a) == store.place(&b)
                    || (store.resolve(&a).ok()).is_some_and(|a| Some(a) == store.resolve(&b).ok())
            }
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_model_has_several_names() {
        let home = tempfile::tempdir().unwrap();
        let store = ModelStore::new(home.path().join("models"), home.path().join("qmd"));
        let same = |a: &str, b: &str| is_same(&store, Some(home.path()), a, b);
        let hub = "hf:ggml-org/embeddinggemma-300M-GGUF/embeddinggemma-300M-Q8_0.gguf";
        assert!(same(hub, hub) && same("no model", "no model"));
        assert!(same("embeddinggemma-300m-q8_0", hub));
        assert!(same("/x/a.gguf", "/x/a.gguf") && !same("/x/a.gguf", "/x/b.gguf"));
        assert!(!same("embeddinggemma-300m-q8_0", "all-minilm-l6-v2-q8_0"));
        // QMD's own file, by its path and by where it came from.
        let file = "qmd/models/hf_ggml-org_embeddinggemma-300M-Q8_0.gguf";
        fs::create_dir_all(home.path().join("qmd/models")).unwrap();
        fs::write(home.path().join(file), "").unwrap();
        assert!(same(hub, &format!("~/{file}")));
    }
}
