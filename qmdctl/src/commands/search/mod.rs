//! `query`, `search` and `vsearch`.

mod files;
mod input;
mod live;

use std::env;

use qmd_proto::{
    Reason,
    v1::{SearchMode, SearchReply, SearchRequest},
};

use crate::{
    cli::{SearchArgs, SearchFormat, Strategy},
    client::{Client, Home},
    error::{Failure, Result},
    render::{self, Answer, Board, Look, Notice, Screen, Size, Terminal},
};

pub(super) async fn run(
    home: &Home,
    screen: Screen,
    args: &SearchArgs,
    mode: SearchMode,
) -> Result<()> {
    let query = match args.query() {
        Some(query) => query,
        None => input::query().await?,
    };
    for remark in remarks(args) {
        screen.note(remark);
    }
    let look = Look {
        format: args.format(),
        query: &query,
        line_numbers: args.line_numbers,
        trec_id: &args.trec_id,
        trec_tag: tag(mode),
        terminal: Terminal::of_output(),
        editor_uri: env::var_os("QMD_EDITOR_URI"),
    };
    let request = SearchRequest {
        index: home.index(),
        query: query.clone(),
        mode: mode.into(),
        collections: args.collections.clone(),
        limit: args.limit(),
        min_score: args.min_score,
        full: args.full,
        explain: args.explain,
        filters: args.filters.clone(),
        intent: args.intent.clone().unwrap_or_default(),
        rerank: args.rerank(),
        expand: args.expand(),
        candidate_limit: args.candidate_limit(),
        budget_ms: args.budget_ms(),
        ..SearchRequest::default()
    };
    let client = home.connect().await?;
    let reply = match look.terminal {
        // Who looks on sees a first ranking at once. The other modes have but one.
        Some(terminal)
            if mode == SearchMode::Hybrid
                && look.format == SearchFormat::Cli
                && terminal.moves
                && !screen.is_quiet() =>
        {
            refined(&client, request, args, &look, terminal).await?
        }
        _ => client.search().search(request).await?.into_inner(),
    };
    answer(screen, args, &reply, look)
}

/// The final ranking, after those before it were shown in its place.
async fn refined(
    client: &Client,
    request: SearchRequest,
    args: &SearchArgs,
    look: &Look<'_>,
    terminal: Terminal,
) -> Result<SearchReply> {
    let mut stream = client.search().search_stream(request).await?.into_inner();
    let mut board = Board::on_output(terminal.colour);
    let paint = |reply: &SearchReply, size: Size| {
        let look = Look {
            terminal: Some(Terminal { size, ..terminal }),
            ..look.clone()
        };
        render::hits(&named(args, reply), &look)
    };
    let next = async || stream.message().await;
    let reply = live::follow(next, &mut board, paint, Size::of_output).await?;
    board
        .clear(Size::of_output())
        .map_err(|error| render::unwritten(&error))?;
    Ok(reply)
}

/// Tells what the search found, and what it could not do.
fn answer(screen: Screen, args: &SearchArgs, reply: &SearchReply, look: Look<'_>) -> Result<()> {
    if args.explain {
        screen.note(&render::timing(reply));
    } else {
        screen.detail(&render::timing(reply));
    }
    let mut missing: Vec<Notice> = reply.stages.iter().filter_map(Notice::of_stage).collect();
    missing.extend(reply.notices.iter().map(Notice::of_reply));
    if args.strict
        && let Some(first) = missing.first()
    {
        return Err(partial(first).into());
    }
    let answer = named(args, reply);
    missing.extend(files::gone(args.full_path, &answer));
    // Before the hits, which may be long.
    for notice in &missing {
        Screen::warn(notice);
    }
    // The terminal may have another size by now.
    let look = Look {
        terminal: Terminal::of_output(),
        ..look
    };
    let text = render::hits(&answer, &look)?;
    match look.format {
        SearchFormat::Cli if reply.hits.is_empty() => screen.note("no hits"),
        SearchFormat::Cli => Screen::print(&text)?,
        _ => Screen::print_data(&text)?,
    }
    Ok(())
}

/// The reply, its documents named as wanted.
fn named<'a>(args: &SearchArgs, reply: &'a SearchReply) -> Answer<'a> {
    let files = if args.full_path {
        files::paths(&reply.hits)
    } else {
        Vec::new()
    };
    Answer { reply, files }
}

/// The name of a run.
fn tag(mode: SearchMode) -> &'static str {
    match mode {
        SearchMode::Lexical => "qmd-lexical",
        SearchMode::Vector => "qmd-vector",
        SearchMode::Hybrid | SearchMode::Unspecified => "qmd-hybrid",
    }
}

/// What is to be said of options that come to nothing.
fn remarks(args: &SearchArgs) -> Vec<&'static str> {
    let mut remarks = Vec::new();
    if args.no_gpu {
        remarks.push(
            "--no-gpu changes nothing: the daemon holds the models, `qmdctl doctor` tells on what",
        );
    }
    if matches!(args.chunk_strategy, Some(Strategy::Regex)) {
        remarks.push(
            "--chunk-strategy changes nothing: a search shows what was embedded, see \
             `qmdctl embed --help`",
        );
    }
    if args.explain && !args.format().explains() {
        remarks.push("scores are explained as cli, json and jsonl only");
    }
    remarks
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
