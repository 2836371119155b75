//! The layer before a service that answers when the test says so.

use std::convert::Infallible;

use prost::Message;
use qmd_proto::v1::{SearchMode, SearchRequest};
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, yield_now},
};
use tonic::{Code, codegen::Bytes};
use tonic_types::StatusExt;

use super::{pool::Share, *};

const SEARCH: &str = "/qmd.v1.SearchService/Search";
const STATUS: &str = "/qmd.v1.ControlService/Status";

/// A request whose turn has come.
struct Begun {
    tag: String,
    /// Lets it be answered.
    answer: oneshot::Sender<()>,
    place: Option<Arc<Place>>,
}

/// Tells of each request when it begins.
#[derive(Clone)]
struct Worker(mpsc::UnboundedSender<Begun>);

impl Service<Request<Body>> for Worker {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let begun = self.0.clone();
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let tag = request.headers()["x-tag"].to_str().unwrap().to_owned();
            let place = held();
            begun.send(Begun { tag, answer, place }).unwrap();
            let _ = answered.await;
            Ok(Response::new(Body::empty()))
        })
    }
}

/// A service with one place for each kind of work, unless said otherwise.
struct Stage {
    service: InTurn<Worker>,
    begun: mpsc::UnboundedReceiver<Begun>,
}

/// A call under way.
type Call = JoinHandle<Response<Body>>;

impl Stage {
    fn new(limits: Limits) -> Self {
        let (sender, begun) = mpsc::unbounded_channel();
        Self {
            service: Fair::within(limits).layer(Worker(sender)),
            begun,
        }
    }

    fn single() -> Self {
        Self::new(single())
    }

    fn call(&self, connection: u64, tag: &str, path: &str, headers: &[(&str, &str)]) -> Call {
        let message = SearchRequest {
            mode: SearchMode::Hybrid.into(),
            ..SearchRequest::default()
        };
        self.send(connection, tag, path, headers, &message)
    }

    fn send(
        &self,
        connection: u64,
        tag: &str,
        path: &str,
        headers: &[(&str, &str)],
        message: &SearchRequest,
    ) -> Call {
        let mut framed = vec![0];
        framed.extend((message.encoded_len() as u32).to_be_bytes());
        framed.extend(message.encode_to_vec());
        let mut request = Request::builder().uri(path).header("x-tag", tag);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Body::new(Full::new(Bytes::from(framed)));
        let mut request = request.body(body).unwrap();
        request.extensions_mut().insert(Peer::number(connection));
        let answer = self.service.clone().call(request);
        tokio::spawn(async move {
            let Ok(answer) = answer.await;
            answer
        })
    }

    /// The next request whose turn comes.
    async fn next(&mut self) -> Begun {
        self.begun.recv().await.unwrap()
    }

    /// Whether no request has begun, once all have done what they can.
    async fn is_still(&mut self) -> bool {
        for _ in 0..50 {
            yield_now().await;
        }
        self.begun.is_empty()
    }
}

fn single() -> Limits {
    Limits {
        shares: [Share { places: 1, each: 1 }; Pool::ALL.len()],
        ..Limits::default()
    }
}

fn status_of(response: &Response<Body>) -> Option<Status> {
    Status::from_header_map(response.headers())
}

