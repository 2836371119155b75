//! Fixed replies, in both formats.

use qmd_proto::v1::{DescribeModalReply, ModelRole, RemoteModel};

use super::*;
use crate::commands::modal::{Estimate, status::Remote};

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn found() -> DetectRegionReply {
    let measure =
        |target: &str, region: &str, compute: &str, samples: &[f64], error: &str| RegionMeasure {
            target: target.into(),
            region: region.into(),
            compute: compute.into(),
            samples_ms: samples.to_vec(),
            error: error.into(),
        };
    DetectRegionReply {
        region: "eu-west".into(),
        source: RegionSource::Probe.into(),
        measures: vec![
            measure("a.test:443", "", "eu", &[9.1, 8.25], ""),
            measure("b.test:443", "eu-west", "eu", &[21.0, 20.5, 22.0], ""),
            measure("c.test:443", "us-east", "us", &[], "no answer in time"),
        ],
        measured_at_s: 1_750_000_000,
        warnings: vec!["something".into()],
        compute_suggestion: "eu".into(),
        suggestion_price_factor: 1.5,
        compute_price_factor: 1.0,
        ..DetectRegionReply::default()
    }
}

fn pinned() -> DetectRegionReply {
    DetectRegionReply {
        source: RegionSource::Config.into(),
        compute_region: "eu-north".into(),
        compute_price_factor: 1.75,
        measures: Vec::new(),
        warnings: Vec::new(),
        ..found()
    }
}

fn record() -> Record {
    Record {
        app: "qmd".into(),
        url: "https://w--qmd-inference.eu-west.modal.direct".into(),
        region: "eu-west".into(),
        compute_region: String::new(),
        gpu: "T4".into(),
        image: "h.test/llama@sha256:00".into(),
        models: json!([{"role": "embed", "file": "e.gguf"}]),
    }
}

fn pong() -> PingModalReply {
    PingModalReply {
        state: RemoteState::Ready.into(),
        http_status: 200,
        elapsed_us: 41_250,
        llama_server: "b11434".into(),
        models: vec![RemoteModel {
            role: ModelRole::Embed.into(),
            name: "Tiny embed".into(),
            sha256: "aa".into(),
        }],
        ..PingModalReply::default()
    }
}

fn saved() -> SaveModalReply {
    SaveModalReply {
        config_file: "/c/index.yml".into(),
        ..SaveModalReply::default()
    }
}

fn overview() -> Overview {
    Overview {
        app: "qmd".into(),
        configured: DescribeModalReply {
            inference: true,
            url: record().url,
            gpu: "T4".into(),
            scaledown_window_s: 15,
            max_containers: 1,
            has_token: true,
            ..DescribeModalReply::default()
        },
        region: found(),
        record: Some(record()),
        remote: Some(Remote {
            deployed: true,
            containers: vec![("ta-1".into(), "2026-07-01 10:00+00:00".into())],
        }),
        estimate: Some(Estimate {
            per_hour: 0.72,
            per_query: 0.0032,
        }),
        price_source: "a list",
        pong: Some(pong()),
    }
}

#[test]
fn regions() {
    insta::assert_snapshot!(
        "modal_region",
        format!(
            "{}\n{}",
            plain(&region(&found())),
            plain(&region(&pinned()))
        )
    );
    insta::assert_snapshot!("modal_region_json", region_json(&found()).unwrap());
}

#[test]
fn a_deployment_and_its_end() {
    let text = [
        deployed(&record(), &pong(), Duration::from_secs(75), &saved()),
        destroyed("qmd", false),
        destroyed("qmd", true),
        deployed_json(&record(), &pong(), &saved()).unwrap(),
        destroyed_json("qmd", true, &saved()).unwrap(),
        log_line_json("a \"line\"").unwrap(),
    ];
    insta::assert_snapshot!("modal_lifecycle", plain(&text.join("\n")));
}

#[test]
fn states() {
    let asleep = Overview {
        remote: Some(Remote {
            deployed: true,
            containers: Vec::new(),
        }),
        pong: Some(PingModalReply {
            state: RemoteState::Starting.into(),
            message: "HTTP 503".into(),
            ..PingModalReply::default()
        }),
        ..overview()
    };
    let nothing = Overview {
        configured: DescribeModalReply {
            gpu: "H100".into(),
            ..DescribeModalReply::default()
        },
        region: pinned(),
        record: None,
        remote: None,
        estimate: None,
        pong: None,
        ..overview()
    };
    let texts = [overview(), asleep, nothing].map(|it| plain(&modal_status(&it)));
    insta::assert_snapshot!("modal_status", texts.join("\n"));
    insta::assert_snapshot!("modal_status_json", modal_status_json(&overview()).unwrap());
}

#[test]
fn tests_of_it() {
    let trial = |name: &'static str, outcome: Outcome, detail: &str, ms: Option<u64>| Trial {
        name,
        outcome,
        detail: detail.into(),
        elapsed: ms.map(Duration::from_millis),
    };
    let all = [
        trial("embed", Outcome::Passed, "", Some(2100)),
        trial("parity", Outcome::Failed, "a cosine of 0.5", None),
        trial("rerank", Outcome::Skipped, "no reranker is deployed", None),
    ];
    insta::assert_snapshot!("modal_test", plain(&trials(&all)));
    insta::assert_snapshot!("modal_test_json", trials_json(&all).unwrap());
}
