//! `make bench-fusion`: the weights of hybrid search, swept over judged collections, with what each of
//! them would be had it been chosen without the collection that judges it.

mod lists;
mod plot;
mod sweep;

use std::{
    env, fs,
    io::{self, Write},
    path::Path,
};

use anyhow::{Result, bail};
use qmd_tests::workspace;

use self::{
    lists::{Lists, Pair},
    sweep::{Way, mean, rate},
};
use crate::{DATA, collection};

/// Weights of search by meaning in the sweep, in hundredths.
const WEIGHTS: std::ops::RangeInclusive<u32> = 40..=80;

/// Measures; there are no sections.
pub(crate) fn measure(sections: &[String]) -> Result<()> {
    if let Some(section) = sections.first() {
        bail!("no section {section}: there is only the whole");
    }
    let mut out = io::stdout();
    let Some(data) = env::var_os(DATA) else {
        writeln!(
            out,
            "not measured, {DATA} names no folder of judged collections"
        )?;
        return Ok(());
    };
    let collections = collection::load_all(Path::new(&data))?;
    let lists = tokio::runtime::Runtime::new()?.block_on(lists::fetch(&mut out, &collections))?;
    single(&mut out, &lists)?;
    let ways: Vec<Way> = Way::families()
        .into_iter()
        .flat_map(|family| {
            WEIGHTS
                .clone()
                .step_by(2)
                .map(move |at| family.weighing(at))
        })
        .collect();
    table(&mut out, &lists)?;
    left_out(&mut out, &lists, &ways)?;
    weakened(&mut out, &lists)?;
    let file = workspace().join("target/bench/fusion.svg");
    fs::write(&file, plot::draw(&lists, WEIGHTS))?;
    writeln!(out, "\nthe plot is {}", file.display())?;
    Ok(())
}

/// The modes by themselves.
fn single(out: &mut impl Write, lists: &[Lists]) -> Result<()> {
    writeln!(out, "\n{}", sweep::header("nDCG@10", lists))?;
    for (name, way) in [("by words", Way::Words), ("by meaning", Way::Meaning)] {
        writeln!(out, "{}", sweep::row(name, lists, way, Pair::Whole))?;
    }
    Ok(())
}

/// Each family at some weights, and at its best.
fn table(out: &mut impl Write, lists: &[Lists]) -> Result<()> {
    writeln!(out, "\n{}", sweep::header("hybrid", lists))?;
    for family in Way::families() {
        for at in [40, 50, 60, 70, 80] {
            let way = family.weighing(at);
            writeln!(
                out,
                "{}",
                sweep::row(&way.to_string(), lists, way, Pair::Whole)
            )?;
        }
    }
    let way = Way::chosen();
    let name = format!("**{way}** (qmdd)");
    writeln!(out, "{}", sweep::row(&name, lists, way, Pair::Whole))?;
    Ok(())
}

/// What is best on all collections but one, on that one.
fn left_out(out: &mut impl Write, lists: &[Lists], ways: &[Way]) -> Result<()> {
    writeln!(
        out,
        "\n| left out | best on the others | nDCG@10 there | qmdd's weights | better single mode |\n\
         | --- | --- | --- | --- | --- |"
    )?;
    let (mut chosen_blind, mut chosen, mut single) = (0.0, 0.0, 0.0);
    for (at, judge) in lists.iter().enumerate() {
        let others: Vec<&Lists> = (lists.iter().enumerate())
            .filter(|(other, _)| *other != at)
            .map(|(_, lists)| lists)
            .collect();
        let best = ways.iter().copied().max_by(|a, b| {
            mean(&others, *a, Pair::Whole).total_cmp(&mean(&others, *b, Pair::Whole))
        });
        let Some(best) = best else {
            continue;
        };
        let blind = rate(judge, best, Pair::Whole);
        let ours = rate(judge, Way::chosen(), Pair::Whole);
        let alone =
            rate(judge, Way::Words, Pair::Whole).max(rate(judge, Way::Meaning, Pair::Whole));
        writeln!(
            out,
            "| {} | {best} | {blind:.4} | {ours:.4} | {alone:.4} |",
            judge.name
        )?;
        chosen_blind += blind;
        chosen += ours;
        single += alone;
    }
    let count = lists.len() as f64;
    writeln!(
        out,
        "| mean | | {:.4} | {:.4} | {:.4} |",
        chosen_blind / count,
        chosen / count,
        single / count
    )?;
    Ok(())
}

/// What fusions do where one mode is made weak: as a part of the better mode alone.
fn weakened(out: &mut impl Write, lists: &[Lists]) -> Result<()> {
    let all: Vec<&Lists> = lists.iter().collect();
    let pairs = [
        Pair::Whole,
        Pair::WordsInTitles,
        Pair::PartsOfMeaning,
        Pair::FewWords,
    ];
    write!(out, "\n| against the better mode alone |")?;
    for pair in pairs {
        write!(out, " {pair} |")?;
    }
    writeln!(out, "\n| --- |{}", " --- |".repeat(pairs.len()))?;
    for way in Way::families()
        .into_iter()
        .flat_map(|family| [50, 60, 70].map(|at| family.weighing(at)))
        .chain([Way::chosen()])
    {
        write!(out, "| {way} |")?;
        for pair in pairs {
            let alone = mean(&all, Way::Words, pair).max(mean(&all, Way::Meaning, pair));
            write!(out, " {:.3} |", mean(&all, way, pair) / alone)?;
        }
        writeln!(out)?;
    }
    Ok(())
}
