//! Keeps one model's worker alive: starts it, restarts it with back-off, sets a model aside that
//! keeps ending its worker.

use std::{
    collections::VecDeque,
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use futures::FutureExt;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    process::{Child, ChildStderr, Command},
    sync::{Notify, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    LlamaOptions,
    connection::{self, Connection},
    memory::{Ledger, Plan, Reservation, contexts},
    wire::{self, FromWorker, LoadSpec, Output, ToWorker, Work},
};
use crate::{
    domain::Role,
    infer::backend::{Call, InferError, ModelInfo, ModelReport, ModelSource, ModelState, Pieces},
};

/// Ends in a row, without an hour of life between, after which a model is set aside.
const MAX_CRASHES: u32 = 3;

/// A worker that lived this long starts with a clean record.
const HEALTHY_AFTER: Duration = Duration::from_secs(600);

/// Wait before the first restart; doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// Lines of a worker's standard error kept for its obituary.
const LAST_WORDS: usize = 20;

/// One model's worker and its keeper.
pub(super) struct Supervisor {
    role: Role,
    source: ModelSource,
    plan: Plan,
    phase: watch::Receiver<Phase>,
    restarts: AtomicU32,
    worker_pid: AtomicU32,
    /// Told by who needs a model that sleeps.
    wake: Notify,
    /// Told by who wants it to sleep.
    sleep: Notify,
    /// Callers on their way in: a model that was woken for them stays until they have been.
    awaited: AtomicU32,
    stop: CancellationToken,
}

#[derive(Clone)]
enum Phase {
    /// On its way for the first time, or after a crash: callers are told, and do not wait.
    Loading,
    Ready {
        info: ModelInfo,
        device: String,
        connection: Arc<Connection>,
    },
    /// Out of memory by choice.
    Asleep(ModelInfo),
    /// On its way back: callers wait.
    Waking(ModelInfo),
    Failed(InferError),
    Stopped,
}

impl Supervisor {
    /// Starts loading in the background.
    pub(super) fn start(
        role: Role,
        source: ModelSource,
        options: &LlamaOptions,
        ledger: &Arc<Ledger>,
    ) -> Arc<Self> {
        let (announce, phase) = watch::channel(Phase::Loading);
        let supervisor = Arc::new(Self {
            role,
            plan: Plan::of(
                &source.shape,
                role,
                contexts(&source.shape, role, options.threads),
            ),
            source,
            phase,
            restarts: AtomicU32::new(0),
            worker_pid: AtomicU32::new(0),
            wake: Notify::new(),
            sleep: Notify::new(),
            awaited: AtomicU32::new(0),
            stop: CancellationToken::new(),
        });
        let keeper = Keeper {
            supervisor: Arc::clone(&supervisor),
            options: options.clone(),
            ledger: Arc::clone(ledger),
            announce,
        };
        tokio::spawn(keeper.run());
        supervisor
    }

    /// Whether it holds this very model, or is on the way to. One that failed is worth a new try.
    pub(super) fn serves(&self, source: &ModelSource) -> bool {
        self.source == *source && !matches!(*self.phase.borrow(), Phase::Failed(_))
    }

    /// Passes a call to the worker. One that sleeps is woken, and waited for; else it is an error
    /// at once when the worker is not ready.
    pub(super) async fn call(
        &self,
        work: Work,
        pieces: Option<Pieces>,
        call: Call,
    ) -> Result<Output, InferError> {
        let awaiting = Awaiting::new(self);
        loop {
            let phase = self.phase.borrow().clone();
            match phase {
                Phase::Ready { connection, .. } => {
                    if let Some(ticket) = connection.enter(call.lane, pieces.clone())? {
                        drop(awaiting);
                        return ticket.call(work, call).await;
                    }
                    // It is about to end: on to whatever comes then.
                    self.left(&connection, &call).await?;
                }
                Phase::Asleep(_) | Phase::Waking(_) => {
                    self.ready(&call).await?;
                }
                Phase::Loading => return Err(self.loading()),
                Phase::Failed(error) => return Err(error),
                Phase::Stopped => return Err(InferError::ShuttingDown),
            }
        }
    }

    /// Waits until the model is loaded, or cannot be.
    pub(super) async fn ready(&self, call: &Call) -> Result<ModelInfo, InferError> {
        let _awaiting = Awaiting::new(self);
        if matches!(*self.phase.borrow(), Phase::Asleep(_)) {
            self.wake.notify_one();
        }
        let phase = self
            .settled(call, |phase| {
                !matches!(phase, Phase::Loading | Phase::Asleep(_) | Phase::Waking(_))
            })
            .await?;
        match phase {
            Phase::Ready { info, .. } => Ok(info),
            Phase::Failed(error) => Err(error),
            _ => Err(InferError::ShuttingDown),
        }
    }

    /// Waits for a phase, as long as the call allows.
    async fn settled(
        &self,
        call: &Call,
        wanted: impl FnMut(&Phase) -> bool,
    ) -> Result<Phase, InferError> {
        let mut phase = self.phase.clone();
        let settled = async {
            match phase.wait_for(wanted).await {
                Ok(phase) => Ok(phase.clone()),
                Err(_) => Err(InferError::ShuttingDown),
            }
        };
        call.wait(settled, self.loading()).await?
    }

    /// Puts the model out of memory when the calls under way are answered, and waits for it.
    pub(super) async fn unload(&self) -> Result<(), InferError> {
        let phase = self.phase.borrow().clone();
        match phase {
            Phase::Ready { connection, .. } => {
                self.sleep.notify_one();
                self.left(&connection, &Call::interactive()).await
            }
            Phase::Asleep(_) => Ok(()),
            Phase::Loading | Phase::Waking(_) => Err(self.loading()),
            Phase::Failed(error) => Err(error),
            Phase::Stopped => Err(InferError::ShuttingDown),
        }
    }

    /// Waits until the worker of this connection is no longer the one that serves.
    async fn left(&self, connection: &Arc<Connection>, call: &Call) -> Result<(), InferError> {
        let another = |phase: &Phase| match phase {
            Phase::Ready {
                connection: now, ..
            } => !Arc::ptr_eq(now, connection),
            _ => true,
        };
        self.settled(call, another).await.map(drop)
    }

    /// The model, when calls to it are answered.
    pub(super) fn info(&self) -> Result<ModelInfo, InferError> {
        match &*self.phase.borrow() {
            Phase::Ready { info, .. } | Phase::Asleep(info) | Phase::Waking(info) => {
                Ok(info.clone())
            }
            Phase::Loading => Err(self.loading()),
            Phase::Failed(error) => Err(error.clone()),
            Phase::Stopped => Err(InferError::ShuttingDown),
        }
    }

    pub(super) fn report(&self) -> ModelReport {
        let mut report = ModelReport {
            name: self.source.name.clone(),
            path: Some(self.source.path.clone()),
            worker_pid: self.worker_pid.load(Ordering::Relaxed),
            restarts: self.restarts.load(Ordering::Relaxed),
            planned_bytes: self.plan.bytes(),
            ..ModelReport::unconfigured(self.role)
        };
        report.state = match &*self.phase.borrow() {
            Phase::Loading | Phase::Waking(_) => ModelState::Loading,
            Phase::Ready {
                info,
                device,
                connection,
            } => {
                report.queue_depth = connection.depth();
                report.worst_wait = connection.worst_wait();
                report.device.clone_from(device);
                ModelState::Ready(info.clone())
            }
            Phase::Asleep(_) | Phase::Stopped => ModelState::Unloaded,
            Phase::Failed(error) => ModelState::Failed(error.clone()),
        };
        report
    }

    /// Ends the worker in the background: another model takes its place.
    pub(super) fn retire(&self) {
        self.stop.cancel();
    }

    /// Ends the worker and waits until it has.
    pub(super) async fn stop(&self) {
        self.retire();
        let _ = self
            .phase
            .clone()
            .wait_for(|phase| matches!(phase, Phase::Stopped))
            .await;
    }

    fn loading(&self) -> InferError {
        InferError::Loading {
            role: self.role,
            name: self.source.name.clone(),
        }
    }
}

/// Counts a caller as on its way in, until dropped.
struct Awaiting<'a>(&'a AtomicU32);

