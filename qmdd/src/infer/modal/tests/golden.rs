//! The golden exchanges of the contract: what this end sends, and what it makes of the answers.

use std::{fs, path::Path};

use reqwest::{StatusCode, header::HeaderMap};
use serde_json::Value;

use crate::{
    domain::{Failure, Reason, Role},
    infer::{
        backend::{Embedding, Generation, Sampling},
        modal::{
            contract::{
                DetokenizeReply, DetokenizeRequest, EmbedReply, EmbedRequest, GenerateReply,
                GenerateRequest, Info, Reply, Request, RerankReply, RerankRequest, TokenizeReply,
                TokenizeRequest,
            },
            error,
        },
        prompts::RerankFrame,
    },
};

struct Golden {
    name: String,
    request: Value,
    response: Value,
    decoded: Value,
}

impl Golden {
    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../modal/contract");
        let files = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path());
        let mut files: Vec<_> = files
            .filter(|file| {
                file.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .collect();
        files.sort();
        assert!(files.len() > 40, "{files:?}");
        let read = |file: &Path| {
            let text = fs::read_to_string(file).unwrap();
            let mut golden: Value = serde_json::from_str(&text).unwrap();
            Self {
                name: golden["name"].as_str().unwrap().to_owned(),
                request: golden["request"].take(),
                response: golden["response"].take(),
                decoded: golden["decoded"].take(),
            }
        };
        files.iter().map(|file| read(file)).collect()
    }

    fn input<T: serde::de::DeserializeOwned>(&self, field: &str) -> T {
        let value = self.request["body"][field].clone();
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn role(&self) -> Role {
        let named = self.request["body"]["role"].as_str().unwrap_or_default();
        let role = Role::ALL.into_iter().find(|role| role.as_str() == named);
        role.unwrap_or(Role::Embed)
    }

    /// Checks the request against the golden one, and gives the golden answer.
    fn exchange<R: Request>(&self, request: &R) -> R::Reply {
        assert_eq!(self.request["path"], R::PATH, "{}", self.name);
        let sent = serde_json::to_string(request).unwrap();
        let sent: Value = serde_json::from_str(&sent).unwrap();
        assert_eq!(same(&sent), same(&self.request["body"]), "{}", self.name);
        let reply = self.response["body"].clone();
        let reply: R::Reply = serde_json::from_value(reply).unwrap();
        assert_eq!(reply.model().len(), 64);
        reply
    }
}

/// With every number in one notation.
fn same(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(items) => items.iter().map(same).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), same(value)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn embed(golden: &Golden) {
    let texts: Vec<String> = golden.input("texts");
    let reply: EmbedReply = golden.exchange(&EmbedRequest { texts: &texts });
    let decoded = reply.decode(texts.len()).unwrap();
    if golden.decoded.is_array() {
        let expected: Vec<Embedding> = serde_json::from_value(golden.decoded.clone()).unwrap();
        assert_eq!(decoded, expected);
    }
}

fn rerank(golden: &Golden) {
    let (query, documents): (String, Vec<String>) =
        (golden.input("query"), golden.input("documents"));
    let frame = golden.request["body"]
        .get("frame")
        .map(|frame| RerankFrame {
            before: frame["before"].as_str().unwrap().into(),
            after: frame["after"].as_str().unwrap().into(),
        });
    let reply: RerankReply = golden.exchange(&RerankRequest {
        query: &query,
        documents: &documents,
        frame: frame.as_ref().map(Into::into),
    });
    let scored = reply.decode(documents.len()).unwrap();
    let expected: Vec<f32> = serde_json::from_value(golden.decoded.clone()).unwrap();
    let scores: Vec<f32> = scored.iter().map(|scored| scored.score).collect();
    assert_eq!(scores, expected);
    let cut = scored.iter().enumerate().filter(|(_, scored)| scored.cut);
    let cut: Value = cut.map(|(place, _)| place).collect::<Vec<_>>().into();
    assert_eq!(cut, golden.response["body"]["cut"]);
}

fn generate(golden: &Golden) {
    let prompt: String = golden.input("prompt");
    let sampling = Sampling {
        temperature: golden.input("temperature"),
        top_k: golden.input("top_k"),
        top_p: golden.input("top_p"),
        presence_penalty: golden.input("presence_penalty"),
        seed: golden.input("seed"),
        max_tokens: golden.input("max_tokens"),
        grammar: golden.input("grammar"),
    };
    let request = GenerateRequest::new(&prompt, &sampling, golden.input("deadline_ms"));
    let reply: GenerateReply = golden.exchange(&request);
    let generation = Generation::from(reply);
    let expected = &golden.response["body"];
    assert_eq!(generation.text.as_str(), expected["text"]);
    assert_eq!(generation.tokens, expected["tokens"]);
    let finish = format!("{:?}", generation.finish).to_lowercase();
    assert_eq!(finish.as_str(), expected["finish"]);
}

fn tokenize(golden: &Golden) {
    let texts: Vec<String> = golden.input("texts");
    let reply: TokenizeReply = golden.exchange(&TokenizeRequest {
        role: golden.role().as_str(),
        texts: &texts,
        add_special: golden.input("add_special"),
    });
    let decoded = reply.decode(texts.len()).unwrap();
    assert_eq!(serde_json::to_value(decoded).unwrap(), golden.decoded);
}

fn detokenize(golden: &Golden) {
    let items: Vec<Vec<i32>> = golden.input("items");
    let reply: DetokenizeReply = golden.exchange(&DetokenizeRequest {
        role: golden.role().as_str(),
        items: &items,
    });
    let decoded = reply.decode(items.len()).unwrap();
    assert_eq!(serde_json::to_value(decoded).unwrap(), golden.decoded);
}

/// What each of the gateway's reasons comes to.
fn refusal(golden: &Golden) {
    let reason = golden.response["body"]["error"]["reason"].as_str().unwrap();
    let expected = match reason {
        "INVALID_ARGUMENT" | "BODY_TOO_LARGE" => Reason::InvalidArgument,
        "INPUT_TOO_LONG" => Reason::InputTooLong,
        "MODEL_NOT_CONFIGURED" => Reason::ModelNotConfigured,
        "UNAUTHORIZED" => Reason::RemoteRefused,
        "OVERLOADED" => Reason::QueueFull,
        "MODEL_LOADING" | "CHILD_RESTARTING" | "SHUTTING_DOWN" => Reason::ModelLoading,
        _ => Reason::RemoteFailed,
    };
    let status = golden.response["status"].as_u64().unwrap() as u16;
    let status = StatusCode::from_u16(status).unwrap();
    let body = serde_json::to_vec(&golden.response["body"]).unwrap();
    let fault = error::of_answer(status, &HeaderMap::new(), &body, golden.role());
    let error = fault.into_error(golden.role());
    assert_eq!(error.reason(), expected, "{}: {error}", golden.name);
    if matches!(expected, Reason::RemoteRefused | Reason::RemoteFailed) {
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains("`qmdctl modal "), "{}: {hint}", golden.name);
    }
}

