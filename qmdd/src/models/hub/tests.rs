//! Every way a download can go, against a real server.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{
    server::{Answer, Request, Server},
    *,
};
use crate::{
    domain::{Failure, Reason},
    models::{Installed, ModelSpec, ModelStore, gguf::fixture, install},
};

const SPEC: &str = "hf:owner/repo/tiny.gguf";
const PATH: &str = "/owner/repo/resolve/main/tiny.gguf";

/// A store in a folder of its own, and the model to be had.
struct Bench {
    folder: TempDir,
    store: ModelStore,
    spec: ModelSpec,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = ModelStore::new(folder.path().join("models"), folder.path().join("qmd"));
        let spec = ModelSpec::parse(SPEC, None).expect("spec");
        Self {
            folder,
            store,
            spec,
        }
    }

    async fn pull(&self, hub: &Hub) -> Result<Installed, ModelError> {
        self.store.pull(&self.spec, hub, Arc::new(|_| ())).await
    }

    /// The pull, which must fail for `reason` and leave no model behind.
    async fn refused(&self, hub: &Hub, reason: Reason) -> ModelError {
        let error = self.pull(hub).await.expect_err("must fail");
        assert_eq!(error.reason(), reason, "{error}");
        assert!(error.hint().is_some());
        assert!(matches!(
            self.store.resolve(&self.spec),
            Err(ModelError::Missing { .. })
        ));
        error
    }

    /// The pull, which must bring exactly `model`.
    async fn brought(&self, hub: &Hub, model: &[u8]) -> Installed {
        let installed = self.pull(hub).await.expect("pulled");
        assert_eq!(fs::read(&installed.path).expect("in place"), model);
        assert_eq!(installed.sha256, sha256(model));
        assert_eq!(
            self.store.resolve(&self.spec).expect("resolves"),
            installed.path
        );
        assert!(!install::beside(&installed.path, ".part").exists());
        assert!(!install::beside(&installed.path, ".part.json").exists());
        installed
    }
}

/// Some 320 kB.
fn model() -> Vec<u8> {
    fixture::model(10_000)
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn hub_with(server: &Server, token: Option<&str>, free_space: fn(&Path) -> io::Result<u64>) -> Hub {
    let config = HubConfig {
        endpoint: server.url.clone(),
        token: token.map(str::to_owned),
    };
    let patience = Patience {
        idle: Duration::from_millis(200),
        backoff: Duration::from_millis(1),
    };
    // Not through a proxy of the environment.
    Hub::build(
        config,
        reqwest::Client::builder().no_proxy(),
        patience,
        free_space,
    )
    .expect("hub")
}

fn hub(server: &Server) -> Hub {
    hub_with(server, None, |_| Ok(u64::MAX))
}

/// `answer` with the headers the hub has for a file of this content.
fn announcing(answer: Answer, model: &[u8]) -> Answer {
    answer
        .header("X-Linked-ETag", &format!("\"{}\"", sha256(model)))
        .header("X-Linked-Size", &model.len().to_string())
        .header("X-Repo-Commit", "c0ffee")
        .header("ETag", "\"etag-1\"")
}

fn serve(request: &Request, model: &[u8]) -> Answer {
    announcing(Answer::ranged(request, model), model)
}

#[tokio::test]
async fn a_file_arrives_with_its_origin_and_is_not_fetched_twice() {
    let (bench, model) = (Bench::new(), model());
    let served = model.clone();
    let server = Server::start(move |request, _| serve(request, &served)).await;
    let installed = bench.brought(&hub(&server), &model).await;
    assert!(!installed.already_present);
    let origin = Origin::of(&installed.path).expect("origin");
    assert_eq!(
        (origin.source.as_str(), origin.revision.as_deref()),
        (SPEC, Some("c0ffee"))
    );
    assert!(origin.verified);

    let again = bench.brought(&hub(&server), &model).await;
    assert!(again.already_present);
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].path, PATH);
}

