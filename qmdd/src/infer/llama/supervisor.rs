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

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    process::{Child, ChildStderr, Command},
    sync::watch,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    LlamaOptions,
    connection::{self, Connection},
    wire::{self, FromWorker, LoadSpec, Output, ToWorker, Work},
};
use crate::{
    domain::Role,
    infer::backend::{Call, InferError, ModelInfo, ModelReport, ModelSource, ModelState},
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
    phase: watch::Receiver<Phase>,
    restarts: AtomicU32,
    worker_pid: AtomicU32,
    stop: CancellationToken,
}

#[derive(Clone)]
enum Phase {
    Loading,
    Ready {
        info: ModelInfo,
        connection: Arc<Connection>,
    },
    Failed(InferError),
    Stopped,
}

impl Supervisor {
    /// Starts loading in the background.
    pub(super) fn start(role: Role, source: ModelSource, options: &LlamaOptions) -> Arc<Self> {
        let (announce, phase) = watch::channel(Phase::Loading);
        let supervisor = Arc::new(Self {
            role,
            source,
            phase,
            restarts: AtomicU32::new(0),
            worker_pid: AtomicU32::new(0),
            stop: CancellationToken::new(),
        });
        tokio::spawn(Arc::clone(&supervisor).keep(options.clone(), announce));
        supervisor
    }

    /// Whether it holds this very model, or is on the way to. One that failed is worth a new try.
    pub(super) fn serves(&self, source: &ModelSource) -> bool {
        self.source == *source && !matches!(*self.phase.borrow(), Phase::Failed(_))
    }

    /// Passes a call to the worker; an error at once when it is not ready.
    pub(super) async fn call(&self, work: Work, call: Call) -> Result<Output, InferError> {
        let phase = self.phase.borrow().clone();
        match phase {
            Phase::Ready { connection, .. } => connection.call(work, call).await,
            Phase::Loading => Err(self.loading()),
            Phase::Failed(error) => Err(error),
            Phase::Stopped => Err(InferError::ShuttingDown),
        }
    }

    /// Waits until the model is loaded, or cannot be.
    pub(super) async fn ready(&self, call: &Call) -> Result<ModelInfo, InferError> {
        let mut phase = self.phase.clone();
        let settled = async {
            let phase = phase
                .wait_for(|phase| !matches!(phase, Phase::Loading))
                .await;
            match phase.as_deref() {
                Ok(Phase::Ready { info, .. }) => Ok(info.clone()),
                Ok(Phase::Failed(error)) => Err(error.clone()),
                Ok(Phase::Stopped | Phase::Loading) | Err(_) => Err(InferError::ShuttingDown),
            }
        };
        let deadline = async {
            match call.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            result = settled => result,
            () = deadline => Err(self.loading()),
            () = call.cancel.cancelled() => Err(InferError::Cancelled),
        }
    }

    /// The model, when it is loaded.
    pub(super) fn info(&self) -> Result<ModelInfo, InferError> {
        match &*self.phase.borrow() {
            Phase::Ready { info, .. } => Ok(info.clone()),
            Phase::Loading => Err(self.loading()),
            Phase::Failed(error) => Err(error.clone()),
            Phase::Stopped => Err(InferError::ShuttingDown),
        }
    }

