//! Server-streamed jobs: progress while they run, then a summary or an error.

use std::future::Future;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status};

use super::fair;

/// The reply stream of a job.
pub(super) type Events<T> = ReceiverStream<Result<T, Status>>;

/// Progress events beyond this are dropped: only the latest state matters to who watches.
const BUFFER: usize = 64;

/// Sends a job's progress.
pub(super) struct Progress<T>(mpsc::Sender<Result<T, Status>>);

impl<T> Progress<T> {
    /// Sends an event if there is room for it.
    pub(super) fn send(&self, event: T) {
        let _ = self.0.try_send(Ok(event));
    }

    /// Sends an event that must arrive.
    pub(super) async fn deliver(&self, event: T) {
        let _ = self.0.send(Ok(event)).await;
    }

    /// Waits until the receiver is gone.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }
}

/// Runs a job in the background and streams what it reports; its result is the last event. When the
/// client goes away, the job's token is cancelled: it ends after the step it is in.
pub(super) fn stream<T, J, F>(job: J) -> Response<Events<T>>
where
    T: Send + 'static,
    J: FnOnce(Progress<T>, CancellationToken) -> F,
    F: Future<Output = Result<T, Status>> + Send + 'static,
{
    events(|progress: Progress<T>, cancel| {
        let summary = Progress(progress.0.clone());
        let work = job(progress, cancel);
        async move {
            summary.deliver(work.await?).await;
            Ok(())
        }
    })
}

/// As [`stream`], for a job whose events are all of a kind.
pub(super) fn events<T, J, F>(job: J) -> Response<Events<T>>
where
    T: Send + 'static,
    J: FnOnce(Progress<T>, CancellationToken) -> F,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    events_ahead(BUFFER, job)
}

/// As [`events`], of which so many wait for a slow reader: few, where each may be large.
pub(super) fn events_ahead<T, J, F>(ahead: usize, job: J) -> Response<Events<T>>
where
    T: Send + 'static,
    J: FnOnce(Progress<T>, CancellationToken) -> F,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(ahead);
    // The job is the work that the request has its place for.
    let place = fair::held();
    let cancel = CancellationToken::new();
    let work = job(Progress(sender.clone()), cancel.clone());
    tokio::spawn(async move {
        let listener = Progress(sender.clone());
        let end = async {
            let ended = work.await;
            drop(place);
            if let Err(error) = ended {
                // The error waits for room.
                let _ = sender.send(Err(error)).await;
            }
        };
        tokio::pin!(end);
        tokio::select! {
            () = &mut end => {}
            () = listener.closed() => {
                cancel.cancel();
                end.await;
            }
        }
    });
    Response::new(ReceiverStream::new(receiver))
}
