//! MB a second, by kind of file: parsing, finding the layout, segmenting and packing.

use std::{
    collections::BTreeMap,
    hint::black_box,
    io::Write,
    time::{Duration, Instant},
};

use anyhow::Result;

use super::{File, about, packed, pieces, syntax_of};

/// Bytes measured of each kind.
const BYTES: usize = 20 << 20;
/// Tokens of a chunk: MiniLM's.
const MAX_TOKENS: u32 = 254;

pub(super) fn measure(out: &mut impl Write, files: &[File]) -> Result<()> {
    let mut kinds: BTreeMap<&str, Vec<&File>> = BTreeMap::new();
    for file in files {
        kinds.entry(file.label()).or_default().push(file);
    }
    writeln!(
        out,
        "| | files | MB | parse, MB/s | segment without grammar, MB/s | pack, MB/s | all, MB/s |\n\
         | --- | --- | --- | --- | --- | --- | --- |"
    )?;
    for (kind, files) in kinds {
        let mut bytes = 0;
        let files: Vec<_> = files
            .into_iter()
            .take_while(|file| {
                bytes += file.text.len();
                bytes <= BYTES
            })
            .collect();
        let bytes: usize = files.iter().map(|file| file.text.len()).sum();
        let parse = time(&files, |file| {
            black_box(syntax_of(file));
        });
        let plain = time(&files, |file| {
            black_box(pieces(file, false));
        });
        let segmented: Vec<_> = files
            .iter()
            .map(|file| (*file, pieces(file, true)))
            .map(|(file, segments)| (file, about(&segments), segments))
            .collect();
        let began = Instant::now();
        for (file, tokens, segments) in &segmented {
            black_box(packed(&file.text, segments, tokens, MAX_TOKENS));
        }
        let pack = began.elapsed();
        let all = time(&files, |file| {
            let segments = pieces(file, true);
            black_box(packed(&file.text, &segments, &about(&segments), MAX_TOKENS));
        });
        let pace = |time: Duration| bytes as f64 / 1e6 / time.as_secs_f64();
        let parse = files
            .first()
            .and_then(|file| syntax_of(file))
            .map_or("-".to_owned(), |_| format!("{:.1}", pace(parse)));
        writeln!(
            out,
            "| {kind} | {} | {:.1} | {parse} | {:.0} | {:.0} | {:.1} |",
            files.len(),
            bytes as f64 / 1e6,
            pace(plain),
            pace(pack),
            pace(all)
        )?;
    }
    Ok(())
}

fn time(files: &[&File], work: impl Fn(&File)) -> Duration {
    let began = Instant::now();
    for file in files {
        work(file);
    }
    began.elapsed()
}