#[test]
fn every_golden_exchange_is_ours() {
    for golden in Golden::all() {
        let ok = golden.response["status"] == 200;
        match golden.request["path"].as_str().unwrap() {
            // For people and for the deployment itself.
            "/health" => {}
            _ if !ok => refusal(&golden),
            "/v1/embed" => embed(&golden),
            "/v1/rerank" => rerank(&golden),
            "/v1/generate" => generate(&golden),
            "/v1/tokenize" => tokenize(&golden),
            "/v1/detokenize" => detokenize(&golden),
            "/v1/info" => {
                let info: Info = serde_json::from_value(golden.response["body"].clone()).unwrap();
                let embed = info.models.of(Role::Embed).unwrap().info();
                assert_eq!((embed.dimensions, embed.context_tokens), (4, 64));
                let rerank = info.models.of(Role::Rerank);
                assert!(rerank.is_none_or(|rerank| !rerank.wants_frame()));
            }
            path => panic!("{}: {path}", golden.name),
        }
    }
}

#[test]
fn answers_that_make_no_sense_are_refused() {
    let reply = |change: &dyn Fn(&mut Value)| {
        let mut reply = serde_json::json!({
            "dimensions": 1, "encoding": "f32le-base64", "embeddings": ["AAAAPw=="],
            "tokens": [3], "model": "m",
        });
        change(&mut reply);
        serde_json::from_value::<EmbedReply>(reply)
            .unwrap()
            .decode(1)
    };
    assert!(reply(&|_| ()).is_ok());
    let complaints = [
        reply(&|reply| reply["dimensions"] = 2.into()),
        reply(&|reply| reply["embeddings"] = serde_json::json!(["AAAAPw==", "AAAAPw=="])),
        reply(&|reply| reply["embeddings"] = serde_json::json!(["AAAAPw"])),
        reply(&|reply| reply["embeddings"] = serde_json::json!(["AADAfw=="])),
        reply(&|reply| reply["encoding"] = "f64".into()),
        reply(&|reply| reply["tokens"] = serde_json::json!([])),
    ];
    for complaint in complaints {
        assert!(complaint.is_err(), "{complaint:?}");
    }
}