    pub(super) fn report(&self) -> ModelReport {
        let phase = self.phase.borrow();
        let (state, queue_depth, worst_wait) = match &*phase {
            Phase::Loading => (ModelState::Loading, 0, Duration::ZERO),
            Phase::Ready { info, connection } => (
                ModelState::Ready(info.clone()),
                connection.depth(),
                connection.worst_wait(),
            ),
            Phase::Failed(error) => (ModelState::Failed(error.clone()), 0, Duration::ZERO),
            Phase::Stopped => (ModelState::Unloaded, 0, Duration::ZERO),
        };
        ModelReport {
            role: self.role,
            name: self.source.name.clone(),
            path: Some(self.source.path.clone()),
            state,
            worker_pid: self.worker_pid.load(Ordering::Relaxed),
            queue_depth,
            restarts: self.restarts.load(Ordering::Relaxed),
            worst_wait,
        }
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

    /// The keeper's loop.
    async fn keep(self: Arc<Self>, options: LlamaOptions, announce: watch::Sender<Phase>) {
        let mut crashes = 0;
        loop {
            let started = Instant::now();
            let end = tokio::select! {
                () = self.stop.cancelled() => break,
                end = self.run_once(&options, &announce) => end,
            };
            self.worker_pid.store(0, Ordering::Relaxed);
            let detail = match end {
                End::Refused(error) => {
                    tracing::error!(role = %self.role, %error, "model refused");
                    announce.send_replace(Phase::Failed(error));
                    self.stop.cancelled().await;
                    break;
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
                announce.send_replace(Phase::Failed(InferError::Quarantined {
                    role: self.role,
                    name: self.source.name.clone(),
                    crashes,
                    detail,
                }));
                self.stop.cancelled().await;
                break;
            }
            announce.send_replace(Phase::Loading);
            self.restarts.fetch_add(1, Ordering::Relaxed);
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = sleep(FIRST_BACKOFF * 2_u32.pow(crashes - 1)) => {}
            }
        }
        if let Phase::Ready { connection, .. } = &*announce.borrow() {
            connection.fail_all(&InferError::ShuttingDown);
        }
        announce.send_replace(Phase::Stopped);
    }

    /// One worker's life. Dropping the future kills it.
    async fn run_once(&self, options: &LlamaOptions, announce: &watch::Sender<Phase>) -> End {
        let (mut child, socket) = match self.spawn(options) {
            Ok(spawned) => spawned,
            Err(error) => {
                return End::Crashed(format!(
                    "{} did not start: {error}",
                    options.program.display()
                ));
            }
        };
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(listen(self.role, stderr, Arc::clone(&last_words)));
        }
        let served = self.serve(options, socket, announce).await;
        if let Ok(Some(refusal)) = served {
            return End::Refused(refusal);
        }
        // The socket closes before the process is reaped; one that lingers is of no use either.
        let status = match tokio::time::timeout(Duration::from_secs(2), child.wait()).await {
            Ok(status) => status.map_or_else(|error| error.to_string(), describe),
            Err(_) => "it closed its connection".into(),
        };
        let _ = child.start_kill();
        let words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
        let detail = match words.iter().rev().find(|line| line.contains("ASSERT")) {
            Some(line) => format!("{status}: {line}"),
            None => status,
        };
        drop(words);
        if let Phase::Ready { connection, .. } = &*announce.borrow() {
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
            // Idle OpenMP threads sleep at once instead of spinning.
            .env("OMP_WAIT_POLICY", "passive")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        self.worker_pid
            .store(child.id().unwrap_or(0), Ordering::Relaxed);
        Ok((child, UnixStream::from_std(ours)?))
    }

    /// Loads the model and carries calls until the worker closes. `Some` when the worker refused
    /// the model in good order.
    async fn serve(
        &self,
        options: &LlamaOptions,
        socket: UnixStream,
        announce: &watch::Sender<Phase>,
    ) -> io::Result<Option<InferError>> {
        let (read, mut write) = socket.into_split();
        let mut read = BufReader::new(read);
        let load = ToWorker::Load(LoadSpec {
            role: self.role,
            name: self.source.name.clone(),
            path: self.source.path.clone(),
            sha256: self.source.sha256.clone(),
            threads: options.threads,
        });
        write.write_all(&wire::encode(&load)?).await?;
        let info = match wire::read_async(&mut read).await? {
            Some(FromWorker::Ready(info)) => info,
            Some(FromWorker::LoadFailed(error)) => return Ok(Some(error)),
            Some(FromWorker::Reply { .. }) | None => return Ok(None),
        };
        tracing::info!(role = %self.role, model = info.name, "model ready");
        let (connection, to_send) = Connection::new(self.role);
        let connection = Arc::new(connection);
        announce.send_replace(Phase::Ready {
            info,
            connection: Arc::clone(&connection),
        });
        tokio::select! {
            result = connection::write_all(write, to_send) => result?,
            result = connection::read_all(&mut read, &connection) => result?,
        }
        Ok(None)
    }
}

enum End {
    /// The model cannot be used; trying again would not help.
    Refused(InferError),
    /// The worker ended on its own.
    Crashed(String),
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
