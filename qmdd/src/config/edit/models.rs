//! Edits of `models:`, the choice of models.

use std::path::Path;

use super::keys::{Setting, apply};
use crate::{config::ConfigError, domain::Role};

const SECTION: &str = "models";

/// Makes a profile the choice for every role: roles' own models are taken out.
///
/// # Errors
/// When the file is broken or cannot be written, or it changed meanwhile.
pub fn choose_profile(file: &Path, profile: &str) -> Result<(), ConfigError> {
    let roles = Role::ALL.map(|role| (role.as_str(), None));
    let changes = [("profile", Some(Setting::Text(profile)))]
        .into_iter()
        .chain(roles);
    apply(file, SECTION, changes)
}

/// Gives a role a model of its own; without one it goes back to the profile's.
///
/// # Errors
/// As [`choose_profile`].
pub fn choose_model(file: &Path, role: Role, model: Option<&str>) -> Result<(), ConfigError> {
    apply(file, SECTION, [(role.as_str(), model.map(Setting::Text))])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        config::{IndexConfig, ModelChoices},
        domain::{Failure, Reason},
    };

    /// The file's text after an edit.
    fn edited(before: &str, edit: impl FnOnce(&Path) -> Result<(), ConfigError>) -> String {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("index.yml");
        fs::write(&file, before).unwrap();
        edit(&file).unwrap();
        fs::read_to_string(&file).unwrap()
    }

    fn embed(model: Option<&str>) -> impl FnOnce(&Path) -> Result<(), ConfigError> {
        move |file| choose_model(file, Role::Embed, model)
    }

    #[test]
    fn a_model_is_written_where_it_belongs_and_nothing_else_changes() {
        for (before, after) in [
            (
                "# head\nmodels:\n  embed: old # why\n  rerank: r\n# end\n",
                "# head\nmodels:\n  embed: hf:o/r/a.gguf#v1 # why\n  rerank: r\n# end\n",
            ),
            (
                "models:\n  # about\n  profile: starter\n\ncollections: {}\n",
                "models:\n  # about\n  profile: starter\n  embed: hf:o/r/a.gguf#v1\n\ncollections: {}\n",
            ),
            (
                "collections:\n  n: {path: /n} # mine\n",
                "collections:\n  n: {path: /n} # mine\nmodels:\n  embed: hf:o/r/a.gguf#v1\n",
            ),
            ("", "models:\n  embed: hf:o/r/a.gguf#v1\n"),
        ] {
            assert_eq!(edited(before, embed(Some("hf:o/r/a.gguf#v1"))), after);
        }
    }

    #[test]
    fn files_of_every_shape_take_a_model() {
        for before in [
            "models:\n",
            "models: {}\n",
            "models: {embed: old, profile: starter}\n",
            "models: { profile: starter }\n",
            "models:\n  embed:\n",
            "models:\n  embed: ~ # later\n",
            "models:\n  embed: \"/a b.gguf\"\n",
            "models:\n    'embed': '/a b.gguf'\n",
            "models:\r\n  embed: old\r\ncollections: {}\r\n",
            "# only a comment",
            "models:\n  embed: x",
        ] {
            let home = tempfile::tempdir().unwrap();
            let file = home.path().join("index.yml");
            fs::write(&file, before).unwrap();
            for model in ["hf:o/r/a.gguf", "~/m/a b.gguf", "/m/[x]: #1.gguf"] {
                choose_model(&file, Role::Embed, Some(model))
                    .unwrap_or_else(|error| panic!("{before:?}, {model}: {error}"));
                let models = IndexConfig::load(&file).unwrap().models;
                assert_eq!(models.embed.as_deref(), Some(model), "{before:?}");
            }
            choose_model(&file, Role::Embed, None)
                .unwrap_or_else(|error| panic!("{before:?}: {error}"));
            assert_eq!(IndexConfig::load(&file).unwrap().models.embed, None);
        }
    }

    #[test]
    fn a_profile_takes_the_place_of_all_models() {
        let before = "# head\nmodels:\n  embed: a # one\n  # about two\n  generate: b\n  profile: starter # set\nx: 1\n";
        let after = edited(before, |file| choose_profile(file, "standard"));
        let config = edited_choices(&after);
        assert_eq!(
            config,
            ModelChoices {
                profile: Some("standard".into()),
                ..ModelChoices::default()
            }
        );
        assert!(after.starts_with("# head\nmodels:\n"), "{after}");
        assert!(after.contains("profile: standard # set\nx: 1\n"), "{after}");
        assert!(after.contains("# about two"), "{after}");
    }

    fn edited_choices(text: &str) -> ModelChoices {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("index.yml");
        fs::write(&file, text).unwrap();
        IndexConfig::load(&file).unwrap().models
    }

    #[test]
    fn what_the_file_says_already_is_not_written() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("index.yml");
        choose_model(&file, Role::Rerank, None).unwrap();
        assert!(!file.exists(), "there was nothing to take out");
        let text = "models: {profile:  starter}   # odd\n";
        assert_eq!(edited(text, |file| choose_profile(file, "starter")), text);
        assert_eq!(edited(text, embed(None)), text);
    }

    #[test]
    fn what_cannot_be_edited_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("index.yml");
        let text = "base: &m {embed: a}\nmodels: *m\n";
        fs::write(&file, text).unwrap();
        let error = choose_model(&file, Role::Embed, Some("b")).unwrap_err();
        assert_eq!(error.reason(), Reason::ConfigUnavailable);
        assert!(error.hint().unwrap().contains("embed: \"b\""));
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
}
