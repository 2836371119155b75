//! The `qmd.v1` API: generated messages, stable error reasons, and the rules by which a client finds
//! the daemon. Both `qmdd` and `qmdctl` build on this crate alone.

pub mod instance;
pub mod list;
pub mod paths;
pub mod price;
pub mod reason;
pub mod socket;

pub use reason::Reason;

/// Generated messages, clients and servers of package `qmd.v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::use_self,
    clippy::allow_attributes_without_reason,
    reason = "generated from qmd/v1/*.proto, where the documentation lives"
)]
pub mod v1 {
    tonic::include_proto!("qmd.v1");
}

/// The encoded `FileDescriptorSet` of `qmd.v1`, for server reflection.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/qmd_v1.bin"));

/// Raised when a client of the old protocol would misread a daemon of the new one. Added fields and
/// methods do not raise it.
pub const PROTOCOL_VERSION: u32 = 1;

/// `domain` of the `google.rpc.ErrorInfo` that every error of the daemon carries.
pub const ERROR_DOMAIN: &str = "qmdd";

/// Key in `ErrorInfo.metadata` that holds the hint: the command that mends the problem.
pub const ERROR_HINT: &str = "hint";

/// Key in `ErrorInfo.metadata` of names that may have been meant, best first: a JSON array of texts.
pub const ERROR_SUGGESTIONS: &str = "suggestions";

/// Metadata keys of the version handshake.
pub mod handshake {
    /// Request: the [`crate::PROTOCOL_VERSION`] of the client, decimal. A mismatch is refused.
    pub const PROTOCOL: &str = "qmd-protocol";
    /// Request: the client's version, for the daemon's log.
    pub const CLIENT_VERSION: &str = "qmd-client-version";
    /// Request: the configuration folder the client expects (`-bin`: paths need not be ASCII).
    /// The daemon refuses a request meant for another configuration before it acts on it.
    pub const CONFIG_HOME: &str = "qmd-config-home-bin";
    /// Response: the daemon's version.
    pub const SERVER_VERSION: &str = "qmd-server-version";
}
