//! Each way in which the remote end fails, and what the caller gets to know.

use std::time::Duration;

use tokio::net::TcpListener;

use super::*;
use crate::domain::{Failure, Reason};

/// A server that is up, and answers embeddings like this.
async fn failing(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Server {
    Server::start(move |request, number| match request.path.as_str() {
        "/v1/info" => usual(request),
        _ => answer(number),
    })
    .await
}

/// The reason, with a hint that names a command.
fn told(error: &InferError) -> Reason {
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains("`qmdctl modal "), "{error}: {hint:?}");
    assert!(!format!("{error:?}").contains("ws-b"), "{error:?}");
    error.reason()
}

#[tokio::test]
async fn nobody_there() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let near = Near::with(&format!("http://{address}"), patience(), 1);
    let error = near.refusal().await;
    assert_eq!(told(&error), Reason::RemoteUnreachable);
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn no_such_name() {
    let near = Near::with("http://qmdd.invalid", patience(), 1);
    assert_eq!(told(&near.refusal().await), Reason::RemoteUnreachable);
}

#[tokio::test]
async fn silence_ends_at_the_callers_deadline_or_at_our_own() {
    let server = failing(|_| Answer::hang()).await;
    let near = Near::new(&server);
    let call = Call::interactive().within(Duration::from_millis(100));
    let error = near.modal.embed(vec!["1".into()], call).await.unwrap_err();
    assert_eq!(error.reason(), Reason::DeadlineExceeded);
    assert_eq!(server.seen("/v1/embed").len(), 1, "it is not tried again");

    let impatient = Patience {
        answer: Duration::from_millis(100),
        ..patience()
    };
    let near = Near::with(&server.url, impatient, 1);
    assert_eq!(told(&near.refusal().await), Reason::RemoteUnreachable);
}

#[tokio::test]
async fn a_slow_drip_ends_at_the_deadline() {
    let drip = Answer::new(200, vec![b' '; 1000]).drip(Duration::from_millis(20));
    let server = failing(move |_| drip.clone()).await;
    let near = Near::new(&server);
    let call = Call::interactive().within(Duration::from_millis(100));
    let error = near.modal.embed(vec!["1".into()], call).await.unwrap_err();
    assert_eq!(error.reason(), Reason::DeadlineExceeded);
}

#[tokio::test]
async fn a_caller_that_gives_up_is_let_go() {
    let server = failing(|_| Answer::hang()).await;
    let near = Near::new(&server);
    let call = Call::interactive();
    let cancel = call.cancel.clone();
    let embedding = near.modal.embed(vec!["1".into()], call);
    let (result, ()) = tokio::join!(embedding, async { cancel.cancel() });
    assert_eq!(result.unwrap_err(), InferError::Cancelled);
    let embedding = near.modal.embed(vec!["1".into()], Call::bulk());
    let (result, ()) = tokio::join!(embedding, near.modal.shutdown());
    assert_eq!(result.unwrap_err(), InferError::ShuttingDown);
}

#[tokio::test]
async fn broken_connections_and_gateways_are_tried_three_times() {
    for broken in [
        Answer::json(200, &info_json()).cut(10),
        Answer::proxy(502),
        Answer::proxy(504),
    ] {
        let again = broken.clone();
        let server = Server::start(move |request, number| match request.path.as_str() {
            "/v1/embed" if number < 2 => again.clone(),
            _ => usual(request),
        });
        let server = server.await;
        assert_eq!(Near::new(&server).number(7).await, Ok(7));
        let tries = server.seen("/v1/embed");
        assert_eq!(tries.len(), 3);
        let id = |place: usize| tries[place].headers.get("x-request-id");
        assert!(id(0).is_some() && id(0) == id(2), "one exchange, one id");

        let server = failing(move |_| broken.clone()).await;
        assert_eq!(
            told(&Near::new(&server).refusal().await),
            Reason::RemoteUnreachable
        );
        assert_eq!(server.seen("/v1/embed").len(), 3);
    }
}

#[tokio::test]
async fn refusals_are_final_and_told_apart() {
    for (status, reason, detail) in [
        (401, Reason::RemoteRefused, "token is missing or wrong"),
        (403, Reason::RemoteRefused, "not allowed"),
        (404, Reason::RemoteRefused, "no deployment"),
        (500, Reason::RemoteFailed, "status 500"),
        (418, Reason::RemoteFailed, "status 418"),
    ] {
        let server = failing(move |_| Answer::proxy(status)).await;
        let near = Near::new(&server);
        let error = near.refusal().await;
        assert_eq!(told(&error), reason, "{status}");
        assert!(error.to_string().contains(detail), "{error}");
        assert_eq!(server.seen("/v1/embed").len(), 1, "{status}");
        // It is what `status` shows until the next success.
        let shown = near.modal.report();
        let failed = crate::infer::backend::ModelState::Failed(error);
        assert!(
            shown.iter().all(|report| report.state == failed),
            "{status}"
        );
    }
}

