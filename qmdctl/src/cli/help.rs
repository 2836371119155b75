//! Help: the verbs in groups, and an example for each.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};

use super::Cli;

/// The verbs as the help groups them.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "Search",
        &["query", "search", "vsearch", "get", "multi-get"],
    ),
    (
        "Index",
        &[
            "collection",
            "context",
            "update",
            "watch",
            "embed",
            "ls",
            "cleanup",
            "status",
            "init",
            "trust",
            "import-qmd",
        ],
    ),
    (
        "Models and daemon",
        &["models", "modal", "daemon", "service", "doctor"],
    ),
    ("Measure", &["eval", "bench"]),
];

pub(super) const QUERY: &str = "Examples:
  qmdctl query \"how does heating affect a thin wing\" -n 10
  qmdctl query \"thin wing -tail in:papers tag:heat after:2023\"
  qmdctl query $'lex: \"thin wing\" heat\\nvec: how does heating affect a wing' --format jsonl
  qmdctl query \"heat\" --intent \"thermal stress in aircraft\" --budget 300ms --explain";
pub(super) const SEARCH: &str = "Examples:
  qmdctl search 'boundary layer' -c papers --json
  qmdctl search heat --format files --full-path
  qmdctl search heat --filter 'status = draft' --filter 'topics contains wings'";
pub(super) const VSEARCH: &str = "Example:
  qmdctl vsearch \"keeping notes private\" --min-score 0.4";
pub(super) const GET: &str = "Examples:
  qmdctl get qmd://notes/ideas/search.md
  qmdctl get '#a1b2c3' --from 20 -l 10
  qmdctl get search.md:20:10";
pub(super) const MULTI_GET: &str =
    "Ends with code 75 when one of several is missing: the others are \
printed.

Examples:
  qmdctl multi-get 'notes/2024/**/*.md' --format jsonl
  qmdctl multi-get 'ideas/*.{md,org},#a1b2c3' -l 40
  qmdctl multi-get notes/plan.md 'notes/trips/*' '!notes/trips/old/**'";
pub(super) const COLLECTION: &str = "Example:
  qmdctl collection add ~/notes --name notes";
pub(super) const COLLECTION_ADD: &str = "Examples:
  qmdctl collection add ~/notes --name notes
  qmdctl collection add . --mask '**/*.{md,txt}'";
pub(super) const COLLECTION_LIST: &str = "Example:
  qmdctl collection list";
pub(super) const COLLECTION_REMOVE: &str = "Example:
  qmdctl collection remove notes";
pub(super) const COLLECTION_RENAME: &str = "Example:
  qmdctl collection rename notes journal";
pub(super) const COLLECTION_SHOW: &str = "Example:
  qmdctl collection show notes";
pub(super) const COLLECTION_INCLUDE: &str = "Example:
  qmdctl collection include archive";
pub(super) const COLLECTION_EXCLUDE: &str = "Example:
  qmdctl collection exclude archive";
pub(super) const CONTEXT: &str = "Example:
  qmdctl context add ~/notes/work 'Meetings and decisions'";
pub(super) const CONTEXT_ADD: &str = "Examples:
  qmdctl context add / 'Notes of a small team'
  qmdctl context add qmd://notes 'Everything I wrote down'
  qmdctl context add ~/notes/work 'Meetings and decisions'";
pub(super) const CONTEXT_LIST: &str = "Example:
  qmdctl context list";
pub(super) const CONTEXT_REMOVE: &str = "Example:
  qmdctl context remove qmd://notes/work";
pub(super) const LS: &str = "Examples:
  qmdctl ls notes/work
  qmdctl ls 'notes/**/*plan*'
  qmdctl ls notes --filter 'status = draft'
  qmdctl ls --skipped";
pub(super) const UPDATE: &str =
    "Folders are followed as long as the daemon runs; this looks through \
them by hand, after the `update` commands of index.yml.

