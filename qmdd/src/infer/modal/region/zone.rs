//! A routing region guessed from the name of a time zone.

use crate::domain::Routing;

/// Cities of the Americas that are nearer to Oregon than to Virginia.
const WEST: [&str; 21] = [
    "Los_Angeles",
    "Vancouver",
    "Tijuana",
    "Ensenada",
    "Santa_Isabel",
    "Phoenix",
    "Denver",
    "Boise",
    "Edmonton",
    "Calgary",
    "Whitehorse",
    "Dawson",
    "Dawson_Creek",
    "Fort_Nelson",
    "Anchorage",
    "Juneau",
    "Sitka",
    "Nome",
    "Yakutat",
    "Adak",
    "Metlakatla",
];

/// The region near a zone such as `Europe/Berlin`; `None` where the name tells no place.
pub(super) fn routing(zone: &str) -> Option<Routing> {
    let (area, city) = zone.split_once('/')?;
    Some(match area {
        "America" if WEST.contains(&city) => Routing::UsWest,
        "US" if [
            "Pacific", "Mountain", "Arizona", "Alaska", "Aleutian", "Hawaii",
        ]
        .contains(&city) =>
        {
            Routing::UsWest
        }
        "Canada" if ["Pacific", "Mountain", "Yukon"].contains(&city) => Routing::UsWest,
        "Pacific" => Routing::UsWest,
        "America" | "US" | "Canada" | "Brazil" | "Chile" | "Mexico" => Routing::UsEast,
        "Asia" | "Australia" | "Indian" => Routing::ApSouth,
        "Europe" | "Africa" | "Atlantic" | "Arctic" => Routing::EuWest,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_tells_the_part_of_the_world() {
        for (zone, region) in [
            ("Europe/Berlin", Some(Routing::EuWest)),
            ("Africa/Lagos", Some(Routing::EuWest)),
            ("America/Los_Angeles", Some(Routing::UsWest)),
            ("US/Pacific", Some(Routing::UsWest)),
            ("America/New_York", Some(Routing::UsEast)),
            ("America/Argentina/Ushuaia", Some(Routing::UsEast)),
            ("Asia/Tokyo", Some(Routing::ApSouth)),
            ("Australia/Perth", Some(Routing::ApSouth)),
            ("UTC", None),
            ("Etc/UTC", None),
            ("", None),
        ] {
            assert_eq!(routing(zone), region, "{zone}");
        }
    }
}
