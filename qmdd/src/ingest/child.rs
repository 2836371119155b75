//! Parsers in child processes: what a document makes them do costs a child, and not the daemon.
//!
//! A child answers one request after another over its standard input, which is a socket. Requests and
//! answers are bytes behind their length.

use std::{
    io::{self, BufReader, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::ExitStatusExt},
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Resource, Rlimit, Signal, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};

/// Requests after which a child is replaced, so that what its parsers leave behind does not add up.
const REQUESTS: u32 = 500;
/// Longest answer that is taken, in bytes.
const MAX_ANSWER: u64 = 64 << 20;
/// Longest request that a child takes, in bytes.
const MAX_REQUEST: u64 = 128 << 20;

/// What a child may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Processor time for one request, in seconds.
    pub(super) cpu_seconds: u64,
    /// Address space, in bytes, the program itself included. macOS knows no such limit.
    pub(super) address_space: u64,
    /// Stack of the thread that parses, in bytes: parsers may follow nesting by recursion.
    pub(super) stack: usize,
}

/// Children of one kind. They end with it.
pub(super) struct Children {
    /// The daemon's executable ...
    program: PathBuf,
    /// ... and what tells it to be such a child.
    job: &'static str,
    /// Longest that a request may take. The limit of processor time comes before, unless the machine is
    /// busy.
    wall: Duration,
    idle: Mutex<Vec<Process>>,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    /// It took too much time.
    #[error("it took too much time")]
    TooLong,
    /// The child crashed, or had no more memory.
    #[error("its parser ended by signal {0}")]
    Signal(i32),
    /// The child did not start, or ended otherwise.
    #[error("its parser failed: {0}")]
    Failed(#[from] io::Error),
}

impl Children {
    /// None started yet.
    pub(super) fn new(program: PathBuf, job: &'static str, wall: Duration) -> Self {
        Self {
            program,
            job,
            wall,
            idle: Mutex::default(),
        }
    }

    /// The answer to a request, whose parts are sent one after another. Blocks.
    pub(super) fn ask(&self, request: &[&[u8]]) -> Result<Vec<u8>, Lost> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        if let Some(process) = idle {
            match self.exchange(process, request) {
                // What an earlier request left behind is not this one's fault.
                Err(Lost::Signal(_) | Lost::Failed(_)) => {}
                answered => return answered,
            }
        }
        let (socket, theirs) = UnixStream::pair()?;
        let child = Command::new(&self.program)
            .arg(self.job)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let process = Process {
            child,
            socket,
            asked: 0,
        };
        self.exchange(process, request)
    }

    /// A process that answered goes back to the others.
    fn exchange(&self, mut process: Process, request: &[&[u8]]) -> Result<Vec<u8>, Lost> {
        process.asked += 1;
        let deadline = Instant::now() + self.wall;
        let mut socket = Until {
            socket: &process.socket,
            deadline,
        };
        match send(&mut socket, request).and_then(|()| receive(&mut socket, MAX_ANSWER)) {
            Ok(Some(answer)) => {
                if process.asked < REQUESTS {
                    let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                    idle.push(process);
                }
                Ok(answer)
            }
            Ok(None) => Err(process.lost(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(process.lost(error)),
        }
    }
}

struct Process {
    child: Child,
    socket: UnixStream,
    /// Requests so far.
    asked: u32,
}

impl Process {
    /// What it died of. It is dead after this in any case.
    fn lost(&mut self, error: io::Error) -> Lost {
        let late = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&error.kind());
        if late {
            let _ = self.child.kill();
        }
        let signal = self.child.wait().ok().and_then(|status| status.signal());
        match signal {
            _ if late => Lost::TooLong,
            Some(signal) if signal == Signal::XCPU.as_raw() => Lost::TooLong,
            Some(signal) => Lost::Signal(signal),
            None => Lost::Failed(error),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A socket until a moment.
struct Until<'a> {
    socket: &'a UnixStream,
    deadline: Instant,
}

impl Until<'_> {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.read(buffer)
    }
}

impl Write for Until<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The child's end: answers requests within limits that the system keeps, until the daemon closes the
/// connection.
///
/// # Errors
/// When the limits cannot be set, or the connection breaks.
pub(super) fn serve(
    limits: Limits,
    answer: impl Fn(Vec<u8>) -> Vec<u8> + Send + 'static,
) -> io::Result<()> {
    confine(limits)?;
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let serving = move || {
        let mut incoming = BufReader::new(socket.try_clone()?);
        let mut outgoing = socket;
        while let Some(request) = receive(&mut incoming, MAX_REQUEST)? {
            allow_time(limits.cpu_seconds)?;
            send(&mut outgoing, &[&answer(request)])?;
        }
        Ok(())
    };
    let serving = thread::Builder::new()
        .stack_size(limits.stack)
        .spawn(serving)?;
    serving
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the parser panicked")))
}

/// What a parser that was led astray may do: nothing but compute for a while.
fn confine(limits: Limits) -> io::Result<()> {
    for (resource, limit) in [
        (Resource::As, limits.address_space),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
    ] {
        let within = getrlimit(resource);
        let limit = Some(within.maximum.map_or(limit, |most| most.min(limit)));
        let set = setrlimit(
            resource,
            Rlimit {
                current: limit,
                maximum: limit,
            },
        );
        if cfg!(target_os = "linux") {
            set?;
        }
    }
    Ok(())
}

/// Gives the next request its time. The system ends the process when that is over.
fn allow_time(seconds: u64) -> io::Result<()> {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec as u64;
    let maximum = getrlimit(Resource::Cpu).maximum;
    let wanted = used + seconds;
    let current = Some(maximum.map_or(wanted, |most| most.min(wanted)));
    Ok(setrlimit(Resource::Cpu, Rlimit { current, maximum })?)
}

fn send(to: &mut impl Write, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    to.write_all(&(length as u64).to_le_bytes())?;
    parts.iter().try_for_each(|part| to.write_all(part))
}

/// `None` when there is none to come.
fn receive(from: &mut impl Read, longest: u64) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 8];
    if from.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut length[1..])?;
    let length = u64::from_le_bytes(length);
    if length > longest {
        let message = "what comes is too long";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_received() {
        let mut wire = Vec::new();
        send(&mut wire, &[b"ab", b"", b"c"]).unwrap();
        send(&mut wire, &[]).unwrap();
        let mut from = wire.as_slice();
        assert_eq!(receive(&mut from, 3).unwrap(), Some(b"abc".to_vec()));
        assert_eq!(receive(&mut from, 3).unwrap(), Some(Vec::new()));
        assert_eq!(receive(&mut from, 3).unwrap(), None);
        assert!(receive(&mut &wire[..5], 3).is_err(), "cut off");
        assert!(receive(&mut &wire[..10], 3).is_err(), "cut off");
        assert!(receive(&mut wire.as_slice(), 2).is_err(), "too long");
    }

    #[test]
    fn a_child_that_ends_or_hangs_is_told_apart() {
        let ask = |program: &str, job| {
            Children::new(program.into(), job, Duration::from_millis(200)).ask(&[b"x"])
        };
        assert!(matches!(ask("/nonexistent", "parse"), Err(Lost::Failed(_))));
        assert!(matches!(ask("/bin/echo", "parse"), Err(Lost::Failed(_))));
        assert!(matches!(ask("/bin/sleep", "600"), Err(Lost::TooLong)));
    }
}