#[tokio::test]
async fn an_overload_is_waited_out_and_lowers_the_pressure() {
    let server = failing_once_with(Answer::proxy(429).header("retry-after", "0")).await;
    let near = Near::with(&server.url, patience(), 4);
    assert_eq!(near.modal.width(), 16);
    assert_eq!(near.number(3).await, Ok(3));
    assert_eq!(near.modal.width(), 8);
    assert_eq!(server.seen("/v1/embed").len(), 2);

    // A time that lies behind the deadline is not waited for.
    let server = failing(|_| Answer::proxy(429).header("retry-after", "20")).await;
    let near = Near::new(&server);
    let call = Call::interactive().within(Duration::from_secs(10));
    let error = near.modal.embed(vec!["1".into()], call).await.unwrap_err();
    assert_eq!(error.reason(), Reason::QueueFull);
}

async fn failing_once_with(answer: Answer) -> Server {
    Server::start(move |request, number| match request.path.as_str() {
        "/v1/embed" if number == 0 => answer.clone(),
        _ => usual(request),
    })
    .await
}

#[tokio::test]
async fn redirects_are_not_followed_and_the_token_stays() {
    let elsewhere = Server::start(|request, _| usual(request)).await;
    let target = format!("{}/v1/embed", elsewhere.url);
    for status in [301, 303, 307] {
        let to = target.clone();
        let server = failing(move |_| Answer::proxy(status).header("location", &to)).await;
        let error = Near::new(&server).refusal().await;
        assert_eq!(told(&error), Reason::RemoteRefused);
        assert!(error.to_string().contains(&elsewhere.url), "{error}");
        let sent = server.seen("/v1/embed");
        let sent = sent[0].headers.get("authorization").map(String::as_str);
        assert_eq!(sent, Some("Bearer wk-a.ws-b"));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn another_model_is_noticed_before_its_vectors_are_used() {
    let server = Server::start(|request, number| match request.path.as_str() {
        // A new deployment, behind the back of a session that is under way.
        "/v1/info" if number > 0 => {
            let mut info = info_json();
            info["models"]["embed"]["sha256"] = "f".repeat(64).into();
            Answer::json(200, &info)
        }
        "/v1/embed" if number > 0 => {
            let reply = serde_json::json!({
                "dimensions": 1, "encoding": "f32le-base64", "embeddings": ["AAAAPw=="],
                "tokens": [3], "model": "f".repeat(64),
            });
            Answer::json(200, &reply)
        }
        _ => usual(request),
    })
    .await;
    let near = Near::new(&server);
    assert_eq!(near.number(1).await, Ok(1));
    let error = near.refusal().await;
    assert_eq!(error.reason(), Reason::ModelsDiffer);
    assert!(error.to_string().starts_with("not the same models"));
    // From now on it is the one that is reckoned with.
    let model = near.modal.info(crate::domain::Role::Embed).unwrap();
    assert_eq!(model.sha256, "f".repeat(64));
    assert!(near.number(1).await.is_ok());
}

#[tokio::test]
async fn another_version_of_the_contract_or_no_gateway_at_all() {
    let other = |_: &Request, _| {
        let mut info = info_json();
        info["contract"] = 2.into();
        Answer::json(200, &info)
    };
    let header = |request: &Request, _| usual(request).header("x-qmd-contract", "2");
    let website = |_: &Request, _| Answer::proxy(200);
    let servers = [
        (Server::start(other).await, "version 2 of the contract"),
        (Server::start(header).await, "version 2 of the contract"),
        (Server::start(website).await, "no gateway of qmdd"),
    ];
    for (server, detail) in servers {
        let error = Near::new(&server).refusal().await;
        assert_eq!(told(&error), Reason::RemoteFailed);
        assert!(error.to_string().contains(detail), "{error}");
        assert_eq!(server.seen("/v1/embed").len(), 0);
    }
}

#[tokio::test]
async fn what_is_too_large_or_no_json_is_refused() {
    for (answer, detail) in [
        (Answer::new(200, vec![b' '; (1 << 20) + 1]), "more than"),
        (Answer::new(200, "{"), "no known form"),
        (Answer::new(200, [0xff, 0xfe]), "no known form"),
        (
            Answer::json(200, &serde_json::json!({"a": 1})),
            "no known form",
        ),
    ] {
        let server = failing(move |_| answer.clone()).await;
        let error = Near::new(&server).refusal().await;
        assert_eq!(told(&error), Reason::RemoteFailed);
        assert!(error.to_string().contains(detail), "{error}");
        assert_eq!(server.seen("/v1/embed").len(), 1);
    }
}
