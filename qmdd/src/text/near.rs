//! Which names are like a text that names nothing: what was probably meant.

/// What each wrong character costs.
const SLIP: u32 = 2;
/// What it costs that the folders are others, or that there are none.
const OTHER_FOLDER: u32 = 3;
/// What it costs that the ending is another, or missing.
const OTHER_ENDING: u32 = 1;
/// What it costs that the text is only a part of the name.
const PART: u32 = 12;
/// Slips in a text whose slashes are where they should not be.
const MISPLACED: usize = 2;
/// The fewest characters that a part may have.
const SHORTEST_PART: usize = 3;

/// Collects the names that are most like a text.
#[derive(Debug)]
pub struct Near {
    wanted: Name,
    limit: usize,
    /// Best first.
    best: Vec<(Distance, String)>,
}

/// How far a name is off: its cost, the folders that it lacks, its length.
type Distance = (u32, usize, usize);

impl Near {
    /// The `limit` names that are most like an address, a path, or the name of a collection.
    pub fn new(text: &str, limit: usize) -> Self {
        let text = text.strip_prefix("qmd:").unwrap_or(text).trim();
        let text = text.trim_start_matches("./").trim_matches('/');
        Self {
            wanted: Name::new(text.to_lowercase()),
            limit,
            best: Vec::new(),
        }
    }

    /// Looks at a name: `collection/path`, or the name of a collection.
    pub fn look(&mut self, name: &str) {
        let worst = self.best.last().filter(|_| self.best.len() >= self.limit);
        let Some(distance) = self.wanted.distance(&Name::new(name.to_lowercase())) else {
            return;
        };
        if worst.is_some_and(|(worst, other)| (distance, name) >= (*worst, other.as_str())) {
            return;
        }
        let found = (distance, name.to_owned());
        let at = self.best.partition_point(|other| *other <= found);
        self.best.insert(at, found);
        self.best.truncate(self.limit);
    }

    /// What was found, most alike first.
    pub fn into_names(self) -> Vec<String> {
        self.best.into_iter().map(|(_, name)| name).collect()
    }
}

/// Those of some names that are most like a text, at most `limit`.
pub fn names<'a>(
    text: &str,
    known: impl IntoIterator<Item = &'a str>,
    limit: usize,
) -> Vec<String> {
    let mut near = Near::new(text, limit);
    for name in known {
        near.look(name);
    }
    near.into_names()
}

/// A path in lower case, and what it is compared by.
#[derive(Debug)]
struct Name {
    text: String,
    /// Where the last part begins.
    file: usize,
    /// Slashes.
    depth: usize,
}

impl Name {
    fn new(text: String) -> Self {
        Self {
            file: text.rfind('/').map_or(0, |slash| slash + 1),
            depth: text.matches('/').count(),
            text,
        }
    }

    fn file(&self) -> &str {
        &self.text[self.file..]
    }

    /// Without the slash at its end.
    fn folders(&self) -> &str {
        &self.text[..self.file.saturating_sub(1)]
    }

    /// The end of the path, of so many parts; `None` when it has fewer.
    fn tail(&self, parts: usize) -> Option<&str> {
        match (self.depth + 1).checked_sub(parts)? {
            0 => Some(self.text.as_str()),
            _ if parts == 0 => None,
            _ => {
                let (slash, _) = self.text.rmatch_indices('/').nth(parts - 1)?;
                Some(&self.text[slash + 1..])
            }
        }
    }

    /// How far another name is from this one; `None` when they have nothing in common.
    fn distance(&self, other: &Self) -> Option<Distance> {
        if self.text.is_empty() {
            return None;
        }
        let readings = [
            self.same_shape(other),
            self.misplaced(other),
            self.same_ending_or_not(other),
            self.part(other),
        ];
        let cost = readings.into_iter().flatten().min()?;
        let folders = other.folders();
        let lacking = self.folders().split('/').filter(|part| !part.is_empty());
        let lacking = lacking.filter(|part| !folders.split('/').any(|known| known == *part));
        Some((cost, lacking.count(), other.text.len()))
    }

    /// Slips in the file's name, and in the folders before it.
    fn same_shape(&self, other: &Self) -> Option<u32> {
        let slips = slips(self.file(), other.file())?;
        Some(SLIP * slips + self.folder_cost(other))
    }

    /// The same with the ending left out, or another one.
    fn same_ending_or_not(&self, other: &Self) -> Option<u32> {
        let slips = slips(stem(self.file()), stem(other.file()))?;
        Some(OTHER_ENDING + SLIP * slips + self.folder_cost(other))
    }

    fn folder_cost(&self, other: &Self) -> u32 {
        let own = self.folders();
        let Some(tail) = other.tail(self.depth + 1) else {
            return OTHER_FOLDER;
        };
        // Without folders, any will do.
        let folders = tail.rfind('/').map_or("", |slash| &tail[..slash]);
        slips(own, folders).map_or(OTHER_FOLDER, |slips| OTHER_FOLDER.min(SLIP * slips))
    }

    /// A slash too many, too few, or at the wrong place.
    fn misplaced(&self, other: &Self) -> Option<u32> {
        let parts = self.depth + 1;
        let tails = [parts.checked_sub(1), Some(parts), Some(parts + 1)];
        let tails = tails.into_iter().flatten().filter_map(|n| other.tail(n));
        tails
            .filter_map(|tail| osa(&self.text, tail, MISPLACED))
            .min()
            .map(|slips| SLIP * slips)
    }

