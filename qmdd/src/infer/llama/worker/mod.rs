//! The worker process: holds one model, decodes what the daemon sends.
//!
//! It speaks [`super::wire`] over the socket that is its standard input, and ends as soon as that
//! closes, so no worker outlives its daemon. The reader thread tokenises and queues, model threads own
//! a context each, the writer sends replies.

mod admit;
mod device;
mod engine;
mod generate;
mod job;
mod pooled;
mod prefix;
mod probe;
mod queue;
mod speed;

use std::{
    io::{self, BufReader},
    os::{fd::AsFd, unix::net::UnixStream},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process;

use self::{
    admit::{Admission, Admitted},
    engine::{Engine, Loaded},
    job::Job,
    queue::{Queue, Share, Unit},
};
use super::wire::{self, FromWorker, LoadSpec, Submission, ToWorker};
use crate::{domain::Role, infer::backend::InferError};

/// Runs the worker until the daemon closes the connection.
///
/// # Errors
/// When standard input is no socket, or breaks in the middle of a message.
pub fn run() -> io::Result<()> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut incoming = BufReader::new(socket.try_clone()?);
    let Some(ToWorker::Load(spec)) = wire::read(&mut incoming)? else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the first message is no Load",
        ));
    };
    let mut outgoing = socket.try_clone()?;
    let Loaded {
        engines,
        admission,
        info,
    } = match load(&spec) {
        Ok(loaded) => loaded,
        Err(error) => return wire::write(&mut outgoing, &FromWorker::LoadFailed(error)),
    };
    let device = device::describe(spec.threads);
    wire::write(&mut outgoing, &FromWorker::Ready { info, device })?;

    let queue = Arc::new(Queue::new(spec.role));
    let (replies, to_send) = channel();
    thread::Builder::new()
        .name("writer".into())
        .spawn(move || send(outgoing, &to_send))?;
    for (share, mut engine) in engines {
        let batches = Arc::clone(&queue);
        thread::Builder::new()
            .name("model".into())
            .spawn(move || decode(&mut engine, spec.role, share, &batches))?;
    }

    while let Some(message) = wire::read(&mut incoming)? {
        match message {
            ToWorker::Submit(submission) => admit(&admission, submission, &queue, &replies),
            ToWorker::Cancel(id) => queue.cancel(id),
            ToWorker::Load(_) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a second Load"));
            }
        }
    }
    // The model thread may be inside llama.cpp: an orderly exit would tear globals down under it.
    process::kill_process(process::getpid(), process::Signal::KILL)?;
    Ok(())
}

/// Loads the model, and looks whether it does what its role is for.
fn load(spec: &LoadSpec) -> Result<Loaded, InferError> {
    let mut loaded = engine::load(spec)?;
    if spec.role == Role::Rerank
        && spec.probe
        && let Some((_, engine)) = loaded.engines.first_mut()
    {
        probe::reranker(spec, engine, &loaded.admission)?;
    }
    Ok(loaded)
}

/// The writer thread. A write fails only when the daemon has gone, and the reader sees that too.
fn send(mut to: UnixStream, replies: &Receiver<FromWorker>) {
    while let Ok(reply) = replies.recv() {
        if wire::write(&mut to, &reply).is_err() {
            return;
        }
    }
}

/// A model thread.
fn decode(engine: &mut Engine, role: Role, share: Share, queue: &Queue<admit::Payload>) {
    if let Some(nice) = nice(role, share) {
        give_way(nice);
    }
    loop {
        let batch = queue.next_batch(share, engine.budget());
        let jobs: Vec<_> = batch.iter().map(|unit| Arc::clone(&unit.job)).collect();
        if let Err(error) = engine.run(batch) {
            for job in jobs {
                job.fail(error.clone());
            }
        }
    }
}

/// How much a model thread gives way to others. Bulk work lets every other thread of the machine go
/// first: whoever asks meanwhile is answered as if none ran. Reading and writing of candidates takes
/// long, and lets the vectors go first that searches begin with.
fn nice(role: Role, share: Share) -> Option<i32> {
    match (role, share) {
        (_, Share::Back) => Some(10),
        (Role::Rerank | Role::Generate, _) => Some(5),
        (Role::Embed, _) => None,
    }
}

/// On Linux a priority is a thread's own, and of those it starts; elsewhere it is the whole process's, and
/// stays.
fn give_way(nice: i32) {
    if cfg!(target_os = "linux") {
        // Without it answers only come later.
        let _ = process::setpriority_process(None, nice);
    }
}

/// Turns a call into units, or answers it at once when it needs no decoding.
fn admit(
    admission: &Admission,
    Submission {
        id,
        lane,
        deadline_in,
        work,
    }: Submission,
    queue: &Queue<admit::Payload>,
    replies: &Sender<FromWorker>,
) {
    let result = match admission.admit(work) {
        Ok(Admitted::Units { units, order }) => {
            let deadline = deadline_in.map(|left| Instant::now() + left);
            let job = Job::new(id, deadline, units.len(), order, replies.clone());
            queue.push(
                &job,
                lane,
                units.into_iter().enumerate().map(|(index, unit)| Unit {
                    job: Arc::clone(&job),
                    index,
                    tokens: unit.tokens,
                    group: if unit.grouped { id } else { 0 },
                    payload: unit.payload,
                }),
            );
            return;
        }
        Ok(Admitted::Answer(output)) => Ok(output),
        Err(error) => Err(error),
    };
    // A closed channel means that the daemon has gone, and this process with it.
    let _ = replies.send(FromWorker::Reply {
        id,
        waited: Duration::ZERO,
        result,
    });
}
