//! The model catalogue: models chosen, checked and removed.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use qmd_proto::{Reason, v1::ModelRole};
use qmd_tests::{Daemon, Sandbox};
use serde_json::Value;

const STARTER: &str = "all-minilm-l6-v2-q8_0";
const GENERATOR: &str = "smollm2-135m-instruct-q4_1";

/// A home whose store has a copy of the embedding model, which may be damaged.
fn with_own_copy() -> Result<(Sandbox, PathBuf)> {
    let sandbox = Sandbox::with_models()?;
    let model = sandbox.dirs().models().join(format!("{STARTER}.gguf"));
    let shared = fs::read_link(&model)?;
    fs::remove_file(&model)?;
    fs::copy(shared, &model)?;
    fs::set_permissions(&model, Permissions::from_mode(0o600))?;
    Ok((sandbox, model))
}

/// What a listing says of a role.
fn of_role<'a>(models: &'a Value, role: &str) -> Result<&'a Value> {
    let models = models.as_array().context("no list")?;
    let found = models.iter().find(|model| model["role"] == role);
    found.with_context(|| format!("no {role}"))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is not UTF-8")
}

#[test]
fn a_choice_is_written_and_counts_at_once() -> Result<()> {
    let daemon = Daemon::with_models()?;
    let copy = daemon.join("copy.gguf");
    fs::copy(
        daemon.dirs().models().join(format!("{STARTER}.gguf")),
        &copy,
    )?;
    let config = daemon.dirs().config.join("index.yml");
    fs::create_dir_all(daemon.dirs().config)?;
    let before = "# mine\nmodels:\n  profile: starter # small\n";
    fs::write(&config, before)?;

    let chosen = daemon.qmdctl(["models", "use", "embed", text(&copy)?, "--json"]);
    let chosen = chosen.ok();
    assert_eq!(of_role(&chosen.json(), "embed")?["name"], text(&copy)?);
    assert!(chosen.stderr.contains("qmdctl embed"), "{chosen}");
    assert_eq!(
        fs::read_to_string(&config)?,
        format!("{before}  embed: {}\n", text(&copy)?)
    );
    daemon.wait_for_model(ModelRole::Embed)?;

    // A profile whose models are not here is written, and told how to get.
    let standard = daemon.qmdctl(["models", "use", "standard"]).ok();
    assert!(
        standard.stdout.contains("qmdctl models pull standard"),
        "{standard}"
    );
    assert_eq!(
        fs::read_to_string(&config)?,
        "# mine\nmodels:\n  profile: standard # small\n"
    );
    let _ = daemon.qmdctl(["models", "use", "starter"]).ok();
    let _ = daemon.qmdctl(["models", "use", "embed", "--default"]).ok();
    daemon.wait_for_model(ModelRole::Embed)?;
    assert_eq!(fs::read_to_string(&config)?, before);

    let refused = |arguments: &[&str], reason| {
        let words = ["models", "use"].iter().chain(arguments);
        let _ = daemon.qmdctl(words).fails(reason);
    };
    refused(&["big"], Reason::ModelUnknown);
    refused(&["embed", "big"], Reason::ModelUnknown);
    refused(&["embed", "hf:o/r"], Reason::InvalidArgument);
    refused(&["embed"], Reason::InvalidArgument);
    refused(&["big", "--default"], Reason::InvalidArgument);
    assert_eq!(fs::read_to_string(&config)?, before);
    Ok(())
}

#[test]
fn a_model_altered_in_place_is_found_out() -> Result<()> {
    let (sandbox, model) = with_own_copy()?;
    let daemon = Daemon::start(sandbox)?;
    daemon.wait_for_model(ModelRole::Embed)?;
    let sound = daemon.qmdctl(["models", "verify"]).ok();
    for name in [STARTER, GENERATOR] {
        assert!(
            sound.stdout.contains(&format!("{name} is sound")),
            "{sound}"
        );
    }

    // One byte, behind the back of size and time.
    let modified = fs::metadata(&model)?.modified()?;
    let mut bytes = fs::read(&model)?;
    *bytes.last_mut().context("it is empty")? ^= 1;
    fs::write(&model, bytes)?;
    fs::File::options()
        .write(true)
        .open(&model)?
        .set_modified(modified)?;
    let altered = daemon
        .qmdctl(["models", "verify", STARTER])
        .fails(Reason::HashMismatch);
    assert!(
        altered.stderr.contains("qmdctl models pull starter"),
        "{altered}"
    );
    let _ = daemon.qmdctl(["models", "verify", GENERATOR]).ok();

    let _ = daemon
        .qmdctl(["models", "verify", "qwen3-reranker-0.6b-q8_0"])
        .fails(Reason::ModelMissing);
    Ok(())
}

#[test]
fn a_model_is_removed_from_the_store_alone_and_not_while_it_is_in_use() -> Result<()> {
    let (sandbox, model) = with_own_copy()?;
    let link = sandbox.dirs().models().join(format!("{GENERATOR}.gguf"));
    let shared = fs::read_link(&link)?;
    let daemon = Daemon::start(sandbox)?;
    let _ = daemon
        .qmdctl(["models", "remove", STARTER])
        .fails(Reason::Busy);
    assert!(model.exists());

    let own = daemon.join("own.gguf");
    fs::copy(&model, &own)?;
    let _ = daemon.qmdctl(["models", "use", "embed", text(&own)?]).ok();
    let _ = daemon
        .qmdctl(["models", "rm", text(&own)?])
        .fails(Reason::Busy);
    let removed = daemon.qmdctl(["models", "remove", STARTER]).ok();
    assert!(removed.stdout.contains(text(&model)?), "{removed}");
    assert!(!model.exists());
    let _ = daemon
        .qmdctl(["models", "remove", STARTER])
        .fails(Reason::ModelMissing);

    // A link goes; what it leads to stays.
    let _ = daemon
        .qmdctl(["models", "use", "generate", text(&own)?])
        .ok();
    let _ = daemon.qmdctl(["models", "remove", GENERATOR]).ok();
    assert!(!link.is_symlink() && shared.exists());
    let _ = daemon.qmdctl(["models", "use", "starter"]).ok();
    let _ = daemon
        .qmdctl(["models", "rm", text(&own)?])
        .fails(Reason::InvalidArgument);
    assert!(own.exists());
    Ok(())
}
