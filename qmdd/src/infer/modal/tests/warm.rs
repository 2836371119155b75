//! Cold starts: one flight for however many callers, and no waking for the mere asking.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use futures::future::join_all;

use super::*;
use crate::{
    domain::{Failure, Reason, Role},
    infer::{
        backend::ModelState,
        cached::{Cached, Store},
    },
};

#[tokio::test]
async fn fifty_callers_wait_for_one_flight() {
    for cold in [Answer::proxy(503), Answer::refusal(503, "MODEL_LOADING")] {
        let (awake, looks) = (AtomicBool::new(true), AtomicUsize::new(0));
        let asleep = Arc::new((awake, looks));
        let state = Arc::clone(&asleep);
        let server = Server::start(move |request, _| {
            let (awake, looks) = &*state;
            // It is up at the tenth look.
            if !awake.load(SeqCst) && request.path == "/v1/info" && looks.fetch_add(1, SeqCst) == 9
            {
                awake.store(true, SeqCst);
            }
            if awake.load(SeqCst) {
                usual(request)
            } else {
                cold.clone()
            }
        })
        .await;
        let near = Near::new(&server);
        assert_eq!(near.number(0).await, Ok(0));
        asleep.0.store(false, SeqCst);
        let looked = server.seen("/v1/info").len();
        let numbers = join_all((0..50).map(|number| near.number(number))).await;
        for (number, result) in numbers.into_iter().enumerate() {
            assert_eq!(result, Ok(number));
        }
        assert_eq!(server.at_once("/v1/info"), 1, "one prober");
        assert_eq!(server.seen("/v1/info").len() - looked, 10);
        let sent = server.seen("/v1/embed").len();
        assert!(sent <= 1 + 2 * 50, "{sent}: a caller asks twice at most");
    }
}

#[tokio::test]
async fn a_flight_goes_on_when_its_callers_give_up() {
    let awake = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&awake);
    let server = Server::start(move |request, _| {
        if state.load(SeqCst) {
            usual(request)
        } else {
            Answer::proxy(503)
        }
    })
    .await;
    let near = Near::new(&server);
    let call = Call::interactive().within(Duration::from_millis(50));
    let error = near.modal.embed(vec!["1".into()], call).await.unwrap_err();
    // The time passed for want of a container.
    assert_eq!(error.reason(), Reason::ModelLoading);
    let report = near.modal.report();
    assert!(report.iter().all(|role| role.state == ModelState::Loading));
    awake.store(true, SeqCst);
    assert_eq!(near.number(1).await, Ok(1));
    assert!(matches!(near.modal.report()[0].state, ModelState::Ready(_)));
    assert!(
        near.modal.report()[0]
            .device
            .starts_with("Modal T4, us-east, last answer in")
    );
}

#[tokio::test]
async fn a_container_that_never_comes_up_is_told_of() {
    let server = Server::start(|_, _| Answer::proxy(503)).await;
    let start = Duration::from_millis(50);
    let near = Near::with(
        &server.url,
        Patience {
            start,
            ..patience()
        },
        1,
    );
    let error = near.refusal().await;
    assert_eq!(error.reason(), Reason::RemoteUnreachable);
    assert_eq!(server.seen("/v1/embed").len(), 0);
}

#[tokio::test]
async fn a_model_that_is_being_restarted_is_waited_for() {
    let server = Server::start(|request, number| match request.path.as_str() {
        "/v1/embed" if number == 0 => Answer::refusal(503, "CHILD_RESTARTING"),
        _ => usual(request),
    })
    .await;
    assert_eq!(Near::new(&server).number(5).await, Ok(5));
    assert_eq!(server.seen("/v1/info").len(), 1, "no warm-up");
}

#[tokio::test]
async fn nothing_is_woken_for_the_mere_asking() {
    let server = Server::start(|request, _| usual(request)).await;
    let near = Near::new(&server);
    let unknown = near.modal.info(Role::Embed).unwrap_err();
    assert_eq!(unknown.reason(), Reason::ModelLoading);
    let report = near.modal.report();
    assert!(report.iter().all(|role| role.state == ModelState::Unloaded));
    assert_eq!(server.connections(), 0);

    assert_eq!(near.number(1).await, Ok(1));
    // The next daemon knows what this one learnt, and needs one request.
    let seen = server.seen("/v1/info").len();
    let next = Near::open(&near.memory, &server.url, patience(), 1);
    let model = next.info(Role::Embed).unwrap();
    assert_eq!(model, near.modal.info(Role::Embed).unwrap());
    assert_eq!(next.report()[0].name, "Tiny embed");
    assert_eq!(next.report()[0].state, ModelState::Unloaded);
    assert!(next.embed(vec!["1".into()], Call::bulk()).await.is_ok());
    assert_eq!(server.seen("/v1/info").len(), seen);
}

#[tokio::test]
async fn a_container_is_kept_from_ending_while_somebody_is_about_and_the_budget_lasts() {
    const LOOKS: usize = 20;
    let server = Server::start(|request, _| usual(request)).await;
    let every = Duration::from_millis(1);
    let near = Near::keeping(
        &server,
        KeepWarm {
            active: Duration::from_secs(60),
            every,
            allowance: every * LOOKS as u32,
        },
    );
    tokio::time::sleep(every * 3).await;
    assert_eq!(server.connections(), 0, "nobody asked yet");
    assert_eq!(near.number(1).await, Ok(1));
    // The question itself asks what the remote end is.
    while server.seen("/v1/info").len() < 1 + LOOKS {
        tokio::task::yield_now().await;
    }
    for number in 0..50 {
        assert_eq!(near.number(number).await, Ok(number));
    }
    assert_eq!(server.seen("/v1/info").len(), 1 + LOOKS);
}

#[tokio::test]
async fn the_cache_goes_by_the_remote_models_hash() {
    let server = Server::start(|request, _| usual(request)).await;
    let near = Near::new(&server);
    let file = near.memory.path().join("cache");
    let inner: Arc<dyn Backend> = near.modal.clone();
    let cached = Cached::new(inner, Store::open(file, 1 << 20));
    // The first call asks what the model is.
    for _ in 0..3 {
        let embeddings = cached.embed(vec!["4".into()], Call::interactive()).await;
        assert_eq!(embeddings.unwrap()[0].values[0] as usize, 4);
    }
    assert_eq!(server.seen("/v1/embed").len(), 1);
    let mut info = info_json();
    info["models"]["embed"]["sha256"] = "f".repeat(64).into();
    let other = Server::start(move |request, _| match request.path.as_str() {
        "/v1/info" => Answer::json(200, &info),
        _ => Answer::proxy(500),
    });
    let other = other.await;
    let near_other = Near::with(&other.url, patience(), 1);
    let inner: Arc<dyn Backend> = near_other.modal.clone();
    cached.shutdown().await;
    let file = near.memory.path().join("cache");
    let cached = Cached::new(inner, Store::open(file, 1 << 20));
    let result = cached.embed(vec!["4".into()], Call::interactive()).await;
    assert_eq!(
        result.unwrap_err().reason(),
        Reason::RemoteFailed,
        "it was asked"
    );
}
