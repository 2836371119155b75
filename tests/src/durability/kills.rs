//! `kill -9` at random moments of an update, a rename, an embedding run and a cleanup. After each the
//! database must be whole, hold all that was acknowledged, and let the work be taken up where it stopped.

use std::{
    fmt,
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use qmd_proto::v1::{
    CleanupRequest, EmbedIndexRequest, ModelRole, UpdateRequest, embed_index_event,
    index_service_client::IndexServiceClient, update_event,
};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    flips::failed_checks,
    inspect::Copy,
    locks::{freeze, is_being_written, uncommitted_pages},
    notes::Notes,
};
use crate::{Daemon, Random, Sandbox};

/// Notes in the folder.
const NOTES: usize = 400;

/// Large notes that are gone before a cleanup.
const LARGE: usize = 6;

/// Attempts at one kill.
const MISSES: usize = 50;

/// Of ten kills, those that wait until a transaction is open.
const AIMED: usize = 9;

/// What the daemon is killed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Files written, added and removed.
    Update,
    /// Files moved.
    Rename,
    /// Documents get their vectors.
    Embed,
    /// What is not needed goes.
    Cleanup,
}

impl Job {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Update, Self::Rename, Self::Embed, Self::Cleanup];
}

/// What happened, for each kind of job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Kills.
    pub kills: usize,
    /// Of these, inside of an open write transaction.
    pub in_write: usize,
    /// Of these, with pages of it in the log.
    pub with_pages: usize,
    /// Jobs that ended before they could be killed, and were begun again.
    pub missed: usize,
}

/// What all kills came to; what was not as it must be is an error before.
#[derive(Debug, Default)]
pub struct Report {
    /// By kind, in the order of [`Job::ALL`].
    pub jobs: [Tally; 4],
    /// Documents with vectors before a run that was killed, and after it, summed up: it went on from
    /// there.
    pub resumed: (u64, u64),
}

impl Report {
    /// Over all kinds.
    pub fn total(&self) -> Tally {
        self.jobs.iter().fold(Tally::default(), |sum, job| Tally {
            kills: sum.kills + job.kills,
            in_write: sum.in_write + job.in_write,
            with_pages: sum.with_pages + job.with_pages,
            missed: sum.missed + job.missed,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, tally: &Tally| {
            writeln!(
                f,
                "{name:<8}{:>5} kills, {:>4} inside a write, {:>3} of them with pages in the log; {} missed",
                tally.kills, tally.in_write, tally.with_pages, tally.missed
            )
        };
        for (job, tally) in Job::ALL.iter().zip(&self.jobs) {
            line(&format!("{job:?}").to_lowercase(), tally)?;
        }
        line("all", &self.total())?;
        writeln!(
            f,
            "embedding: of {} documents {} had their vectors when it was killed; it went on from there",
            self.resumed.0, self.resumed.1
        )
    }
}

/// Kills a daemon so many times.
///
/// # Errors
/// The first thing that is not as it must be.
pub fn run(seed: u64, kills: usize, out: &mut impl Write) -> Result<Report> {
    let mut trial = Trial::new(seed)?;
    let mut report = Report::default();
    for round in 0..kills {
        let kind = round % Job::ALL.len();
        let tally = trial
            .round(Job::ALL[kind])
            .with_context(|| format!("seed {seed}, round {round}, {:?}", Job::ALL[kind]))?;
        let job = &mut report.jobs[kind];
        job.kills += 1;
        job.in_write += usize::from(tally.in_write);
        job.with_pages += usize::from(tally.in_write && tally.pages > 0);
        job.missed += tally.missed;
        if (round + 1) % 20 == 0 {
            writeln!(out, "{} kills", round + 1)?;
        }
    }
    report.resumed = trial.resumed;
    Ok(report)
}

struct Trial {
    sandbox: Arc<Sandbox>,
    notes: Notes,
    random: Random,
    /// How long each kind of job takes when nobody interrupts it.
    spans: [Duration; 4],
    resumed: (u64, u64),
}

/// How a kill went.
struct Killed {
    in_write: bool,
    pages: usize,
    /// Attempts before, that came too late.
    missed: usize,
}

/// What the client was told before the daemon died.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// The job ended well.
    done: bool,
    /// Documents that have their vectors, of this run.
    embedded: u64,
}

impl Trial {
    fn new(seed: u64) -> Result<Self> {
        let sandbox = Arc::new(Sandbox::with_models()?);
        let notes = Notes::new(sandbox.join("notes"), NOTES, seed)?;
        let mut trial = Self {
            sandbox,
            notes,
            random: Random::new(seed ^ 0x6b69_6c6c),
            spans: [Duration::ZERO; 4],
            resumed: (0, 0),
        };
        let daemon = trial.daemon(false)?;
        let folder = trial.notes.folder().to_str().context("path")?.to_owned();
        let _ = daemon
            .qmdctl(["collection", "add", &folder, "--name", "n"])
            .ok();
        drop(daemon);
        // Once each without a kill, which tells how long they take.
        for (kind, job) in Job::ALL.into_iter().enumerate() {
            trial.prepare(job)?;
            let daemon = trial.daemon(job == Job::Embed)?;
            let started = Instant::now();
            let told = ask(&daemon, job, &Mutex::default())?;
            trial.spans[kind] = started.elapsed();
            ensure!(told.done, "{job:?} did not end");
            trial.acknowledge(job);
        }
        Ok(trial)
    }

