//! `init`.

use qmd_proto::{Reason, v1::InitProjectRequest};

use super::utf8;
use crate::{
    cli::InitArgs,
    client::Home,
    error::{Failure, Result},
    render::{self, Screen},
};

pub(super) async fn run(home: &Home, screen: Screen, args: &InitArgs) -> Result<()> {
    // Seen from here: the daemon works in another folder.
    let folder = args
        .folder
        .canonicalize()
        .map_err(|error| Failure::of_path(&args.folder, &error, Reason::FolderMissing))?;
    let project_root = utf8(&folder)?.to_owned();
    let client = home.connect().await?;
    let request = InitProjectRequest { project_root };
    let reply = client.projects().init_project(request).await?.into_inner();
    let file = render::clean(&reply.config_file);
    if reply.created {
        screen.done(&format!("made {file}"))?;
        screen.note("next: `qmdctl collection add .` takes the folder in");
        Ok(())
    } else {
        screen.done(&format!("{file} is there already"))
    }
}
