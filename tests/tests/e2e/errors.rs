//! What bad input gets: a reason, a hint, an exit code of its own, and a daemon that goes on.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use anyhow::{Context, Result};
use qmd_proto::Reason;
use qmd_tests::{Daemon, Sandbox, program, run, wait};

fn with_collection() -> Result<Daemon> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let notes = daemon.join("notes");
    fs::create_dir(&notes)?;
    fs::write(notes.join("a.md"), "# Alpha\n\nwalrus\n")?;
    let path = notes.to_str().context("path")?;
    let _ = daemon
        .qmdctl(["collection", "add", path, "--name", "n"])
        .ok();
    let _ = daemon.qmdctl(["update"]).ok();
    Ok(daemon)
}

#[test]
fn bad_requests_say_what_to_do_and_break_nothing() -> Result<()> {
    let daemon = with_collection()?;
    let fails = |arguments: &[&str], reason| {
        let _ = daemon.qmdctl(arguments).fails(reason);
        let _ = daemon.qmdctl(["search", "walrus"]).ok();
    };
    fails(
        &["search", "walrus", "-c", "none"],
        Reason::CollectionUnknown,
    );
    fails(&["collection", "remove", "none"], Reason::CollectionUnknown);
    fails(
        &["collection", "add", "/no/such/folder", "--name", "x"],
        Reason::FolderMissing,
    );
    let notes = daemon.join("notes");
    let notes = notes.to_str().context("path")?;
    fails(
        &["collection", "add", notes, "--name", "again"],
        Reason::CollectionExists,
    );
    fails(
        &["collection", "add", "/tmp", "--name", "n"],
        Reason::CollectionExists,
    );
    fails(
        &["collection", "add", "/tmp", "--name", "a/b"],
        Reason::CollectionNameInvalid,
    );
    fails(&["search", ""], Reason::QueryEmpty);
    fails(&["query", "  ?! "], Reason::QueryEmpty);
    fails(&["get", "nowhere.md"], Reason::DocumentNotFound);
    fails(&["get", "#ffffff"], Reason::DocumentNotFound);
    fails(
        &["--index", "none", "search", "walrus"],
        Reason::IndexUnknown,
    );
    fails(&["models", "pull", "none"], Reason::ModelUnknown);
    fails(&["embed"], Reason::ModelMissing);
    fails(&["vsearch", "walrus"], Reason::ModelMissing);
    Ok(())
}

#[test]
fn a_query_of_a_megabyte_is_refused() -> Result<()> {
    use qmd_proto::v1::{SearchRequest, search_service_client::SearchServiceClient};
    use tonic_types::StatusExt;

    let daemon = with_collection()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let error = runtime.block_on(async {
        let mut search = SearchServiceClient::new(daemon.channel().await?);
        let query = "walrus ".repeat(150_000);
        let request = SearchRequest {
            query,
            ..SearchRequest::default()
        };
        search
            .search(request)
            .await
            .err()
            .context("it was answered")
    })?;
    let info = error.get_details_error_info().context("no ErrorInfo")?;
    assert_eq!(info.reason, Reason::QueryTooLong.as_str());
    let _ = daemon.qmdctl(["search", "walrus"]).ok();
    Ok(())
}

#[test]
fn a_broken_configuration_is_named_by_line_and_the_rest_goes_on() -> Result<()> {
    let daemon = with_collection()?;
    let config = daemon.dirs().config.join("index.yml");
    let good = fs::read_to_string(&config)?;
    fs::write(&config, "collections:\n  n:\n    path: [unclosed\n")?;
    let outcome = daemon
        .qmdctl(["search", "walrus"])
        .fails(Reason::ConfigInvalid);
    assert!(outcome.stderr.contains("index.yml:"), "no place: {outcome}");
    fs::write(&config, good)?;
    let _ = daemon.qmdctl(["search", "walrus"]).ok();
    Ok(())
}

#[test]
fn an_unreadable_file_is_listed_and_the_rest_taken_in() -> Result<()> {
    let daemon = with_collection()?;
    let secret = daemon.join("notes/secret.md");
    fs::write(&secret, "# Secret\n")?;
    fs::set_permissions(&secret, Permissions::from_mode(0o000))?;
    // Root reads everything.
    if fs::read(&secret).is_ok() {
        fs::remove_file(&secret)?;
        std::os::unix::fs::symlink("/etc/hostname", &secret)?;
        let outcome = daemon.qmdctl(["update"]).ok();
        assert!(outcome.stdout.contains("1 unchanged"), "{outcome}");
        return Ok(());
    }
    let outcome = daemon.qmdctl(["update"]).ok();
    assert!(outcome.stderr.contains("FILE_UNREADABLE"), "{outcome}");
    Ok(())
}