#[tokio::test]
async fn connections_take_turns_and_each_keeps_its_order() {
    let mut stage = Stage::single();
    for tag in ["a1", "a2", "a3", "a4"] {
        drop(stage.call(1, tag, SEARCH, &[]));
    }
    for tag in ["b1", "b2"] {
        drop(stage.call(2, tag, SEARCH, &[]));
    }
    drop(stage.call(3, "c1", SEARCH, &[]));
    let mut order = Vec::new();
    for _ in 0..7 {
        let begun = stage.next().await;
        assert!(stage.is_still().await, "two in one place");
        order.push(begun.tag);
        // Answered, or gone: the place is free either way.
        drop(begun.place);
        begun.answer.send(()).unwrap();
    }
    assert_eq!(order, ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
}

#[tokio::test]
async fn who_gives_up_leaves_the_line() {
    let mut stage = Stage::single();
    drop(stage.call(1, "first", SEARCH, &[]));
    let first = stage.next().await;
    let second = stage.call(1, "second", SEARCH, &[]);
    drop(stage.call(1, "third", SEARCH, &[]));
    assert!(stage.is_still().await);
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    drop(first);
    assert_eq!(stage.next().await.tag, "third");
}

#[tokio::test]
async fn who_gives_up_while_it_is_answered_leaves_its_place() {
    let mut stage = Stage::single();
    let first = stage.call(1, "first", SEARCH, &[]);
    let begun = stage.next().await;
    drop(begun.place);
    drop(stage.call(2, "second", SEARCH, &[]));
    assert!(stage.is_still().await);
    first.abort();
    assert_eq!(stage.next().await.tag, "second");
}

#[tokio::test]
async fn the_time_that_a_request_gives_itself_counts_while_it_waits() {
    let mut stage = Stage::single();
    drop(stage.call(1, "first", SEARCH, &[]));
    let first = stage.next().await;
    let late = stage.call(1, "late", SEARCH, &[("grpc-timeout", "5m")]);
    let status = status_of(&late.await.unwrap()).unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let reason = status.get_details_error_info().unwrap().reason;
    assert_eq!(reason, "DEADLINE_EXCEEDED");
    drop(stage.call(1, "third", SEARCH, &[]));
    drop(first);
    assert_eq!(stage.next().await.tag, "third", "it was never begun");
}

#[tokio::test]
async fn and_while_it_is_answered() {
    let mut stage = Stage::single();
    let slow = stage.call(1, "slow", SEARCH, &[("grpc-timeout", "5m")]);
    let _begun = stage.next().await;
    let status = status_of(&slow.await.unwrap()).unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("before its answer"), "{status:?}");
}

#[tokio::test]
async fn one_connection_is_refused_with_a_time_while_another_waits() {
    let mut stage = Stage::new(Limits {
        waiting_each: 2,
        ..single()
    });
    drop(stage.call(1, "a1", SEARCH, &[]));
    let first = stage.next().await;
    for tag in ["a2", "a3"] {
        drop(stage.call(1, tag, SEARCH, &[]));
    }
    assert!(stage.is_still().await);
    let refused = stage.call(1, "a4", SEARCH, &[]).await.unwrap();
    let status = status_of(&refused).unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "TOO_MANY_REQUESTS");
    let after = details.retry_info().unwrap().retry_delay.unwrap();
    assert!(!after.is_zero());
    let hint = &details.error_info().unwrap().metadata["hint"];
    assert!(hint.starts_with("ask again in"), "{hint}");

    drop(stage.call(2, "b1", SEARCH, &[]));
    assert!(stage.is_still().await);
    drop(first);
    // Whose connection has had its turn comes after whose has not.
    assert_eq!(stage.next().await.tag, "b1");
    assert_eq!(stage.next().await.tag, "a2");
}

#[tokio::test]
async fn steering_and_searches_by_words_do_not_wait_for_models() {
    let mut stage = Stage::single();
    drop(stage.call(1, "hybrid", SEARCH, &[]));
    let _hybrid = stage.next().await;
    drop(stage.call(1, "waits", SEARCH, &[]));
    drop(stage.call(1, "status", STATUS, &[]));
    let _status = stage.next().await;
    let words = SearchRequest {
        mode: SearchMode::Lexical.into(),
        ..SearchRequest::default()
    };
    drop(stage.send(1, "words", SEARCH, &[], &words));
    assert_eq!(stage.next().await.tag, "words");
    // What does not wait is refused.
    let refused = stage.call(1, "again", STATUS, &[]).await.unwrap();
    let status = status_of(&refused).unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().is_some());
}

#[tokio::test]
async fn work_that_goes_on_after_its_answer_began_keeps_its_place() {
    let mut stage = Stage::single();
    let first = stage.call(1, "first", SEARCH, &[]);
    let Begun { answer, place, .. } = stage.next().await;
    drop(stage.call(2, "second", SEARCH, &[]));
    answer.send(()).unwrap();
    assert!(status_of(&first.await.unwrap()).is_none());
    assert!(stage.is_still().await);
    drop(place);
    assert_eq!(stage.next().await.tag, "second");
}

#[tokio::test]
async fn without_a_place_nothing_is_held() {
    assert!(held().is_none());
}
