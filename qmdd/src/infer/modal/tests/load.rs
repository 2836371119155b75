//! Many calls: none lost, none doubled, few connections, and as many at once as the remote end takes.

use std::{collections::BTreeSet, sync::Mutex};

use futures::{
    FutureExt, StreamExt,
    stream::{self, FuturesUnordered},
};
use tokio::sync::{Barrier, Semaphore};

use super::*;
use crate::{
    domain::{Failure, Reason, Role},
    infer::modal::{
        session::{BULK_PER_CONTAINER, INTERACTIVE},
        stack::ADMITTED,
    },
};

/// What befalls a call's try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mishap {
    BadGateway,
    GatewayTimeout,
    /// The connection breaks in the middle of the answer.
    Cut,
    NoContainer,
    Overload,
    Restart,
}

impl Mishap {
    /// One in five tries has one: which, only the call and the try decide.
    fn of(call: usize, attempt: usize) -> Option<Self> {
        const ALL: [Mishap; 6] = [
            Mishap::BadGateway,
            Mishap::GatewayTimeout,
            Mishap::Cut,
            Mishap::NoContainer,
            Mishap::Overload,
            Mishap::Restart,
        ];
        let mut bits = (call * 64 + attempt) as u64 ^ 0x5eed;
        // The finaliser of SplitMix64.
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        bits.is_multiple_of(5).then(|| ALL[(bits / 5 % 6) as usize])
    }

    fn answer(self, request: &Request) -> Answer {
        match self {
            Self::BadGateway => Answer::proxy(502),
            Self::GatewayTimeout => Answer::proxy(504),
            Self::Cut => usual(request).cut(20),
            Self::NoContainer => Answer::proxy(503),
            Self::Overload => Answer::proxy(429).header("retry-after", "0"),
            Self::Restart => Answer::refusal(503, "CHILD_RESTARTING"),
        }
    }

    /// Whether a call succeeds, by the rules of the session: three broken tries in a row are told, and the
    /// rest is waited out; after a look at the container the tries are counted anew.
    fn spare(call: usize) -> bool {
        let mut broken = 0;
        for attempt in 0.. {
            match Self::of(call, attempt) {
                None => return true,
                Some(Self::BadGateway | Self::GatewayTimeout | Self::Cut) => broken += 1,
                Some(Self::NoContainer) => broken = 0,
                Some(Self::Overload | Self::Restart) => {}
            }
            if broken == 3 {
                return false;
            }
        }
        unreachable!("a try without a mishap comes")
    }
}

/// What a server saw of a call.
#[derive(Debug, Default)]
struct Seen {
    ids: BTreeSet<String>,
    tries: usize,
    /// Whole answers.
    answers: usize,
}

#[tokio::test]
async fn a_thousand_calls_with_a_fifth_of_faults_lose_and_double_nothing() {
    const CALLS: usize = 1000;
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    seen.lock().unwrap().resize_with(CALLS, Seen::default);
    let log = Arc::clone(&seen);
    let server = Server::start(move |request, _| {
        if request.path == "/v1/info" {
            return usual(request);
        }
        let text = request.json()["texts"][0].clone();
        let call: usize = text.as_str().unwrap().parse().unwrap();
        let seen = &mut log.lock().unwrap()[call];
        seen.ids.insert(request.headers["x-request-id"].clone());
        seen.tries += 1;
        if let Some(mishap) = Mishap::of(call, seen.tries - 1) {
            return mishap.answer(request);
        }
        seen.answers += 1;
        usual(request)
    })
    .await;
    let near = &Near::new(&server);
    let calls = (0..CALLS).map(|number| async move { (number, near.number(number).await) });
    let results: Vec<_> = stream::iter(calls).buffer_unordered(50).collect().await;
    assert_eq!(results.len(), CALLS);
    for (number, result) in &results {
        match result {
            Ok(found) => assert_eq!(found, number),
            Err(error) => assert!(matches!(error, InferError::Unreachable { .. }), "{error}"),
        }
        // Whoever can have an answer has it: no more give up than the rules say.
        assert_eq!(
            result.is_ok(),
            Mishap::spare(*number),
            "{number}: {result:?}"
        );
    }
    let given_up = results.iter().filter(|(_, result)| result.is_err()).count();
    assert!((1..=5).contains(&given_up), "{given_up}");

    let seen = seen.lock().unwrap();
    let ids: BTreeSet<&String> = seen.iter().flat_map(|seen| &seen.ids).collect();
    assert_eq!(ids.len(), CALLS, "each call has one id, in all its tries");
    for (number, result) in &results {
        let answers = seen[*number].answers;
        assert_eq!(
            answers,
            usize::from(result.is_ok()),
            "{number} was answered {answers} times"
        );
    }
    let tries: usize = seen.iter().map(|seen| seen.tries).sum();
    let faults = tries - (CALLS - given_up);
    assert!(
        (tries * 17 / 100..tries * 23 / 100).contains(&faults),
        "{faults} of {tries}"
    );
}

