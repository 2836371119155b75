//! Which region is nearest: chosen, measured or guessed.

use std::sync::Arc;

use qmd_proto::v1::{DetectRegionReply, DetectRegionRequest, RegionMeasure, RegionSource};
use tonic::Status;

use super::{configured, text, the_index};
use crate::{
    config::edit,
    domain::{Compute, Routing},
    infer::modal::region::{self, Known, Measure, Source},
    rpc::{
        App,
        status::{self, status},
    },
};

/// Finds the region, after it wrote one into the configuration, or took it out, if asked to.
pub(in crate::rpc) async fn detect(
    app: &Arc<App>,
    request: DetectRegionRequest,
) -> Result<DetectRegionReply, Status> {
    let wishes = [
        !request.set.is_empty(),
        request.clear,
        !request.choose.is_empty(),
    ];
    if wishes.iter().filter(|wish| **wish).count() > 1 {
        return Err(status::invalid("set, clear and choose go one at a time"));
    }
    let index = the_index(app, request.index.as_ref()).await?;
    let cache = app.settings.dirs.region_cache();
    let (set, chosen) = (routing(&request.set)?, routing(&request.choose)?);
    if set.is_some() || request.clear {
        let _writing = index.writing.lock().await;
        edit::choose_region(&index.config_file(), set.map(Routing::as_str))
            .map_err(|error| status(&error))?;
        if request.clear {
            region::forget(&cache).map_err(|error| {
                status::invalid(format!("{} cannot be removed: {error}", cache.display()))
            })?;
        }
    }
    let modal = configured(&index)?;
    let around = &app.settings.surroundings;
    let known = Known {
        config: chosen.map_or_else(
            || routing(modal.region.as_deref().unwrap_or_default()),
            |region| Ok(Some(region)),
        )?,
        environment: routing(around.region.as_deref().unwrap_or_default())?,
        proxy: around.proxy,
        zone: around.zone.clone(),
    };
    let asked = Some(request.compute_region.as_str()).filter(|name| !name.is_empty());
    let compute = asked
        .or(modal.compute_region.as_deref())
        .map(Compute::parse)
        .transpose()
        .map_err(|error| status(&error))?;
    let targets =
        region::targets(around.region_targets.as_deref()).map_err(|error| status(&error))?;
    let found = region::detect(known, &targets, &cache, request.probe).await;
    let evidence = found.evidence.as_ref();
    Ok(DetectRegionReply {
        region: found.region.to_string(),
        source: source(found.source).into(),
        measured_at_s: evidence.map_or(0, |evidence| evidence.measured_at_s),
        compute_suggestion: found.compute.to_string(),
        suggestion_price_factor: found.compute.price_factor(),
        compute_region: compute.map(|region| region.to_string()).unwrap_or_default(),
        compute_price_factor: compute.map_or(1.0, Compute::price_factor),
        config_file: if set.is_some() || request.clear {
            text(&index.config_file())
        } else {
            String::new()
        },
        warnings: found.warnings,
        measures: found
            .evidence
            .into_iter()
            .flat_map(|evidence| evidence.measures)
            .map(measure)
            .collect(),
    })
}

/// A routing region by name; `None` for an empty one.
fn routing(name: &str) -> Result<Option<Routing>, Status> {
    if name.is_empty() {
        return Ok(None);
    }
    Routing::parse(name)
        .map(Some)
        .map_err(|error| status(&error))
}

fn source(source: Source) -> RegionSource {
    match source {
        Source::Config => RegionSource::Config,
        Source::Environment => RegionSource::Environment,
        Source::Cache => RegionSource::Cache,
        Source::Probe => RegionSource::Probe,
        Source::TimeZone => RegionSource::TimeZone,
        Source::Default => RegionSource::Default,
    }
}

fn measure(measure: Measure) -> RegionMeasure {
    RegionMeasure {
        target: measure.target,
        region: measure
            .routing
            .map(|region| region.to_string())
            .unwrap_or_default(),
        compute: measure.compute,
        samples_ms: measure.samples_ms,
        error: measure.error.unwrap_or_default(),
    }
}
