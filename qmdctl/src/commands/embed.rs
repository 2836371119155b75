//! `embed`.

use std::time::Instant;

use qmd_proto::v1::{
    ChunkStrategy, EmbedIndexProgress, EmbedIndexRequest, embed_index_event::Event,
};

use super::{next, warn_of};
use crate::{
    cli::{EmbedArgs, Strategy},
    client::Home,
    error::Result,
    render::{self, Screen, Step},
};

pub(super) async fn run(home: &Home, screen: Screen, args: EmbedArgs) -> Result<()> {
    let client = home.connect().await?;
    let strategy = match args.chunk_strategy {
        Strategy::Auto => ChunkStrategy::Auto,
        Strategy::Regex => ChunkStrategy::Regex,
    };
    let request = EmbedIndexRequest {
        index: home.index(),
        collections: args.collections,
        force: args.force,
        chunk_strategy: strategy.into(),
    };
    let mut events = client.index().embed(request).await?.into_inner();
    let started = Instant::now();
    let mut progress = screen.progress();
    let summary = loop {
        match next(&mut events).await?.event {
            Some(Event::Progress(step)) => {
                progress.show(&shown(&step, started.elapsed().as_secs_f64()));
            }
            Some(Event::Summary(summary)) => break summary,
            // An event of a newer daemon.
            None => {}
        }
    };
    progress.finish();
    warn_of(&summary.notices);
    screen.done(&render::embedded(&summary))
}

/// A step of an embedding run, so many seconds after its start.
pub(super) fn shown(step: &EmbedIndexProgress, seconds: f64) -> Step {
    let rate = step.tokens_done as f64 / seconds.max(1e-3);
    Step {
        label: "embedding".into(),
        done: step.documents_done,
        total: step.documents_total,
        detail: format!("{} chunks, {rate:.0} tokens a second", step.chunks_done),
        bytes: false,
    }
}
