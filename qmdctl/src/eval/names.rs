//! Which file a judgement means: files are named by their stems, or by their paths.

use std::collections::{BTreeSet, HashMap};

use super::{Malformed, shown};

/// How documents may be named in judgements, the most usual way first.
const SCHEMES: [fn(&str) -> &str; 4] = [stem, file_name, without_extension, |path| path];

/// What the documents of a collection are called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Ids by paths inside the collection, with `/` between parts.
    ids: HashMap<String, String>,
}

impl Names {
    /// Of documents whose ids are known.
    pub fn of(ids: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            ids: ids.into_iter().collect(),
        }
    }

    /// Finds the way of naming files in which most of the judged documents are files.
    ///
    /// # Errors
    /// When no judged document is there in any of them, or one name stands for two files.
    pub fn find(paths: &[String], judged: &BTreeSet<&str>) -> Result<Self, Malformed> {
        let mut best: Option<(usize, HashMap<&str, Vec<&str>>)> = None;
        for scheme in SCHEMES {
            let mut files: HashMap<&str, Vec<&str>> = HashMap::new();
            for path in paths {
                files.entry(scheme(path)).or_default().push(path);
            }
            let single = |id: &&&str| files.get(**id).is_some_and(|found| found.len() == 1);
            let found = judged.iter().filter(single).count();
            if best.as_ref().is_none_or(|(most, _)| found > *most) {
                best = Some((found, files));
            }
        }
        let (found, files) = best.unwrap_or_default();
        let doubtful = judged
            .iter()
            .find_map(|id| Some((id, files.get(*id).filter(|paths| paths.len() > 1)?)));
        if let Some((id, paths)) = doubtful {
            let mut paths = paths.clone();
            paths.sort_unstable();
            let message = format!(
                "the document {} may be {} or {}",
                shown(id),
                paths[0],
                paths[1]
            );
            return Err(Malformed::whole(message));
        }
        if found == 0 {
            let message = match judged.first() {
                Some(id) => format!(
                    "none of the judged documents is there: no file is named {}",
                    shown(id)
                ),
                None => "no document is judged relevant".to_owned(),
            };
            return Err(Malformed::whole(message));
        }
        let ids = files.into_iter().flat_map(|(id, paths)| {
            // Files that nobody judged and that share a name have their paths.
            let shared = paths.len() > 1;
            paths.into_iter().map(move |path| {
                let id = if shared { path } else { id };
                (path.to_owned(), id.to_owned())
            })
        });
        Ok(Self::of(ids))
    }

    /// The id of the document at a path, which is its own where it has no other.
    pub fn id<'a>(&'a self, path: &'a str) -> &'a str {
        self.ids.get(path).map_or(path, String::as_str)
    }

    /// How many of the judged documents are not there.
    pub fn missing(&self, judged: &BTreeSet<&str>) -> usize {
        let known: BTreeSet<&str> = self.ids.values().map(String::as_str).collect();
        judged.difference(&known).count()
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn stem(path: &str) -> &str {
    without_extension(file_name(path))
}

fn without_extension(path: &str) -> &str {
    let name = path.len() - file_name(path).len();
    match path[name..].rfind('.') {
        Some(at) if at > 0 => &path[..name + at],
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(words: &str) -> Vec<String> {
        words.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn files_are_named_as_most_judgements_name_them() {
        let files = paths("a/one.md b/two.md");
        for (judged, ids) in [
            (["one", "two"], ["one", "two"]),
            (["one.md", "x"], ["one.md", "two.md"]),
            (["a/one", "b/two"], ["a/one", "b/two"]),
            (["b/two.md", "x"], ["a/one.md", "b/two.md"]),
        ] {
            let judged = BTreeSet::from(judged);
            let names = Names::find(&files, &judged).unwrap();
            assert_eq!([names.id("a/one.md"), names.id("b/two.md")], ids);
            assert_eq!(names.missing(&judged), usize::from(judged.contains("x")));
        }
        let stems = ["a.b/c", ".a", "x/.a", "c.tar.gz"].map(without_extension);
        assert_eq!(stems, ["a.b/c", ".a", "x/.a", "c.tar"]);
    }

    #[test]
    fn a_name_of_two_files_is_refused_where_it_is_judged() {
        let files = paths("a/x.md b/x.md y.md");
        let complaint = Names::find(&files, &BTreeSet::from(["x", "y"])).unwrap_err();
        assert_eq!(
            complaint.message,
            "the document \"x\" may be a/x.md or b/x.md"
        );
        let names = Names::find(&files, &BTreeSet::from(["y"])).unwrap();
        assert_eq!(
            ["a/x.md", "y.md"].map(|path| names.id(path)),
            ["a/x.md", "y"]
        );
        let names = Names::find(&files, &BTreeSet::from(["b/x"])).unwrap();
        assert_eq!(names.id("a/x.md"), "a/x");
    }

    #[test]
    fn judgements_of_other_documents_are_refused() {
        let complaint = |judged| Names::find(&paths("a.md"), &judged).unwrap_err().message;
        assert_eq!(
            complaint(BTreeSet::from(["7"])),
            "none of the judged documents is there: no file is named \"7\""
        );
        assert_eq!(complaint(BTreeSet::new()), "no document is judged relevant");
    }
}
