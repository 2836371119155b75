//! A real daemon in a sandbox.

use std::{
    convert::Infallible,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Write},
    ops::Deref,
    os::unix::{net::UnixStream, process::CommandExt},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use qmd_proto::v1::{
    ModelRole, ModelState, StatusRequest, control_service_client::ControlServiceClient,
};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{Sandbox, corpus, program, programs, wait};

/// Longest a model may take to load.
const LOADING: Duration = Duration::from_secs(120);
/// What a failed test shows of the daemon's output, in lines.
const TAIL: usize = 60;
/// Longest a daemon may live: what hangs on it fails then, instead of holding all tests up.
const LIFE: Duration = Duration::from_secs(600);

/// A daemon that serves. Killed when dropped, or with its workers when its time is up.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    /// Ends the watch over its time when dropped.
    _watched: mpsc::Sender<Infallible>,
    sandbox: Arc<Sandbox>,
}

impl Deref for Daemon {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl Daemon {
    /// Starts `qmdd serve` and waits until it serves; its models may still be loading. Who keeps the
    /// sandbox can start another one in it later.
    ///
    /// # Errors
    /// When it ends instead, with what it printed.
    pub fn start(sandbox: impl Into<Arc<Sandbox>>) -> Result<Self> {
        Self::start_with(sandbox, [] as [(&str, &str); 0])
    }

    /// As [`Self::start`], with more in its environment.
    ///
    /// # Errors
    /// When it ends instead, with what it printed.
    pub fn start_with<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        sandbox: impl Into<Arc<Sandbox>>,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        Self::serve(&programs::daemon()?, sandbox.into(), environment)
    }

    /// As [`Self::start_with`], with models on this machine, whichever daemon is to be tested.
    ///
    /// # Errors
    /// When it ends instead, with what it printed.
    pub fn start_here<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        sandbox: impl Into<Arc<Sandbox>>,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        Self::serve(&program("qmdd")?, sandbox.into(), environment)
    }

    fn serve<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        program: &Path,
        sandbox: Arc<Sandbox>,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        let mut command = sandbox.command(program);
        command.envs(environment).arg("serve");
        Self::start_as(sandbox, command)
    }

    /// As [`Self::start_with`], for a bench that takes longer than any test.
    ///
    /// # Errors
    /// When it ends instead, with what it printed.
    pub fn start_for<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        life: Duration,
        sandbox: impl Into<Arc<Sandbox>>,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        let sandbox = sandbox.into();
        let mut command = sandbox.command(programs::daemon()?);
        command.envs(environment).arg("serve");
        Self::spawn(life, sandbox, command)
    }

    /// As [`Self::start`], by a command of the sandbox that becomes `qmdd serve`.
    ///
    /// # Errors
    /// When it ends instead, with what it printed.
    pub fn start_as(sandbox: impl Into<Arc<Sandbox>>, command: Command) -> Result<Self> {
        Self::spawn(LIFE, sandbox.into(), command)
    }

    fn spawn(life: Duration, sandbox: Arc<Sandbox>, mut command: Command) -> Result<Self> {
        let output = File::create(sandbox.join("qmdd.out"))?;
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let (watched, gone) = mpsc::channel();
        let group = Pid::from_child(&child);
        thread::spawn(move || {
            if gone.recv_timeout(life) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process_group(group, Signal::KILL);
            }
        });
        let mut daemon = Self {
            child,
            _watched: watched,
            sandbox,
        };
        daemon.wait_until_serving()?;
        Ok(daemon)
    }

    /// Starts a daemon that has the starter models, and waits until it can embed.
    ///
    /// # Errors
    /// When the models are absent or do not load.
    pub fn with_models() -> Result<Self> {
        let daemon = Self::start(Sandbox::with_models()?)?;
        daemon.wait_for_model(ModelRole::Embed)?;
        Ok(daemon)
    }

    /// Starts a daemon that has the corpus indexed, and embedded, as the collection `notes`.
    ///
    /// # Errors
    /// As [`Self::with_models`].
    ///
    /// # Panics
    /// When a command fails.
    pub fn with_corpus() -> Result<Self> {
        let daemon = Self::with_models()?;
        let folder = corpus::folder();
        let folder = folder
            .to_str()
            .context("the workspace's path is not UTF-8")?;
        let _ = daemon
            .qmdctl(["collection", "add", folder, "--name", "notes"])
            .ok();
        let _ = daemon.qmdctl(["update"]).ok();
        let _ = daemon.qmdctl(["embed"]).ok();
        Ok(daemon)
    }

    /// Its home, for another daemon after this one.
    pub fn sandbox(&self) -> Arc<Sandbox> {
        Arc::clone(&self.sandbox)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection to it.
    ///
    /// # Errors
    /// When nobody accepts.
    pub async fn channel(&self) -> Result<Channel> {
        let address = format!("unix:{}", self.socket()?.display());
        Ok(Endpoint::try_from(address)?.connect().await?)
    }

    /// Waits until a role's model can be used.
    ///
    /// # Errors
    /// When it will not be: it is absent, or failed to load.
    pub fn wait_for_model(&self, role: ModelRole) -> Result<()> {
        wait::until(&format!("the model for {role:?}"), LOADING, || {
            let status = block_on(async {
                let mut control = ControlServiceClient::new(self.channel().await?);
                Ok(control.status(StatusRequest::default()).await?.into_inner())
            })?;
            let found = status.models.into_iter().find(|model| model.role() == role);
            let model = found.with_context(|| format!("the status has no {role:?}"))?;
            match model.state() {
                ModelState::Ready => Ok(Some(())),
                ModelState::Loading | ModelState::Unloaded => Ok(None),
                state => bail!(
                    "{} is {state:?}: {} ({})",
                    model.name,
                    model.message,
                    model.reason
                ),
            }
        })
    }

    /// Sends a signal to it.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(self.own_pid()?, signal)?)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// When it does not end.
    pub fn ended(mut self) -> Result<ExitStatus> {
        wait::until("the daemon's end", wait::LIMIT, || {
            Ok(self.child.try_wait()?)
        })
    }

    fn wait_until_serving(&mut self) -> Result<()> {
        let socket = self.socket()?;
        wait::until("the daemon to accept", wait::LIMIT, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("the daemon ended with {status}:\n{}", self.output());
            }
            Ok(UnixStream::connect(&socket).ok().map(drop))
        })?;
        wait::until("the daemon to serve", wait::LIMIT, || {
            let reply = block_on(async {
                let mut health = HealthClient::new(self.channel().await?);
                Ok(health
                    .check(HealthCheckRequest::default())
                    .await?
                    .into_inner())
            })?;
            Ok((reply.status() == ServingStatus::Serving).then_some(()))
        })
    }

    fn own_pid(&self) -> Result<Pid> {
        Pid::from_raw(self.pid() as i32).context("the daemon has no process id")
    }

    /// The end of what it printed.
    fn output(&self) -> String {
        let text = fs::read_to_string(self.join("qmdd.out")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let _ = writeln!(
                io::stderr(),
                "--- the daemon's last words\n{}\n---",
                self.output()
            );
        }
    }
}

/// Runs a future to its end, inside and outside of an async test alike.
fn block_on<T: Send>(future: impl Future<Output = Result<T>> + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(future)
        });
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
