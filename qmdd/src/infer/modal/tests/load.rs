//! Many calls: none lost, none doubled, few connections, and as many at once as the remote end takes.

use std::sync::Mutex;

use futures::{FutureExt, StreamExt, stream};
use tokio::sync::{Barrier, Semaphore};

use super::*;
use crate::infer::modal::session::BULK_PER_CONTAINER;

/// A deterministic source of faults (xorshift).
struct Chance(u64);

impl Chance {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[tokio::test]
async fn a_thousand_calls_with_a_fifth_of_faults_lose_and_double_nothing() {
    let chance = Mutex::new(Chance(0x5eed));
    let answered = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&answered);
    let server = Server::start(move |request, _| {
        if request.path == "/v1/info" {
            return usual(request);
        }
        let mut chance = chance.lock().unwrap();
        if chance.roll(5) == 0 {
            return match chance.roll(5) {
                0 => Answer::proxy(502),
                1 => Answer::proxy(503),
                2 => Answer::proxy(429).header("retry-after", "0"),
                3 => Answer::refusal(503, "CHILD_RESTARTING"),
                _ => usual(request).cut(20),
            };
        }
        log.lock().unwrap().push(request.json()["texts"][0].clone());
        usual(request)
    })
    .await;
    let near = &Near::new(&server);
    let calls = (0..1000).map(|number| async move { (number, near.number(number).await) });
    let results: Vec<_> = stream::iter(calls).buffer_unordered(50).collect().await;
    assert_eq!(results.len(), 1000);
    for (number, result) in results {
        match result {
            Ok(found) => assert_eq!(found, number),
            // Three faults in a row happen; they are told, not hidden.
            Err(error) => assert!(matches!(error, InferError::Unreachable { .. }), "{error}"),
        }
    }
    let mut answered = answered.lock().unwrap().clone();
    let total = answered.len();
    answered.sort_by_key(ToString::to_string);
    answered.dedup();
    assert_eq!(answered.len(), total, "a number was answered twice");
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
    assert!(
        near.modal
            .ready(crate::domain::Role::Embed, Call::bulk())
            .await
            .is_ok()
    );
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