#[tokio::test]
async fn broken_connections_are_resumed_where_they_broke() {
    let (bench, model) = (Bench::new(), model());
    let served = model.clone();
    let server = Server::start(move |request, before| match before {
        0 => serve(request, &served).cut(100_000),
        1 => serve(request, &served).cut(50_000),
        _ => serve(request, &served),
    })
    .await;
    bench.brought(&hub(&server), &model).await;
    let seen = server.seen();
    let ranges: Vec<_> = seen.iter().map(Request::range).collect();
    assert_eq!(ranges, [None, Some(100_000), Some(150_000)]);
    assert_eq!(seen[1].headers["if-range"], "\"etag-1\"");
}

#[tokio::test]
async fn a_silent_server_is_asked_again() {
    let (bench, model) = (Bench::new(), model());
    let served = model.clone();
    let server = Server::start(move |request, before| match before {
        0 => serve(request, &served).stall(50_000),
        _ => serve(request, &served),
    })
    .await;
    let mut hub = hub(&server);
    hub.patience.idle = Duration::from_millis(500);
    bench.brought(&hub, &model).await;
    assert!(server.seen().len() >= 2);
}

#[tokio::test]
async fn an_abandoned_pull_is_resumed_by_the_next_one() {
    let (bench, model) = (Bench::new(), model());
    let (served, whole) = (model.clone(), Arc::new(AtomicBool::new(false)));
    let switch = Arc::clone(&whole);
    let server = Server::start(move |request, _| {
        let answer = serve(request, &served);
        if switch.load(Ordering::SeqCst) {
            answer
        } else {
            answer.stall(100_000)
        }
    })
    .await;
    let hub = hub(&server);
    let place = bench.store.place(&bench.spec);
    let part = install::beside(&place, ".part");
    let arrived = async {
        while fs::metadata(&part).map_or(0, |part| part.len()) < 100_000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = bench.pull(&hub) => panic!("the server stalls, yet: {ended:?}"),
        () = arrived => {}
    }
    assert!(!place.exists());

    whole.store(true, Ordering::SeqCst);
    bench.brought(&hub, &model).await;
    assert_eq!(server.seen()[1].range(), Some(100_000));
}

