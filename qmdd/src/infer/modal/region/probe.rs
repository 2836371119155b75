//! Times TCP connections to hosts whose place is known. Nothing is sent over them.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::{net, time::timeout};

use crate::domain::{Compute, RegionError, Routing};

/// Connections to each target; the quickest counts.
const SAMPLES: usize = 3;
/// Longest that a name's resolution, or a connection, may take.
const CAP: Duration = Duration::from_secs(2);

/// Services that the cloud provider has in each of its regions.
const SERVICES: [&str; 3] = ["dynamodb", "s3", "sqs"];

/// The provider's regions where requests can enter Modal.
const ENTRIES: [(&str, Routing); 4] = [
    ("us-east-1", Routing::UsEast),
    ("us-west-2", Routing::UsWest),
    ("eu-west-1", Routing::EuWest),
    ("ap-south-1", Routing::ApSouth),
];

/// Others, which tell the compute region near by.
const FURTHER: [(&str, &str); 9] = [
    ("eu-central-1", "eu"),
    ("eu-west-2", "uk"),
    ("ca-central-1", "ca"),
    ("sa-east-1", "sa"),
    ("me-south-1", "me"),
    ("af-south-1", "af"),
    ("mx-central-1", "mx"),
    ("ap-northeast-1", "ap"),
    ("ap-southeast-1", "ap"),
];

/// A host to connect to, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `HOST:PORT`.
    pub host: String,
    /// Its routing region, where it has one.
    pub routing: Option<Routing>,
    /// Its compute region.
    pub compute: Compute,
}

/// The targets to measure: the well-known ones, or those of `REGION=HOST:PORT,…`.
///
/// # Errors
/// When a region there is none.
pub fn targets(instead: Option<&[(String, String)]>) -> Result<Vec<Target>, RegionError> {
    if let Some(instead) = instead {
        let target = |(region, host): &(String, String)| {
            let routing = Routing::parse(region)?;
            Ok(Target {
                host: host.clone(),
                routing: Some(routing),
                compute: routing.compute(),
            })
        };
        return instead.iter().map(target).collect();
    }
    let entries = ENTRIES.iter().flat_map(|(place, routing)| {
        SERVICES.iter().map(move |service| Target {
            host: host(service, place),
            routing: Some(*routing),
            compute: routing.compute(),
        })
    });
    let further = FURTHER.iter().map(|(place, compute)| Target {
        host: host(SERVICES[0], place),
        routing: None,
        compute: Compute::known(compute),
    });
    Ok(entries.chain(further).collect())
}

fn host(service: &str, place: &str) -> String {
    format!("{service}.{place}.amazonaws.com:443")
}

/// What came of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// `HOST:PORT`.
    pub target: String,
    /// Its routing region, where it has one.
    pub routing: Option<Routing>,
    /// Its compute region.
    pub compute: String,
    /// Milliseconds of each connection.
    pub samples_ms: Vec<f64>,
    /// Why there are none.
    pub error: Option<String>,
}

impl Measure {
    /// The quickest connection, in milliseconds.
    pub fn best_ms(&self) -> Option<f64> {
        self.samples_ms.iter().copied().min_by(f64::total_cmp)
    }
}

/// Measures all targets at once; `dial` tells how long a connection took.
pub(super) async fn probe<D, F>(targets: &[Target], dial: D) -> Vec<Measure>
where
    D: Fn(SocketAddr) -> F,
    F: Future<Output = io::Result<Duration>>,
{
    join_all(targets.iter().map(|target| measure(target, &dial))).await
}

async fn measure<D, F>(target: &Target, dial: &D) -> Measure
where
    D: Fn(SocketAddr) -> F,
    F: Future<Output = io::Result<Duration>>,
{
    let mut samples_ms = Vec::new();
    let mut error = None;
    match resolve(&target.host).await {
        Ok(address) => {
            while samples_ms.len() < SAMPLES && error.is_none() {
                match capped(dial(address)).await {
                    Ok(took) => samples_ms.push(took.as_secs_f64() * 1e3),
                    Err(failed) => error = Some(failed.to_string()),
                }
            }
        }
        Err(failed) => error = Some(failed.to_string()),
    }
    Measure {
        target: target.host.clone(),
        routing: target.routing,
        compute: target.compute.as_str().to_owned(),
        error: error.filter(|_| samples_ms.is_empty()),
        samples_ms,
    }
}

/// Resolved before the clock starts: the name's server may stand anywhere.
async fn resolve(host: &str) -> io::Result<SocketAddr> {
    let mut found = capped(net::lookup_host(host)).await?;
    found
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
}

async fn capped<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(CAP, work)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")))
}

/// Connects, and tells how long that took.
pub(super) async fn dial(address: SocketAddr) -> io::Result<Duration> {
    let begin = Instant::now();
    net::TcpStream::connect(address).await?;
    Ok(begin.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_targets_are_of_regions_that_exist() {
        let targets = targets(None).unwrap();
        for region in Routing::ALL {
            let of = targets.iter().filter(|it| it.routing == Some(region));
            assert_eq!(of.count(), SERVICES.len());
        }
        for target in &targets {
            assert!(Compute::parse(target.compute.as_str()).is_ok());
        }
    }

    #[tokio::test]
    async fn live_targets_have_samples_and_dead_ones_say_why() {
        let live = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = [
            ("us-east", live.local_addr().unwrap().to_string()),
            ("eu-west", dead.local_addr().unwrap().to_string()),
            ("us-west", "no-such-host.invalid:443".to_owned()),
        ]
        .map(|(region, host)| (region.to_owned(), host));
        drop(dead);
        let measures = probe(&targets(Some(&own)).unwrap(), dial).await;
        assert_eq!(measures[0].samples_ms.len(), SAMPLES);
        assert_eq!(measures[0].error, None);
        for measure in &measures[1..] {
            assert!(measure.samples_ms.is_empty(), "{measure:?}");
            assert!(measure.error.is_some(), "{measure:?}");
        }
        assert!(targets(Some(&[("moon".into(), "a:1".into())])).is_err());
    }

    #[tokio::test]
    async fn the_quickest_of_several_connections_counts() {
        let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = [(
            "us-east".to_owned(),
            listener.local_addr().unwrap().to_string(),
        )];
        let delays = std::sync::Mutex::new(vec![30, 10, 20]);
        let measures = probe(&targets(Some(&own)).unwrap(), |address| {
            let delay = delays.lock().unwrap().remove(0);
            async move {
                net::TcpStream::connect(address).await?;
                Ok(Duration::from_millis(delay))
            }
        })
        .await;
        assert_eq!(measures[0].best_ms(), Some(10.0));
    }
}
