//! What the environment tells of the place where this machine is.

use std::{fs, path::Path};

use super::ConfigError;

/// Variables that send connections through a proxy.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Where this machine is, as far as the environment tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Where requests are to enter Modal's network: `QMDD_MODAL_REGION`.
    pub region: Option<String>,
    /// Hosts to time in place of the well-known ones, with their regions: `QMDD_REGION_TARGETS`, as
    /// `REGION=HOST:PORT,…`.
    pub region_targets: Option<Vec<(String, String)>>,
    /// The variable that sets a proxy.
    pub proxy: Option<&'static str>,
    /// Name of the time zone: `TZ`, else the system's.
    pub zone: Option<String>,
}

impl Surroundings {
    /// Reads variables.
    pub(super) fn new(
        text: &impl Fn(&'static str) -> Result<Option<String>, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let mut proxy = None;
        for name in PROXIES {
            if proxy.is_none() && text(name)?.is_some() {
                proxy = Some(name);
            }
        }
        Ok(Self {
            region: text("QMDD_MODAL_REGION")?,
            region_targets: text("QMDD_REGION_TARGETS")?.map(targets).transpose()?,
            proxy,
            // POSIX lets a colon stand before a name.
            zone: text("TZ")?.map(|zone| zone.trim_start_matches(':').to_owned()),
        })
    }

    /// Fills in what no variable tells.
    pub(super) fn ask_system(&mut self) {
        if self.zone.is_none() {
            let link = fs::read_link("/etc/localtime").ok();
            let named = || fs::read_to_string("/etc/timezone").ok();
            self.zone = link
                .and_then(|link| zone_of(&link))
                .or_else(|| named().map(|zone| zone.trim().to_owned()));
        }
    }
}

/// The name of a zone, by the file that has its rules.
fn zone_of(file: &Path) -> Option<String> {
    let (_, zone) = file.to_str()?.split_once("zoneinfo/")?;
    Some(zone.to_owned())
}

fn targets(value: String) -> Result<Vec<(String, String)>, ConfigError> {
    let parsed: Option<Vec<_>> = value
        .split(',')
        .map(|target| {
            let (region, host) = target.trim().split_once('=')?;
            host.rsplit_once(':')?;
            Some((region.to_owned(), host.to_owned()))
        })
        .collect();
    parsed.ok_or(ConfigError::Variable {
        name: "QMDD_REGION_TARGETS",
        value,
        expected: "REGION=HOST:PORT, several with commas between",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Surroundings, ConfigError> {
        Surroundings::new(&|name| {
            let found = vars.iter().find(|(known, _)| *known == name);
            Ok(found.map(|(_, value)| (*value).to_owned()))
        })
    }

    #[test]
    fn variables_tell_the_place() {
        let found = read(&[
            ("QMDD_MODAL_REGION", "eu-west"),
            ("QMDD_REGION_TARGETS", "us-east=a:1, eu-west=[::1]:2"),
            ("all_proxy", "socks5://p:1"),
            ("TZ", ":Europe/Oslo"),
        ])
        .unwrap();
        let target = |region: &str, host: &str| (region.to_owned(), host.to_owned());
        let expected = Surroundings {
            region: Some("eu-west".into()),
            region_targets: Some(vec![target("us-east", "a:1"), target("eu-west", "[::1]:2")]),
            proxy: Some("all_proxy"),
            zone: Some("Europe/Oslo".into()),
        };
        assert_eq!(found, expected);
        assert_eq!(read(&[]).unwrap(), Surroundings::default());
        for nonsense in ["us-east", "us-east=a", "us-east=a:1,", ","] {
            assert!(
                read(&[("QMDD_REGION_TARGETS", nonsense)]).is_err(),
                "{nonsense}"
            );
        }
    }

    #[test]
    fn the_link_to_a_zones_rules_has_its_name() {
        let zone = |path: &str| zone_of(Path::new(path));
        assert_eq!(
            zone("/usr/share/zoneinfo/Asia/Tokyo"),
            Some("Asia/Tokyo".into())
        );
        assert_eq!(
            zone("../usr/share/zoneinfo/America/Indiana/Knox"),
            Some("America/Indiana/Knox".into())
        );
        assert_eq!(zone("/etc/elsewhere"), None);
    }
}