    /// A part of the name.
    fn part(&self, other: &Self) -> Option<u32> {
        let long_enough = self.text.chars().nth(SHORTEST_PART - 1).is_some();
        (long_enough && other.text.contains(&self.text)).then_some(PART)
    }
}

/// Wrong characters of a word, a third of it at most.
fn slips(wanted: &str, word: &str) -> Option<u32> {
    let allowed = (wanted.chars().count() / 3).max(1);
    osa(wanted, word, allowed)
}

/// The distance of two texts, with swaps of neighbours, when it is not more than `most`.
fn osa(a: &str, b: &str, most: usize) -> Option<u32> {
    if a == b {
        return Some(0);
    }
    if apart(a, b) > most {
        return None;
    }
    let distance = strsim::osa_distance(a, b);
    (distance <= most).then_some(distance as u32)
}

/// Two texts are at least so far apart: by their lengths, and by the characters that only one of them
/// has. Quick, where the distance itself is not.
fn apart(a: &str, b: &str) -> usize {
    let ((a, a_chars), (b, b_chars)) = (sketch(a), sketch(b));
    let only = |one: u64, other: u64| (one & !other).count_ones() as usize;
    only(a, b).max(only(b, a)).max(a_chars.abs_diff(b_chars))
}

/// A bit for each character, some sharing theirs, and how many there are.
fn sketch(text: &str) -> (u64, usize) {
    text.chars().fold((0, 0), |(bits, count), c| {
        (bits | 1 << (u32::from(c) % 64), count + 1)
    })
}

/// A file's name without its ending.
fn stem(file: &str) -> &str {
    match file.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => file,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: [&str; 9] = [
        "notes/plan.md",
        "notes/2024/plan.md",
        "notes/garden/pruning.md",
        "notes/garden/slugs.md",
        "notes/wing/heat-on-wings.md",
        "docs/guide.md",
        "docs/architecture.md",
        "docs/東京/旅行.md",
        "work/README.md",
    ];

    fn near(text: &str) -> Vec<String> {
        names(text, KNOWN, 5)
    }

    #[test]
    fn slips_are_seen_in_every_part() {
        for (text, best) in [
            ("notes/paln.md", "notes/plan.md"),
            ("qmd://nots/plan.md", "notes/plan.md"),
            ("notes/gardn/prunning.md", "notes/garden/pruning.md"),
            ("pruning", "notes/garden/pruning.md"),
            ("pruning.txt", "notes/garden/pruning.md"),
            ("garden/slug.md", "notes/garden/slugs.md"),
            ("notes/kitchen/slugs.md", "notes/garden/slugs.md"),
            ("notes/slugs.md", "notes/garden/slugs.md"),
            ("docs/old/guide.md", "docs/guide.md"),
            ("notesplan.md", "notes/plan.md"),
            ("readme.md", "work/README.md"),
            ("heat-on", "notes/wing/heat-on-wings.md"),
            ("東京/旅.md", "docs/東京/旅行.md"),
            ("./guid.md", "docs/guide.md"),
            ("/home/me/docs/guide.md", "docs/guide.md"),
        ] {
            let found = near(text);
            assert_eq!(found.first().map(String::as_str), Some(best), "{text}");
        }
    }

    #[test]
    fn the_folder_that_was_named_decides_between_equals() {
        assert_eq!(
            near("notes/2024/plans.md")[..2],
            ["notes/2024/plan.md", "notes/plan.md"]
        );
        assert_eq!(near("notes/plann.md")[0], "notes/plan.md");
    }

    #[test]
    fn what_is_like_nothing_suggests_nothing() {
        for text in [
            "",
            "/",
            "qmd://",
            "quantum-chromodynamics.md",
            "zz",
            "#ffffff",
        ] {
            assert_eq!(near(text), [] as [&str; 0], "{text}");
        }
    }

    #[test]
    fn collections_are_names_too() {
        assert_eq!(names("note", ["notes", "docs"], 3), ["notes"]);
        assert_eq!(names("Docs", ["notes", "docs"], 3), ["docs"]);
        assert_eq!(names("papers", ["notes", "docs"], 3), [] as [&str; 0]);
    }

    proptest! {
        #[test]
        fn a_name_is_nearest_to_itself(at in 0..KNOWN.len(), limit in 1_usize..5) {
            let found = names(KNOWN[at], KNOWN, limit);
            prop_assert!(found.len() <= limit);
            prop_assert_eq!(found.first().map(String::as_str), Some(KNOWN[at]));
        }

        #[test]
        fn one_slip_is_forgiven(at in 0..KNOWN.len(), place in 0_usize..40, c in "[a-z]") {
            let mut typed: Vec<char> = KNOWN[at].chars().collect();
            let place = place % typed.len();
            prop_assume!(typed[place] != '/');
            typed[place] = c.chars().next().unwrap();
            let typed: String = typed.into_iter().collect();
            prop_assert!(near(&typed).iter().any(|name| name == KNOWN[at]), "{}", typed);
        }

        #[test]
        fn the_quick_look_never_rules_out(a in "[a-d東/.]{0,9}", b in "[a-d東/.]{0,9}") {
            prop_assert!(apart(&a, &b) <= strsim::osa_distance(&a, &b));
        }

        #[test]
        fn no_text_breaks_it(text in any::<String>(), name in any::<String>()) {
            names(&text, [name.as_str()], 2);
        }
    }
}
