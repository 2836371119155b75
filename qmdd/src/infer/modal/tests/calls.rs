//! What becomes of each call of the trait.

use serde_json::json;

use super::*;
use crate::{
    domain::{Failure, Reason, Role},
    infer::{
        backend::{Finish, Sampling},
        prompts,
    },
};

/// A gateway whose reranker has no head, and without an embedding model.
async fn remote() -> Server {
    Server::start(|request, _| match request.path.as_str() {
        "/v1/info" => {
            let mut info = info_json();
            info["models"]["rerank"]["scoring"] = "yes_no".into();
            info["models"]["embed"].take();
            info["models"]["generate"]["chat_template"] = "<|im_start|>".into();
            info["limits"]["items"] = 2.into();
            Answer::json(200, &info)
        }
        "/v1/rerank" => {
            let documents = request.json()["documents"].clone();
            let scores = documents.as_array().unwrap().iter();
            let scores = scores.map(|document| document.as_str().unwrap().len() as f32 / 10.0);
            Answer::json(
                200,
                &json!({
                    "scores": scores.collect::<Vec<_>>(), "cut": [0], "model": model_of("rerank"),
                }),
            )
        }
        "/v1/generate" => Answer::json(
            200,
            &json!({
                "text": "one two", "tokens": 2, "finish": "deadline", "model": model_of("generate"),
            }),
        ),
        path => panic!("{path} is not asked for"),
    })
    .await
}

#[tokio::test]
async fn documents_go_out_in_batches_with_the_frame_of_our_templates() {
    let server = remote().await;
    let near = Near::new(&server);
    let documents = ["a", "bb", "ccc"].map(str::to_owned);
    let scored = near
        .modal
        .rerank("q".into(), documents.into(), Call::interactive())
        .await
        .unwrap();
    let tenths: Vec<_> = scored
        .iter()
        .map(|scored| ((scored.score * 10.0).round() as u32, scored.cut))
        .collect();
    assert_eq!(tenths, [(1, true), (2, false), (3, true)]);
    let sent = server.seen("/v1/rerank");
    assert_eq!(sent.len(), 2, "two documents a batch");
    let frame = prompts::rerank("tiny", "q");
    for request in sent {
        let body = request.json();
        assert_eq!(body["query"], "q");
        assert_eq!(body["frame"]["before"], frame.before.as_str());
        assert_eq!(body["frame"]["after"], frame.after.as_str());
    }
}

#[tokio::test]
async fn a_text_comes_as_one_piece_and_in_time() {
    let server = remote().await;
    let near = Near::new(&server);
    let (pieces, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let sampling = Sampling {
        temperature: 0.7,
        top_k: 20,
        top_p: 0.8,
        presence_penalty: 0.5,
        seed: 7,
        max_tokens: 9,
        grammar: None,
    };
    let call = Call::interactive().within(Duration::from_secs(50));
    let generation = near
        .modal
        .generate("p".into(), sampling, Some(pieces), call);
    let generation = generation.await.unwrap();
    assert_eq!(generation.text, "one two");
    assert_eq!(generation.finish, Finish::Deadline);
    assert_eq!(heard.recv().await.as_deref(), Some("one two"));
    assert_eq!(heard.recv().await, None);
    let body = server.seen("/v1/generate")[0].json();
    // Nine tenths of what is left of fifty seconds.
    let deadline = body["deadline_ms"].as_u64().unwrap();
    assert!((1..=45_000).contains(&deadline), "{deadline}");
    assert_eq!(body["grammar"], Value::Null);

    let model = near.modal.info(Role::Generate).unwrap();
    assert_eq!(model.chat, crate::infer::backend::ChatMarkup::ChatMl);
}

#[tokio::test]
async fn roles_may_be_absent_and_are_not_unloaded_from_here() {
    let server = remote().await;
    let near = Near::new(&server);
    let absent = near.refusal().await;
    assert_eq!(absent.reason(), Reason::ModelNotConfigured);
    // Known of an earlier daemon is not known for good.
    let asked = server.seen("/v1/info").len();
    let next = Near::open(&near.memory, &server.url, patience(), 1);
    for _ in 0..2 {
        let again = next.embed(vec!["1".into()], Call::interactive()).await;
        assert_eq!(again.unwrap_err(), absent);
    }
    assert_eq!(server.seen("/v1/info").len(), asked + 1);

    let refused = near.modal.unload(Role::Rerank).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::InvalidArgument);
}
