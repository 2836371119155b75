//! `eval`: measures searches on a judged collection, or compares two runs.

pub(super) mod ask;
mod compare;
pub(super) mod load;
pub(super) mod measure;
pub(super) mod prepare;
mod project;

use std::{fs, path::Path};

use qmd_proto::{Reason, v1::IndexRef};
use qmdctl::eval::{
    fixture::{self, Fixture},
    judged::Query,
    names::Names,
    report::{Answer, Measured, Mode, NotRun, Outcome, Report},
    run,
};

use self::{
    ask::Ask,
    load::{Kind, Source},
    measure::Asked,
    project::Project,
};
use crate::{
    cli::{EvalArgs, EvalVerb, Format},
    client::{Client, Home},
    error::{Failure, Result},
    render::{self, Notice, Screen},
};

pub(super) async fn run(home: &Home, screen: Screen, args: &EvalArgs) -> Result<()> {
    if let Some(EvalVerb::Compare(args)) = &args.verb {
        return compare::run(screen, args);
    }
    let Some(source) = &args.source else {
        let message = "no collection is named";
        return Err(Failure::new(Reason::InvalidArgument, message)
            .hint("run `qmdctl eval DIR`")
            .into());
    };
    let mut source = load::source(source, &args.split)?;
    if args.binary {
        source.judgements = source.judgements.binary();
    }
    let client = home.connect().await?;
    let mut modes = args.modes.clone();
    modes.sort_unstable();
    modes.dedup();
    let named = !modes.is_empty();
    if !named {
        modes.extend(Mode::ALL);
    }
    let place = place(home, &client, screen, args, &source, &modes).await?;
    let mut outcomes = Vec::new();
    for mode in modes {
        let result = match place.able(mode) {
            Ok(()) => measure::ask(&client, screen, &place.ask, mode, &source.queries).await?,
            Err(not_run) => Err(not_run.clone()),
        };
        outcomes.push((mode, result));
    }
    let report = report(args, &source, &place, &outcomes);
    let shown = if screen.format() == Format::Json {
        render::evaluated_json(&report)?
    } else {
        render::evaluated(&report)
    };
    Screen::print(&shown)?;
    if let Some(folder) = &args.run {
        for (mode, result) in &outcomes {
            if let Ok(asked) = result {
                write_run(folder, &source.name, *mode, &place, &source, asked)?;
            }
        }
        screen.note(&format!("rankings are in {}", folder.display()));
    }
    if args.clean
        && let Some(project) = &place.project
    {
        project.remove(&client).await?;
    }
    // Asked for by name, it is not just passed over.
    let failed = report
        .modes
        .iter()
        .find_map(|one| one.result.as_ref().err());
    match failed.filter(|_| named) {
        Some(NotRun {
            reason,
            message,
            hint,
        }) => Err(Failure::of_text(reason, message.clone(), hint.clone()).into()),
        None => Ok(()),
    }
}

/// What is asked, and what its documents are called.
struct Place {
    ask: Ask,
    naming: Naming,
    documents: u64,
    /// Relevant documents that are not there.
    missing: usize,
    project: Option<Project>,
    /// What keeps modes from running.
    unable: Vec<(Mode, NotRun)>,
}

impl Place {
    fn able(&self, mode: Mode) -> Result<(), &NotRun> {
        let mut unable = self.unable.iter();
        match unable.find(|(unable, _)| *unable == mode) {
            Some((_, why)) => Err(why),
            None => Ok(()),
        }
    }
}

/// What documents are called in the judgements.
enum Naming {
    /// By their files.
    Files(Names),
    /// By what each query expects.
    Expected(Fixture),
}

impl Naming {
    /// The ranking that hits are, best document first: ids and scores.
    fn ranking(&self, query: &Query, hits: &[(String, f64)]) -> Vec<(String, f64)> {
        let ids: Vec<String> = match self {
            Self::Files(names) => {
                let ids = hits.iter().map(|(path, _)| names.id(path).to_owned());
                ids.collect()
            }
            Self::Expected(fixture) => {
                let paths: Vec<String> = hits.iter().map(|(path, _)| path.clone()).collect();
                let mut queries = fixture.queries.iter();
                let own = queries.find(|known| known.id == query.id);
                fixture::names(&paths, own.map_or(&[], |own| &own.expected_files))
            }
        };
        let scores = hits.iter().map(|(_, score)| *score);
        ids.into_iter().zip(scores).collect()
    }
}