    /// Starts a daemon that follows no folder. Without models it starts at once, and checks faster.
    fn daemon(&self, models: bool) -> Result<Daemon> {
        self.sandbox.show_models(models)?;
        let daemon = Daemon::start_with(Arc::clone(&self.sandbox), [("QMDD_WATCH", "0")])?;
        if models {
            daemon.wait_for_model(ModelRole::Embed)?;
        }
        Ok(daemon)
    }

    fn database(&self) -> PathBuf {
        self.sandbox.dirs().data.join("index.sqlite")
    }

    /// Leaves something to do.
    fn prepare(&mut self, job: Job) -> Result<()> {
        match job {
            Job::Update => {
                self.notes.edit(NOTES / 2)?;
                self.notes.add(NOTES / 10)?;
                let many = self.notes.len().saturating_sub(NOTES);
                self.notes.remove(many)
            }
            Job::Rename => self.notes.rename(NOTES / 2),
            Job::Embed => {
                self.notes.edit(NOTES / 4)?;
                self.update()
            }
            Job::Cleanup => {
                self.notes.remove(NOTES / 4)?;
                // Pages to give back, and words to merge: else it is done before a kill can hit it.
                self.notes.add_large(LARGE)?;
                self.update()?;
                self.notes.remove_large()?;
                self.notes.add(NOTES / 4)?;
                self.update()?;
                // From here on the vectors of what was removed may go.
                self.notes.cleaned();
                Ok(())
            }
        }
    }

    /// Takes the folder in, undisturbed.
    fn update(&mut self) -> Result<()> {
        let daemon = self.daemon(false)?;
        let told = ask(&daemon, Job::Update, &Mutex::default())?;
        ensure!(told.done, "the update did not end");
        self.notes.updated();
        Ok(())
    }

    fn acknowledge(&mut self, job: Job) {
        match job {
            Job::Update | Job::Rename => self.notes.updated(),
            Job::Embed => self.notes.embedded(),
            Job::Cleanup => {}
        }
    }

    fn round(&mut self, job: Job) -> Result<Killed> {
        let mut missed = 0;
        let (before, killed, told) = loop {
            self.prepare(job)?;
            let daemon = self.daemon(job == Job::Embed)?;
            let before = unembedded(&daemon)?;
            let (killed, told) = self.kill(&daemon, job)?;
            if told.done {
                self.acknowledge(job);
            }
            match killed {
                Some(killed) => break (before, Killed { missed, ..killed }, told),
                None if missed >= MISSES => bail!("it could not be killed in {missed} attempts"),
                None => missed += 1,
            }
        };
        // First by hand, as the daemon left it.
        let copy = Copy::of(&self.database())?;
        copy.assert_whole()?;
        self.notes.expect_all_acknowledged(&copy.documents()?)?;
        // Then by a daemon that finds it so.
        let daemon = self.daemon(job == Job::Embed)?;
        let failed = failed_checks(&daemon)?;
        ensure!(failed.is_empty(), "doctor finds {failed:?}");
        let left = unembedded(&daemon)?;
        if job == Job::Embed {
            ensure!(
                left + told.embedded <= before,
                "{} of {before} were told to be embedded, {left} are left",
                told.embedded
            );
            self.resumed.0 += before;
            self.resumed.1 += before - left;
        }
        // What was cut off is taken up, and ends.
        let told = ask(&daemon, job, &Mutex::default())?;
        ensure!(told.done, "it did not end the second time");
        if job == Job::Embed {
            ensure!(
                told.embedded == left,
                "{} were embedded where {left} were left",
                told.embedded
            );
        }
        self.acknowledge(job);
        daemon.signal(Signal::KILL)?;
        daemon.ended()?;
        let copy = Copy::of(&self.database())?;
        copy.assert_whole()?;
        let documents = copy.documents()?;
        self.notes.expect_all_acknowledged(&documents)?;
        self.notes.expect_all(&documents)?;
        Ok(killed)
    }

