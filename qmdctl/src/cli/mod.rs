//! The command line: what may be asked, and the help about it.

mod args;
mod documents;
mod eval;
mod help;
mod modal;
mod models;
mod project;
mod search;
mod service;

use clap::{FromArgMatches, Parser, Subcommand};

pub(crate) use self::{
    args::{
        AddArgs, CleanupArgs, CollectionArgs, CollectionCommand, ContextAddArgs, ContextCommand,
        DaemonCommand, DoctorArgs, EmbedArgs, Format, FormatArgs, ImportQmdArgs, LogsArgs,
        PlaceArgs, RenameArgs, ShowArgs, Strategy, UpdateArgs, WatchArgs,
    },
    documents::{DocumentFormat, DocumentsFormat, GetArgs, LsArgs, MultiGetArgs},
    eval::{BenchArgs, CompareArgs, EvalArgs, EvalVerb},
    modal::{
        DeployArgs, DestroyArgs, ModalCommand, ModalLogsArgs, ModalStatusArgs, RegionArgs,
        RegionVerb,
    },
    models::{ModelArgs, ModelsCommand, PullArgs, RoleName, RolesArgs, UseArgs, VerifyArgs},
    project::{InitArgs, TrustArgs, TrustVerb},
    search::{SearchArgs, SearchFormat},
    service::{InstallArgs, ServiceCommand, UninstallArgs},
};

/// Instant, private, local search over your notes
#[derive(Debug, Parser)]
#[command(name = "qmdctl", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
pub(crate) struct GlobalArgs {
    /// Use the index NAME, configured in NAME.yml [default: the project's, else index]
    #[arg(long, global = true, value_name = "NAME", display_order = 900)]
    pub(crate) index: Option<String>,
    /// Show no progress, notes and summaries
    #[arg(short, long, global = true, display_order = 901)]
    pub(crate) quiet: bool,
    /// Tell more: what took how long, every skipped file
    #[arg(short, long, global = true, display_order = 902)]
    pub(crate) verbose: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Search by words and by meaning, fused
    #[command(visible_alias = "deep-search", after_help = help::QUERY)]
    Query(SearchArgs),
    /// Search by words (BM25); needs no model
    #[command(after_help = help::SEARCH)]
    Search(SearchArgs),
    /// Search by meaning
    #[command(visible_alias = "vector-search", after_help = help::VSEARCH)]
    Vsearch(SearchArgs),
    /// Print a document, or some lines of it
    #[command(after_help = help::GET)]
    Get(GetArgs),
    /// Print several documents, by globs, addresses or lists of them
    #[command(after_help = help::MULTI_GET)]
    MultiGet(MultiGetArgs),
    /// List what is indexed, and what is not
    #[command(after_help = help::LS)]
    Ls(LsArgs),
    /// Add, list, change and remove the folders that are searched
    #[command(subcommand, after_help = help::COLLECTION)]
    Collection(CollectionCommand),
    /// Describe folders and documents; hits carry the descriptions of where they lie
    #[command(subcommand, after_help = help::CONTEXT)]
    Context(ContextCommand),
    /// Take in what changed in the folders
    #[command(after_help = help::UPDATE)]
    Update(UpdateArgs),
    /// Print what happens to the index, as it happens
    #[command(after_help = help::WATCH)]
    Watch(WatchArgs),
    /// Give every document vectors, for search by meaning
    #[command(after_help = help::EMBED)]
    Embed(EmbedArgs),
    /// Remove what nobody needs any more, and give the space back
    #[command(after_help = help::CLEANUP)]
    Cleanup(CleanupArgs),
    /// Take over an index of QMD: its documents, and its vectors where they are the same
    #[command(after_help = help::IMPORT_QMD)]
    ImportQmd(ImportQmdArgs),
    /// Make a folder a project, with an index of its own
    #[command(after_help = help::INIT)]
    Init(InitArgs),
    /// Trust what a project's configuration asks for beyond the project
    #[command(args_conflicts_with_subcommands = true, after_help = help::TRUST)]
    Trust(TrustArgs),
    /// Show the state of the index, the models and the daemon
    #[command(after_help = help::STATUS)]
    Status(FormatArgs),
    /// Measure how good searches are, on a collection with known answers
    #[command(
        args_conflicts_with_subcommands = true,
        subcommand_negates_reqs = true,
        after_help = help::EVAL
    )]
    Eval(EvalArgs),
    /// Run a bench fixture of QMD on the index
    #[command(after_help = help::BENCH)]
    Bench(BenchArgs),
    /// Look the installation over, and measure the models
    #[command(after_help = help::DOCTOR)]
    Doctor(DoctorArgs),
    /// Fetch, choose, check and load models
    #[command(subcommand, after_help = help::MODELS)]
    Models(ModelsCommand),
    /// Run the models on a GPU at Modal instead of here
    #[command(subcommand, after_help = help::MODAL)]
    Modal(ModalCommand),
    /// Start, stop and look after the daemon
    #[command(subcommand, after_help = help::DAEMON)]
    Daemon(DaemonCommand),
    /// Have systemd or launchd look after the daemon
    #[command(subcommand, after_help = service::SERVICE)]
    Service(ServiceCommand),
}

