//! The sections of a part.

use anyhow::{Result, bail};

/// Those that are named, or all where none is, in the part's own order.
///
/// # Errors
/// When there is none of such a name.
pub(crate) fn chosen<const N: usize>(
    all: [&'static str; N],
    named: &[String],
) -> Result<Vec<&'static str>> {
    if let Some(unknown) = named.iter().find(|name| !all.contains(&name.as_str())) {
        bail!(
            "there is no section {unknown}; there are {}",
            all.join(", ")
        );
    }
    let is_wanted = |section: &&str| named.is_empty() || named.iter().any(|name| name == section);
    Ok(all.into_iter().filter(is_wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_those_named_in_their_own_order() {
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            chosen(["a", "b", "c"], &names)
        };
        assert_eq!(named(&[]).unwrap(), ["a", "b", "c"]);
        assert_eq!(named(&["c", "a", "c"]).unwrap(), ["a", "c"]);
        let error = named(&["a", "d"]).unwrap_err().to_string();
        assert_eq!(error, "there is no section d; there are a, b, c");
    }
}
