//! What a scan has to do: the difference between what is known and what was found. Pure.

use std::collections::HashMap;

use super::walk::{Found, Listing};
use crate::store::{KnownFile, Skipped};

/// The work of a scan.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// New, of another stamp than known, or read by other rules: to be read.
    pub examine: Vec<Found>,
    /// Not to be indexed, which was not known.
    pub skip: Vec<Skipped>,
    /// Not to be indexed, as is known.
    pub still_skipped: Vec<Skipped>,
    /// Known and gone, in the order of their names.
    pub remove: Vec<String>,
    /// Documents that are known and untouched.
    pub unchanged: u64,
}

/// Compares by path, then by stamp and by the version of the rules. With `all`, every file that is there
/// is examined.
pub(super) fn plan(known: Vec<KnownFile>, listing: Listing, version: u32, all: bool) -> Plan {
    let mut known: HashMap<String, KnownFile> = known
        .into_iter()
        .map(|file| (file.path.clone(), file))
        .collect();
    let mut plan = Plan::default();
    for file in listing.files {
        match known.remove(&file.path) {
            Some(old) if old.stamp == file.stamp && old.reader == version && !all => {
                plan.keep(old);
            }
            _ => plan.examine.push(file),
        }
    }
    for file in listing.unfit {
        match known.remove(&file.path) {
            Some(old) if old.skipped.as_ref() == Some(&file.why) => plan.keep(old),
            _ => plan.skip.push(file),
        }
    }
    for (path, old) in known {
        if listing.unread.iter().any(|folder| is_below(&path, folder)) {
            plan.keep(old);
        } else {
            plan.remove.push(path);
        }
    }
    plan.remove.sort_unstable();
    plan
}

impl Plan {
    fn keep(&mut self, file: KnownFile) {
        match file.skipped {
            None => self.unchanged += 1,
            Some(why) => self.still_skipped.push(Skipped {
                path: file.path,
                why,
            }),
        }
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        domain::Reason,
        store::{FileStamp, Why},
    };

    const VERSION: u32 = 7;

    /// A file's state: a document or unfit, in one of some versions.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum State {
        Fit(u8),
        Unfit(u8),
    }

    type Files = BTreeMap<String, State>;

    fn stamp(version: u8) -> FileStamp {
        FileStamp {
            size: u64::from(version),
            mtime_ns: i64::from(version),
            inode: 1,
        }
    }

    fn why(version: u8) -> Why {
        Why {
            reason: Reason::FileLink,
            message: version.to_string(),
        }
    }

    fn known(files: &Files, reader: u32) -> Vec<KnownFile> {
        let known = files.iter().map(|(path, state)| match state {
            State::Fit(version) => KnownFile {
                path: path.clone(),
                stamp: stamp(*version),
                reader,
                skipped: None,
            },
            State::Unfit(version) => KnownFile {
                path: path.clone(),
                stamp: stamp(0),
                reader: 0,
                skipped: Some(why(*version)),
            },
        });
        known.collect()
    }

    /// What a walk finds, which could not read some folders.
    fn found(files: &Files, unread: &BTreeSet<String>) -> Listing {
        let mut listing = Listing {
            unread: unread.iter().cloned().collect(),
            ..Listing::default()
        };
        for (path, state) in files {
            if unread.iter().any(|folder| is_below(path, folder)) {
                continue;
            }
            match state {
                State::Fit(version) => listing.files.push(Found {
                    path: path.clone(),
                    stamp: stamp(*version),
                }),
                State::Unfit(version) => listing.unfit.push(Skipped {
                    path: path.clone(),
                    why: why(*version),
                }),
            }
        }
        listing
    }

    fn files() -> impl Strategy<Value = Files> {
        let state = prop_oneof![
            3 => (0..3_u8).prop_map(State::Fit),
            1 => (0..2_u8).prop_map(State::Unfit),
        ];
        proptest::collection::btree_map("[ab](/[a-c]){0,2}", state, 0..12)
    }

    proptest! {
        #[test]
        fn applying_the_plan_yields_what_was_found(
            before in files(),
            after in files(),
            unread in proptest::collection::btree_set("[ab](/[a-c])?", 0..2),
            all in any::<bool>(),
        ) {
            let hidden = |path: &String| unread.iter().any(|folder| is_below(path, folder));
            let plan = plan(known(&before, VERSION), found(&after, &unread), VERSION, all);
            let mut applied = before.clone();
            for path in &plan.remove {
                prop_assert!(applied.remove(path).is_some(), "removes only what is known");
                prop_assert!(!hidden(path), "and not what could not be seen");
            }
            for file in &plan.examine {
                prop_assert!(all || before.get(&file.path) != after.get(&file.path), "reads only what differs");
                applied.insert(file.path.clone(), after[&file.path]);
            }
            for file in &plan.skip {
                prop_assert_ne!(before.get(&file.path), after.get(&file.path));
                applied.insert(file.path.clone(), after[&file.path]);
            }
            for (path, state) in &applied {
                prop_assert_eq!(Some(state), if hidden(path) { before.get(path) } else { after.get(path) });
            }
            let seen = after.keys().filter(|path| !hidden(path));
            prop_assert!(seen.clone().all(|path| applied.contains_key(path)));
            let kept = applied.len() - plan.examine.len() - plan.skip.len();
            prop_assert_eq!(plan.unchanged as usize + plan.still_skipped.len(), kept);
        }

        #[test]
        fn a_second_scan_has_nothing_to_do(files in files()) {
            let none = BTreeSet::new();
            let plan = plan(known(&files, VERSION), found(&files, &none), VERSION, false);
            prop_assert_eq!(plan.unchanged as usize + plan.still_skipped.len(), files.len());
            prop_assert!(plan.examine.is_empty() && plan.skip.is_empty() && plan.remove.is_empty());
        }

        #[test]
        fn other_rules_read_every_file(files in files()) {
            let none = BTreeSet::new();
            let plan = plan(known(&files, 0), found(&files, &none), VERSION, false);
            let fit = files.values().filter(|state| matches!(state, State::Fit(_))).count();
            prop_assert_eq!(plan.examine.len(), fit);
        }
    }
}
