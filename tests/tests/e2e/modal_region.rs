//! `qmdctl modal region`: measured on loopback, chosen, forgotten.

use std::{fs, net::TcpListener};

use anyhow::Result;
use qmd_proto::Reason;
use qmd_tests::{Daemon, Sandbox};

/// A daemon that measures these hosts, in a zone of its own.
fn daemon(targets: &str, proxy: Option<&str>) -> Result<Daemon> {
    let variables = [
        ("QMDD_REGION_TARGETS", Some(targets)),
        ("TZ", Some("Asia/Tokyo")),
        ("HTTPS_PROXY", proxy),
    ];
    let variables = variables
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    Daemon::start_with(Sandbox::new()?, variables)
}

/// A host that answers, and one that does not.
fn hosts() -> Result<(TcpListener, String, String)> {
    let live = TcpListener::bind("127.0.0.1:0")?;
    let dead = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let address = live.local_addr()?.to_string();
    Ok((live, address, dead.to_string()))
}

#[test]
fn a_region_is_measured_kept_chosen_and_forgotten() -> Result<()> {
    let (live, near, far) = hosts()?;
    let daemon = daemon(&format!("us-east={far},us-west={near}"), None)?;
    let region = |arguments: &[&str]| {
        let words = ["modal", "region"]
            .iter()
            .chain(arguments)
            .chain(&["--json"]);
        daemon.qmdctl(words).ok().json()
    };
    let measured = region(&[]);
    assert_eq!(
        (&measured["region"], &measured["source"]),
        (&"us-west".into(), &"probe".into())
    );
    assert_eq!(measured["measures"][0]["target"], near.as_str());
    assert_eq!(
        measured["measures"][0]["samplesMs"]
            .as_array()
            .map(Vec::len),
        Some(3)
    );
    assert!(measured["measures"][1]["error"].is_string(), "{measured}");
    assert!(daemon.dirs().region_cache().is_file());

    drop(live);
    assert_eq!(region(&[])["source"], "cache");
    let anew = region(&["detect"]);
    assert_eq!(
        (&anew["region"], &anew["source"]),
        (&"us-west".into(), &"cache".into())
    );
    assert!(
        anew["warnings"][0]
            .as_str()
            .is_some_and(|it| it.starts_with("none of 2 hosts"))
    );

    let chosen = region(&["set", "ap-south"]);
    assert_eq!(
        (&chosen["region"], &chosen["source"]),
        (&"ap-south".into(), &"config".into())
    );
    let config = daemon.dirs().config.join("index.yml");
    assert_eq!(fs::read_to_string(&config)?, "modal:\n  region: ap-south\n");
    let refused = daemon
        .qmdctl(["modal", "region", "set", "ap-suoth"])
        .fails(Reason::RegionUnknown);
    assert!(refused.stderr.contains("perhaps ap-south"), "{refused}");

    // Nothing is left but the time zone.
    let cleared = region(&["clear"]);
    assert_eq!(
        (&cleared["region"], &cleared["source"]),
        (&"ap-south".into(), &"time zone".into())
    );
    assert!(!daemon.dirs().region_cache().exists());
    assert!(!fs::read_to_string(&config)?.contains("region"));
    Ok(())
}

#[test]
fn behind_a_proxy_the_time_zone_decides() -> Result<()> {
    let (_live, near, _) = hosts()?;
    let daemon = daemon(&format!("us-west={near}"), Some("http://proxy.test:1"))?;
    let found = daemon.qmdctl(["modal", "region", "detect"]).ok();
    assert!(
        found
            .stdout
            .contains("ap-south (guessed from the time zone)"),
        "{found}"
    );
    assert!(found.stderr.contains("HTTPS_PROXY is set"), "{found}");
    Ok(())
}