/// Makes ready what is asked: an index of the documents, or the present one for a fixture.
async fn place(
    home: &Home,
    client: &Client,
    screen: Screen,
    args: &EvalArgs,
    source: &Source,
    modes: &[Mode],
) -> Result<Place> {
    let (index, collections, naming, documents, project) = match &source.kind {
        Kind::Fixture(fixture) => {
            let collection = args.collection.as_ref().or(fixture.collection.as_ref());
            let collections: Vec<String> = collection.cloned().into_iter().collect();
            let documents = prepare::documents(client, home.index(), &collections).await?;
            let naming = Naming::Expected(fixture.clone());
            (home.index(), collections, naming, documents, None)
        }
        kind => {
            let project = Project::of(&home.dirs.cache, &source.path)?;
            let naming = Naming::Files(project.fill(screen, kind, source)?);
            let index = Some(project.index());
            prepare::update(client, screen, index.clone()).await?;
            let documents = prepare::documents(client, index.clone(), &[]).await?;
            (index, Vec::new(), naming, documents, Some(project))
        }
    };
    let unable = prepare::unable(client, screen, index.clone(), modes).await?;
    if project.is_some()
        && modes
            .iter()
            .any(|mode| prepare::needs_vectors(*mode, &unable))
    {
        prepare::embed(client, screen, index.clone()).await?;
    }
    let missing = match &naming {
        Naming::Files(names) => names.missing(&source.relevant()),
        Naming::Expected(_) => 0,
    };
    Ok(Place {
        ask: Ask { index, collections },
        naming,
        documents,
        missing,
        project,
        unable,
    })
}

/// Puts together what was found, and warns of what was not as it should be.
fn report(
    args: &EvalArgs,
    source: &Source,
    place: &Place,
    outcomes: &[(Mode, Result<Asked, NotRun>)],
) -> Report {
    let mut modes = Vec::new();
    for (mode, result) in outcomes {
        let result = match result {
            Ok(asked) => {
                if let Some(refusal) = &asked.refusal {
                    let message = format!("{}: {}", mode.name(), refusal.message);
                    Screen::warn(&Notice {
                        message,
                        ..refusal.clone()
                    });
                }
                for notice in &asked.partial {
                    Screen::warn(notice);
                }
                let answers = answers(source, place, asked);
                let measured =
                    Measured::of(&answers, &source.judgements, asked.remembered, args.seed);
                Ok(measured)
            }
            Err(why) => {
                Screen::warn(&Notice {
                    message: format!("{} was not measured: {}", mode.name(), why.message),
                    reason: why.reason.clone(),
                    hint: why.hint.clone(),
                });
                Err(why.clone())
            }
        };
        let run = args.run.as_ref().filter(|_| result.is_ok());
        modes.push(Outcome {
            mode: *mode,
            result,
            run: run.map(|folder| {
                let file = folder.join(run_file(&source.name, *mode));
                file.display().to_string()
            }),
        });
    }
    Report {
        name: source.name.clone(),
        documents: place.documents,
        queries: source.queries.len(),
        unjudged: source.unjudged,
        missing: place.missing,
        binary: args.binary,
        seed: args.seed,
        modes,
    }
}

fn answers(source: &Source, place: &Place, asked: &Asked) -> Vec<Answer> {
    let queries = source.queries.iter().zip(&asked.replies);
    let answers = queries.map(|(query, reply)| Answer {
        id: query.id.clone(),
        ranking: place.naming.ranking(query, &reply.hits),
        ..reply.answer.clone()
    });
    answers.collect()
}

fn run_file(name: &str, mode: Mode) -> String {
    format!("{name}.{}.run", mode.name())
}

fn write_run(
    folder: &Path,
    name: &str,
    mode: Mode,
    place: &Place,
    source: &Source,
    asked: &Asked,
) -> Result<()> {
    let mut text = String::new();
    let tag = format!("qmdd-{}", mode.name());
    for answer in answers(source, place, asked) {
        run::write(&mut text, &answer.id, &answer.ranking, &tag).map_err(|id| {
            let message = format!("the id {id} has a space, which a run of TREC cannot hold");
            Failure::new(Reason::EvalFileInvalid, message).hint("rename it, or leave `--run` out")
        })?;
    }
    let file = folder.join(run_file(name, mode));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&file, text))
        .map_err(|error| project::unwritten(&file, &error).into())
}

/// An index as requests name it.
type Index = Option<IndexRef>;
