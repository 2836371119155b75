//! `update`.

mod prepare;

use qmd_proto::v1::{ListCollectionsRequest, UpdateRequest, update_event::Event};

use super::{next, note_pending, updating, warn_of};
use crate::{
    cli::UpdateArgs,
    client::Home,
    error::Result,
    render::{self, Screen},
};

pub(super) async fn run(home: &Home, screen: Screen, args: UpdateArgs) -> Result<()> {
    let client = home.connect().await?;
    let request = ListCollectionsRequest {
        index: home.index(),
    };
    let listed = client.index().list_collections(request).await?.into_inner();
    let mut collections = listed.collections;
    // An unknown name is for the daemon to complain of.
    collections.retain(|one| args.collections.is_empty() || args.collections.contains(&one.name));
    prepare::run(screen, &collections, args.pull).await?;
    let request = UpdateRequest {
        index: home.index(),
        collections: args.collections,
        force: args.force,
    };
    let mut events = client.index().update(request).await?.into_inner();
    let mut progress = screen.progress();
    let summary = loop {
        match next(&mut events).await?.event {
            Some(Event::Progress(step)) => progress.show(&updating(step)),
            Some(Event::Summary(summary)) => break summary,
            // An event of a newer daemon.
            None => {}
        }
    };
    progress.finish();
    warn_of(&summary.notices);
    if let Some((notice, lines)) = render::skipped(&summary, screen.is_verbose()) {
        Screen::warn(&notice);
        for line in lines {
            screen.note(&line);
        }
    }
    screen.done(&render::updated(&summary))?;
    note_pending(screen, summary.pending_embedding);
    Ok(())
}
