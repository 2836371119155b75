//! `collection add`.

use std::path::Path;

use qmd_proto::{Reason, v1::AddCollectionRequest};

use crate::{
    cli::AddArgs,
    client::Home,
    commands::{incomplete, utf8},
    error::{Failure, Result},
    render::{self, Screen},
};

pub(in crate::commands) async fn run(home: &Home, screen: Screen, args: AddArgs) -> Result<()> {
    // Seen from here: the daemon works in another folder.
    let folder = args
        .folder
        .canonicalize()
        .map_err(|error| Failure::of_path(&args.folder, &error, Reason::FolderMissing))?;
    let own_name = args.name.is_some();
    let name = match args.name {
        Some(name) => name,
        None => name_of(&folder)?,
    };
    let request = AddCollectionRequest {
        index: home.index(),
        name,
        path: utf8(&folder)?.to_owned(),
        pattern: args.mask.unwrap_or_default(),
    };
    let client = home.connect().await?;
    let reply = client
        .index()
        .add_collection(request)
        .await
        .map_err(|status| {
            let failure = Failure::from(status);
            if failure.reason == Reason::CollectionNameInvalid.as_str() && !own_name {
                return failure.hint("choose another name with `--name NAME`");
            }
            failure
        })?;
    let reply = reply.into_inner();
    let Some(added) = reply.collection else {
        return Err(incomplete("the daemon did not say what it added").into());
    };
    let (name, path) = (render::clean(&added.name), render::clean(&added.path));
    screen.done(&format!("added {name}: {} in {path}", added.pattern))?;
    screen.note(if reply.followed {
        "its files are taken in and followed from now on: see `qmdctl status`"
    } else {
        "next: `qmdctl update` takes its files in, `qmdctl embed` gives them vectors"
    });
    Ok(())
}

fn name_of(folder: &Path) -> Result<String> {
    let Some(name) = folder.file_name() else {
        let failure = Failure::new(Reason::CollectionNameInvalid, "this folder has no name");
        return Err(failure.hint("choose one with `--name NAME`").into());
    };
    Ok(utf8(name.as_ref())?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    use super::*;

    #[test]
    fn the_folders_name_names_the_collection() {
        assert_eq!(name_of(Path::new("/home/me/notes")).unwrap(), "notes");
        assert!(name_of(Path::new("/")).is_err());
        assert!(name_of(Path::new(OsStr::from_bytes(b"/a/\xff"))).is_err());
    }
}
