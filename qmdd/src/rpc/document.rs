//! `DocumentService`.

use std::{path::Path, sync::Arc};

use qmd_proto::v1::{
    GetReply, GetRequest, ListReply, ListRequest, document_service_server::DocumentService,
};
use tonic::{Request, Response, Status};

use super::{
    App, Index,
    context::{context, file_path},
    listing, metadata,
    status::{self, status},
    stream::Events,
};
use crate::{
    config::IndexConfig,
    domain::{Address, LineRange, Reason, Target},
    store::DocumentRef,
    text::page,
};

/// How many near misses an unknown address suggests.
const SUGGESTIONS: usize = 5;

/// `DocumentService` over the daemon's state.
pub struct Document(pub Arc<App>);

#[tonic::async_trait]
impl DocumentService for Document {
    type ListStream = Events<ListReply>;

    async fn list(
        &self,
        request: Request<ListRequest>,
    ) -> Result<Response<Self::ListStream>, Status> {
        listing::documents(&self.0, request.into_inner()).await
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetReply>, Status> {
        let request = request.into_inner();
        let index = self.0.indexes.get(request.index.as_ref()).await?;
        let config = index.config().map_err(|error| status(&error))?;
        let Address { target, range } =
            Address::parse(&request.address).map_err(|error| status::address(&error))?;
        let target = inside_collections(target, &config);
        let found = find(&index, &target, &request.address).await?;
        let (document, metadata) = tokio::try_join!(
            index.store.document(found.id),
            index.store.metadata(vec![found.id])
        )
        .map_err(|error| status(&error))?;
        let document = document.ok_or_else(|| not_found(&request.address, &[]))?;

        let total_lines = document.text.lines().count() as u32;
        let range = range.unwrap_or(LineRange {
            from: 1,
            count: None,
        });
        let from_line = request.from_line.unwrap_or(range.from);
        if from_line == 0 {
            return Err(status::invalid("lines count from 1"));
        }
        let count = request.max_lines.or(range.count).unwrap_or(u32::MAX);
        let body = lines(&document.text, from_line, count);
        let collection = document.collection.as_str();
        Ok(Response::new(GetReply {
            docid: document.hash.docid().as_str().to_owned(),
            uri: format!("qmd://{collection}/{}", document.path),
            title: document.title,
            from_line,
            line_count: body.lines().count() as u32,
            total_lines,
            page: page::of_line(&document.text, from_line),
            metadata: metadata.first().map(metadata::to_proto).unwrap_or_default(),
            body: body.to_owned(),
            context: context(&config, collection, &document.path),
            file_path: config
                .collections
                .iter()
                .find(|known| known.name == document.collection)
                .map(|known| file_path(known, &document.path))
                .unwrap_or_default(),
            collection: collection.to_owned(),
            path: document.path,
        }))
    }
}

/// A file's absolute path becomes its place in the innermost collection that holds it.
fn inside_collections(target: Target, config: &IndexConfig) -> Target {
    let Target::Path(text) = &target else {
        return target;
    };
    let path = Path::new(text);
    let holder = config
        .collections
        .iter()
        .filter_map(|known| Some((known, path.strip_prefix(&known.path).ok()?)))
        .max_by_key(|(known, _)| known.path.as_os_str().len());
    match holder {
        Some((known, rest)) if path.is_absolute() => Target::Uri {
            collection: known.name.to_string(),
            path: rest.to_string_lossy().into_owned(),
        },
        _ => target,
    }
}

async fn find(index: &Index, target: &Target, address: &str) -> Result<DocumentRef, Status> {
    let mut found = index
        .store
        .find(target)
        .await
        .map_err(|error| status(&error))?;
    // Documents of equal content share their docid: the first stands for all.
    let any_will_do = matches!(target, Target::DocId(_));
    match found.len() {
        0 => {
            let near = index
                .store
                .similar_paths(address, SUGGESTIONS)
                .await
                .map_err(|e| status(&e))?;
            Err(not_found(address, &near))
        }
        1 => Ok(found.remove(0)),
        _ if any_will_do => Ok(found.remove(0)),
        count => {
            let names: Vec<String> = found
                .iter()
                .take(SUGGESTIONS)
                .map(|document| format!("qmd://{}/{}", document.collection, document.path))
                .collect();
            Err(status::of(
                Reason::DocumentAmbiguous,
                format!("{count} documents fit {address:?}"),
                Some(format!("name one of them whole: {}", names.join(", "))),
            ))
        }
    }
}

fn not_found(address: &str, near: &[String]) -> Status {
    let hint = match near {
        [] => "run `qmdctl update` if the file is new".to_owned(),
        near => format!("did you mean {}?", near.join(", ")),
    };
    status::of(
        Reason::DocumentNotFound,
        format!("no document {address:?}"),
        Some(hint),
    )
}

/// Lines `from` (counted from 1) and at most `count` of them, with their line ends.
fn lines(text: &str, from: u32, count: u32) -> &str {
    let start = line_start(text, from - 1);
    let rest = &text[start..];
    &rest[..line_start(rest, count)]
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
        assert_eq!(lines(text, 1, u32::MAX), text);
        assert_eq!(lines(text, 2, 1), "b\n");
        assert_eq!(lines(text, 3, 9), "c");
        assert_eq!(lines(text, 4, 1), "");
        assert_eq!(lines(text, 1, 0), "");
    }
}
