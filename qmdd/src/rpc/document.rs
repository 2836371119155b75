//! `DocumentService`.

use std::sync::Arc;

use qmd_proto::v1::{
    GetReply, GetRequest, ListReply, ListRequest, MultiGetReply, MultiGetRequest,
    document_service_server::DocumentService,
};
use tonic::{Request, Response, Status};

use super::{
    App, Index,
    address::{Finder, Named},
    context::{context, file_path},
    listing, metadata,
    miss::{Miss, uri},
    multi_get,
    status::{self, status},
    stream::Events,
};
use crate::{
    config::IndexConfig,
    domain::LineRange,
    store::{StoreError, StoredDocument},
    text::page,
};

/// `DocumentService` over the daemon's state.
pub struct Document(pub Arc<App>);

#[tonic::async_trait]
impl DocumentService for Document {
    type ListStream = Events<ListReply>;
    type MultiGetStream = Events<MultiGetReply>;

    async fn list(
        &self,
        request: Request<ListRequest>,
    ) -> Result<Response<Self::ListStream>, Status> {
        listing::documents(&self.0, request.into_inner()).await
    }

    async fn multi_get(
        &self,
        request: Request<MultiGetRequest>,
    ) -> Result<Response<Self::MultiGetStream>, Status> {
        multi_get::documents(&self.0, request.into_inner()).await
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetReply>, Status> {
        let request = request.into_inner();
        let index = self.0.indexes.get(request.index.as_ref()).await?;
        let config = index.config().map_err(|error| status(&error))?;
        if request.from_line == Some(0) {
            return Err(status::invalid("lines count from 1"));
        }
        let finder = Finder {
            index: &index,
            config: &config,
        };
        let Named { document, range } = finder.find(&request.address, true).await?;
        let lines = Lines::of(range, request.from_line, request.max_lines);
        let reply = read(&index, &config, document.id, lines).await;
        let reply = reply.map_err(|error| status(&error))?;
        reply
            .map(Response::new)
            .ok_or_else(|| gone(&uri(document.collection.as_str(), &document.path)).into_status())
    }
}

/// Lines of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lines {
    from: u32,
    count: u32,
}

impl Lines {
    /// Those that an address names, unless the request says which.
    pub(super) fn of(range: Option<LineRange>, from: Option<u32>, most: Option<u32>) -> Self {
        let range = range.unwrap_or(LineRange {
            from: 1,
            count: None,
        });
        Self {
            from: from.unwrap_or(range.from),
            count: most.or(range.count).unwrap_or(u32::MAX),
        }
    }
}

/// Some lines of a document with what is known of it; `None` when it is gone.
pub(super) async fn read(
    index: &Index,
    config: &IndexConfig,
    id: i64,
    lines: Lines,
) -> Result<Option<GetReply>, StoreError> {
    let document = index.store.document(id).await?;
    Ok(document.map(|document| reply(config, document, lines)))
}

/// What is said of a document that was removed while it was being read.
pub(super) fn gone(uri: &str) -> Miss {
    let message = format!("{uri} was removed from the index just now");
    Miss::near(message, Vec::new(), "run the command again")
}

fn reply(config: &IndexConfig, document: StoredDocument, lines: Lines) -> GetReply {
    let body = cut(&document.text, lines);
    let collection = document.collection.as_str();
    GetReply {
        docid: document.hash.docid().as_str().to_owned(),
        uri: uri(collection, &document.path),
        title: document.title,
        from_line: lines.from,
        line_count: body.lines().count() as u32,
        total_lines: document.text.lines().count() as u32,
        page: page::of_line(&document.text, lines.from),
        metadata: metadata::to_proto(&document.metadata),
        body: body.to_owned(),
        context: context(config, collection, &document.path),
        file_path: file_path(config, &document.collection, &document.path),
        collection: collection.to_owned(),
        path: document.path,
    }
}

/// Whole lines with their line ends.
fn cut(text: &str, lines: Lines) -> &str {
    let start = line_start(text, lines.from.saturating_sub(1));
    let rest = &text[start..];
    &rest[..line_start(rest, lines.count)]
}

/// The byte where line `index`, counted from 0, starts; the end when there are fewer.
fn line_start(text: &str, index: u32) -> usize {
    match index.checked_sub(1) {
        None => 0,
        Some(ends) => text
            .match_indices('\n')
            .nth(ends as usize)
            .map_or(text.len(), |(newline, _)| newline + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cut_whole_lines() {
        let text = "a\nb\nc";
        let lines = |from, count| cut(text, Lines { from, count });
        assert_eq!(lines(1, u32::MAX), text);
        assert_eq!(lines(2, 1), "b\n");
        assert_eq!(lines(3, 9), "c");
        assert_eq!(lines(4, 1), "");
        assert_eq!(lines(1, 0), "");
    }

    #[test]
    fn a_request_goes_before_the_address() {
        let range = |from, count| Some(LineRange { from, count });
        let lines = |from, count| Lines { from, count };
        assert_eq!(Lines::of(None, None, None), lines(1, u32::MAX));
        assert_eq!(Lines::of(range(3, Some(4)), None, None), lines(3, 4));
        assert_eq!(Lines::of(range(3, Some(4)), Some(7), None), lines(7, 4));
        assert_eq!(Lines::of(range(3, None), None, Some(2)), lines(3, 2));
    }
}