#[test]
fn a_missing_model_leaves_the_words_and_says_so() -> Result<()> {
    let daemon = with_collection()?;
    let outcome = daemon.qmdctl(["query", "walrus"]).ok();
    assert!(outcome.stdout.contains("a.md"), "{outcome}");
    assert!(outcome.stderr.contains("MODEL_MISSING"), "{outcome}");
    assert!(
        outcome.stderr.contains("qmdctl models pull starter"),
        "{outcome}"
    );
    let strict = daemon
        .qmdctl(["query", "walrus", "--strict"])
        .fails(Reason::PartialAnswer);
    assert_eq!(strict.stdout, "");
    Ok(())
}

#[test]
fn a_loading_model_is_a_missing_stage() -> Result<()> {
    let sandbox = Sandbox::with_models()?;
    // A model that takes minutes to hash, most of it a hole: it loads as long as the test runs.
    let model = sandbox.dirs().models().join("all-minilm-l6-v2-q8_0.gguf");
    let target = fs::read_link(&model)?;
    fs::remove_file(&model)?;
    fs::copy(target, &model)?;
    fs::set_permissions(&model, Permissions::from_mode(0o600))?;
    fs::OpenOptions::new()
        .write(true)
        .open(&model)?
        .set_len(500 << 30)?;
    let notes = sandbox.join("notes");
    fs::create_dir(&notes)?;
    fs::write(notes.join("a.md"), "# Alpha\n\nwalrus\n")?;
    let path = notes.to_str().context("path")?.to_owned();

    let daemon = Daemon::start(sandbox)?;
    let _ = daemon
        .qmdctl(["collection", "add", &path, "--name", "n"])
        .ok();
    let _ = daemon.qmdctl(["update"]).ok();
    let outcome = daemon.qmdctl(["query", "walrus"]).ok();
    assert!(outcome.stdout.contains("a.md"), "{outcome}");
    assert!(outcome.stderr.contains("MODEL_LOADING"), "{outcome}");
    let strict = daemon
        .qmdctl(["query", "walrus", "--strict"])
        .fails(Reason::PartialAnswer);
    assert_eq!(strict.stdout, "");
    let _ = daemon
        .qmdctl(["vsearch", "walrus"])
        .fails(Reason::ModelLoading);
    Ok(())
}

#[test]
fn a_corrupt_model_is_refused_by_name() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let models = sandbox.dirs().models();
    fs::create_dir_all(&models)?;
    fs::write(
        models.join("all-minilm-l6-v2-q8_0.gguf"),
        b"GGUF\x03\0\0\0garbage",
    )?;
    let daemon = Daemon::start(sandbox)?;
    wait::until("the model to be refused", wait::LIMIT, || {
        let outcome = daemon.qmdctl(["vsearch", "walrus"]);
        Ok((outcome.code != Some(i32::from(Reason::ModelLoading.exit_code()))).then_some(()))
    })?;
    let _ = daemon
        .qmdctl(["vsearch", "walrus"])
        .fails(Reason::ModelCorrupt);
    Ok(())
}

#[test]
fn the_hub_out_of_reach_is_said_at_once() -> Result<()> {
    // A port that nobody listens on.
    let daemon = Daemon::start_with(Sandbox::new()?, [("HF_ENDPOINT", "http://127.0.0.1:9")])?;
    let _ = daemon
        .qmdctl(["models", "pull", "standard"])
        .fails(Reason::HubUnreachable);
    Ok(())
}

#[test]
fn a_socket_path_over_the_limit_is_refused_by_both() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let long = sandbox.join("x".repeat(110));
    for name in ["qmdd", "qmdctl"] {
        let verb = if name == "qmdd" { "serve" } else { "status" };
        let mut command = sandbox.command(program(name)?);
        let _ = run(command.env("QMDD_SOCKET", &long).arg(verb))?.fails(Reason::SocketPathTooLong);
    }
    Ok(())
}