Examples:
  qmdctl update -c notes
  qmdctl update --pull";
pub(super) const WATCH: &str = "Example:
  qmdctl watch --json";
pub(super) const EMBED: &str = "Example:
  qmdctl embed        # goes on where the last run ended";
pub(super) const INIT: &str = "In the folder, and everywhere below it, every command is about the \
project then; `--index index` is about your own index.

Example:
  qmdctl init && qmdctl collection add .";
pub(super) const TRUST: &str = "A project's configuration comes with its files. Its `update:` commands are \
not run, and its folders outside of the project not read, until you trust them. A change of them needs \
trust again.

Example:
  qmdctl trust show && qmdctl trust";
pub(super) const TRUST_SHOW: &str = "Example:
  qmdctl trust show";
pub(super) const TRUST_LIST: &str = "Example:
  qmdctl trust list --json";
pub(super) const TRUST_REVOKE: &str = "Example:
  qmdctl trust revoke";
pub(super) const IMPORT_QMD: &str = "Reads the configured folders as `update` does, then takes the vectors \
that QMD has for the same texts, after computing a few of them again to see that they are the same. \
`qmdctl embed` makes those that are missing. QMD's own index is not changed.

Examples:
  qmdctl import-qmd
  qmdctl import-qmd ~/backup/index.sqlite";
pub(super) const CLEANUP: &str = "Example:
  qmdctl cleanup --dry-run";
pub(super) const STATUS: &str = "Example:
  qmdctl status --json";
pub(super) const EVAL: &str =
    "DIR holds docs/, queries.tsv (id, text) and qrels.tsv (query, document, grade), \
or what BEIR publishes: corpus.jsonl, queries.jsonl and qrels/NAME.tsv. Its documents get an index of their \
own, which stays for the next time. A fixture of QMD is asked of your index. docs/eval.md tells more.

Examples:
  qmdctl eval cranfield --run runs
  qmdctl eval compare runs/cranfield.lexical.run runs/cranfield.hybrid.run --qrels cranfield/qrels.tsv";
pub(super) const EVAL_COMPARE: &str = "Example:
  qmdctl eval compare lexical.run hybrid.run --qrels qrels.tsv";
pub(super) const BENCH: &str = "Example:
  qmdctl bench fixture.json -c notes --json";
pub(super) const DOCTOR: &str = "Examples:
  qmdctl doctor --quick
  qmdctl doctor --repair";
pub(super) const MODELS: &str = "Example:
  qmdctl models pull starter";
pub(super) const MODELS_LIST: &str = "Example:
  qmdctl models list";
pub(super) const MODELS_PULL: &str = "Examples:
  qmdctl models pull starter
  qmdctl models pull hf:ggml-org/embeddinggemma-300M-GGUF/embeddinggemma-300M-Q8_0.gguf";
pub(super) const MODELS_REMOVE: &str = "Example:
  qmdctl models remove smollm2-135m-instruct-q4_1";
pub(super) const MODELS_VERIFY: &str = "Example:
  qmdctl models verify        # every model that is here";
pub(super) const MODELS_USE: &str = "Examples:
  qmdctl models use standard
  qmdctl models use embed ~/models/my-encoder.gguf
  qmdctl models use embed --default";
pub(super) const MODELS_LOAD: &str = "Example:
  qmdctl models load embed";
pub(super) const MODELS_UNLOAD: &str = "Example:
  qmdctl models unload generate";
pub(super) const MODAL: &str =
    "Needs python3 and `pip install 'modal~=1.6'`, and a Modal account: \
`modal token new`.

Example:
  qmdctl modal deploy";
pub(super) const MODAL_DEPLOY: &str = "Examples:
  qmdctl modal deploy
  qmdctl modal deploy --gpu L4 --region eu-west --compute-region eu";
pub(super) const MODAL_STATUS: &str = "Example:
  qmdctl modal status --ping";
