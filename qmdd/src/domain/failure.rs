//! How an error explains itself to a user: a stable reason, and the command that mends it.

use std::error::Error;

pub use qmd_proto::Reason;

/// Implemented by the error enum of every layer. The message is the error's `Display`: one line,
/// no full stop.
pub trait Failure: Error + Send + Sync + 'static {
    /// The stable reason code.
    fn reason(&self) -> Reason;

    /// What to do next, usually a command. `None` where the message says it all.
    fn hint(&self) -> Option<String> {
        None
    }
}
