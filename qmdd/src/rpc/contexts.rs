//! Descriptions of places in an index: told, set and removed.

use std::path::Path;

use qmd_proto::v1::Context;
use tonic::Status;

use super::{
    Index,
    indexes::named,
    status::{self, status},
};
use crate::{
    config::{IndexConfig, edit},
    domain::{CollectionName, Reason},
};

/// Every description, as the configuration has them.
pub(super) fn list(index: &Index) -> Result<Vec<Context>, Status> {
    let config = index.config().map_err(|error| status(&error))?;
    let global = config.global_context.iter().map(|text| Context {
        text: text.clone(),
        path: "/".into(),
        ..Context::default()
    });
    let places = config.collections.iter().flat_map(|collection| {
        collection.context.iter().map(|(prefix, text)| Context {
            collection: collection.name.to_string(),
            path: format!("/{}", prefix.trim_matches('/')),
            text: text.clone(),
        })
    });
    Ok(global.chain(places).collect())
}

/// Describes a place.
pub(super) async fn set(index: &Index, address: &str, text: &str) -> Result<Context, Status> {
    if text.trim().is_empty() {
        return Err(status::invalid("the description is empty"));
    }
    let _writing = index.writing.lock().await;
    let config = index.config().map_err(|error| status(&error))?;
    let place = Place::parse(address, &config)?;
    place.write(index, &config, Some(text))?;
    Ok(place.context(text))
}

/// Takes a place's description away, which is returned.
pub(super) async fn remove(index: &Index, address: &str) -> Result<Context, Status> {
    let _writing = index.writing.lock().await;
    let config = index.config().map_err(|error| status(&error))?;
    let place = Place::parse(address, &config)?;
    let Some((_, text)) = place.find(&config) else {
        return Err(status::of(
            Reason::ContextUnknown,
            format!("{address:?} has no description of its own"),
            Some("`qmdctl context list` shows those there are".into()),
        ));
    };
    place.write(index, &config, None)?;
    Ok(place.context(&text))
}

/// What a description is about.
enum Place {
    Index,
    /// A folder or document of a collection: without slashes at its ends, empty for all of it.
    Inside(CollectionName, String),
}

impl Place {
    fn parse(address: &str, config: &IndexConfig) -> Result<Self, Status> {
        let address = address.trim();
        if address == "/" {
            return Ok(Self::Index);
        }
        if let Some(rest) = address.strip_prefix("qmd:") {
            let rest = rest.trim_matches('/');
            let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
            return Ok(Self::Inside(
                named(config, name)?,
                path.trim_matches('/').to_owned(),
            ));
        }
        let path = Path::new(address);
        if !path.is_absolute() {
            return Err(status::of(
                Reason::InvalidArgument,
                format!("{address:?} is no place in the index"),
                Some("a place is `/`, qmd://COLLECTION/PATH or an absolute path".into()),
            ));
        }
        let holder = config
            .collections
            .iter()
            .filter_map(|known| Some((known, path.strip_prefix(&known.path).ok()?)))
            .max_by_key(|(known, _)| known.path.as_os_str().len());
        let Some((collection, inside)) = holder else {
            return Err(status::of(
                Reason::CollectionUnknown,
                format!("{address} is in no collection's folder"),
                Some("`qmdctl collection list` shows the folders".into()),
            ));
        };
        let inside = inside.to_string_lossy().into_owned();
        Ok(Self::Inside(collection.name.clone(), inside))
    }

    /// Its description, under the key it has in the file.
    fn find(&self, config: &IndexConfig) -> Option<(String, String)> {
        match self {
            Self::Index => config
                .global_context
                .as_ref()
                .map(|text| (String::new(), text.clone())),
            Self::Inside(name, path) => {
                let collection = config
                    .collections
                    .iter()
                    .find(|known| known.name == *name)?;
                let mut context = collection.context.iter();
                context
                    .find(|(key, _)| key.trim_matches('/') == path)
                    .cloned()
            }
        }
    }

    fn write(&self, index: &Index, config: &IndexConfig, text: Option<&str>) -> Result<(), Status> {
        let written = match self {
            Self::Index => index.edit(|file| edit::describe_index(file, text)),
            Self::Inside(name, path) => {
                let key = self
                    .find(config)
                    .map_or_else(|| format!("/{path}"), |(key, _)| key);
                index.edit(|file| edit::describe_place(file, name, &key, text))
            }
        };
        written.map_err(|error| status(&error))
    }

    fn context(&self, text: &str) -> Context {
        let (collection, path) = match self {
            Self::Index => (String::new(), "/".to_owned()),
            Self::Inside(name, path) => (name.to_string(), format!("/{path}")),
        };
        Context {
            collection,
            path,
            text: text.to_owned(),
        }
    }
}