#[tokio::test]
async fn a_server_without_ranges_sends_the_whole_again() {
    let (bench, model) = (Bench::new(), model());
    let served = model.clone();
    let server = Server::start(move |_, before| {
        let answer = announcing(Answer::new(200).body(&served), &served);
        if before == 0 {
            answer.cut(100_000)
        } else {
            answer
        }
    })
    .await;
    bench.brought(&hub(&server), &model).await;
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_is_fetched_from_its_start() {
    let (bench, old, new) = (Bench::new(), model(), fixture::model(9_000));
    let served = (old.clone(), new.clone());
    let server = Server::start(move |request, before| match before {
        0 => serve(request, &served.0).cut(100_000),
        _ => serve(request, &served.1),
    })
    .await;
    bench.brought(&hub(&server), &new).await;
    let ranges: Vec<_> = server.seen().iter().map(Request::range).collect();
    assert_eq!(ranges, [None, Some(100_000), None]);
}

#[tokio::test]
async fn a_part_other_than_asked_for_is_not_used() {
    let (bench, model) = (Bench::new(), model());
    let served = model.clone();
    let server = Server::start(move |request, before| match before {
        0 => serve(request, &served).cut(100_000),
        1 => {
            let range = format!("bytes 7-{}/{}", served.len() - 1, served.len());
            let answer = Answer::new(206)
                .header("Content-Range", &range)
                .body(&served[7..]);
            announcing(answer, &served)
        }
        _ => serve(request, &served),
    })
    .await;
    bench.brought(&hub(&server), &model).await;
    assert_eq!(server.seen()[2].range(), None);
}

#[tokio::test]
async fn a_damaged_leftover_is_replaced_by_a_fresh_copy() {
    let (bench, model) = (Bench::new(), model());
    let served = model.clone();
    let server = Server::start(move |request, before| match before {
        0 => {
            let mut damaged = served.clone();
            damaged[50_000] ^= 1;
            announcing(Answer::new(200).body(&damaged), &served).cut(100_000)
        }
        _ => serve(request, &served),
    })
    .await;
    // The first pull leaves damaged bytes, and a second one finds them.
    let mut impatient = hub(&server);
    impatient.free_space = |folder| {
        let begun = fs::read_dir(folder)?.any(|entry| {
            entry.is_ok_and(|entry| entry.path().to_string_lossy().ends_with(".part"))
        });
        Ok(if begun { 0 } else { u64::MAX })
    };
    bench.refused(&impatient, Reason::DiskFull).await;
    bench.brought(&hub(&server), &model).await;
}

#[tokio::test]
async fn a_wrong_hash_installs_nothing_and_leaves_nothing() {
    let (bench, model) = (Bench::new(), model());
    let server = Server::start(move |_, _| {
        Answer::new(200)
            .header("X-Linked-ETag", &"a".repeat(64))
            .body(&model)
    })
    .await;
    bench.refused(&hub(&server), Reason::HashMismatch).await;
    let place = bench.store.place(&bench.spec);
    assert!(!install::beside(&place, ".part").exists());
    assert_eq!(server.seen().len(), 1, "a fresh copy is not fetched again");
}

#[tokio::test]
async fn a_body_that_stays_short_is_given_up_after_some_tries() {
    let (bench, model) = (Bench::new(), model());
    let server = Server::start(move |request, _| serve(request, &model).cut(1_000)).await;
    let error = bench.refused(&hub(&server), Reason::HubUnreachable).await;
    assert!(!error.to_string().contains('\n'));
    assert_eq!(server.seen().len(), ATTEMPTS as usize);
}

#[tokio::test]
async fn what_is_no_model_is_refused_at_its_first_bytes() {
    let bench = Bench::new();
    let page = b"<!DOCTYPE html><title>Log in</title>".repeat(1000);
    let server = Server::start(move |_, _| Answer::new(200).body(&page)).await;
    let error = bench.refused(&hub(&server), Reason::ModelCorrupt).await;
    assert!(error.to_string().contains("web page"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_damaged_model_with_a_right_hash_is_refused() {
    let bench = Bench::new();
    let cut = model()[..200_000].to_vec();
    let server = Server::start(move |request, _| serve(request, &cut)).await;
    let error = bench.refused(&hub(&server), Reason::ModelCorrupt).await;
    assert!(error.to_string().contains("cut short"), "{error}");
}

#[tokio::test]
async fn refusals_are_final_and_say_what_to_do() {
    for (status, token, hint) in [
        (401, None, "set HF_TOKEN"),
        (403, Some("secret"), "account of HF_TOKEN"),
        (404, None, "check owner"),
    ] {
        let bench = Bench::new();
        let server = Server::start(move |_, _| Answer::new(status)).await;
        let hub = hub_with(&server, token, |_| Ok(u64::MAX));
        let error = bench.refused(&hub, Reason::HubRefused).await;
        assert!(
            error.hint().expect("hint").contains(hint),
            "{status}: {:?}",
            error.hint()
        );
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        assert_eq!(server.seen().len(), 1, "{status} is not tried again");
    }
}

#[tokio::test]
async fn a_busy_hub_is_asked_again() {
    let (bench, model) = (Bench::new(), model());
    let served = model.clone();
    let server = Server::start(move |request, before| match before {
        0 => Answer::new(503),
        1 => Answer::new(429).header("Retry-After", "0"),
        _ => serve(request, &served),
    })
    .await;
    bench.brought(&hub(&server), &model).await;
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_hub_that_stays_busy_is_given_up() {
    let bench = Bench::new();
    let server = Server::start(|_, _| Answer::new(503)).await;
    let error = bench.refused(&hub(&server), Reason::HubUnreachable).await;
    assert!(error.to_string().contains("503"), "{error}");
    assert_eq!(server.seen().len(), ATTEMPTS as usize);

    let later = Server::start(|_, _| Answer::new(429).header("Retry-After", "3600")).await;
    let error = bench.refused(&hub(&later), Reason::HubUnreachable).await;
    assert!(error.to_string().contains("3600"), "{error}");
    assert_eq!(later.seen().len(), 1, "nobody waits for an hour");
}

#[tokio::test]
async fn the_token_stays_with_the_hub() {
    let (bench, model) = (Bench::new(), model());
    let (served, sizes) = (model.clone(), model.clone());
    let storage = Server::start(move |request, before| {
        // The storage host's own tags are no hashes of the content.
        let answer =
            Answer::ranged(request, &served).header("ETag", &format!("\"{}\"", "b".repeat(64)));
        if before == 0 {
            answer.cut(100_000)
        } else {
            answer
        }
    })
    .await;
    let target = format!("{}/signed?key=1", storage.url);
    let server = Server::start(move |request, _| match request.path.as_str() {
        PATH => announcing(Answer::new(307), &sizes).header("Location", "/moved/tiny.gguf"),
        _ => Answer::new(302).header("Location", &target),
    })
    .await;
    let hub = hub_with(&server, Some("secret"), |_| Ok(u64::MAX));
    bench.brought(&hub, &model).await;
    let sent = |request: &Request| request.headers.get("authorization").cloned();
    let to_hub: Vec<_> = server.seen().iter().map(sent).collect();
    assert_eq!(to_hub, vec![Some("Bearer secret".to_owned()); 4]);
    assert_eq!(
        storage.seen().iter().map(sent).collect::<Vec<_>>(),
        [None, None]
    );
    assert_eq!(storage.seen()[1].range(), Some(100_000));
    assert!(!format!("{:?}", hub.config).contains("secret"));
}

#[tokio::test]
async fn endless_redirects_end() {
    let bench = Bench::new();
    let server = Server::start(|_, _| Answer::new(302).header("Location", "/again")).await;
    bench.refused(&hub(&server), Reason::HubRefused).await;
}

#[tokio::test]
async fn a_full_disk_is_noticed_before_anything_is_written() {
    let (bench, model) = (Bench::new(), model());
    let server = Server::start(move |request, _| serve(request, &model)).await;
    let hub = hub_with(&server, None, |_| Ok(1000));
    let error = bench.refused(&hub, Reason::DiskFull).await;
    assert!(error.to_string().contains("needs 1 MiB"), "{error}");
    assert!(!install::beside(&bench.store.place(&bench.spec), ".part").exists());
}

#[tokio::test]
async fn nobody_there_is_told_at_once() {
    let bench = Bench::new();
    let server = Server::start(|_, _| Answer::new(200)).await;
    let hub = hub(&server);
    // The port is free again once the listener is gone.
    let address = server.url.trim_start_matches("http://").to_owned();
    drop(server);
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    let error = bench.refused(&hub, Reason::HubUnreachable).await;
    assert!(error.to_string().contains(&hub.config.endpoint), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn two_pulls_share_one_download() {
    let (bench, model) = (Bench::new(), model());
    let served = model.clone();
    let server = Server::start(move |request, _| serve(request, &served)).await;
    let (one, two) = (hub(&server), hub(&server));
    let (one, two) = tokio::join!(bench.brought(&one, &model), bench.brought(&two, &model));
    assert_ne!(one.already_present, two.already_present);
    assert_eq!(server.seen().len(), 1);
    assert_eq!(
        bench.folder.path().join("models/hf/owner/repo/tiny.gguf"),
        one.path
    );
}

#[test]
fn an_endpoint_must_be_a_web_address() {
    for endpoint in ["", "hub", "ftp://hub.example", "http://"] {
        let error = Hub::new(HubConfig {
            endpoint: endpoint.into(),
            token: None,
        })
        .expect_err("no web address");
        assert_eq!(error.reason(), Reason::HubUnreachable, "{endpoint}");
    }
}
