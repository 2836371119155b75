//! `eval compare`.

use std::path::Path;

use qmdctl::eval::{
    Malformed,
    compare::{Comparison, compare},
    metrics::Measure,
    run::Run,
};

use super::load;
use crate::{
    cli::{CompareArgs, Format},
    error::Result,
    render::{self, Notice, Screen},
};

pub(super) fn run(screen: Screen, args: &CompareArgs) -> Result<()> {
    let mut judgements = load::judgements(&args.qrels)?;
    if args.binary {
        judgements = judgements.binary();
    }
    let judged = judgements.queries().count();
    if judged == 0 {
        let wrong = Malformed::whole("no query has a relevant document");
        return Err(load::malformed(&args.qrels, &wrong).into());
    }
    let runs = [read(&args.a)?, read(&args.b)?];
    for (run, file) in runs.iter().zip([&args.a, &args.b]) {
        let lacking = judgements.queries().filter(|query| !run.has(query)).count();
        if lacking == judged {
            let wrong = Malformed::whole("no query of the judgements is in the run");
            return Err(load::malformed(file, &wrong).into());
        }
        if lacking > 0 {
            let message = format!(
                "{}: {lacking} of {judged} judged queries are not in it, and count 0",
                file.display()
            );
            Screen::warn(&Notice {
                message,
                reason: String::new(),
                hint: None,
            });
        }
    }
    let [a, b] = &runs;
    let comparisons: Vec<Comparison> = Measure::ALL
        .into_iter()
        .map(|measure| compare(a, b, &judgements, measure, args.seed))
        .collect();
    let shown = if screen.format() == Format::Json {
        render::compared_json(args, &comparisons)?
    } else {
        render::compared(args, &comparisons)
    };
    Screen::print(&shown)
}

fn read(file: &Path) -> Result<Run> {
    let text = load::read(file)?;
    Run::parse(&text).map_err(|wrong| load::malformed(file, &wrong).into())
}
