//! Which method is what kind of work.

use prost::Message;
use qmd_proto::v1::{
    Priority, SearchMode, control_service_server, document_service_server, index_service_server,
    inference_service_server, search_service_server,
};

use super::pool::Pool;

/// Bytes of a request, at most.
pub(super) const MAX_REQUEST: usize = 4 << 20;

/// Bytes of a request to `InferenceService`: a batch of documents to embed.
pub const MAX_INFERENCE_REQUEST: usize = 16 << 20;

/// The services whose one method is a stream both ways.
const REFLECTION: &str = "grpc.reflection.";

/// How a method's requests are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// The kind of work, unless the request says otherwise.
    pub(super) pool: Pool,
    /// What of the request says otherwise.
    pub(super) says: Says,
    /// Bytes that the request may have; `None` where it is a stream of messages.
    pub(super) most: Option<usize>,
}

/// What of a request tells its kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// Nothing.
    Nothing,
    /// A search's mode: by words alone it needs no model.
    Mode,
    /// The priority, in the field of this number: who asks for bulk does not wait.
    Priority(u32),
}

impl Kind {
    /// The kind of the method at an HTTP/2 path. What is not in the table is steering.
    pub(super) fn of(path: &str) -> Self {
        let (service, method) = path
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or_default();
        let (pool, says) = match (service, method) {
            (search_service_server::SERVICE_NAME, "Search" | "SearchStream") => {
                (Pool::Models, Says::Mode)
            }
            (document_service_server::SERVICE_NAME, "Get") => (Pool::Words, Says::Nothing),
            (document_service_server::SERVICE_NAME, "MultiGet" | "List")
            | (index_service_server::SERVICE_NAME, "ListSkipped") => (Pool::Reads, Says::Nothing),
            (inference_service_server::SERVICE_NAME, "Embed" | "Rerank") => {
                (Pool::Models, Says::Priority(3))
            }
            (inference_service_server::SERVICE_NAME, "Expand") => (Pool::Models, Says::Priority(2)),
            (inference_service_server::SERVICE_NAME, "Generate") => {
                (Pool::Models, Says::Priority(9))
            }
            (inference_service_server::SERVICE_NAME, "Tokenize" | "Detokenize") => {
                (Pool::Models, Says::Nothing)
            }
            (inference_service_server::SERVICE_NAME, "EmbedStream")
            | (index_service_server::SERVICE_NAME, "Update" | "Embed" | "ImportQmd" | "Cleanup")
            | (
                control_service_server::SERVICE_NAME,
                "ImportModel" | "PullModels" | "VerifyModels" | "LoadModels" | "Doctor"
                | "DetectRegion" | "PingModal",
            ) => (Pool::Jobs, Says::Nothing),
            (index_service_server::SERVICE_NAME, "Watch") => (Pool::Watches, Says::Nothing),
            _ => (Pool::Control, Says::Nothing),
        };
        let most = match (service, method) {
            (inference_service_server::SERVICE_NAME, "EmbedStream") => None,
            (inference_service_server::SERVICE_NAME, _) => Some(MAX_INFERENCE_REQUEST),
            (service, _) if service.starts_with(REFLECTION) => None,
            _ => Some(MAX_REQUEST),
        };
        Self { pool, says, most }
    }
}

impl Says {
    /// The kind of work of a request that is `pool` unless it says otherwise; `message` as it came, with
    /// its five bytes of framing. What cannot be read is refused later, by who answers it.
    pub(super) fn pool(self, pool: Pool, message: &[u8]) -> Pool {
        let Some(message) = message.get(FRAMING..).filter(|_| message[0] == PLAIN) else {
            return pool;
        };
        let is_bulk = |priority: Priority| priority == Priority::Bulk;
        match self {
            Self::Mode if read(message, Mode::mode) == Some(SearchMode::Lexical) => Pool::Words,
            Self::Priority(2) if read(message, Second::priority).is_some_and(is_bulk) => Pool::Bulk,
            Self::Priority(3) if read(message, Third::priority).is_some_and(is_bulk) => Pool::Bulk,
            Self::Priority(9) if read(message, Ninth::priority).is_some_and(is_bulk) => Pool::Bulk,
            Self::Nothing | Self::Mode | Self::Priority(_) => pool,
        }
    }
}

/// Bytes before each message: whether it is compressed, and how long it is.
pub(super) const FRAMING: usize = 5;
const PLAIN: u8 = 0;

fn read<M: Message + Default, T>(message: &[u8], field: fn(&M) -> T) -> Option<T> {
    M::decode(message).ok().map(|read| field(&read))
}

