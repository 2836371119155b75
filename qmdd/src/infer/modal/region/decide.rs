//! The decision, without effects: what is configured goes before what was measured, and that before
//! what can be guessed.

use super::{Evidence, Measure, zone};
use crate::domain::{Compute, Routing};

/// A region in use is left for one that is nearer by more than this, in milliseconds,
const CLEARLY_MS: f64 = 15.0;
/// or takes less than this part of its time. Else two that are about as near would take turns.
const CLEARLY_PART: f64 = 0.8;

/// What is known before anything is measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The configuration file's choice.
    pub config: Option<Routing>,
    /// The environment's choice.
    pub environment: Option<Routing>,
    /// The variable that sets a proxy: connections tell how far that is, and nothing else.
    pub proxy: Option<&'static str>,
    /// Name of the time zone.
    pub zone: Option<String>,
}

impl Known {
    /// Whether the user has chosen.
    pub(super) fn is_fixed(&self) -> bool {
        self.config.or(self.environment).is_some()
    }
}

/// Where a decision comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The configuration file.
    Config,
    /// The environment.
    Environment,
    /// An earlier measurement.
    Cache,
    /// A measurement made just now.
    Probe,
    /// The time zone.
    TimeZone,
    /// Nothing.
    Default,
}

/// The decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Where requests are to enter.
    pub region: Routing,
    /// Why there.
    pub source: Source,
    /// What was measured, now or earlier.
    pub evidence: Option<Evidence>,
    /// The compute region to name for containers near by.
    pub compute: Compute,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// The nearest region with which a connection came about, unless the one in use is about as near.
pub(super) fn nearest(measures: &[Measure], incumbent: Routing) -> Option<Routing> {
    let (best, best_ms) = Routing::ALL
        .into_iter()
        .filter_map(|region| Some((region, distance(measures, region)?)))
        .min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let Some(own_ms) = distance(measures, incumbent) else {
        return Some(best);
    };
    let wins = own_ms - best_ms > CLEARLY_MS || best_ms < own_ms * CLEARLY_PART;
    Some(if wins { best } else { incumbent })
}

/// Milliseconds to a region: those of its quickest connection.
fn distance(measures: &[Measure], region: Routing) -> Option<f64> {
    let own = measures.iter().filter(|it| it.routing == Some(region));
    own.filter_map(Measure::best_ms).min_by(f64::total_cmp)
}

/// What is said when no connection came about.
pub(super) fn unreached(measures: &[Measure]) -> String {
    let why = measures.iter().find_map(|measure| {
        let error = measure.error.as_ref()?;
        Some(format!(", as {}: {error}", measure.target))
    });
    format!(
        "none of {} hosts could be reached{}",
        measures.len(),
        why.unwrap_or_default()
    )
}

/// Decides. `wanted` says that a measurement was to be made, `probed` what came of it.
pub(super) fn decide(
    known: &Known,
    wanted: bool,
    probed: Option<Evidence>,
    cached: Option<Evidence>,
    mut warnings: Vec<String>,
) -> Found {
    if let Some(variable) = known.proxy.filter(|_| wanted) {
        warnings.push(format!(
            "{variable} is set: connections would tell how far the proxy is, so none was timed"
        ));
    }
    let fresh = probed.is_some();
    let evidence = probed.or(cached);
    let measured = evidence.as_ref().map(|evidence| evidence.region);
    let guessed = known.zone.as_deref().and_then(zone::routing);
    let (region, source) = if let Some(region) = known.config {
        (region, Source::Config)
    } else if let Some(region) = known.environment {
        (region, Source::Environment)
    } else if let Some(region) = measured {
        (region, if fresh { Source::Probe } else { Source::Cache })
    } else if let Some(region) = guessed {
        (region, Source::TimeZone)
    } else {
        warnings.push("nothing tells where this machine is: us-east is only a default".into());
        (Routing::default(), Source::Default)
    };
    if let (Some(evidence), Some(measured)) = (&evidence, measured.filter(|it| *it != region)) {
        let ms = |region| distance(&evidence.measures, region).map(|ms| format!("{ms:.0} ms"));
        let unknown = || "no answer".to_owned();
        warnings.push(format!(
            "{measured} was measured to be nearer than {region}: {} against {}",
            ms(measured).unwrap_or_else(unknown),
            ms(region).unwrap_or_else(unknown),
        ));
    }
    Found {
        region,
        source,
        compute: compute(evidence.as_ref(), region),
        evidence,
        warnings,
    }
}

