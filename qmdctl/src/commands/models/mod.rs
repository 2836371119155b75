//! `models`.

pub(super) mod choose;
pub(super) mod list;
mod pip;
pub(super) mod pull;
pub(super) mod remove;
pub(super) mod verify;
pub(super) mod warmth;
mod watch;

use std::path::Path;

use qmd_proto::{
    Reason,
    v1::{ModelRole, ModelStatus},
};

use crate::{
    cli::{Format, RoleName},
    error::{Failure, Result},
    render::{self, Screen},
};

fn role(name: RoleName) -> ModelRole {
    match name {
        RoleName::Embed => ModelRole::Embed,
        RoleName::Rerank => ModelRole::Rerank,
        RoleName::Generate => ModelRole::Generate,
    }
}

/// A model as the daemon understands it, to whom this process's folder means nothing.
fn spelt_out(model: &str) -> Result<String> {
    let is_file = model.contains('/') || Path::new(model).extension().is_some_and(is_gguf);
    if model.starts_with("hf:") || model.starts_with("~/") || !is_file {
        return Ok(model.to_owned());
    }
    let path = std::path::absolute(model)
        .map_err(|error| Failure::of_path(model.as_ref(), &error, Reason::FileUnreadable))?;
    path.into_os_string().into_string().map_err(|path| {
        let message = format!("the path {} is not UTF-8", path.display());
        Failure::new(Reason::InvalidArgument, message)
            .hint("rename the folder")
            .into()
    })
}

fn is_gguf(extension: &std::ffi::OsStr) -> bool {
    extension.eq_ignore_ascii_case("gguf")
}

/// Prints which model each role has and how it does.
fn show(screen: Screen, models: &[ModelStatus]) -> Result<()> {
    match screen.format() {
        Format::Cli => Screen::print(&render::model_states(models)),
        Format::Json => Screen::print(&render::model_states_json(models)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_get_absolute_paths_and_names_stay() {
        for name in [
            "qwen3-reranker-0.6b-q8_0",
            "hf:o/r/a.gguf",
            "~/a.gguf",
            "/m/a.gguf",
            "",
        ] {
            assert_eq!(spelt_out(name).unwrap(), name);
        }
        for file in ["a.gguf", "m/A.GGUF", "./m"] {
            let path = spelt_out(file).unwrap();
            assert!(path.starts_with('/'), "{path}");
        }
    }
}
