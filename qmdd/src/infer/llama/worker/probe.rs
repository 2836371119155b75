//! Whether a reranker ranks at all: a file that was converted without its head loads, and scores
//! noise.

use std::sync::{Arc, mpsc::channel};

use super::{
    admit::{Admission, Admitted},
    engine::Engine,
    job::Job,
    queue::Unit,
};
use crate::infer::{
    backend::{InferError, Scored},
    llama::wire::{FromWorker, LoadSpec, Output, Work},
};

const QUERY: &str = "how do plants turn sunlight into food";
const RELEVANT: &str = "Photosynthesis is how plants use the energy of sunlight to make sugar, \
                        their food, out of water and carbon dioxide.";
const IRRELEVANT: &str = "The committee postponed its vote on the new parking fees until the \
                          budget for next year has been settled.";

/// Scores a plainly relevant and a plainly irrelevant text.
///
/// # Errors
/// [`InferError::Corrupt`] when the relevant one does not come first.
pub(super) fn reranker(
    spec: &LoadSpec,
    engine: &mut Engine,
    admission: &Admission,
) -> Result<(), InferError> {
    let admitted = admission.admit(Work::Rerank {
        query: QUERY.into(),
        documents: vec![RELEVANT.into(), IRRELEVANT.into()],
    })?;
    let Admitted::Units { units, order } = admitted else {
        return Err(InferError::Internal("the probe has no units".into()));
    };
    let (replies, heard) = channel();
    let job = Job::new(0, None, units.len(), order, replies);
    for (index, unit) in units.into_iter().enumerate() {
        engine.run(vec![Unit {
            job: Arc::clone(&job),
            index,
            tokens: unit.tokens,
            group: 0,
            payload: unit.payload,
        }])?;
    }
    match heard.try_recv() {
        Ok(FromWorker::Reply {
            result: Ok(Output::Scores(scores)),
            ..
        }) => verdict(spec, &scores),
        Ok(FromWorker::Reply {
            result: Err(error), ..
        }) => Err(error),
        _ => Err(InferError::Internal("the probe gave no scores".into())),
    }
}

fn verdict(spec: &LoadSpec, scores: &[Scored]) -> Result<(), InferError> {
    let scores: Vec<f32> = scores.iter().map(|scored| scored.score).collect();
    match scores[..] {
        [relevant, irrelevant] if relevant > irrelevant => Ok(()),
        [relevant, irrelevant] => Err(InferError::Corrupt {
            role: spec.role,
            name: spec.name.clone(),
            detail: format!(
                "it scores a plainly relevant text {relevant:.3} and an irrelevant one \
                 {irrelevant:.3}; it is no reranker, or was converted without its rank head"
            ),
        }),
        _ => Err(InferError::Internal("the probe gave no scores".into())),
    }
}