#[tokio::test]
async fn what_is_beyond_the_limit_is_turned_away_at_once_and_the_rest_is_answered() {
    const BEYOND: usize = 10;
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let server = Server::slow(move |request, _| {
        let gate = Arc::clone(&gate);
        async move {
            if request.path == "/v1/embed" {
                gate.acquire().await.unwrap().forget();
            }
            usual(&request)
        }
        .boxed()
    })
    .await;
    let near = &Near::new(&server);
    near.modal
        .ready(Role::Embed, Call::interactive())
        .await
        .unwrap();
    let calls =
        (0..ADMITTED + BEYOND).map(|number| async move { (number, near.number(number).await) });
    let mut results: FuturesUnordered<_> = calls.collect();
    // The gate is shut: only who is turned away hears anything.
    for _ in 0..BEYOND {
        let (_, result) = results.next().await.unwrap();
        let error = result.unwrap_err();
        assert_eq!(error.reason(), Reason::QueueFull);
        assert!(error.to_string().contains("1024"), "{error}");
    }
    assert!(server.at_once("/v1/embed") <= INTERACTIVE);
    // Bulk work has a limit of its own.
    open.add_permits(ADMITTED + 1);
    let bulk = near
        .modal
        .embed(vec!["7".into()], Call::bulk())
        .await
        .unwrap();
    assert_eq!(bulk[0].values[0] as usize, 7);
    let rest: Vec<_> = results.collect().await;
    assert_eq!(rest.len(), ADMITTED);
    for (number, result) in rest {
        assert_eq!(result, Ok(number));
    }
}

#[tokio::test]
async fn a_thousand_calls_in_a_row_share_a_connection() {
    let server = Server::start(|request, _| usual(request)).await;
    let near = Near::new(&server);
    for number in 0..1000 {
        assert_eq!(near.number(number).await, Ok(number));
    }
    assert_eq!(server.seen("/v1/embed").len(), 1000, "one request a call");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_large_input_goes_out_in_batches_to_all_containers_at_once() {
    let containers = 4;
    let at_once = containers * BULK_PER_CONTAINER;
    let barrier = Arc::new(Barrier::new(at_once));
    let server = Server::slow(move |request, _| {
        let barrier = Arc::clone(&barrier);
        async move {
            if request.path == "/v1/embed" {
                // Nobody is answered before as many are under way as there may be.
                barrier.wait().await;
            }
            usual(&request)
        }
        .boxed()
    })
    .await;
    let near = Near::with(&server.url, patience(), containers);
    let texts: Vec<String> = (0..at_once * 2 * 32)
        .map(|number| number.to_string())
        .collect();
    let count = texts.len();
    let embeddings = near.modal.embed(texts, Call::bulk()).await.unwrap();
    assert_eq!(embeddings.len(), count);
    for (number, embedding) in embeddings.iter().enumerate() {
        assert_eq!(embedding.values[0] as usize, number);
    }
    assert_eq!(server.at_once("/v1/embed"), at_once);
    assert_eq!(server.seen("/v1/embed").len(), at_once * 2);
}

#[tokio::test]
async fn a_question_passes_bulk_work() {
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let server = Server::slow(move |request, _| {
        let gate = Arc::clone(&gate);
        async move {
            if request.path == "/v1/embed" && request.json()["texts"][0] != "77" {
                gate.acquire().await.unwrap().forget();
            }
            usual(&request)
        }
        .boxed()
    })
    .await;
    let near = Near::new(&server);
    assert!(near.modal.ready(Role::Embed, Call::bulk()).await.is_ok());
    let texts: Vec<String> = (0..32 * 20).map(|_| "1".into()).collect();
    let modal = Arc::clone(&near.modal);
    let bulk = tokio::spawn(async move { modal.embed(texts, Call::bulk()).await });
    while server.at_once("/v1/embed") < BULK_PER_CONTAINER {
        tokio::task::yield_now().await;
    }
    assert_eq!(near.number(77).await, Ok(77));
    open.add_permits(1000);
    assert_eq!(bulk.await.unwrap().unwrap().len(), 32 * 20);
}

#[tokio::test]
async fn large_bodies_are_compressed_and_small_ones_are_not() {
    let server = Server::start(|request, _| usual(request)).await;
    let near = Near::new(&server);
    let texts = vec!["7".into(), "x".repeat(100_000)];
    let embeddings = near.modal.embed(texts, Call::interactive()).await.unwrap();
    assert_eq!(embeddings[0].values[0] as usize, 7);
    assert_eq!(near.number(1).await, Ok(1));
    let encodings: Vec<bool> = (server.seen("/v1/embed").iter())
        .map(|request| request.headers.contains_key("content-encoding"))
        .collect();
    assert_eq!(encodings, [true, false]);
}
