//! Which of Modal's regions is nearest: configured, measured or guessed.

mod cache;
mod decide;
mod probe;
mod zone;

use std::{path::Path, time::SystemTime};

pub use self::{
    cache::Evidence,
    decide::{Found, Known, Source},
    probe::{Measure, Target, targets},
};

/// Finds the region. It is measured when `anew` asks for it, and when nothing else is known and no
/// proxy stands between; what was measured is kept in `cache`.
pub async fn detect(known: Known, targets: &[Target], cache: &Path, anew: bool) -> Found {
    let mut warnings = Vec::new();
    let cached = cache::read(cache).unwrap_or_else(|warning| {
        warnings.push(warning);
        None
    });
    let wanted = anew || (cached.is_none() && !known.is_fixed());
    let mut probed = None;
    if wanted && known.proxy.is_none() {
        let incumbent = cached.as_ref().map(|evidence| evidence.region);
        let measures = probe::probe(targets, probe::dial).await;
        match decide::nearest(&measures, incumbent.unwrap_or_default()) {
            Some(region) => probed = Some(Evidence::new(region, measures, SystemTime::now())),
            None => warnings.push(decide::unreached(&measures)),
        }
    }
    if let Some(evidence) = &probed
        && let Err(warning) = cache::write(cache, evidence)
    {
        warnings.push(warning);
    }
    decide::decide(&known, wanted, probed, cached, warnings)
}

/// Forgets what was measured.
///
/// # Errors
/// When the file cannot be removed.
pub fn forget(cache: &Path) -> std::io::Result<()> {
    cache::remove(cache)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::domain::Routing;

    /// Targets on this machine: a listener, and ports where nobody listens.
    async fn own(live: &[&str], dead: &[&str]) -> (Vec<TcpListener>, Vec<Target>) {
        let mut listeners = Vec::new();
        let mut hosts = Vec::new();
        for (region, lives) in live
            .iter()
            .map(|it| (it, true))
            .chain(dead.iter().map(|it| (it, false)))
        {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            hosts.push((
                (*region).to_owned(),
                listener.local_addr().unwrap().to_string(),
            ));
            if lives {
                listeners.push(listener);
            }
        }
        (listeners, targets(Some(&hosts)).unwrap())
    }

    fn zoned() -> Known {
        Known {
            zone: Some("Asia/Tokyo".into()),
            ..Known::default()
        }
    }

    #[tokio::test]
    async fn the_one_that_answers_is_found_and_kept() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("region.json");
        let (listeners, targets) = own(&["eu-west"], &["us-east", "us-west"]).await;
        let found = detect(zoned(), &targets, &cache, false).await;
        assert_eq!(
            (found.region, found.source),
            (Routing::EuWest, Source::Probe)
        );
        assert_eq!(found.evidence.map(|it| it.measures.len()), Some(3));

        // Nobody answers any more, and nobody is asked.
        drop(listeners);
        let again = detect(zoned(), &targets, &cache, false).await;
        assert_eq!(
            (again.region, again.source),
            (Routing::EuWest, Source::Cache)
        );
        assert_eq!(again.warnings, [] as [&str; 0]);
        // Asked for anew, what was measured before still counts.
        let anew = detect(zoned(), &targets, &cache, true).await;
        assert_eq!((anew.region, anew.source), (Routing::EuWest, Source::Cache));
        assert!(anew.warnings[0].starts_with("none of 3 hosts"), "{anew:?}");

        forget(&cache).unwrap();
        let guessed = detect(zoned(), &targets, &cache, false).await;
        assert_eq!(
            (guessed.region, guessed.source),
            (Routing::ApSouth, Source::TimeZone)
        );
    }

    #[tokio::test]
    async fn behind_a_proxy_nothing_is_measured() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("region.json");
        let (_listeners, targets) = own(&["eu-west"], &[]).await;
        let known = Known {
            proxy: Some("ALL_PROXY"),
            ..zoned()
        };
        let found = detect(known, &targets, &cache, true).await;
        assert_eq!(
            (found.region, found.source),
            (Routing::ApSouth, Source::TimeZone)
        );
        assert!(
            found.warnings[0].starts_with("ALL_PROXY is set"),
            "{found:?}"
        );
        assert!(!cache.exists());
    }

    #[tokio::test]
    async fn who_has_chosen_is_not_measured_for() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("region.json");
        let (_listeners, targets) = own(&["eu-west"], &[]).await;
        let known = Known {
            config: Some(Routing::UsWest),
            ..zoned()
        };
        let found = detect(known, &targets, &cache, false).await;
        assert_eq!((found.region, found.evidence), (Routing::UsWest, None));
    }
}
