//! `service`: the daemon as a service of the user, looked after by systemd or launchd.

mod control;
mod facts;
mod failures;
mod files;
mod install;
mod logs;
mod manager;
mod marker;
mod plan;
mod plist;
mod runner;
mod running;
mod state;
mod status;
mod uninstall;
mod unit;
mod user;

use std::{
    env,
    path::{Path, PathBuf},
};

use directories::BaseDirs;
use qmd_proto::Reason;

pub(crate) use self::{
    files::Change,
    manager::Words,
    plan::Step,
    state::Unit,
    status::{FileState, Overview, Place},
};
use self::{files::Found, manager::Manager};
use crate::{
    cli::ServiceCommand,
    client::Home,
    error::{Failure, Result},
    render::{self, Screen},
};

/// The version that this program writes into files.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Does what `service` is asked for.
pub(super) async fn run(home: &Home, screen: Screen, command: ServiceCommand) -> Result<()> {
    let site = Site::from_process()?;
    match command {
        ServiceCommand::Install(args) => install::run(home, screen, &site, &args).await,
        ServiceCommand::Uninstall(args) => uninstall::run(home, screen, &site, &args).await,
        ServiceCommand::Start => control::start(home, screen, &site).await,
        ServiceCommand::Stop => control::stop(home, screen, &site).await,
        ServiceCommand::Restart => control::restart(home, screen, &site).await,
        ServiceCommand::Status(_) => status::run(home, screen, &site).await,
        ServiceCommand::Logs(args) => logs::run(home, screen, &site, &args).await,
    }
}

/// Where a service is installed.
#[derive(Debug)]
struct Site {
    manager: Manager,
    /// The folder of the manager's files.
    folder: PathBuf,
    /// `XDG_RUNTIME_DIR`.
    runtime: Option<PathBuf>,
}

impl Site {
    fn from_process() -> Result<Self> {
        let base = BaseDirs::new().ok_or_else(|| {
            Failure::new(Reason::ConfigUnavailable, "this user has no home folder")
                .hint("set HOME to an absolute path")
        })?;
        let manager = Manager::here();
        Ok(Self {
            folder: manager.folder(&base),
            manager,
            runtime: env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
        })
    }

    fn runtime(&self) -> Option<&Path> {
        self.runtime.as_deref()
    }

    /// Every file of an installation, and what lies in its place.
    fn look(&self) -> Result<Vec<(&'static str, PathBuf, Found)>, Failure> {
        let look = |shipped: &manager::Shipped| {
            let path = self.folder.join(shipped.name);
            let found = files::look(&path, shipped.text)?;
            Ok((shipped.name, path, found))
        };
        self.manager.shipped().iter().map(look).collect()
    }
}

/// Takes steps, one after the other, and says which.
async fn take(home: &Home, screen: Screen, manager: Manager, steps: &[Step]) -> Result<()> {
    for step in steps {
        match step {
            Step::Write { path, text, change } => {
                if *change != Change::Unchanged {
                    files::write(path, text)?;
                }
            }
            Step::Remove(path) => files::remove(path)?,
            // Says by itself that it did.
            Step::StopDaemon => super::daemon::stop::run(home, screen).await?,
            Step::Run(words) => {
                screen.detail(&format!("running `{words}`"));
                runner::act(manager, words).await?;
            }
        }
        if let Some(done) = render::service_step_done(step) {
            screen.done(&done)?;
        }
    }
    Ok(())
}
