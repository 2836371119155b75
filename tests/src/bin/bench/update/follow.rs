//! From a change of one note to the moment a search finds it, without an update by hand.

use std::{io::Write, time::Instant};

use anyhow::Result;
use qmd_proto::v1::SearchMode;
use qmd_tests::{Sandbox, wait};

use super::notes::{self, Notes};
use crate::{
    figures::spread,
    watch::{follow, found, state},
};

const SAVES: usize = 30;

pub(super) fn measure(out: &mut impl Write) -> Result<()> {
    let sandbox = Sandbox::new()?;
    let mut notes = Notes::new();
    notes.write_all(&sandbox.join("home/notes"))?;
    let (daemon, folder) = follow(sandbox)?;
    // Followed from before the first look on; changes count from after it on.
    wait::until("all notes", 4 * wait::LIMIT, || {
        let all = state(&daemon)?["documents"] == notes::COUNT;
        Ok(all.then_some(()))
    })?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut times = Vec::new();
    runtime.block_on(async {
        let channel = daemon.channel().await?;
        for _ in 0..SAVES {
            let began = Instant::now();
            let (path, mark) = notes.change_one(&folder)?;
            times.push(found(&channel, SearchMode::Lexical, &mark, &path, &mark, began).await?);
        }
        anyhow::Ok(())
    })?;
    writeln!(
        out,
        "{SAVES} changes of one note among {}, found by `search`: {}",
        notes::COUNT,
        spread(&mut times)
    )?;
    Ok(())
}
