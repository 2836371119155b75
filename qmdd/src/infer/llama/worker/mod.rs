//! The worker process: holds one model, decodes what the daemon sends.
//!
//! It speaks [`super::wire`] over the socket that is its standard input, and ends as soon as that
//! closes, so no worker outlives its daemon. Three threads: the reader tokenises and queues, the
//! model thread owns the context, the writer sends replies.

mod admit;
mod device;
mod engine;
mod generate;
mod job;
mod pooled;
mod prefix;
mod probe;
mod queue;

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
    engine::Engine,
    job::Job,
    queue::{Queue, Unit},
};
use super::wire::{self, FromWorker, LoadSpec, Submission, ToWorker};
use crate::{
    domain::Role,
    infer::backend::{InferError, ModelInfo},
};

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
    let (mut engine, admission, info) = match load(&spec) {
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
    let batches = Arc::clone(&queue);
    thread::Builder::new()
        .name("model".into())
        .spawn(move || decode(&mut engine, &batches))?;

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
fn load(spec: &LoadSpec) -> Result<(Engine, Admission, ModelInfo), InferError> {
    let (mut engine, admission, info) = engine::load(spec)?;
    if spec.role == Role::Rerank && spec.probe {
        probe::reranker(spec, &mut engine, &admission)?;
    }
    Ok((engine, admission, info))
}

/// The writer thread. A write fails only when the daemon has gone, and the reader sees that too.
fn send(mut to: UnixStream, replies: &Receiver<FromWorker>) {
    while let Ok(reply) = replies.recv() {
        if wire::write(&mut to, &reply).is_err() {
            return;
        }
    }
}

/// The model thread.
fn decode(engine: &mut Engine, queue: &Queue<admit::Payload>) {
    loop {
        let batch = queue.next_batch(engine.budget());
        let jobs: Vec<_> = batch.iter().map(|unit| Arc::clone(&unit.job)).collect();
        if let Err(error) = engine.run(batch) {
            for job in jobs {
                job.fail(error.clone());
            }
        }
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
