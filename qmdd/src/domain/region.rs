//! Modal's regions by name: where requests enter, where containers run, and what naming them costs.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Failure, Reason};

/// What naming a broad compute region multiplies prices by. From Modal's guide to region selection.
const BROAD_FACTOR: f64 = 1.5;
/// The same for a narrow one.
const NARROW_FACTOR: f64 = 1.75;

/// How alike two names must be for the one to be suggested for the other.
const ALIKE: f64 = 0.5;

/// Compute regions that span others.
const BROAD: [&str; 9] = ["us", "eu", "ap", "uk", "ca", "me", "sa", "af", "mx"];
/// Compute regions inside those.
const NARROW: [&str; 13] = [
    "us-east",
    "us-central",
    "us-south",
    "us-west",
    "eu-west",
    "eu-north",
    "eu-south",
    "ap-northeast",
    "ap-southeast",
    "ap-south",
    "ap-melbourne",
    "jp",
    "au",
];

/// Where requests enter Modal's network. It costs nothing to choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Routing {
    /// Virginia.
    #[default]
    UsEast,
    /// Oregon.
    UsWest,
    /// Dublin.
    EuWest,
    /// Mumbai.
    ApSouth,
}

impl Routing {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::UsEast, Self::UsWest, Self::EuWest, Self::ApSouth];

    /// As Modal names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UsEast => "us-east",
            Self::UsWest => "us-west",
            Self::EuWest => "eu-west",
            Self::ApSouth => "ap-south",
        }
    }

    /// The region of that name.
    ///
    /// # Errors
    /// When there is none, with one that the name may have meant.
    pub fn parse(name: &str) -> Result<Self, RegionError> {
        let found = Self::ALL.into_iter().find(|known| known.as_str() == name);
        found.ok_or_else(|| RegionError::UnknownRouting {
            name: name.to_owned(),
            // QMD's files name the region where containers run.
            meant: Compute::parse(name).map_or_else(
                |_| alike(name, Self::ALL.iter().map(|known| known.as_str())),
                |compute| Some(compute.routing().as_str()),
            ),
        })
    }

    /// The compute region around it.
    pub const fn compute(self) -> Compute {
        Compute(match self {
            Self::UsEast | Self::UsWest => "us",
            Self::EuWest => "eu",
            Self::ApSouth => "ap",
        })
    }
}

impl fmt::Display for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where containers run. Naming one costs more than leaving it to Modal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compute(&'static str);

impl Compute {
    /// A region that a table of the code knows to be one.
    pub const fn known(name: &'static str) -> Self {
        Self(name)
    }

    /// As Modal names it.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// All of their names, the broad ones first.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BROAD.into_iter().chain(NARROW)
    }

    /// The region of that name.
    ///
    /// # Errors
    /// When there is none, with one that the name may have meant.
    pub fn parse(name: &str) -> Result<Self, RegionError> {
        Self::names()
            .find(|known| *known == name)
            .map(Self)
            .ok_or_else(|| RegionError::UnknownCompute {
                name: name.to_owned(),
                meant: alike(name, Self::names()),
            })
    }

    /// What naming it multiplies prices by.
    pub fn price_factor(self) -> f64 {
        if BROAD.contains(&self.0) {
            BROAD_FACTOR
        } else {
            NARROW_FACTOR
        }
    }

    /// The routing region nearest to it.
    pub fn routing(self) -> Routing {
        match self.0 {
            "us-west" => Routing::UsWest,
            name => match name.split('-').next().unwrap_or_default() {
                "eu" | "uk" | "af" => Routing::EuWest,
                "ap" | "jp" | "au" | "me" => Routing::ApSouth,
                _ => Routing::UsEast,
            },
        }
    }
}

impl fmt::Display for Compute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The known name that is most like another, if any is like it.
fn alike(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    known
        .map(|known| (strsim::normalized_levenshtein(&name, known), known))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// A name that no region has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegionError {
    /// Of those where requests enter.
    #[error("{name:?} is no region where requests can enter Modal")]
    UnknownRouting {
        /// The name.
        name: String,
        /// The region it may have meant.
        meant: Option<&'static str>,
    },
    /// Of those where containers run.
    #[error("{name:?} is no region where Modal runs containers")]
    UnknownCompute {
        /// The name.
        name: String,
        /// The region it may have meant.
        meant: Option<&'static str>,
    },
}

impl Failure for RegionError {
    fn reason(&self) -> Reason {
        Reason::RegionUnknown
    }

    fn hint(&self) -> Option<String> {
        let (meant, known) = match self {
            Self::UnknownRouting { meant, .. } => {
                (meant, Routing::ALL.map(Routing::as_str).join(", "))
            }
            Self::UnknownCompute { meant, .. } => (
                meant,
                format!(
                    "{}, and inside them {}",
                    BROAD.join(", "),
                    NARROW.join(", ")
                ),
            ),
        };
        Some(match meant {
            Some(meant) => format!("perhaps {meant}; there are {known}"),
            None => format!("there are {known}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back_and_others_are_refused_with_what_they_may_mean() {
        for region in Routing::ALL {
            assert_eq!(Routing::parse(region.as_str()), Ok(region));
        }
        for (name, meant) in [
            ("us-eats", Some("us-east")),
            ("EU-WEST", Some("eu-west")),
            ("eu", Some("eu-west")),
            ("uk", Some("eu-west")),
            ("jp", Some("ap-south")),
            ("us", Some("us-east")),
            ("mars", None),
            ("", None),
        ] {
            let error = Routing::parse(name).unwrap_err();
            assert!(
                matches!(&error, RegionError::UnknownRouting { meant: found, .. } if *found == meant),
                "{name}: {error:?}"
            );
            assert!(error.hint().is_some_and(|hint| hint.contains("ap-south")));
            assert_eq!(error.reason(), Reason::RegionUnknown);
        }
        let error = Compute::parse("eu-wets").unwrap_err();
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.starts_with("perhaps eu-west;"))
        );
    }

    #[test]
    fn naming_a_compute_region_has_its_price() {
        for name in BROAD {
            assert!((Compute::parse(name).unwrap().price_factor() - 1.5).abs() < 1e-9);
        }
        for name in NARROW {
            assert!((Compute::parse(name).unwrap().price_factor() - 1.75).abs() < 1e-9);
        }
        for region in Routing::ALL {
            assert!(Compute::parse(region.compute().as_str()).is_ok());
        }
    }
}
