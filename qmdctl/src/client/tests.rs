//! The client against a server of its own, over a real socket.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use qmd_proto::{
    ERROR_DOMAIN, Reason,
    v1::{
        Hit, Ranking, RankingKind, SearchEvent, SearchReply, SearchRequest,
        search_event::Event,
        search_service_server::{SearchService, SearchServiceServer},
    },
};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio_stream::{Once, wrappers::UnixListenerStream};
use tonic::{Response, metadata::MetadataMap, transport::Server};
use tonic_types::{ErrorDetails, StatusExt};

use super::*;

/// Answers searches: a failure for the query "fail", none for "full", at the third time for "busy", and
/// one large hit for any other.
#[derive(Clone, Default)]
struct Answers {
    metadata: Arc<Mutex<Option<MetadataMap>>>,
    refused: Arc<Mutex<usize>>,
}

/// A refusal for now.
fn refusal(after: Duration) -> Status {
    let reason = Reason::TooManyRequests.as_str();
    let mut details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, []);
    details.set_retry_info(Some(after));
    Status::with_error_details(tonic::Code::ResourceExhausted, "no room", details)
}

/// More than a client takes by default, in bytes.
const LARGE: usize = 6 << 20;

#[tonic::async_trait]
impl SearchService for Answers {
    type SearchStreamStream = Once<Result<SearchEvent, Status>>;

    async fn search_stream(
        &self,
        request: Request<SearchRequest>,
    ) -> Result<Response<Self::SearchStreamStream>, Status> {
        let ranking = Ranking {
            kind: RankingKind::Final.into(),
            reply: Some(self.search(request).await?.into_inner()),
        };
        Ok(Response::new(tokio_stream::once(Ok(SearchEvent {
            event: Some(Event::Ranking(ranking)),
        }))))
    }

    async fn search(
        &self,
        request: Request<SearchRequest>,
    ) -> Result<Response<SearchReply>, Status> {
        *self.metadata.lock().unwrap() = Some(request.metadata().clone());
        let mut refused = self.refused.lock().unwrap();
        let room_after = match request.get_ref().query.as_str() {
            "full" => Some(Duration::from_secs(60)),
            "busy" if *refused < 2 => Some(Duration::from_millis(1)),
            _ => None,
        };
        if let Some(after) = room_after {
            *refused += 1;
            return Err(refusal(after));
        }
        drop(refused);
        if request.get_ref().query == "fail" {
            let reason = Reason::QueryEmpty.as_str();
            let details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, []);
            return Err(Status::with_error_details(
                tonic::Code::InvalidArgument,
                "no",
                details,
            ));
        }
        let hit = Hit {
            body: Some("x".repeat(LARGE)),
            ..Hit::default()
        };
        Ok(Response::new(SearchReply {
            hits: vec![hit],
            ..SearchReply::default()
        }))
    }
}

struct Daemon {
    folder: TempDir,
    answers: Answers,
}

impl Daemon {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("q.sock")).unwrap();
        let answers = Answers::default();
        let serve = Server::builder()
            .add_service(SearchServiceServer::new(answers.clone()))
            .serve_with_incoming(UnixListenerStream::new(listener));
        tokio::spawn(serve);
        Self { folder, answers }
    }

    async fn client(&self, handshake: Handshake) -> Client {
        let link = dial::dial(&self.folder.path().join("q.sock"))
            .await
            .unwrap()
            .unwrap();
        Client::over(link, handshake).await.unwrap()
    }

    fn metadata(&self) -> MetadataMap {
        self.answers.metadata.lock().unwrap().take().unwrap()
    }
}

fn dirs(config: &Path) -> Dirs {
    let unused = config.to_owned();
    Dirs {
        config: config.to_owned(),
        data: unused.clone(),
        cache: unused.clone(),
        qmd_cache: unused.clone(),
        state: unused,
    }
}

fn query(query: &str) -> SearchRequest {
    SearchRequest {
        query: query.into(),
        ..SearchRequest::default()
    }
}

#[tokio::test]
async fn requests_say_who_asks_and_for_which_configuration() {
    let daemon = Daemon::start();
    let config = Path::new("/home/mé/.config/qmd");
    let client = daemon.client(Handshake::whole(&dirs(config))).await;
    client.search().search(query("x")).await.unwrap();
    let metadata = daemon.metadata();
    assert_eq!(
        metadata.get(handshake::PROTOCOL).unwrap(),
        &PROTOCOL_VERSION.to_string()
    );
    assert_eq!(
        metadata.get(handshake::CLIENT_VERSION).unwrap(),
        env!("CARGO_PKG_VERSION")
    );
    let home = metadata
        .get_bin(handshake::CONFIG_HOME)
        .unwrap()
        .to_bytes()
        .unwrap();
    assert_eq!(home, config.as_os_str().as_bytes());
}

#[tokio::test]
async fn a_lenient_request_is_for_any_daemon() {
    let daemon = Daemon::start();
    let client = daemon.client(Handshake::lenient()).await;
    client.search().search(query("x")).await.unwrap();
    let metadata = daemon.metadata();
    assert!(metadata.get(handshake::PROTOCOL).is_none());
    assert!(metadata.get_bin(handshake::CONFIG_HOME).is_none());
}

#[tokio::test]
async fn large_replies_arrive_and_errors_keep_their_reason() {
    let daemon = Daemon::start();
    let client = daemon.client(Handshake::lenient()).await;
    let reply = client
        .search()
        .search(query("x"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(reply.hits[0].body.as_ref().unwrap().len(), LARGE);
    let stream = client.search().search_stream(query("x")).await.unwrap();
    let event = stream.into_inner().message().await.unwrap().unwrap().event;
    let Some(Event::Ranking(ranking)) = event else {
        panic!("no ranking: {event:?}");
    };
    assert_eq!(ranking.reply, Some(reply));
    let failure = Failure::from(client.search().search(query("fail")).await.unwrap_err());
    assert_eq!(failure.reason, "QUERY_EMPTY");
    let unknown = client
        .documents()
        .get(qmd_proto::v1::GetRequest::default())
        .await;
    assert_eq!(
        Failure::from(unknown.unwrap_err()).reason,
        "PROTOCOL_MISMATCH"
    );
}

#[tokio::test]
async fn what_there_is_no_room_for_is_asked_again_when_told_so_soon() {
    let daemon = Daemon::start();
    let client = daemon.client(Handshake::lenient()).await;
    client.search().search(query("busy")).await.unwrap();
    assert_eq!(*daemon.answers.refused.lock().unwrap(), 2);
    let failure = Failure::from(client.search().search(query("full")).await.unwrap_err());
    assert_eq!(failure.reason, "TOO_MANY_REQUESTS");
    assert_eq!(*daemon.answers.refused.lock().unwrap(), 3, "asked once");
}

#[tokio::test]
async fn a_broken_connection_is_reported_and_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("q.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let link = dial::dial(&socket).await.unwrap().unwrap();
    let client = Client::over(link, Handshake::lenient()).await.unwrap();
    drop(listener.accept().await.unwrap());
    let failure = Failure::from(client.search().search(query("x")).await.unwrap_err());
    assert_eq!(failure.reason, "DAEMON_UNREACHABLE", "{failure:?}");
    let again = std::future::poll_fn(|cx| Poll::Ready(listener.poll_accept(cx))).await;
    assert!(again.is_pending(), "a new connection was made");
}
