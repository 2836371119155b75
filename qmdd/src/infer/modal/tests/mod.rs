//! Tests of the session against scripted servers on the loopback, and of the contract's golden files.

mod calls;
mod faults;
mod golden;
mod load;
mod server;
mod warm;

use std::{sync::Arc, time::Duration};

use reqwest::Url;
use serde_json::Value;
use tempfile::TempDir;

use self::server::{Answer, Request, Server};
use super::{
    Modal,
    contract::Info,
    http::Patience,
    keep_warm::KeepWarm,
    session::{Session, Setup},
};
use crate::{
    config::Secret,
    infer::backend::{Backend, Call, InferError},
};

/// The token of the tests' deployments.
const TOKEN: &str = "wk-a.ws-b";

/// What the tiny deployment of the golden files says of itself.
pub(super) fn info() -> Info {
    serde_json::from_value(info_json()).unwrap()
}

fn info_json() -> Value {
    let golden = include_str!("../../../../../modal/contract/info.json");
    let golden: Value = serde_json::from_str(golden).unwrap();
    golden["response"]["body"].clone()
}

fn model_of(role: &str) -> Value {
    info_json()["models"][role]["sha256"].clone()
}

/// Generous: a test that waits for one of these has failed already.
fn patience() -> Patience {
    Patience {
        connect: Duration::from_secs(10),
        answer: Duration::from_secs(60),
        backoff: Duration::from_millis(1),
        look: Duration::from_millis(1),
        start: Duration::from_secs(60),
        most: 1 << 20,
    }
}

/// A backend, and the folder of what it remembers.
struct Near {
    modal: Arc<Modal>,
    memory: TempDir,
}

impl Near {
    fn with(url: &str, patience: Patience, containers: usize) -> Self {
        let memory = tempfile::tempdir().unwrap();
        let modal = Self::open(&memory, url, patience, containers);
        Self { modal, memory }
    }

    /// One that keeps its container from ending.
    fn keeping(server: &Server, bounds: KeepWarm) -> Self {
        let memory = tempfile::tempdir().unwrap();
        let mut setup = Self::setup(&memory, &server.url, patience(), 1);
        setup.keep_warm = Some(bounds);
        let modal = Self::of(setup);
        Self { modal, memory }
    }

    fn new(server: &Server) -> Self {
        Self::with(&server.url, patience(), 1)
    }

    fn open(memory: &TempDir, url: &str, patience: Patience, containers: usize) -> Arc<Modal> {
        Self::of(Self::setup(memory, url, patience, containers))
    }

    fn setup(memory: &TempDir, url: &str, patience: Patience, containers: usize) -> Setup {
        Setup {
            url: Url::parse(url).unwrap(),
            token: Some(Secret::new(TOKEN).unwrap()),
            containers,
            lives_on: Duration::from_secs(600),
            keep_warm: None,
            patience,
            memory: memory.path().join("modal.json"),
        }
    }

    fn of(setup: Setup) -> Arc<Modal> {
        Arc::new(Modal {
            session: Session::new(setup).unwrap(),
            place: "T4, us-east".into(),
        })
    }

    /// Embeds a number, and gives back the number that its vector holds.
    async fn number(&self, number: usize) -> Result<usize, InferError> {
        let call = Call::interactive();
        let embeddings = self.modal.embed(vec![number.to_string()], call).await?;
        assert_eq!(embeddings.len(), 1);
        Ok(embeddings[0].values[0] as usize)
    }

    /// Why a number cannot be embedded.
    async fn refusal(&self) -> InferError {
        self.number(1).await.unwrap_err()
    }
}

/// Answers as a gateway does whose embedding model makes of a number a vector that holds it.
fn usual(request: &Request) -> Answer {
    match request.path.as_str() {
        "/v1/info" => Answer::json(200, &info_json()),
        "/v1/embed" => {
            let texts = request.json()["texts"].clone();
            let texts: Vec<String> = serde_json::from_value(texts).unwrap();
            let vectors = texts.iter().map(|text| {
                let number: f32 = text.parse().unwrap_or(0.0);
                let values = [number, 0.0, 0.0, 0.0];
                let bytes: Vec<u8> = values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
            });
            Answer::json(
                200,
                &serde_json::json!({
                    "dimensions": 4,
                    "encoding": "f32le-base64",
                    "embeddings": vectors.collect::<Vec<_>>(),
                    "tokens": vec![3; texts.len()],
                    "model": model_of("embed"),
                }),
            )
        }
        path => panic!("{path} is not asked for"),
    }
}
