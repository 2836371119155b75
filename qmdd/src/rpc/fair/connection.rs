//! Connections: who is at the other end, how many there are, and the end of those that hang.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{Stream, stream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};
use tonic::{
    Status,
    transport::server::{Connected, UdsConnectInfo},
};

use crate::{domain::Reason, rpc::status};

/// Connections beyond the most that there may be: each is told so. More wait to be accepted.
const SPARE: usize = 32;

/// Bytes by which a client has begun to speak HTTP/2: its preface, and the head of its settings.
const GREETING: usize = 24 + 9;
/// Longest that it may take for that.
const GREETING_LIMIT: Duration = Duration::from_secs(10);

/// Longest that a client may leave unread what is sent to it.
const STALL_LIMIT: Duration = Duration::from_secs(180);

/// How long nothing is accepted after accepting failed, as it does without free descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// When who has a connection too many is told to come again.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    id: u64,
    socket: UdsConnectInfo,
    /// Of a connection that was one too many when it came.
    late: Option<Arc<Seats>>,
}

impl Peer {
    /// Tells connections apart. Later ones have greater numbers, from 1.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The user, as the kernel tells.
    pub(in crate::rpc) fn uid(&self) -> Option<u32> {
        Some(self.socket.peer_cred?.uid())
    }

    /// How many connections there may be, if this is one too many.
    pub(super) fn over(&self) -> Option<usize> {
        let seats = self.late.as_ref()?;
        (seats.free.available_permits() < SPARE).then_some(seats.most)
    }
}

#[cfg(test)]
impl Peer {
    /// A peer of a number, and nothing else.
    pub(super) fn number(id: u64) -> Self {
        Self {
            id,
            socket: UdsConnectInfo {
                peer_addr: None,
                peer_cred: None,
            },
            late: None,
        }
    }
}

/// What there are connections for.
#[derive(Debug)]
struct Seats {
    free: Arc<Semaphore>,
    most: usize,
}

/// The refusal of what comes by a connection that is one too many.
pub(super) fn refusal(most: usize) -> Status {
    status::later(
        Reason::TooManyRequests,
        format!("the daemon has {most} connections already"),
        COME_AGAIN,
    )
}

/// The connections that come in at a socket; of more than `most` at the same time, those that came last are
/// refused what they ask for.
pub fn incoming(socket: UnixListener, most: usize) -> impl Stream<Item = io::Result<Connection>> {
    let seats = Arc::new(Seats {
        free: Arc::new(Semaphore::new(most + SPARE)),
        most,
    });
    stream::unfold((socket, seats, 1), |(socket, seats, id)| async move {
        let stream = accept(&socket).await;
        // Never closed.
        let seat = Arc::clone(&seats.free).acquire_owned().await.ok()?;
        let is_late = seats.free.available_permits() < SPARE;
        let peer = Peer {
            id,
            socket: stream.connect_info(),
            late: is_late.then(|| Arc::clone(&seats)),
        };
        let connection = Connection::new(stream, peer, seat, GREETING_LIMIT);
        Some((Ok(connection), (socket, seats, id + 1)))
    })
}

async fn accept(socket: &UnixListener) -> UnixStream {
    loop {
        match socket.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(PAUSE).await;
            }
        }
    }
}

/// A connection. One whose client says nothing at its beginning, or does not read, ends with an error.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    peer: Peer,
    /// Until the client has begun to speak.
    greeting: Option<Greeting>,
    /// While the client does not read.
    stalled: Option<Pin<Box<Sleep>>>,
    _seat: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Greeting {
    read: usize,
    limit: Pin<Box<Sleep>>,
}

impl Connection {
    fn new(
        stream: UnixStream,
        peer: Peer,
        seat: OwnedSemaphorePermit,
        greeting_limit: Duration,
    ) -> Self {
        Self {
            stream,
            peer,
            greeting: Some(Greeting {
                read: 0,
                limit: Box::pin(sleep(greeting_limit)),
            }),
            stalled: None,
            _seat: seat,
        }
    }

    /// Passes on what came of writing, unless it has led nowhere for too long.
    fn unless_stalled<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(STALL_LIMIT)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let Some(greeting) = &mut self.greeting else {
            return polled;
        };
        if polled.is_pending() {
            ready!(greeting.limit.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        greeting.read += buffer.filled().len() - before;
        if greeting.read >= GREETING {
            self.greeting = None;
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.unless_stalled(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.unless_stalled(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A connection with little time for its greeting, and its other end.
    fn pair(limit: Duration) -> (Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let seat = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let peer = Peer {
            id: 1,
            socket: ours.connect_info(),
            late: None,
        };
        (Connection::new(ours, peer, seat, limit), theirs)
    }

    #[tokio::test]
    async fn who_says_nothing_or_too_little_is_left() {
        for said in [&b""[..], &[b'x'; GREETING - 1]] {
            let (mut ours, mut theirs) = pair(Duration::from_millis(20));
            theirs.write_all(said).await.unwrap();
            let error = ours.read_to_end(&mut Vec::new()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
    }

    #[tokio::test]
    async fn who_has_begun_to_speak_may_be_silent() {
        let (mut ours, mut theirs) = pair(Duration::from_millis(20));
        theirs.write_all(&[b'x'; GREETING]).await.unwrap();
        let mut heard = [0; GREETING];
        ours.read_exact(&mut heard).await.unwrap();
        assert!(ours.greeting.is_none());
        drop(theirs);
        assert_eq!(ours.read(&mut heard).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn the_last_to_come_is_one_too_many_until_another_leaves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q.sock");
        let socket = UnixListener::bind(&path).unwrap();
        let mut incoming = std::pin::pin!(incoming(socket, 2));
        let mut clients = Vec::new();
        let mut connections = Vec::new();
        for _ in 0..3 {
            clients.push(UnixStream::connect(&path).await.unwrap());
            connections.push(incoming.next().await.unwrap().unwrap());
        }
        let over = |connection: &Connection| connection.connect_info().over();
        assert_eq!(
            connections.iter().map(over).collect::<Vec<_>>(),
            [None, None, Some(2)]
        );
        let ids: Vec<u64> = connections.iter().map(|it| it.peer.id()).collect();
        assert_eq!(ids, [1, 2, 3]);
        assert_eq!(
            connections[0].peer.uid(),
            Some(rustix::process::getuid().as_raw())
        );
        connections.remove(0);
        assert_eq!(over(&connections[1]), None);
    }
}
