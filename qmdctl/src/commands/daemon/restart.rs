//! `daemon restart`.

use super::{start::tell, stop::stop};
use crate::{client::Home, error::Result, render::Screen};

pub(in crate::commands) async fn run(home: &Home, screen: Screen) -> Result<()> {
    let stopped = stop(home).await?;
    home.start().await?;
    tell(
        home,
        screen,
        if stopped.is_some() {
            "restarted"
        } else {
            "started"
        },
    )
    .await
}
