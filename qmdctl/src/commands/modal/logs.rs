//! `modal logs`.

use std::time::Duration;

use super::{QUESTION, app, tool, tool::Tool};
use crate::{
    cli::{Format, ModalLogsArgs},
    error::Result,
    render::{self, Screen},
};

/// Longest that printing a log which is not followed may take.
const LIMIT: Duration = Duration::from_secs(120);
/// The same for one that is.
const FOLLOWED: Duration = Duration::from_secs(7 * 24 * 3600);

pub(in crate::commands) async fn run(screen: Screen, args: &ModalLogsArgs) -> Result<()> {
    let tool = Tool::find(QUESTION).await?;
    tool.check_credentials().await?;
    let app = app();
    let tail = args.tail.map(|lines| lines.to_string());
    let mut words = vec!["app", "logs", app.as_str()];
    if let Some(tail) = &tail {
        words.extend(["--tail", tail.as_str()]);
    }
    if let Some(since) = &args.since {
        words.extend(["--since", since.as_str()]);
    }
    if args.follow {
        words.push("-f");
    }
    let limit = if args.follow { FOLLOWED } else { LIMIT };
    let ending = tool::watch(tool.command(&words), limit, |line| match screen.format() {
        Format::Cli => Screen::print(&format!("{}\n", render::clean(line))),
        Format::Json => Screen::print(&render::log_line_json(line)?),
    });
    match ending.await? {
        Some(ending) if ending.ok => Ok(()),
        Some(ending) => Err(tool.failed(&words, &ending).into()),
        None => Err(tool.overdue(&words, limit).into()),
    }
}
