//! Hits for programs: QMD's rows, and more in them.

use qmd_proto::v1::{Place, SearchReply};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    super::{
        explain::ExplainJson,
        json::{compact, pretty, unless_empty},
        metadata::metadata_json,
        passage::{passage, whole},
    },
    JSON_PASSAGE, Row,
};
use crate::error::Result;

/// A row, its keys in QMD's order.
#[derive(Debug, Serialize)]
struct Object<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    docid: Option<String>,
    score: f64,
    file: &'a str,
    line: u32,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heading: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    places: Vec<PlaceJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snippet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<ExplainJson<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PlaceJson {
    line: u32,
    end_line: u32,
    similarity: f64,
}

/// The hits as a JSON array.
pub(super) fn array(reply: &SearchReply, rows: &[Row<'_>]) -> Result<String> {
    let objects: Vec<_> = rows.iter().map(|row| object(reply, row)).collect();
    pretty(&objects)
}

/// The hits as JSON objects, one a line.
pub(super) fn lines(reply: &SearchReply, rows: &[Row<'_>]) -> Result<String> {
    rows.iter()
        .map(|row| compact(&object(reply, row)))
        .collect()
}

fn object<'a>(reply: &'a SearchReply, row: &Row<'a>) -> Object<'a> {
    let hit = row.hit;
    let body = hit.body.as_deref();
    Object {
        docid: row.docid(),
        score: rounded(hit.score, 100.0),
        file: row.address(),
        line: hit.line,
        title: &hit.title,
        context: unless_empty(&hit.context),
        heading: unless_empty(&hit.heading),
        page: hit.page,
        metadata: metadata_json(&hit.metadata),
        places: hit.places.iter().map(place).collect(),
        snippet: (body.is_none()).then(|| passage(hit, JSON_PASSAGE, row.numbered)),
        body: body.map(|body| whole(body, row.numbered).into_owned()),
        explain: (hit.explain.as_ref()).map(|explain| ExplainJson::new(explain, &reply.stages)),
    }
}

fn place(place: &Place) -> PlaceJson {
    PlaceJson {
        line: place.line,
        end_line: place.end_line,
        similarity: rounded(place.similarity, 1e4),
    }
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}
