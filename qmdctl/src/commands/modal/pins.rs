//! What is to be deployed, pinned: an image by its digest, models by their hashes.

use std::{path::Path, process::Stdio, time::Duration};

use qmd_proto::{
    Reason,
    v1::{DescribeModalReply, ModelRole},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use super::tool::last_complaint;
use crate::{
    error::{Failure, Result},
    render::Notice,
};

/// What has Python where it is not installed.
const INSTALL: &str = "install python3 (Debian and Ubuntu: `apt install python3`)";

/// Hashing large local models takes its time, and so do a registry and a hub that are far away.
const LIMIT: Duration = Duration::from_secs(300);

/// The values of `QMD_MODAL_IMAGE` and `QMD_MODAL_MODELS`.
#[derive(Debug, Deserialize)]
pub(super) struct Pins {
    /// `NAME@sha256:DIGEST`.
    pub(super) image: String,
    /// A list, one a role.
    pub(super) models: Value,
}

/// Checks that there is a Python to pin with.
pub(super) async fn check_python(limit: Duration) -> Result<()> {
    let output = python(&["--version"]).output();
    let output = timeout(limit, output)
        .await
        .map_err(|_| Failure::new(Reason::ToolFailed, "python3 does not answer").hint(INSTALL))?;
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let last = last_complaint(&String::from_utf8_lossy(&output.stderr));
            Err(
                Failure::new(Reason::ToolFailed, format!("python3 failed: {last}"))
                    .hint(INSTALL)
                    .into(),
            )
        }
        Err(error) => {
            let message = format!("python3 cannot be run: {error}");
            Err(Failure::new(Reason::ToolFailed, message)
                .hint(INSTALL)
                .into())
        }
    }
}

/// Pins what the configuration wants, by the unpacked files' own program.
pub(super) async fn resolve(
    folder: &Path,
    plan: &DescribeModalReply,
    limit: Duration,
) -> Result<Pins> {
    let limit = limit.min(LIMIT);
    let pinned = timeout(limit, run(folder, &wanted(plan))).await;
    pinned.unwrap_or_else(|_| {
        Err(Failure::new(
            Reason::ToolFailed,
            format!("pinning image and models did not end within {limit:?}"),
        )
        .hint("see your network, or allow more with `--timeout`")
        .into())
    })
}

async fn run(folder: &Path, wanted: &Value) -> Result<Pins> {
    let failed = |error: std::io::Error| {
        Failure::new(
            Reason::ToolFailed,
            format!("python3 cannot be run: {error}"),
        )
        .hint(INSTALL)
    };
    let mut child = python(&["-m", "qmd_modal.resolve"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // When it ended before it read this, it says why.
        let _ = stdin.write_all(wanted.to_string().as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    if !output.status.success() {
        let last = last_complaint(&String::from_utf8_lossy(&output.stderr));
        let message = format!("image and models could not be pinned: {last}");
        return Err(Failure::new(Reason::ToolFailed, message)
            .hint("see your network, and the models: `qmdctl models list`")
            .into());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| {
        Failure::internal(format!("what was pinned makes no sense: {error}")).into()
    })
}

fn python(arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

fn wanted(plan: &DescribeModalReply) -> Value {
    let models: Map<String, Value> = plan
        .models
        .iter()
        .map(|model| (role(model.role()).to_owned(), json!(model.source)))
        .collect();
    if plan.image.is_empty() {
        json!({ "models": models })
    } else {
        json!({ "image": plan.image, "models": models })
    }
}

/// Models of which the hub has another file than this machine: vectors of the one do not fit those
/// of the other.
pub(super) fn differences(pins: &Pins, plan: &DescribeModalReply) -> Vec<Notice> {
    let pinned = |wanted: ModelRole| {
        let pins = pins.models.as_array()?.iter();
        let pin = pins.clone().find(|pin| pin["role"] == role(wanted))?;
        pin["sha256"].as_str()
    };
    let differ = plan.models.iter().filter(|model| {
        !model.sha256.is_empty() && pinned(model.role()).is_some_and(|hash| hash != model.sha256)
    });
    differ
        .map(|model| Notice {
            message: format!(
                "the hub has another file of {} than this machine, and the hub's is deployed",
                model.name
            ),
            reason: Reason::HashMismatch.as_str().to_owned(),
            hint: Some(format!("run `qmdctl models pull {}`", model.name)),
        })
        .collect()
}

fn role(role: ModelRole) -> &'static str {
    match role {
        ModelRole::Rerank => "rerank",
        ModelRole::Generate => "generate",
        ModelRole::Embed | ModelRole::Unspecified => "embed",
    }
}

#[cfg(test)]
mod tests {
    use qmd_proto::v1::ModalModel;

    use super::*;

    fn plan() -> DescribeModalReply {
        let model = |role: ModelRole, source: &str, sha256: &str| ModalModel {
            role: role.into(),
            name: "m".into(),
            source: source.into(),
            sha256: sha256.into(),
        };
        DescribeModalReply {
            models: vec![
                model(ModelRole::Embed, "hf:o/r/e.gguf", "aa"),
                model(ModelRole::Generate, "/m/g.gguf", ""),
            ],
            ..DescribeModalReply::default()
        }
    }

    #[test]
    fn what_is_wanted_names_models_by_role() {
        let models = json!({"embed": "hf:o/r/e.gguf", "generate": "/m/g.gguf"});
        assert_eq!(wanted(&plan()), json!({ "models": models }));
        let own = DescribeModalReply {
            image: "h.test/i:t".into(),
            ..plan()
        };
        assert_eq!(
            wanted(&own),
            json!({ "image": "h.test/i:t", "models": models })
        );
    }

    #[test]
    fn another_file_at_the_hub_is_told() {
        let pins = |hash: &str| Pins {
            image: String::new(),
            models: json!([{"role": "embed", "sha256": hash}, {"role": "generate", "sha256": "cc"}]),
        };
        assert_eq!(differences(&pins("aa"), &plan()), []);
        let told = differences(&pins("bb"), &plan());
        assert_eq!(told.len(), 1);
        assert!(told[0].message.contains("another file of m"));
    }
}
