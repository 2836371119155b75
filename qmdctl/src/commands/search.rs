//! `query`, `search` and `vsearch`.

use qmd_proto::{
    Reason,
    v1::{SearchMode, SearchRequest},
};

use crate::{
    cli::{Format, SearchArgs},
    client::Home,
    error::{Failure, Result},
    render::{self, Notice, Screen},
};

pub(super) async fn run(
    home: &Home,
    screen: Screen,
    args: &SearchArgs,
    mode: SearchMode,
) -> Result<()> {
    let query = args.query();
    let request = SearchRequest {
        index: home.index(),
        query: query.clone(),
        mode: mode.into(),
        collections: args.collections.clone(),
        limit: args.limit(),
        min_score: args.min_score,
        full: args.full,
        explain: args.explain,
        exhaustive: false,
        filters: args.filters.clone(),
        ..SearchRequest::default()
    };
    let client = home.connect().await?;
    let reply = client.search().search(request).await?.into_inner();
    screen.detail(&render::timing(&reply));
    let mut missing: Vec<Notice> = reply.stages.iter().filter_map(Notice::of_stage).collect();
    missing.extend(reply.notices.iter().map(Notice::of_reply));
    if args.strict
        && let Some(first) = missing.first()
    {
        return Err(partial(first).into());
    }
    // Before the hits, which may be long.
    for notice in &missing {
        Screen::warn(notice);
    }
    match screen.format() {
        Format::Json => Screen::print(&render::hits_json(&reply.hits)?)?,
        Format::Cli if reply.hits.is_empty() => screen.note("no hits"),
        Format::Cli => Screen::print(&render::hits(&reply.hits, &query))?,
    }
    Ok(())
}

/// What `--strict` makes of a stage that did less than it was asked for.
fn partial(notice: &Notice) -> Failure {
    let why = &notice.message;
    let reason = &notice.reason;
    let message = format!("the answer is partial: {why} [{reason}]");
    Failure {
        hint: notice.hint.clone(),
        ..Failure::new(Reason::PartialAnswer, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strict_failure_names_the_stage_and_what_mends_it() {
        let notice = Notice {
            message: "vector search did not run: the model is loading".into(),
            reason: "MODEL_LOADING".into(),
            hint: Some("try again".into()),
        };
        let failure = partial(&notice);
        assert_eq!(
            (failure.reason.as_ref(), failure.exit_code),
            ("PARTIAL_ANSWER", 75)
        );
        assert_eq!(
            failure.message,
            "the answer is partial: vector search did not run: the model is loading [MODEL_LOADING]"
        );
        assert_eq!(failure.hint, notice.hint);
    }
}