pub(super) const MODAL_TEST: &str = "Example:
  qmdctl modal test --json";
pub(super) const MODAL_DESTROY: &str = "Example:
  qmdctl modal destroy --yes";
pub(super) const MODAL_LOGS: &str = "Example:
  qmdctl modal logs --since 2h -f";
pub(super) const MODAL_REGION: &str = "Examples:
  qmdctl modal region
  qmdctl modal region set eu-west";
pub(super) const MODAL_REGION_DETECT: &str = "Example:
  qmdctl modal region detect --json";
pub(super) const MODAL_REGION_SET: &str = "Example:
  qmdctl modal region set eu-west";
pub(super) const MODAL_REGION_CLEAR: &str = "Example:
  qmdctl modal region clear";
pub(super) const DAEMON: &str =
    "The daemon starts by itself when a command needs it; QMDD_AUTOSTART=0 \
prevents that.

Example:
  qmdctl daemon restart";
pub(super) const DAEMON_START: &str = "Example:
  qmdctl daemon start";
pub(super) const DAEMON_STOP: &str = "Example:
  qmdctl daemon stop";
pub(super) const DAEMON_RESTART: &str = "Example:
  qmdctl daemon restart";
pub(super) const DAEMON_STATUS: &str = "Example:
  qmdctl daemon status";
pub(super) const DAEMON_LOGS: &str = "Example:
  qmdctl daemon logs -f -n 20";

/// The whole command line, its help grouped.
pub(super) fn command() -> Command {
    let command = Cli::command();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{}\n{}\n{{options}}{{after-help}}",
        groups(&command),
        heading(&command, "Options"),
    );
    let after = "Get started:
  qmdctl collection add ~/notes
  qmdctl models pull starter && qmdctl embed
  qmdctl query \"what did I decide about backups\"

`qmdctl COMMAND --help` tells more about a command.";
    command.help_template(template).after_help(after)
}

fn groups(command: &Command) -> String {
    let literal = command.get_styles().get_literal();
    let mut text = String::new();
    for (title, names) in GROUPS {
        let _ = write!(text, "\n{}\n", heading(command, title));
        for name in *names {
            let Some(verb) = command.find_subcommand(name) else {
                continue;
            };
            let about = verb
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            let _ = write!(text, "  {literal}{name:<12}{literal:#}{about}");
            for alias in verb.get_visible_aliases() {
                let _ = write!(text, " [alias: {alias}]");
            }
            text.push('\n');
        }
    }
    text
}

fn heading(command: &Command, title: &str) -> String {
    let style = command.get_styles().get_header();
    format!("{style}{title}:{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Terminal lines that help may take.
    const SCREEN: usize = 51;

    fn every_help(command: &mut Command, text: &mut String) {
        let help = command.render_help().to_string();
        assert!(
            help.lines().count() <= SCREEN,
            "{} fits no screen",
            command.get_name()
        );
        let _ = writeln!(
            text,
            "===== {}\n{}",
            command.get_bin_name().unwrap_or_default(),
            help
        );
        for sub in command
            .get_subcommands_mut()
            .filter(|sub| sub.get_name() != "help")
        {
            every_help(sub, text);
        }
    }

    #[test]
    fn the_help_of_every_command() {
        let mut command = command();
        command.build();
        let mut text = String::new();
        every_help(&mut command, &mut text);
        insta::assert_snapshot!("help", text);
    }

    #[test]
    fn every_verb_is_in_one_group_and_has_an_example() {
        fn has_example(command: &Command) {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.contains("Example"),
                "{} has no example",
                command.get_name()
            );
            command.get_subcommands().for_each(has_example);
        }
        let command = command();
        let grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| *names).collect();
        for verb in command.get_subcommands() {
            let times = grouped
                .iter()
                .filter(|name| ***name == verb.get_name())
                .count();
            assert_eq!(times, 1, "{}", verb.get_name());
            has_example(verb);
        }
    }
}