impl Cli {
    /// The format that output and errors are wanted in.
    pub(crate) fn format(&self) -> Format {
        match &self.command {
            Command::Query(args) | Command::Search(args) | Command::Vsearch(args) => {
                args.format().of_errors()
            }
            Command::Get(args) => args.format(),
            Command::MultiGet(args) => args.format(),
            Command::Cleanup(args) => args.format.format(),
            Command::Doctor(args) => args.format.format(),
            Command::Eval(args) => args.format(),
            Command::Bench(args) => args.format.format(),
            Command::Watch(args) => args.format.format(),
            Command::ImportQmd(args) => args.format.format(),
            Command::Ls(args) => args.format.format(),
            Command::Collection(CollectionCommand::Show(args)) => args.format.format(),
            Command::Modal(command) => command.format(),
            Command::Service(command) => command.format(),
            Command::Trust(TrustArgs { verb }) => {
                verb.as_ref().map_or(Format::Cli, TrustVerb::format)
            }
            Command::Status(format)
            | Command::Collection(CollectionCommand::List(format))
            | Command::Context(ContextCommand::List(format))
            | Command::Models(
                ModelsCommand::List(format)
                | ModelsCommand::Use(UseArgs { format, .. })
                | ModelsCommand::Load(RolesArgs { format, .. })
                | ModelsCommand::Unload(RolesArgs { format, .. }),
            )
            | Command::Daemon(DaemonCommand::Status(format)) => format.format(),
            Command::Collection(_)
            | Command::Context(_)
            | Command::Update(_)
            | Command::Embed(_)
            | Command::Init(_)
            | Command::Models(_)
            | Command::Daemon(_) => Format::Cli,
        }
    }
}

