//! Whose service it would be: root must not install one in another user's name.

use std::{env, os::unix::fs::MetadataExt};

use directories::BaseDirs;

use super::failures;
use crate::error::Result;

/// Refuses root on another user's behalf.
pub(super) fn check() -> Result<()> {
    let home = BaseDirs::new().and_then(|base| base.home_dir().metadata().ok());
    let sudo = env::var("SUDO_USER").ok();
    let meant = for_whom(
        rustix::process::getuid().as_raw(),
        sudo.as_deref(),
        home.map(|home| home.uid()),
    );
    match meant {
        Some(user) => Err(failures::root(&user).into()),
        None => Ok(()),
    }
}

/// Who is meant when root asks; `None` for the asking user.
fn for_whom(user: u32, sudo: Option<&str>, home_owner: Option<u32>) -> Option<String> {
    if user != 0 {
        return None;
    }
    let named = sudo.filter(|name| !name.is_empty() && *name != "root");
    named.map(str::to_owned).or_else(|| {
        let owner = home_owner.filter(|owner| *owner != 0)?;
        Some(format!("user {owner}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_refused_on_another_users_behalf() {
        assert_eq!(for_whom(0, Some("ann"), Some(0)).as_deref(), Some("ann"));
        assert_eq!(for_whom(0, None, Some(1000)).as_deref(), Some("user 1000"));
        for (user, sudo, owner) in [
            (0, None, Some(0)),
            (0, Some("root"), Some(0)),
            (0, Some(""), None),
            (1000, Some("bob"), Some(1000)),
        ] {
            assert_eq!(for_whom(user, sudo, owner), None);
        }
    }
}
