//! A query from standard input.

use std::{
    io::{self, Read},
    thread,
};

use qmd_proto::Reason;
use tokio::sync::oneshot;

use crate::error::{Failure, Result};

/// More than the daemon takes, which says what it takes.
const MAX_BYTES: u64 = 64 << 10;

/// What is there, to its end.
pub(super) async fn query() -> Result<String> {
    // On a thread that nobody waits for: Ctrl-C works while a person types.
    let (done, read) = oneshot::channel();
    thread::spawn(move || {
        let _ = done.send(read_from(io::stdin().lock()));
    });
    read.await
        .unwrap_or_else(|_| Err(Failure::internal("the reader of standard input ended")))
        .map_err(Into::into)
}

fn read_from(input: impl Read) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    input
        .take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            Failure::of_path("standard input".as_ref(), &error, Reason::FileUnreadable)
        })?;
    // A character may have been cut at the limit: such a query is too long in any case.
    let cut = bytes.len() as u64 == MAX_BYTES;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) if cut => Ok(String::from_utf8_lossy(error.as_bytes()).into_owned()),
        Err(_) => Err(Failure::new(
            Reason::InvalidArgument,
            "the query on standard input is not UTF-8",
        )
        .hint("convert it, as with `iconv -t UTF-8`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_it_is() {
        let text = "lex: wing\nvec: heat\n";
        assert_eq!(read_from(text.as_bytes()).unwrap(), text);
        assert_eq!(read_from(&b""[..]).unwrap(), "");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let failure = read_from(&b"caf\xe9"[..]).unwrap_err();
        assert_eq!(failure.reason, "INVALID_ARGUMENT");
        assert!(failure.hint.is_some());
    }

    #[test]
    fn no_more_is_read_than_tells_that_it_is_too_long() {
        let endless = io::repeat(b'x');
        assert_eq!(read_from(endless).unwrap().len() as u64, MAX_BYTES);
        let wide = "é".repeat(MAX_BYTES as usize);
        assert!(read_from(format!("x{wide}").as_bytes()).is_ok());
    }
}
