//! The verbs: each asks the daemon and hands what it says to `render`.

mod address;
mod bench;
mod cleanup;
mod collection;
mod context;
mod daemon;
mod doctor;
mod embed;
mod eval;
mod get;
mod import_qmd;
mod init;
mod ls;
pub(crate) mod modal;
mod models;
mod multi_get;
mod on_disk;
mod search;
pub(crate) mod service;
mod status;
mod trust;
mod update;
mod watch;

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use qmd_proto::{
    Reason,
    v1::{self, SearchMode, UpdateProgress},
};
use tonic::Streaming;

use crate::{
    cli::{
        Cli, CollectionCommand, Command, ContextCommand, DaemonCommand, ModalCommand, ModelsCommand,
    },
    client::Home,
    error::{Failure, Result},
    render::{Notice, Screen, Step},
};

/// Does what the command line asks for.
pub(crate) async fn run(cli: Cli, screen: Screen) -> Result<()> {
    let home = Home::from_process(cli.global.index)?;
    match cli.command {
        Command::Query(args) => search::run(&home, screen, &args, SearchMode::Hybrid).await,
        Command::Search(args) => search::run(&home, screen, &args, SearchMode::Lexical).await,
        Command::Vsearch(args) => search::run(&home, screen, &args, SearchMode::Vector).await,
        Command::Get(args) => get::run(&home, &args).await,
        Command::MultiGet(args) => multi_get::run(&home, &args).await,
        Command::Collection(command) => match command {
            CollectionCommand::Add(args) => collection::add::run(&home, screen, args).await,
            CollectionCommand::List(_) => collection::list::run(&home, screen).await,
            CollectionCommand::Remove(args) => collection::remove::run(&home, screen, args).await,
            CollectionCommand::Rename(args) => collection::rename::run(&home, screen, args).await,
            CollectionCommand::Show(args) => collection::show::run(&home, screen, &args).await,
            CollectionCommand::Include(args) => {
                collection::include::run(&home, screen, args, true).await
            }
            CollectionCommand::Exclude(args) => {
                collection::include::run(&home, screen, args, false).await
            }
        },
        Command::Context(command) => match command {
            ContextCommand::Add(args) => context::add::run(&home, screen, &args).await,
            ContextCommand::List(_) => context::list::run(&home, screen).await,
            ContextCommand::Remove(args) => context::remove::run(&home, screen, &args).await,
        },
        Command::Ls(args) => ls::run(&home, screen, &args).await,
        Command::Update(args) => update::run(&home, screen, args).await,
        Command::Watch(args) => watch::run(&home, screen, args).await,
        Command::Embed(args) => embed::run(&home, screen, args).await,
        Command::Cleanup(args) => cleanup::run(&home, screen, &args).await,
        Command::ImportQmd(args) => import_qmd::run(&home, screen, &args).await,
        Command::Init(args) => init::run(&home, screen, &args).await,
        Command::Trust(args) => trust::run(&home, screen, &args).await,
        Command::Status(_) => status::run(&home, screen).await,
        Command::Doctor(args) => doctor::run(&home, screen, &args).await,
        Command::Eval(args) => eval::run(&home, screen, &args).await,
        Command::Bench(args) => bench::run(&home, screen, &args).await,
        Command::Models(command) => match command {
            ModelsCommand::List(_) => models::list::run(&home, screen).await,
            ModelsCommand::Pull(args) => models::pull::run(&home, screen, &args).await,
            ModelsCommand::Remove(args) => models::remove::run(&home, screen, &args).await,
            ModelsCommand::Verify(args) => models::verify::run(&home, screen, &args).await,
            ModelsCommand::Use(args) => models::choose::run(&home, screen, &args).await,
            ModelsCommand::Load(args) => models::warmth::load(&home, screen, &args).await,
            ModelsCommand::Unload(args) => models::warmth::unload(&home, screen, &args).await,
        },
        Command::Modal(command) => match command {
            ModalCommand::Deploy(args) => modal::deploy::run(&home, screen, &args).await,
            ModalCommand::Status(args) => modal::status::run(&home, screen, &args).await,
            ModalCommand::Test(_) => modal::test::run(&home, screen).await,
            ModalCommand::Destroy(args) => modal::destroy::run(&home, screen, &args).await,
            ModalCommand::Logs(args) => modal::logs::run(screen, &args).await,
            ModalCommand::Region(args) => modal::region::run(&home, screen, &args).await,
        },
        Command::Daemon(command) => match command {
            DaemonCommand::Start => daemon::start::run(&home, screen).await,
            DaemonCommand::Stop => daemon::stop::run(&home, screen).await,
            DaemonCommand::Restart => daemon::restart::run(&home, screen).await,
            DaemonCommand::Status(_) => daemon::status::run(&home, screen).await,
            DaemonCommand::Logs(args) => daemon::logs::run(&home, &args).await,
        },
        Command::Service(command) => service::run(&home, screen, command).await,
    }
}

/// The next event of a job's stream, which must not end before its summary.
async fn next<T>(stream: &mut Streaming<T>) -> Result<T> {
    match stream.message().await? {
        Some(event) => Ok(event),
        None => Err(incomplete("the daemon ended the job without a summary").into()),
    }
}

/// A step of an update.
fn updating(step: UpdateProgress) -> Step {
    Step {
        label: format!("updating {}", step.collection),
        done: step.files_done,
        total: step.files_total,
        detail: step.current,
        bytes: false,
    }
}

/// Says what a job's summary has to say beside its result.
fn warn_of(notices: &[v1::Notice]) {
    for notice in notices {
        Screen::warn(&Notice::of_reply(notice));
    }
}

/// Says what is left to embed after an update.
fn note_pending(screen: Screen, documents: u64) {
    if documents > 0 {
        screen.note(&format!("{documents} to embed: run `qmdctl embed`"));
    }
}

/// Seconds since the Unix epoch.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs() as i64)
}

/// A reply of the daemon that lacks a part every reply has.
fn incomplete(message: &str) -> Failure {
    Failure::internal(message).hint("see `qmdctl daemon logs`")
}

/// A folder's path as a request can hold it.
fn utf8(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        let message = format!("the folder's path {} is not UTF-8", path.display());
        Failure::new(Reason::InvalidArgument, message)
            .hint("rename it")
            .into()
    })
}
