//! `watch`.

use qmd_proto::v1::{WatchRequest, watch_event::Event};

use super::next;
use crate::{
    cli::{Format, WatchArgs},
    client::Home,
    error::Result,
    render::{self, Screen},
};

pub(super) async fn run(home: &Home, screen: Screen, args: WatchArgs) -> Result<()> {
    let client = home.connect().await?;
    let request = WatchRequest {
        index: home.index(),
        collections: args.collections,
    };
    let mut events = client.index().watch(request).await?.into_inner();
    loop {
        let event = next(&mut events).await?;
        let line = match screen.format() {
            Format::Json => render::watch_event_json(&event)?,
            // What was looked at in vain is of no interest.
            Format::Cli if matches!(event.event, Some(Event::Round(_))) && !screen.is_verbose() => {
                continue;
            }
            Format::Cli => render::watch_event(&event),
        };
        Screen::print(&line)?;
    }
}
