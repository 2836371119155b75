//! Where documents are cut, as a search shows it: a hit found by meaning begins where its chunk does.

use std::{fmt::Write, fs};

use anyhow::{Context, Result};
use qmd_tests::Daemon;

/// What a function of the file is about, words for its body, and a question with none of them.
const TOPICS: [(&str, &str, &str); 4] = [
    (
        "bake sourdough bread",
        "dough flour oven crust yeast loaf",
        "pastry recipe",
    ),
    (
        "repair a bicycle tire",
        "tube pump patch wheel valve spoke",
        "puncture while cycling",
    ),
    (
        "forecast rain and wind",
        "cloud storm pressure front humidity drizzle",
        "weather prediction",
    ),
    (
        "play a chess opening",
        "pawn bishop knight castle gambit queen",
        "grandmaster tactics",
    ),
];

/// A file of one module whose functions have blank lines within and none between.
fn code() -> Result<String> {
    let mut code = String::from("mod crafts {\n");
    for (number, (topic, words, _)) in TOPICS.iter().enumerate() {
        writeln!(code, "    /// How to {topic}.\n    fn craft_{number}() {{")?;
        for (step, word) in words.split(' ').enumerate() {
            writeln!(
                code,
                "        let {word} = prepare(\"{word} for {topic}\", {step});\n\n        \
                 check({word}, \"the {word} is ready\");"
            )?;
        }
        writeln!(code, "    }}")?;
    }
    code.push_str("}\n");
    Ok(code)
}

/// The line that the best hit for a question begins on.
fn line(daemon: &Daemon, question: &str) -> Result<u64> {
    let rows = daemon
        .qmdctl(["vsearch", question, "-n", "1", "--json"])
        .ok()
        .json();
    rows[0]["line"].as_u64().context("no line")
}

fn with_files(files: &[(&str, &str)]) -> Result<Daemon> {
    let daemon = Daemon::with_models()?;
    let folder = daemon.join("code");
    fs::create_dir(&folder)?;
    for (name, text) in files {
        fs::write(folder.join(name), text)?;
    }
    let folder = folder.to_str().context("UTF-8")?;
    let _ = daemon
        .qmdctl([
            "collection",
            "add",
            folder,
            "--name",
            "code",
            "--mask",
            "**/*",
        ])
        .ok();
    let _ = daemon.qmdctl(["update"]).ok();
    Ok(daemon)
}

#[test]
fn code_is_cut_between_items() -> Result<()> {
    let code = code()?;
    let daemon = with_files(&[("crafts.rs", &code)])?;
    let comments: Vec<u64> = (1..)
        .zip(code.lines())
        .filter(|(_, line)| line.trim().starts_with("///"))
        .map(|(number, _)| number)
        .collect();
    let found = || {
        TOPICS
            .iter()
            .map(|(_, _, question)| line(&daemon, question))
            .collect::<Result<Vec<_>>>()
    };
    let _ = daemon.qmdctl(["embed"]).ok();
    let along_grammar = found()?;
    // The first chunk begins with the module.
    assert_eq!(along_grammar[0], 1);
    assert_eq!(along_grammar[1..], comments[1..]);
    let _ = daemon
        .qmdctl(["embed", "--force", "--chunk-strategy", "regex"])
        .ok();
    let without = found()?;
    assert!(
        without[1..].iter().zip(&comments[1..]).all(|(a, b)| a != b),
        "{without:?}"
    );
    Ok(())
}

#[test]
fn code_that_chokes_its_parser_is_embedded_all_the_same() -> Result<()> {
    let hostile = "->".repeat(20_000);
    let daemon = with_files(&[
        ("hostile.ts", &hostile),
        (
            "later.ts",
            "// How to bake bread in an oven\nexport const bread = 1;\n",
        ),
    ])?;
    let pid = daemon.pid();
    let _ = daemon.qmdctl(["embed"]).ok();
    let rows = daemon
        .qmdctl(["vsearch", "bread", "-n", "2", "--json", "--strict"])
        .ok()
        .json();
    assert_eq!(rows.as_array().map(Vec::len), Some(2), "{rows}");
    assert_eq!(daemon.pid(), pid);
    Ok(())
}
