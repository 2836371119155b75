//! The arrival of a request: all of it is read before it waits, so that nothing that waits holds up what
//! shares its connection, and no place is kept for what may never come.

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::time::timeout;
use tonic::{Status, body::Body, codegen::Bytes};

use super::{table::FRAMING, turn::Place};
use crate::{domain::Reason, rpc::status};

/// Longest that a request may take to arrive.
const LIMIT: Duration = Duration::from_secs(30);

/// Bytes of a refused request that are still read, and how long that may take.
const PASSED_OVER: usize = 64 << 10;
const PASSED_OVER_LIMIT: Duration = Duration::from_secs(1);

/// Reads what a small request that is refused has still to say. Who answers before it has come makes its rest
/// an error of the stream, and HTTP/2 ends a connection that has too many of those.
pub(super) async fn pass_over(mut body: Body) {
    let rest = async {
        let mut passed = 0;
        while passed < PASSED_OVER
            && let Some(Ok(frame)) = body.frame().await
        {
            passed += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // One that is slow or long is left where it is.
    let _ = timeout(PASSED_OVER_LIMIT, rest).await;
}

/// Reads a request of one message of at most `most` bytes.
///
/// # Errors
/// When it is too large, too slow or broken off, or there is no room for it.
pub(super) async fn whole(body: Body, most: usize, place: &Place) -> Result<Bytes, Status> {
    let arrived = timeout(LIMIT, read(body, most, place)).await;
    arrived.unwrap_or_else(|_| {
        Err(status::of(
            Reason::DeadlineExceeded,
            format!("the request did not arrive within {} s", LIMIT.as_secs()),
            None,
        ))
    })
}

async fn read(mut body: Body, most: usize, place: &Place) -> Result<Bytes, Status> {
    let mut first = Bytes::new();
    let mut more = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers say nothing.
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        let before = first.len().max(more.len());
        let arrived = before + data.len();
        if arrived > most + FRAMING {
            return Err(too_large(arrived - FRAMING, most));
        }
        place.grow(data.len())?;
        // Most requests are one frame, which is not copied.
        if before == 0 {
            first = data;
        } else {
            if more.is_empty() {
                more.extend_from_slice(&first);
            }
            more.extend_from_slice(&data);
        }
        // Refused before it has come.
        let message = if more.is_empty() { &first[..] } else { &more };
        if let Some(announced) = announced(message).filter(|length| *length > most) {
            return Err(too_large(announced, most));
        }
    }
    Ok(if more.is_empty() { first } else { more.into() })
}

/// The length that a message announces.
fn announced(message: &[u8]) -> Option<usize> {
    let length = message.get(1..FRAMING)?.try_into().ok()?;
    Some(u32::from_be_bytes(length) as usize)
}

fn too_large(bytes: usize, most: usize) -> Status {
    status::of(
        Reason::RequestTooLarge,
        format!("the request has {bytes} bytes, more than the {most} that it may have"),
        Some("ask for less at a time".into()),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body::Frame;
    use http_body_util::{Full, StreamBody};
    use tokio_stream::wrappers::ReceiverStream;
    use tonic_types::StatusExt;

    use super::*;
    use crate::rpc::fair::{
        pool::{Limits, Pool},
        scheduler::Id,
        turn::Turns,
    };

    /// A body of frames.
    fn frames(frames: &[&'static [u8]]) -> Body {
        let frame = |data: &&'static [u8]| Ok(Frame::data(Bytes::from_static(data)));
        body(frames.iter().map(frame).collect())
    }

    fn body(frames: Vec<Result<Frame<Bytes>, Status>>) -> Body {
        Body::new(StreamBody::new(futures::stream::iter(frames)))
    }

    async fn read(body: Body, most: usize) -> Result<Bytes, Status> {
        let turns = Arc::new(Turns::new(Limits::default()));
        let place = turns.enter(Id(1), Pool::Words).unwrap();
        whole(body, most, &place).await
    }

    fn reason(result: Result<Bytes, Status>) -> String {
        result.unwrap_err().get_details_error_info().unwrap().reason
    }

    #[tokio::test]
    async fn a_request_is_put_together() {
        let one = Body::new(Full::new(Bytes::from_static(b"\0\0\0\0\x02ab")));
        assert_eq!(read(one, 2).await.unwrap(), &b"\0\0\0\0\x02ab"[..]);
        let many = frames(&[b"\0\0", b"\0\0\x02a", b"", b"b"]);
        assert_eq!(read(many, 2).await.unwrap(), &b"\0\0\0\0\x02ab"[..]);
        assert_eq!(read(Body::empty(), 2).await.unwrap(), &b""[..]);
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_as_soon_as_it_says_so() {
        let announced = frames(&[b"\0\x10", b"\0\0\0"]);
        assert_eq!(reason(read(announced, 2).await), "REQUEST_TOO_LARGE");
        let lied = frames(&[b"\0\0\0\0\x01", b"abc"]);
        assert_eq!(reason(read(lied, 2).await), "REQUEST_TOO_LARGE");
    }

    #[tokio::test]
    async fn a_refused_request_is_read_to_its_end_if_that_comes_soon() {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Result<_, Status>>(1);
        let body = Body::new(StreamBody::new(ReceiverStream::new(receiver)));
        let passed = tokio::spawn(pass_over(body));
        let ab = Frame::data(Bytes::from_static(b"ab"));
        sender.send(Ok(ab)).await.unwrap();
        assert!(!passed.is_finished());
        drop(sender);
        passed.await.unwrap();
        let zeros = || Ok::<_, Status>(Frame::data(Bytes::from_static(&[0; 999])));
        let endless = futures::stream::repeat_with(zeros);
        pass_over(Body::new(StreamBody::new(endless))).await;
    }

    #[tokio::test]
    async fn what_breaks_off_fails_as_it_broke() {
        let broken = read(body(vec![Err(Status::aborted("gone"))]), 2).await;
        assert_eq!(broken.unwrap_err().code(), tonic::Code::Aborted);
    }
}
