//! What chunks promise, checked on every file; and where cuts fall.

use std::{collections::BTreeMap, io::Write};

use anyhow::{Result, ensure};
use qmdd::{
    domain::ChunkSpan,
    text::segment::{Kind, Segments},
};

use super::{File, about, packed, pieces, syntax_of};

/// Sizes of chunks: a small one, MiniLM's, and EmbeddingGemma's.
const MAX_TOKENS: [u32; 3] = [64, 254, 890];

#[derive(Default)]
struct Counts {
    files: usize,
    bytes: usize,
    /// Files whose grammar was of no help.
    unparsed: usize,
    chunks: usize,
    /// Blocks that fit a chunk, and others.
    wholes: [usize; 2],
    /// Cuts with the grammar and without: at items, at statements or blank lines, elsewhere.
    cuts: [[usize; 3]; 2],
}

pub(super) fn check(out: &mut impl Write, files: &[File]) -> Result<()> {
    let mut kinds: BTreeMap<&str, Counts> = BTreeMap::new();
    for file in files {
        let counts = kinds.entry(file.label()).or_default();
        counts.files += 1;
        counts.bytes += file.text.len();
        let syntax = syntax_of(file);
        if matches!(file.kind, Kind::Code(_)) && syntax.is_none() {
            counts.unparsed += 1;
        }
        let worth = pieces(file, true);
        for (cuts, grammars) in [(0, true), (1, false)] {
            let segments = pieces(file, grammars);
            let tokens = about(&segments);
            tiles(file, &segments)?;
            for max in MAX_TOKENS {
                let chunks = packed(&file.text, &segments, &tokens, max);
                holds(file, &segments, &tokens, max, &chunks)?;
                if max != MAX_TOKENS[1] {
                    continue;
                }
                if grammars {
                    counts.chunks += chunks.len();
                    let fits = |run: &&std::ops::Range<usize>| {
                        tokens[(*run).clone()].iter().sum::<u32>() <= max
                    };
                    let fitting = segments.wholes.iter().filter(fits).count();
                    counts.wholes[0] += fitting;
                    counts.wholes[1] += segments.wholes.len() - fitting;
                }
                // Where the grammar would say that the cuts of either way fall.
                for chunk in &chunks[..chunks.len().saturating_sub(1)] {
                    let at = chunk.span.bytes.end;
                    let piece = worth.pieces.binary_search_by_key(&at, |it| it.bytes.start);
                    let worth = piece.map_or(0, |piece| worth.pieces[piece].break_score);
                    counts.cuts[cuts][match worth {
                        50.. => 0,
                        10.. => 1,
                        _ => 2,
                    }] += 1;
                }
            }
        }
    }
    writeln!(
        out,
        "Every chunk of {} tokens checked, with and without grammars.\n\n\
         | | files | MB | no syntax | chunks | blocks kept whole | too long | \
         cuts at items, statements, else | without grammar |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        MAX_TOKENS.map(|max| max.to_string()).join(", ")
    )?;
    for (kind, counts) in kinds {
        let shares = |cuts: [usize; 3]| {
            let all = cuts.iter().sum::<usize>().max(1) as f64;
            cuts.map(|count| format!("{:.0} %", 100.0 * count as f64 / all))
                .join(", ")
        };
        writeln!(
            out,
            "| {kind} | {} | {:.1} | {} | {} | {} | {} | {} | {} |",
            counts.files,
            counts.bytes as f64 / 1e6,
            counts.unparsed,
            counts.chunks,
            counts.wholes[0],
            counts.wholes[1],
            shares(counts.cuts[0]),
            shares(counts.cuts[1]),
        )?;
    }
    Ok(())
}

/// Pieces tile the document.
fn tiles(file: &File, segments: &Segments) -> Result<()> {
    let path = file.path.display();
    let mut end = 0;
    for piece in &segments.pieces {
        ensure!(
            piece.bytes.start == end && piece.bytes.end > end,
            "{path}: a gap at {end}"
        );
        ensure!(
            file.text.get(piece.bytes.clone()).is_some(),
            "{path}: {piece:?}"
        );
        end = piece.bytes.end;
    }
    ensure!(end == file.text.len(), "{path}: ends at {end}");
    Ok(())
}

/// Chunks hold all words, within their size, at the lines they say, and no block that fits is cut.
fn holds(
    file: &File,
    segments: &Segments,
    tokens: &[u32],
    max: u32,
    chunks: &[ChunkSpan],
) -> Result<()> {
    let path = file.path.display();
    let starts: Vec<usize> = segments.pieces.iter().map(|it| it.bytes.start).collect();
    let mut sums = vec![0];
    sums.extend(tokens.iter().scan(0_u64, |sum, tokens| {
        *sum += u64::from(*tokens);
        Some(*sum)
    }));
    let feeds: Vec<usize> = file.text.match_indices('\n').map(|(at, _)| at).collect();
    let line = |at: usize| feeds.partition_point(|feed| *feed < at) as u32 + 1;
    let within = |from: usize, to: usize| {
        let (from, to) = (
            starts.partition_point(|start| *start < from),
            starts.partition_point(|start| *start < to),
        );
        (sums[to] - sums[from], to - from)
    };
    let (mut end, mut last) = (0, None);
    for ChunkSpan { span, .. } in chunks {
        let bytes = &span.bytes;
        let text = file.text.get(bytes.clone()).unwrap_or_default();
        ensure!(!text.trim().is_empty(), "{path}: {bytes:?} holds no words");
        ensure!(
            last < Some(bytes.start) && bytes.end > end,
            "{path}: {bytes:?} does not go on"
        );
        ensure!(
            bytes.start <= end || file.text[end..bytes.start].trim().is_empty(),
            "{path}: words are lost before {bytes:?}"
        );
        let (sum, count) = within(bytes.start, bytes.end);
        ensure!(
            sum <= u64::from(max) || count == 1,
            "{path}: {bytes:?} has {sum} tokens"
        );
        let inner = text.strip_suffix('\n').unwrap_or(text).len();
        let lines = (line(bytes.start), line(bytes.start + inner));
        ensure!(span.lines == lines, "{path}: {span:?} is at {lines:?}");
        (end, last) = (bytes.end, Some(bytes.start));
    }
    ensure!(
        file.text[end..].trim().is_empty(),
        "{path}: words are lost after {end}"
    );
    let mut cuts: Vec<usize> = chunks
        .iter()
        .flat_map(|chunk| [chunk.span.bytes.start, chunk.span.bytes.end])
        .collect();
    cuts.sort_unstable();
    for whole in &segments.wholes {
        let block = starts[whole.start]..segments.pieces[whole.end - 1].bytes.end;
        let inside = cuts.partition_point(|cut| *cut <= block.start);
        let fits = within(block.start, block.end).0 <= u64::from(max);
        ensure!(
            !fits || cuts.get(inside).is_none_or(|cut| *cut >= block.end),
            "{path}: the block {block:?} is cut"
        );
    }
    Ok(())
}
