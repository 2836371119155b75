//! Stable error reasons: one table from reason to gRPC code and exit code.

use std::{fmt, str::FromStr};

use tonic::Code;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal, $code:ident, $exit:literal;)+) => {
        /// Why something failed. The text form travels as `google.rpc.ErrorInfo.reason` and never
        /// changes once released; scripts may rely on it and on the exit code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable text form, in `SCREAMING_SNAKE_CASE`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The gRPC status code this reason travels under.
            pub const fn grpc_code(self) -> Code {
                match self { $(Self::$variant => Code::$code,)+ }
            }

            /// The exit code of `qmdctl` (and of `qmdd`, where it can fail so).
            pub const fn exit_code(self) -> u8 {
                match self { $(Self::$variant => $exit,)+ }
            }

            /// What it means, as documented in `docs/protocol.md`.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }
        }
    };
}

reasons! {
    /// A defect in the program; the log has the details.
    Internal = "INTERNAL", Internal, 1;
    // 2 is clap's exit code for wrong usage.
    /// A request field is malformed.
    InvalidArgument = "INVALID_ARGUMENT", InvalidArgument, 3;

    /// The query has no words in it.
    QueryEmpty = "QUERY_EMPTY", InvalidArgument, 10;
    /// The query is longer than 16 KiB.
    QueryTooLong = "QUERY_TOO_LONG", InvalidArgument, 11;
    /// The query does not follow the query grammar.
    QuerySyntax = "QUERY_SYNTAX", InvalidArgument, 12;
    /// No collection of that name is configured.
    CollectionUnknown = "COLLECTION_UNKNOWN", NotFound, 13;
    /// A collection of that name or of that folder exists already.
    CollectionExists = "COLLECTION_EXISTS", AlreadyExists, 14;
    /// The name is not usable for a collection.
    CollectionNameInvalid = "COLLECTION_NAME_INVALID", InvalidArgument, 15;
    /// The folder does not exist, or is not a folder.
    FolderMissing = "FOLDER_MISSING", NotFound, 16;
    /// The file or folder cannot be read.
    FileUnreadable = "FILE_UNREADABLE", PermissionDenied, 17;
    /// No document has that address.
    DocumentNotFound = "DOCUMENT_NOT_FOUND", NotFound, 18;
    /// More than one document fits the address.
    DocumentAmbiguous = "DOCUMENT_AMBIGUOUS", InvalidArgument, 19;

    /// The configuration file does not parse or does not validate.
    ConfigInvalid = "CONFIG_INVALID", FailedPrecondition, 20;
    /// The configuration file changed while it was being edited.
    ConfigConflict = "CONFIG_CONFLICT", Aborted, 21;
    /// The configuration file cannot be read or written.
    ConfigUnavailable = "CONFIG_UNAVAILABLE", FailedPrecondition, 22;
    /// The index named in the request has no configuration.
    IndexUnknown = "INDEX_UNKNOWN", NotFound, 23;

    /// The file is over the size limit.
    FileTooLarge = "FILE_TOO_LARGE", InvalidArgument, 24;
    /// The file holds no text: it is binary, or in an unknown encoding.
    FileBinary = "FILE_BINARY", InvalidArgument, 25;
    /// The file is empty.
    FileEmpty = "FILE_EMPTY", InvalidArgument, 26;

    /// A filter over metadata does not follow its grammar.
    FilterSyntax = "FILTER_SYNTAX", InvalidArgument, 27;
    /// The file is a link, which is never followed.
    FileLink = "FILE_LINK", PermissionDenied, 28;
    /// The file cannot be parsed as what its name says: it is damaged or encrypted.
    FileDamaged = "FILE_DAMAGED", InvalidArgument, 29;
    /// The collection's pattern, an ignore rule or a hidden name leaves the file out.
    FileIgnored = "FILE_IGNORED", NotFound, 59;
    /// Parsing the file took more time, memory or room than a file may take.
    FileTooCostly = "FILE_TOO_COSTLY", ResourceExhausted, 49;

    /// The place has no description of its own.
    ContextUnknown = "CONTEXT_UNKNOWN", NotFound, 55;

    /// No model is configured for the role.
    ModelNotConfigured = "MODEL_NOT_CONFIGURED", FailedPrecondition, 30;
    /// The configured model's file is not on this machine.
    ModelMissing = "MODEL_MISSING", FailedPrecondition, 31;
    /// The model file is damaged or of a kind that cannot be used.
    ModelCorrupt = "MODEL_CORRUPT", FailedPrecondition, 32;
    /// The model is still loading.
    ModelLoading = "MODEL_LOADING", Unavailable, 33;
    /// The model's worker ended in the middle of the work.
    WorkerCrashed = "WORKER_CRASHED", Unavailable, 34;
    /// The model crashed its worker again and again and is set aside.
    ModelQuarantined = "MODEL_QUARANTINED", FailedPrecondition, 35;
    /// The model catalogue has no such name or profile.
    ModelUnknown = "MODEL_UNKNOWN", NotFound, 36;
    /// The model hub cannot be reached.
    HubUnreachable = "HUB_UNREACHABLE", Unavailable, 37;
    /// The hub refused the download.
    HubRefused = "HUB_REFUSED", FailedPrecondition, 38;
    /// A downloaded or imported file does not match its pinned hash.
    HashMismatch = "HASH_MISMATCH", DataLoss, 39;
    /// A text is longer than the model's window.
    InputTooLong = "INPUT_TOO_LONG", InvalidArgument, 40;
    /// The queue of the model is full.
    QueueFull = "QUEUE_FULL", ResourceExhausted, 41;
    /// The deadline passed before the work was done.
    DeadlineExceeded = "DEADLINE_EXCEEDED", DeadlineExceeded, 42;
    /// The caller gave up.
    Cancelled = "CANCELLED", Cancelled, 43;
    /// This build lacks the inference backend that the configuration asks for.
    BackendMissing = "BACKEND_MISSING", FailedPrecondition, 44;
    /// The model does not fit into memory.
    MemoryShort = "MEMORY_SHORT", ResourceExhausted, 45;
    /// The index was embedded with another model than the one at the remote end.
    ModelsDiffer = "MODELS_DIFFER", FailedPrecondition, 46;
    /// Some documents have no vectors yet.
    VectorsPending = "VECTORS_PENDING", FailedPrecondition, 47;
    /// A helper program that the task needs is not installed or failed.
    ToolFailed = "TOOL_FAILED", FailedPrecondition, 48;

    /// The index database is damaged.
    StoreCorrupt = "STORE_CORRUPT", DataLoss, 50;
    /// The index database is of a newer version of this program.
    StoreTooNew = "STORE_TOO_NEW", FailedPrecondition, 51;
    /// The disk is full.
    DiskFull = "DISK_FULL", ResourceExhausted, 52;
    /// The index database cannot be opened or written.
    StoreUnavailable = "STORE_UNAVAILABLE", Unavailable, 53;
    /// The same work is already under way.
    Busy = "BUSY", Aborted, 54;
    /// The index database can be read and not written: its disk or its file is read-only.
    StoreReadOnly = "STORE_READ_ONLY", FailedPrecondition, 56;
    /// Another program has locked the index database.
    StoreLocked = "STORE_LOCKED", Unavailable, 57;
    /// The stored text of a document is damaged: it does not match its SHA-256.
    ContentCorrupt = "CONTENT_CORRUPT", DataLoss, 58;

    /// The socket's path is longer than the system allows.
    SocketPathTooLong = "SOCKET_PATH_TOO_LONG", InvalidArgument, 60;
    /// The socket or its folder may not be used: wrong owner, wrong mode, or a link.
    SocketRefused = "SOCKET_REFUSED", PermissionDenied, 61;
    /// The connection comes from another user.
    PeerRefused = "PEER_REFUSED", PermissionDenied, 62;
    /// Another daemon serves this user already.
    DaemonRunning = "DAEMON_RUNNING", AlreadyExists, 63;
    /// No daemon runs, and none was to be started.
    DaemonNotRunning = "DAEMON_NOT_RUNNING", Unavailable, 64;
    /// The daemon was started and did not come up.
    DaemonStartFailed = "DAEMON_START_FAILED", Unavailable, 65;
    /// The daemon does not answer.
    DaemonUnreachable = "DAEMON_UNREACHABLE", Unavailable, 66;
    /// Client and daemon are of incompatible versions.
    ProtocolMismatch = "PROTOCOL_MISMATCH", FailedPrecondition, 67;
    /// The daemon serves another configuration folder.
    ConfigHomeMismatch = "CONFIG_HOME_MISMATCH", FailedPrecondition, 68;
    /// The daemon is ending.
    ShuttingDown = "SHUTTING_DOWN", Unavailable, 69;

    /// The remote end of inference does not answer.
    RemoteUnreachable = "REMOTE_UNREACHABLE", Unavailable, 70;
    /// The remote end of inference refuses the credentials, or there is none at its address.
    RemoteRefused = "REMOTE_REFUSED", FailedPrecondition, 71;
    /// The remote end of inference failed, or what it answers makes no sense.
    RemoteFailed = "REMOTE_FAILED", Unavailable, 72;

    /// More is asked of the daemon, or on one connection, than it takes; the error says when to ask again.
    TooManyRequests = "TOO_MANY_REQUESTS", ResourceExhausted, 77;
    /// The request has more bytes than its service takes.
    RequestTooLarge = "REQUEST_TOO_LARGE", InvalidArgument, 78;

    /// The time that a search was given was up before all of it was done.
    BudgetSpent = "BUDGET_SPENT", DeadlineExceeded, 76;
    /// With `--strict`: the answer is made of less than was asked for.
    PartialAnswer = "PARTIAL_ANSWER", FailedPrecondition, 75;

    /// No region of Modal has that name.
    RegionUnknown = "REGION_UNKNOWN", InvalidArgument, 80;
    /// The `modal` program is not installed, or is of another version than is needed.
    ModalToolMissing = "MODAL_TOOL_MISSING", FailedPrecondition, 81;
    /// There are no credentials for a Modal account.
    ModalCredentialsMissing = "MODAL_CREDENTIALS_MISSING", FailedPrecondition, 82;
    /// Modal's control plane does not answer in time.
    ModalUnreachable = "MODAL_UNREACHABLE", Unavailable, 83;
    /// Modal refused the deployment, or it failed.
    ModalDeployFailed = "MODAL_DEPLOY_FAILED", FailedPrecondition, 84;
    /// Nothing is deployed, as far as the configuration knows.
    ModalNotDeployed = "MODAL_NOT_DEPLOYED", FailedPrecondition, 85;
    /// The remote end answers, and the answers are not right.
    ModalTestFailed = "MODAL_TEST_FAILED", FailedPrecondition, 86;

    /// The system watches no more folders.
    WatchLimit = "WATCH_LIMIT", ResourceExhausted, 90;
    /// A collection's `update` command failed.
    HookFailed = "HOOK_FAILED", FailedPrecondition, 91;

    /// Parts of the project's configuration wait until they are trusted.
    ConfigUntrusted = "CONFIG_UNTRUSTED", PermissionDenied, 92;
    /// The configuration names other models than the ones that all indexes share.
    ModelsNotShared = "MODELS_NOT_SHARED", FailedPrecondition, 93;
    /// The file is no index of QMD, or none that can be read.
    NotQmdIndex = "NOT_QMD_INDEX", FailedPrecondition, 94;
    /// The vectors of an index of QMD are not what would be computed here.
    VectorsDiffer = "VECTORS_DIFFER", FailedPrecondition, 95;
    /// A file of an evaluation is malformed: queries, judgements, documents, a run or a fixture.
    EvalFileInvalid = "EVAL_FILE_INVALID", InvalidArgument, 96;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no reason this version knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown reason code")]
pub struct UnknownReason;

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == text)
            .ok_or(UnknownReason)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn text_and_exit_codes_are_distinct_and_parse_back() {
        let mut exits = HashSet::new();
        for &reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
            assert!(
                exits.insert(reason.exit_code()),
                "{reason} shares its exit code"
            );
            assert!(
                !matches!(reason.exit_code(), 0 | 2),
                "{reason} takes a reserved exit code"
            );
        }
    }

    #[test]
    fn unknown_text_is_an_error() {
        assert_eq!("NO_SUCH_REASON".parse::<Reason>(), Err(UnknownReason));
    }
}