/// The compute region of the nearest host that answered; without one, that around the routing region.
fn compute(evidence: Option<&Evidence>, region: Routing) -> Compute {
    let nearest = evidence
        .and_then(|evidence| evidence.measures.first())
        .filter(|measure| measure.best_ms().is_some());
    nearest
        .and_then(|measure| Compute::parse(&measure.compute).ok())
        .unwrap_or_else(|| region.compute())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn measures(times: &[(Routing, f64)]) -> Vec<Measure> {
        let measure = |(region, ms): &(Routing, f64)| Measure {
            target: format!("{region}:443"),
            routing: Some(*region),
            compute: region.compute().as_str().into(),
            samples_ms: vec![ms + 3.0, *ms, ms + 1.0],
            error: None,
        };
        times.iter().map(measure).collect()
    }

    fn evidence(region: Routing, times: &[(Routing, f64)]) -> Evidence {
        Evidence::new(region, measures(times), SystemTime::UNIX_EPOCH)
    }

    fn zoned(zone: &str) -> Known {
        Known {
            zone: Some(zone.into()),
            ..Known::default()
        }
    }

    #[test]
    fn a_region_in_use_is_left_only_for_a_clearly_nearer_one() {
        use Routing::{ApSouth, EuWest, UsEast};
        for (own, other, chosen) in [
            (100.0, 90.0, UsEast),
            (100.0, 85.0, UsEast),
            (100.0, 84.9, EuWest),
            (20.0, 16.0, UsEast),
            (20.0, 15.9, EuWest),
            (10.0, 90.0, UsEast),
        ] {
            let times = [(UsEast, own), (EuWest, other), (ApSouth, 300.0)];
            assert_eq!(
                nearest(&measures(&times), UsEast),
                Some(chosen),
                "{own} {other}"
            );
        }
        // One that does not answer is left for any that does.
        assert_eq!(
            nearest(&measures(&[(ApSouth, 300.0)]), UsEast),
            Some(ApSouth)
        );
        assert_eq!(nearest(&[], UsEast), None);
    }

    #[test]
    fn the_order_of_what_counts() {
        let measured = evidence(Routing::EuWest, &[(Routing::EuWest, 9.0)]);
        let whole = Known {
            config: Some(Routing::UsWest),
            environment: Some(Routing::ApSouth),
            ..zoned("America/New_York")
        };
        let without = |config: bool, environment: bool| Known {
            config: whole.config.filter(|_| config),
            environment: whole.environment.filter(|_| environment),
            ..whole.clone()
        };
        let of = |known: &Known, probed: Option<&Evidence>, cached: Option<&Evidence>| {
            let found = decide(known, true, probed.cloned(), cached.cloned(), Vec::new());
            (found.region, found.source)
        };
        let some = Some(&measured);
        assert_eq!(of(&whole, some, some), (Routing::UsWest, Source::Config));
        let known = without(false, true);
        assert_eq!(
            of(&known, some, some),
            (Routing::ApSouth, Source::Environment)
        );
        let known = without(false, false);
        assert_eq!(of(&known, some, some), (Routing::EuWest, Source::Probe));
        assert_eq!(of(&known, None, some), (Routing::EuWest, Source::Cache));
        assert_eq!(of(&known, None, None), (Routing::UsEast, Source::TimeZone));
        let nothing = of(&Known::default(), None, None);
        assert_eq!(nothing, (Routing::UsEast, Source::Default));
    }

    #[test]
    fn what_the_user_should_know_is_said() {
        let measured = evidence(
            Routing::EuWest,
            &[(Routing::EuWest, 9.0), (Routing::UsEast, 88.0)],
        );
        let known = Known {
            config: Some(Routing::UsEast),
            proxy: Some("HTTPS_PROXY"),
            ..Known::default()
        };
        let found = decide(&known, true, None, Some(measured), Vec::new());
        assert_eq!(found.compute.as_str(), "eu");
        assert!(found.warnings[0].starts_with("HTTPS_PROXY is set"));
        assert_eq!(
            found.warnings[1],
            "eu-west was measured to be nearer than us-east: 9 ms against 88 ms"
        );
        let unknown = decide(&Known::default(), false, None, None, Vec::new());
        assert!(unknown.warnings[0].contains("only a default"));
        assert_eq!(unknown.compute.as_str(), "us");
    }
}
