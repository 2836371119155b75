//! What a scan has to do: the difference between what is known and what was found. Pure.

use std::collections::HashMap;

use super::walk::Found;
use crate::store::KnownFile;

/// The work of a scan.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// New, or of another size, time or inode than known: to be read.
    pub examine: Vec<Examine>,
    /// Known and gone.
    pub remove: Vec<String>,
    /// Known and untouched.
    pub unchanged: u64,
}

/// A file to read, with what is known of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Examine {
    pub file: Found,
    pub known: Option<KnownFile>,
}

/// Compares by path, then by stamp.
pub(super) fn plan(known: Vec<KnownFile>, found: Vec<Found>) -> Plan {
    let mut known: HashMap<String, KnownFile> = known
        .into_iter()
        .map(|file| (file.path.clone(), file))
        .collect();
    let mut plan = Plan::default();
    for file in found {
        match known.remove(&file.path) {
            Some(old) if old.stamp == file.stamp => plan.unchanged += 1,
            old => plan.examine.push(Examine { file, known: old }),
        }
    }
    plan.remove = known.into_keys().collect();
    plan.remove.sort_unstable();
    plan
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::PathBuf};

    use proptest::prelude::*;

    use super::*;
    use crate::{domain::ContentHash, store::FileStamp};

    fn stamp(version: u8) -> FileStamp {
        FileStamp {
            size: u64::from(version),
            mtime_ns: i64::from(version),
            inode: 1,
        }
    }

    type Files = BTreeMap<String, u8>;

    fn run(before: &Files, after: &Files) -> Plan {
        let known = before.iter().map(|(path, &version)| KnownFile {
            path: path.clone(),
            stamp: stamp(version),
            hash: ContentHash::of(&version.to_string()),
            title: String::new(),
        });
        let found = after.iter().map(|(path, &version)| Found {
            path: path.clone(),
            absolute: PathBuf::from(path),
            stamp: stamp(version),
        });
        plan(known.collect(), found.collect())
    }

    proptest! {
        #[test]
        fn applying_the_plan_yields_what_was_found(
            before in proptest::collection::btree_map("[a-d]{1,2}", 0..3_u8, 0..12),
            after in proptest::collection::btree_map("[a-d]{1,2}", 0..3_u8, 0..12),
        ) {
            let plan = run(&before, &after);
            let mut applied = before.clone();
            for path in &plan.remove {
                prop_assert!(applied.remove(path).is_some(), "removes only what is known");
            }
            for examine in &plan.examine {
                let path = &examine.file.path;
                prop_assert_eq!(examine.known.is_some(), before.contains_key(path));
                prop_assert_ne!(before.get(path), after.get(path), "reads only what differs");
                applied.insert(path.clone(), after[path]);
            }
            prop_assert_eq!(&applied, &after);
            prop_assert_eq!(plan.unchanged as usize + plan.examine.len(), after.len());
            prop_assert_eq!(run(&after, &after).unchanged as usize, after.len());
        }
    }
}
