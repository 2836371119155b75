//! The proxy token: made once, kept where the daemon reads it.

use std::path::Path;

use qmd_proto::Reason;
use serde_json::Value;

use super::{keep::keep, tool::Tool};
use crate::error::{Failure, Result};

const MAKE: [&str; 6] = [
    "workspace",
    "proxy-tokens",
    "create",
    "--name",
    "qmd",
    "--json",
];

/// Makes a token and keeps it in `file`. Modal shows its secret this once.
pub(super) async fn make(tool: &Tool, file: &Path) -> Result<()> {
    let made = tool.json(&MAKE).await?;
    let token = joined(&made).ok_or_else(|| {
        Failure::new(
            Reason::ToolFailed,
            "modal made a proxy token and did not show it",
        )
        .hint("run `pip install --upgrade 'modal~=1.6'`")
    })?;
    keep(file, &token).map_err(|error| {
        Failure::of_path(file, &error, Reason::FileUnreadable)
            .hint("see that its folder can be written by you")
    })?;
    Ok(())
}

/// Identity and secret, as a bearer token joins them.
fn joined(made: &Value) -> Option<String> {
    let part = |key: &str| made[key].as_str().filter(|part| !part.is_empty());
    Some(format!("{}.{}", part("Modal-Key")?, part("Modal-Secret")?))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt};

    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_has_two_parts() {
        let made =
            json!({"Modal-Key": "wk-1", "Modal-Secret": "ws-2", "Authorization": "Bearer x"});
        assert_eq!(joined(&made).as_deref(), Some("wk-1.ws-2"));
        assert_eq!(joined(&json!({"Modal-Key": "wk-1"})), None);
        assert_eq!(joined(&json!([])), None);
    }

    #[test]
    fn it_is_kept_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("data/modal-token");
        keep(&file, "wk-1.ws-2").unwrap();
        keep(&file, "wk-3.ws-4").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "wk-3.ws-4\n");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    }
}
