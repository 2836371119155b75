//! What is done in the collections' folders before an update, in the user's own environment:
//! `git pull`, and the commands of `index.yml`.

use std::{
    collections::BTreeSet,
    io::{self, IsTerminal},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use qmd_proto::{Reason, v1::Collection};
use tokio::process::Command;

use crate::{
    error::{Failure, Result},
    render::{self, Notice, Screen},
};

/// The shells that run a command, in QMD's order.
const SHELLS: [&str; 2] = ["bash", "sh"];

/// Pulls where that is asked for, and runs each collection's own command. The first that fails ends
/// it.
pub(super) async fn run(screen: Screen, collections: &[Collection], pull: bool) -> Result<()> {
    let mut pulled = BTreeSet::new();
    for collection in collections {
        let folder = Path::new(&collection.path);
        if !pull && collection.update_command.is_empty() {
            continue;
        }
        if !folder.is_dir() {
            // The update itself says more.
            let message = format!(
                "nothing is run for {}: {} is missing",
                collection.name, collection.path
            );
            Screen::warn(&Notice {
                message,
                reason: Reason::FolderMissing.to_string(),
                hint: None,
            });
            continue;
        }
        if pull {
            match repository(folder) {
                Some(root) if pulled.insert(root.clone()) => git_pull(screen, &root).await?,
                Some(_) => {}
                None => screen.detail(&format!("{}: no git repository", collection.name)),
            }
        }
        if !collection.update_command.is_empty() {
            hook(screen, collection).await?;
        }
    }
    if pull && pulled.is_empty() {
        screen.note("no collection lies in a git repository: nothing was pulled");
    }
    Ok(())
}

/// The root of the work tree that a folder lies in.
fn repository(folder: &Path) -> Option<PathBuf> {
    let mut folders = folder.ancestors();
    // A folder, or a file that leads to one.
    folders
        .find(|folder| folder.join(".git").exists())
        .map(Path::to_owned)
}

async fn git_pull(screen: Screen, root: &Path) -> Result<()> {
    let shown = render::clean(&root.to_string_lossy()).into_owned();
    screen.note(&format!("pulling {shown}"));
    let mut command = Command::new("git");
    command.args(["pull", "--ff-only"]);
    let status = ended(screen, &mut command, root).await.map_err(|error| {
        let message = format!("git cannot be run: {error}");
        Failure::new(Reason::ToolFailed, message).hint("install git, or update without `--pull`")
    })?;
    if status.success() {
        return Ok(());
    }
    let message = format!("`git pull --ff-only` in {shown} {}", ending(status));
    let hint = format!("see `git -C {shown} status`; nothing was updated");
    Err(Failure::new(Reason::ToolFailed, message).hint(hint).into())
}

async fn hook(screen: Screen, collection: &Collection) -> Result<()> {
    let (name, line) = (&collection.name, collection.update_command.trim());
    screen.note(&format!(
        "updating {}: {}",
        render::clean(name),
        render::clean(line)
    ));
    let folder = Path::new(&collection.path);
    let mut status = Err(io::ErrorKind::NotFound.into());
    for shell in SHELLS {
        let mut command = Command::new(shell);
        status = ended(screen, command.args(["-c", line]), folder).await;
        if !matches!(&status, Err(error) if error.kind() == io::ErrorKind::NotFound) {
            break;
        }
    }
    let status = status.map_err(|error| {
        let message = format!("the command of collection {name:?} cannot be run: {error}");
        Failure::new(Reason::HookFailed, message).hint("install bash or sh")
    })?;
    if status.success() {
        return Ok(());
    }
    let message = format!(
        "the `update` command of collection {name:?} {}",
        ending(status)
    );
    let hint = format!(
        "run `{line}` in {} to see why, or change `update` in index.yml; nothing was updated",
        collection.path
    );
    Err(Failure::new(Reason::HookFailed, message).hint(hint).into())
}

/// Runs a program in a folder. What it says is shown beside the results.
async fn ended(screen: Screen, command: &mut Command, folder: &Path) -> io::Result<ExitStatus> {
    let input = if io::stdin().is_terminal() {
        Stdio::inherit()
    } else {
        Stdio::null()
    };
    command
        .current_dir(folder)
        .stdin(input)
        .stdout(screen.beside()?)
        .kill_on_drop(true)
        .status()
        .await
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "did not end well".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_found_going_up() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("repo/notes/deep");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(repository(&deep), None);
        std::fs::write(dir.path().join("repo/.git"), "gitdir: elsewhere\n").unwrap();
        assert_eq!(repository(&deep), Some(dir.path().join("repo")));
    }

    #[test]
    fn an_ending_says_how() {
        assert_eq!(
            ending(ExitStatus::from_raw(3 << 8)),
            "ended with exit code 3"
        );
        assert_eq!(ending(ExitStatus::from_raw(15)), "was ended by signal 15");
    }
}