/// Of a `SearchRequest`.
#[derive(Clone, PartialEq, Message)]
struct Mode {
    #[prost(enumeration = "SearchMode", tag = "3")]
    mode: i32,
}

/// Of an `ExpandRequest`.
#[derive(Clone, PartialEq, Message)]
struct Second {
    #[prost(enumeration = "Priority", tag = "2")]
    priority: i32,
}

/// Of an `EmbedRequest` and a `RerankRequest`.
#[derive(Clone, PartialEq, Message)]
struct Third {
    #[prost(enumeration = "Priority", tag = "3")]
    priority: i32,
}

/// Of a `GenerateRequest`.
#[derive(Clone, PartialEq, Message)]
struct Ninth {
    #[prost(enumeration = "Priority", tag = "9")]
    priority: i32,
}

#[cfg(test)]
mod tests {
    use prost_types::FileDescriptorSet;
    use qmd_proto::{
        DESCRIPTOR_SET,
        v1::{EmbedRequest, ExpandRequest, GenerateRequest, RerankRequest, SearchRequest},
    };

    use super::*;

    fn framed(message: &impl Message) -> Vec<u8> {
        let mut framed = vec![PLAIN];
        framed.extend((message.encoded_len() as u32).to_be_bytes());
        framed.extend(message.encode_to_vec());
        framed
    }

    fn pool(path: &str, message: &impl Message) -> Pool {
        let kind = Kind::of(path);
        kind.says.pool(kind.pool, &framed(message))
    }

    #[test]
    fn a_search_by_words_and_bulk_work_are_told_by_what_they_say() {
        let search = |mode: SearchMode| SearchRequest {
            query: "x".repeat(300),
            mode: mode.into(),
            ..SearchRequest::default()
        };
        for method in ["Search", "SearchStream"] {
            let path = format!("/qmd.v1.SearchService/{method}");
            assert_eq!(pool(&path, &search(SearchMode::Lexical)), Pool::Words);
            assert_eq!(pool(&path, &search(SearchMode::Hybrid)), Pool::Models);
            assert_eq!(pool(&path, &search(SearchMode::Unspecified)), Pool::Models);
        }
        for (priority, expected) in [
            (Priority::Bulk, Pool::Bulk),
            (Priority::Interactive, Pool::Models),
            (Priority::Unspecified, Pool::Models),
        ] {
            let priority = priority.into();
            let path = |method: &str| format!("/qmd.v1.InferenceService/{method}");
            let embed = EmbedRequest {
                priority,
                ..EmbedRequest::default()
            };
            assert_eq!(pool(&path("Embed"), &embed), expected);
            let rerank = RerankRequest {
                priority,
                ..RerankRequest::default()
            };
            assert_eq!(pool(&path("Rerank"), &rerank), expected);
            let expand = ExpandRequest {
                priority,
                ..ExpandRequest::default()
            };
            assert_eq!(pool(&path("Expand"), &expand), expected);
            let generate = GenerateRequest {
                priority,
                ..GenerateRequest::default()
            };
            assert_eq!(pool(&path("Generate"), &generate), expected);
        }
    }

    #[test]
    fn what_cannot_be_read_keeps_its_methods_kind() {
        for message in [
            &b""[..],
            b"\0",
            b"\0\0\0\0\x09\xff\xff",
            b"\x01\0\0\0\x02\x18\x01",
        ] {
            assert_eq!(Says::Mode.pool(Pool::Models, message), Pool::Models);
        }
    }

    /// Who adds a method says here what kind of work it is.
    #[test]
    fn every_method_has_its_kind() {
        let set = FileDescriptorSet::decode(DESCRIPTOR_SET).unwrap();
        let mut kinds = Vec::new();
        for service in set.file.iter().flat_map(|file| &file.service) {
            for method in &service.method {
                let kind = Kind::of(&format!("/qmd.v1.{}/{}", service.name(), method.name()));
                // Only what is one message can be read before it waits.
                assert_eq!(kind.most.is_none(), method.client_streaming());
                let name = format!("{}.{}", service.name(), method.name());
                kinds.push(format!("{name:<40} {:?}", kind.pool));
            }
        }
        kinds.sort();
        insta::assert_snapshot!(kinds.join("\n"));
    }

    #[test]
    fn what_is_not_known_is_steering() {
        for path in [
            "",
            "/",
            "/grpc.health.v1.Health/Check",
            "/qmd.v1.SearchService/Else",
            "/qmd.v1.InferenceService",
        ] {
            assert_eq!(Kind::of(path).pool, Pool::Control, "{path}");
        }
        let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        assert_eq!(Kind::of(reflection).most, None);
    }
}