impl<'a> Awaiting<'a> {
    fn new(supervisor: &'a Supervisor) -> Self {
        supervisor.awaited.fetch_add(1, Ordering::AcqRel);
        Self(&supervisor.awaited)
    }
}

impl Drop for Awaiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The task behind a supervisor.
struct Keeper {
    supervisor: Arc<Supervisor>,
    options: LlamaOptions,
    ledger: Arc<Ledger>,
    announce: watch::Sender<Phase>,
}

impl std::ops::Deref for Keeper {
    type Target = Supervisor;

    fn deref(&self) -> &Supervisor {
        &self.supervisor
    }
}

impl Keeper {
    async fn run(self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.keep() => {}
        }
        if let Phase::Ready { connection, .. } = &*self.announce.borrow() {
            connection.fail_all(&InferError::ShuttingDown);
        }
        self.announce.send_replace(Phase::Stopped);
    }

    /// Worker after worker. Returns never: what cannot be used waits to be retired.
    async fn keep(&self) {
        let mut crashes = 0;
        loop {
            let started = Instant::now();
            let end = self.run_once().await;
            self.worker_pid.store(0, Ordering::Relaxed);
            let detail = match end {
                End::Refused(error) => {
                    tracing::error!(role = %self.role, %error, "model refused");
                    return self.give_up(error).await;
                }
                End::Slept(info) => {
                    crashes = 0;
                    self.sleep_until_woken(info).await;
                    continue;
                }
                End::Crashed(detail) => detail,
            };
            crashes = if started.elapsed() >= HEALTHY_AFTER {
                1
            } else {
                crashes + 1
            };
            tracing::error!(role = %self.role, crashes, %detail, "model worker ended");
            if crashes >= MAX_CRASHES {
                let error = InferError::Quarantined {
                    role: self.role,
                    name: self.source.name.clone(),
                    crashes,
                    detail,
                };
                return self.give_up(error).await;
            }
            self.announce.send_replace(Phase::Loading);
            self.restarts.fetch_add(1, Ordering::Relaxed);
            sleep(FIRST_BACKOFF * 2_u32.pow(crashes - 1)).await;
        }
    }

    async fn give_up(&self, error: InferError) {
        self.announce.send_replace(Phase::Failed(error));
        std::future::pending::<()>().await;
    }

    async fn sleep_until_woken(&self, info: ModelInfo) {
        tracing::info!(role = %self.role, "model unloaded");
        // A call that was answered meanwhile may have left a permit behind.
        let _ = self.wake.notified().now_or_never();
        self.announce.send_replace(Phase::Asleep(info.clone()));
        self.wake.notified().await;
        let _ = self.sleep.notified().now_or_never();
        self.announce.send_replace(Phase::Waking(info));
    }

    /// One worker's life. Dropping the future kills it.
    async fn run_once(&self) -> End {
        let reservation = self
            .ledger
            .reserve(self.role, &self.source.name, &self.plan);
        let reservation = match reservation {
            Ok(reservation) => reservation,
            Err(error) => return End::Refused(error),
        };
        let (mut child, socket) = match self.spawn(&self.options) {
            Ok(spawned) => spawned,
            Err(error) => {
                return End::Crashed(format!(
                    "{} did not start: {error}",
                    self.options.program.display()
                ));
            }
        };
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(listen(self.role, stderr, Arc::clone(&last_words)));
        }
        let served = self.serve(socket, &reservation).await;
        let slept = match served {
            Ok(Some(End::Slept(info))) => Some(info),
            Ok(Some(end)) => return end,
            Ok(None) | Err(_) => None,
        };
        // The socket closes before the process is reaped; one that lingers is of no use either.
        let status = match tokio::time::timeout(Duration::from_secs(2), child.wait()).await {
            Ok(status) => status.map_or_else(|error| error.to_string(), describe),
            Err(_) => "it closed its connection".into(),
        };
        let _ = child.start_kill();
        if let Some(info) = slept {
            return End::Slept(info);
        }
        let words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
        let detail = match words.iter().rev().find(|line| line.contains("ASSERT")) {
            Some(line) => format!("{status}: {line}"),
            None => status,
        };
        drop(words);
        if let Phase::Ready { connection, .. } = &*self.announce.borrow() {
            connection.fail_all(&InferError::WorkerCrashed {
                role: self.role,
                detail: detail.clone(),
            });
        }
        End::Crashed(detail)
    }

    fn spawn(&self, options: &LlamaOptions) -> io::Result<(Child, UnixStream)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let child = Command::new(&options.program)
            .arg("worker")
            // Between two matrices of a decode its threads sleep until all are done, and between
            // decodes as well: who spins takes the processor from whoever has work for it.
            .env("OMP_WAIT_POLICY", "passive")
            .env("GOMP_SPINCOUNT", spins(self.role))
            // A failed assertion would start a debugger, where there is one, and wait for it: longer
            // than callers do, and for ever where processes may not be traced.
            .env("GGML_NO_BACKTRACE", "1")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        self.worker_pid
            .store(child.id().unwrap_or(0), Ordering::Relaxed);
        Ok((child, UnixStream::from_std(ours)?))
    }

    /// Loads the model and carries calls until the worker closes, or is to sleep.
    async fn serve(
        &self,
        socket: UnixStream,
        reservation: &Reservation,
    ) -> io::Result<Option<End>> {
        let (read, mut write) = socket.into_split();
        let mut read = BufReader::new(read);
        let load = ToWorker::Load(LoadSpec {
            role: self.role,
            name: self.source.name.clone(),
            path: self.source.path.clone(),
            sha256: self.source.sha256.clone(),
            shape: self.source.shape.clone(),
            threads: self.options.threads,
            lock_memory: self.options.lock_memory,
            probe: self.options.probe,
        });
        write.write_all(&wire::encode(&load)?).await?;
        let (info, device) = match wire::read_async(&mut read).await? {
            Some(FromWorker::Ready { info, device }) => (info, device),
            Some(FromWorker::LoadFailed(error)) => return Ok(Some(End::Refused(error))),
            Some(FromWorker::Reply { .. } | FromWorker::Piece { .. }) | None => return Ok(None),
        };
        reservation.settle();
        tracing::info!(role = %self.role, model = info.name, device, "model ready");
        let (connection, to_send) = Connection::new(self.role);
        let connection = Arc::new(connection);
        self.announce.send_replace(Phase::Ready {
            info: info.clone(),
            device,
            connection: Arc::clone(&connection),
        });
        tokio::select! {
            result = connection::write_all(write, to_send) => result?,
            result = connection::read_all(&mut read, &connection) => result?,
            () = self.unused(&connection) => return Ok(Some(End::Slept(info))),
        }
        Ok(None)
    }

    /// Waits until the worker is to sleep: nobody has called for as long as it is kept, or somebody
    /// asked for it.
    async fn unused(&self, connection: &Connection) {
        let kept = async {
            match self.options.keep_alive {
                Some(limit) => connection.close_when_unused(limit, &self.awaited).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = kept => {}
            () = self.sleep.notified() => connection.close_when_unused(Duration::ZERO, &self.awaited).await,
        }
    }
}

enum End {
    /// It was put out of memory.
    Slept(ModelInfo),
    /// The model cannot be used; trying again would not help.
    Refused(InferError),
    /// The worker ended on its own.
    Crashed(String),
}

/// How often a thread looks whether the others are done before it sleeps. A query's vector takes a few
/// milliseconds, of which falling asleep and waking up would be half: there it looks for about one
/// more. What takes longer would rather lose by it on a busy machine.
fn spins(role: Role) -> &'static str {
    match role {
        Role::Embed => "100000",
        Role::Rerank | Role::Generate => "0",
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "unknown end".into(),
    }
}

/// Logs a worker's standard error and keeps its last lines.
async fn listen(role: Role, stderr: ChildStderr, last_words: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!(%role, "{line}");
        let mut words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.len() == LAST_WORDS {
            words.pop_front();
        }
        words.push_back(line);
    }
}
