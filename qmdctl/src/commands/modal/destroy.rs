//! `modal destroy`.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use qmd_proto::{
    Reason,
    v1::{ModalRemoval, SaveModalRequest, save_modal_request::Change},
};

use super::{app, record, tool::Tool};
use crate::{
    cli::{DestroyArgs, Format},
    client::Home,
    error::{Failure, Result},
    render::{self, Screen},
};

pub(in crate::commands) async fn run(
    home: &Home,
    screen: Screen,
    args: &DestroyArgs,
) -> Result<()> {
    let app = app();
    if !args.yes {
        confirm(&app)?;
    }
    let tool = Tool::find(Duration::from_secs(args.timeout)).await?;
    tool.check_credentials().await?;
    let stop = ["app", "stop", app.as_str(), "--yes"];
    let ending = tool.ask(&stop).await?;
    let gone = !ending.ok && is_gone(&format!("{}{}", ending.stdout, ending.stderr));
    if !ending.ok && !gone {
        return Err(tool.failed(&stop, &ending).into());
    }
    let client = home.connect().await?;
    let request = SaveModalRequest {
        index: home.named_index(),
        change: Some(Change::Removed(ModalRemoval {})),
    };
    let saved = client.control().save_modal(request).await?.into_inner();
    let file = home.dirs.modal_record();
    record::remove(&file)
        .map_err(|error| Failure::of_path(&file, &error, Reason::FileUnreadable))?;
    match screen.format() {
        Format::Cli => screen.done(&render::destroyed(&app, gone)),
        Format::Json => Screen::print(&render::destroyed_json(&app, gone, &saved)?),
    }
}

/// Whether Modal says that there is nothing to stop.
fn is_gone(said: &str) -> bool {
    said.contains("already stopped") || said.contains("No App with name")
}

/// Asks the person at the terminal.
fn confirm(app: &str) -> Result<()> {
    let refused = |message: &str| {
        Failure::new(Reason::Cancelled, message.to_owned()).hint("run it with `--yes`")
    };
    if !io::stdin().is_terminal() {
        return Err(refused("nobody can be asked whether to stop the deployment").into());
    }
    Screen::ask(&format!(
        "Stop {app} at Modal, and keep inference on this machine? [y/N] "
    ));
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|_| refused("nobody answered"))?;
    if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        return Ok(());
    }
    Err(refused("nothing was stopped").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_need_not_be_stopped() {
        assert!(is_gone("App is already stopped. (Stopped at 2026)."));
        assert!(is_gone(
            "Error: No App with name 'qmd' found in the 'main' environment."
        ));
        assert!(!is_gone("Error: Could not connect to the Modal server."));
    }
}