/// Reads the process's arguments; shows help or what is wrong with them, and exits, when it must.
pub(crate) fn parse() -> Cli {
    let matches = help::command().get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        let words = std::iter::once("qmdctl").chain(line.split(' '));
        Cli::from_arg_matches(&help::command().try_get_matches_from(words)?)
    }

    fn search(line: &str) -> SearchArgs {
        match parse(line).unwrap().command {
            Command::Query(args) | Command::Search(args) | Command::Vsearch(args) => args,
            other => panic!("not a search: {other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        help::command().debug_assert();
    }

    #[test]
    fn limits_follow_the_format() {
        assert_eq!(search("search heat").limit(), 5);
        assert_eq!(search("search heat --json").limit(), 20);
        assert_eq!(search("query heat --format json -n 7").limit(), 7);
        assert_eq!(search("vsearch heat --all").limit(), 100_000);
        assert_eq!(search("search heat --format jsonl").limit(), 20);
        assert_eq!(search("search heat --files").limit(), 20);
        assert_eq!(search("search heat --csv").limit(), 5);
        assert_eq!(search("search heat --format trec").limit(), 1000);
        assert!(parse("search heat --all -n 3").is_err());
        assert!(parse("search heat -n 0").is_err());
    }

    #[test]
    fn a_description_without_a_place_is_of_this_folder() {
        let parts = |line| match parse(line).unwrap().command {
            Command::Context(ContextCommand::Add(args)) => {
                let (place, text) = args.parts();
                (place.to_owned(), text.to_owned())
            }
            other => panic!("not `context add`: {other:?}"),
        };
        assert_eq!(parts("context add text"), (".".into(), "text".into()));
        assert_eq!(parts("context add / text"), ("/".into(), "text".into()));
    }

    #[test]
    fn words_form_one_query_and_collections_add_up() {
        let args = search("deep-search wing heat -c a -c b --min-score 0.5");
        assert_eq!(args.query().as_deref(), Some("wing heat"));
        assert_eq!(args.collections, ["a", "b"]);
        assert_eq!(args.min_score, Some(0.5));
    }

    #[test]
    fn a_dash_alone_is_standard_input() {
        assert_eq!(search("query -").query(), None);
        assert_eq!(search("query - x").query().as_deref(), Some("- x"));
    }

    #[test]
    fn formats_have_a_long_and_a_short_form() {
        for format in SearchFormat::ALL {
            let value = format.to_possible_value().unwrap();
            let long = search(&format!("search heat --format {}", value.get_name()));
            assert_eq!(long.format(), format);
        }
        for (flag, format) in [
            ("--json", SearchFormat::Json),
            ("--csv", SearchFormat::Csv),
            ("--md", SearchFormat::Md),
            ("--xml", SearchFormat::Xml),
            ("--files", SearchFormat::Files),
        ] {
            assert_eq!(search(&format!("search heat {flag}")).format(), format);
        }
        let errors = |line: &str| parse(line).unwrap().format();
        assert_eq!(errors("query heat --format jsonl"), Format::Json);
        assert_eq!(errors("query heat --csv"), Format::Cli);
    }

    #[test]
    fn what_models_do_is_left_to_the_profile_or_said() {
        let args = search("query heat");
        assert_eq!((args.expand(), args.rerank()), (None, None));
        assert_eq!((args.candidate_limit(), args.budget_ms()), (0, 0));
        let args = search("query heat --no-expand --rerank -C 9 --budget 1.5s --intent cooling");
        assert_eq!((args.expand(), args.rerank()), (Some(false), Some(true)));
        assert_eq!((args.candidate_limit(), args.budget_ms()), (9, 1_500));
        assert_eq!(args.intent.as_deref(), Some("cooling"));
        // QMD's, which mean nothing here.
        let args = search("query heat --no-gpu --chunk-strategy regex --line-numbers --full-path");
        assert!(args.no_gpu && args.chunk_strategy.is_some());
    }

    #[test]
    fn what_is_not_known_or_not_in_range_is_refused() {
        for line in [
            "search",
            "search heat --frobnicate",
            "search heat --format yaml",
            "search heat --json --format cli",
            "search heat --json --csv",
            "search heat --budget soon",
            "search heat --rerank --no-rerank",
            "search heat --expand --no-expand",
            "search heat -C 0",
            "search heat --chunk-strategy whole",
            "search heat --min-score 1.5",
            "search heat --min-score nan",
            "get",
            "get a.md --from 0",
            "get a.md --format csv",
            "get a.md --json --md",
            "multi-get",
            "multi-get a.md --max-bytes -1",
            "multi-get a.md --files --csv",
            "multi-get a.md --xml --format md",
            "ls --skipped --full-path",
            "collection",
            "collection rename a",
            "context add",
            "context add a b c",
            "ls --skipped --filter a=1",
            "frobnicate",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn documents_have_formats_of_their_own_and_errors_follow() {
        let get = |line: &str| match parse(line).unwrap().command {
            Command::Get(args) => (args.document_format(), args.format()),
            other => panic!("not `get`: {other:?}"),
        };
        assert_eq!(get("get a.md"), (DocumentFormat::Cli, Format::Cli));
        assert_eq!(get("get a.md --json"), (DocumentFormat::Json, Format::Json));
        for line in ["get a.md --xml", "get a.md --format xml"] {
            assert_eq!(get(line), (DocumentFormat::Xml, Format::Cli));
        }
        assert_eq!(get("get a.md --md"), (DocumentFormat::Md, Format::Cli));
        let multi = |line: &str| match parse(line).unwrap().command {
            Command::MultiGet(args) => (args.documents_format(), args.format()),
            other => panic!("not `multi-get`: {other:?}"),
        };
        for (line, expected) in [
            ("", (DocumentsFormat::Cli, Format::Cli)),
            (" --format jsonl", (DocumentsFormat::Jsonl, Format::Json)),
            (" --json", (DocumentsFormat::Json, Format::Json)),
            (" --csv", (DocumentsFormat::Csv, Format::Cli)),
            (" --md", (DocumentsFormat::Md, Format::Cli)),
            (" --xml", (DocumentsFormat::Xml, Format::Cli)),
            (" --files", (DocumentsFormat::Files, Format::Cli)),
        ] {
            assert_eq!(multi(&format!("multi-get a.md b.md{line}")), expected);
        }
    }

    #[test]
    fn a_choice_of_models_is_a_profile_or_a_role_with_a_model() {
        for line in [
            "models use standard",
            "models use embed hf:o/r/a.gguf",
            "models use rerank --default",
            "models load embed generate --json",
            "models unload",
            "models verify",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
        for line in [
            "models use",
            "models use embed a --default",
            "models use embed a b",
            "models load everything",
            "models remove",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn trust_is_given_shown_or_taken_back() {
        for line in [
            "trust",
            "trust show --json",
            "trust list",
            "trust revoke",
            "init",
            "init x",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
        for line in ["trust everything", "trust revoke x", "init a b"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_collection_is_measured_or_two_runs_are_compared() {
        for line in [
            "eval cranfield",
            "eval beir --split dev --mode lexical --mode hybrid --binary --run out --seed 7",
            "eval fixture.json -c notes --json",
            "eval compare a.run b.run --qrels qrels.tsv --by mrr --all",
            "bench fixture.json --json -c notes",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
        for line in [
            "eval",
            "eval a b",
            "eval cranfield --mode best",
            "eval compare a.run b.run",
            "eval compare a.run --qrels q.tsv",
            "eval compare a.run b.run --qrels q.tsv --by map",
            "eval --binary compare a.run b.run --qrels q.tsv",
            "bench",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let json = |line| parse(line).unwrap().format() == Format::Json;
        assert!(json("eval cranfield --json"));
        assert!(json("eval compare a.run b.run --qrels q.tsv --format json"));
        assert!(json("bench f.json --json"));
    }

    #[test]
    fn a_region_is_shown_measured_set_or_cleared() {
        for line in [
            "modal region",
            "modal region --json",
            "modal region detect --json",
            "modal region set eu-west",
            "modal region clear",
            "modal deploy --region eu-west --compute-region eu --gpu L4 --json",
            "modal status --ping",
            "modal destroy -y",
            "modal logs -n 5 --since 2h -f",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
        for line in [
            "modal",
            "modal region eu-west",
            "modal region set",
            "modal deploy --timeout 0",
            "modal logs --tail 0",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let json = |line| parse(line).unwrap().format() == Format::Json;
        assert!(json("modal region --json"));
        assert!(json("modal region detect --json"));
        assert!(json("modal region set eu-west --format json"));
    }

    #[test]
    fn a_service_is_installed_with_or_without_a_start() {
        for line in [
            "service install",
            "service install --warm --take-over --force --no-start",
            "service install --dry-run --warm",
            "service uninstall --force --no-stop",
            "service start",
            "service status --json",
            "service logs -f -n 5",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
        for line in [
            "service",
            "service install --dry-run --no-start",
            "service install --system",
            "service start qmdd",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let json = |line| parse(line).unwrap().format() == Format::Json;
        assert!(json("service status --format json") && !json("service start"));
    }

    #[test]
    fn global_options_may_stand_anywhere() {
        assert_eq!(
            parse("--index work status")
                .unwrap()
                .global
                .index
                .as_deref(),
            Some("work")
        );
        assert_eq!(
            parse("status --index work")
                .unwrap()
                .global
                .index
                .as_deref(),
            Some("work")
        );
        assert!(parse("collection rm notes -q").unwrap().global.quiet);
    }
}