    /// Runs a job and kills the daemon in the middle of it; no kill when the job was quicker.
    fn kill(&mut self, daemon: &Daemon, job: Job) -> Result<(Option<Killed>, Told)> {
        let kind = Job::ALL.iter().position(|it| *it == job).unwrap_or(0);
        let delay = self.spans[kind].mul_f64(self.random.fraction());
        let aimed = self.random.below(10) < AIMED;
        let told = Mutex::new(Told::default());
        let database = self.database();
        let pid = Pid::from_raw(daemon.pid() as i32).context("no process")?;
        thread::scope(|scope| {
            let client = scope.spawn(|| ask(daemon, job, &told));
            let moment = || -> Result<Option<Killed>> {
                let started = Instant::now();
                while started.elapsed() < delay && !client.is_finished() {
                    thread::sleep(Duration::from_micros(100));
                }
                while !client.is_finished() {
                    if aimed && !is_being_written(&database)? {
                        continue;
                    }
                    freeze(pid)?;
                    // Stopped: what is true now is true when it dies.
                    let in_write = is_being_written(&database)?;
                    if in_write || !aimed {
                        return Ok(Some(Killed {
                            in_write,
                            pages: uncommitted_pages(&database)?,
                            missed: 0,
                        }));
                    }
                    kill_process(pid, Signal::CONT)?;
                }
                Ok(None)
            };
            let killed = moment();
            kill_process(pid, Signal::KILL)?;
            let outcome = client
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            // A connection that broke is what was wanted.
            let told =
                outcome.unwrap_or_else(|_| *told.lock().unwrap_or_else(PoisonError::into_inner));
            Ok((killed?, told))
        })
    }
}

/// Documents without vectors.
fn unembedded(daemon: &Daemon) -> Result<u64> {
    let status = daemon.qmdctl(["status", "--format", "json"]).ok().json();
    let pending = status["index"]["pendingEmbedding"].as_u64();
    pending.context("no count")
}

/// Has the daemon do a job, and writes down what it tells.
fn ask(daemon: &Daemon, job: Job, told: &Mutex<Told>) -> Result<Told> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let note = |change: &dyn Fn(&mut Told)| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut told);
    };
    runtime.block_on(async {
        let mut index = IndexServiceClient::new(daemon.channel().await?);
        match job {
            Job::Update | Job::Rename => {
                let mut events = index.update(UpdateRequest::default()).await?.into_inner();
                while let Some(event) = events.message().await? {
                    if let Some(update_event::Event::Summary(_)) = event.event {
                        note(&|told| told.done = true);
                    }
                }
            }
            Job::Embed => {
                let request = EmbedIndexRequest::default();
                let mut events = index.embed(request).await?.into_inner();
                while let Some(event) = events.message().await? {
                    match event.event {
                        Some(embed_index_event::Event::Progress(progress)) => {
                            note(&|told| told.embedded = progress.documents_done);
                        }
                        Some(embed_index_event::Event::Summary(summary)) => note(&|told| {
                            told.embedded = summary.documents;
                            told.done = true;
                        }),
                        None => {}
                    }
                }
            }
            Job::Cleanup => {
                index.cleanup(CleanupRequest::default()).await?;
                note(&|told| told.done = true);
            }
        }
        let told = *told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.done {
            bail!("the stream ended without a summary");
        }
        Ok(told)
    })
}
