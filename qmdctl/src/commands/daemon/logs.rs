//! `daemon logs`.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::Path,
    time::Duration,
};

use qmd_proto::Reason;
use tokio::time::sleep;

use crate::{
    cli::LogsArgs,
    client::Home,
    error::{Failure, Result},
    render::{self, Screen},
};

/// How much is read at a time, in bytes.
const BLOCK: u64 = 64 << 10;
/// How often a followed log is looked at.
const POLL: Duration = Duration::from_millis(200);

pub(in crate::commands) async fn run(home: &Home, args: &LogsArgs) -> Result<()> {
    let path = home.dirs.log_file();
    let failed = |error: io::Error| {
        Failure::of_path(&path, &error, Reason::FileUnreadable)
            .hint("the log begins when the daemon first starts: `qmdctl daemon start`")
    };
    let mut file = File::open(&path).map_err(failed)?;
    let start = tail_start(&mut file, args.lines).map_err(failed)?;
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    loop {
        print_rest(&mut file, failed)?;
        if !args.follow {
            return Ok(());
        }
        sleep(POLL).await;
        if let Some(next) = successor(&file, &path).map_err(failed)? {
            // What was added to the old one since.
            print_rest(&mut file, failed)?;
            file = next;
        }
    }
}

fn print_rest(file: &mut File, failed: impl Fn(io::Error) -> Failure) -> Result<()> {
    loop {
        let mut bytes = Vec::new();
        file.by_ref()
            .take(BLOCK)
            .read_to_end(&mut bytes)
            .map_err(&failed)?;
        if bytes.is_empty() {
            return Ok(());
        }
        if Screen::is_terminal() {
            let text = String::from_utf8_lossy(&bytes);
            Screen::print_raw(render::clean(&text).as_bytes())?;
        } else {
            Screen::print_raw(&bytes)?;
        }
    }
}

/// The file that took the place of this one, or this one again when it was cut short.
fn successor(file: &File, path: &Path) -> io::Result<Option<File>> {
    let (old, mut position) = (file.metadata()?, file);
    let now = match path.metadata() {
        Ok(now) => now,
        // Between two files.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let same = (old.dev(), old.ino()) == (now.dev(), now.ino());
    if same && now.len() >= position.stream_position()? {
        return Ok(None);
    }
    File::open(path).map(Some)
}

/// The byte where the last `lines` lines begin.
fn tail_start(file: &mut (impl Read + Seek), lines: usize) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    if lines == 0 {
        return Ok(end);
    }
    let length = end;
    let mut found = 0;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        file.by_ref().take(end - start).read_to_end(&mut block)?;
        for (at, _) in block
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, byte)| **byte == b'\n')
        {
            let after = start + at as u64 + 1;
            // The last line's own end does not begin another one.
            if after == length {
                continue;
            }
            found += 1;
            if found == lines {
                return Ok(after);
            }
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn tail(text: &str, lines: usize) -> &str {
        let start = tail_start(&mut Cursor::new(text), lines).unwrap();
        &text[start as usize..]
    }

    #[test]
    fn the_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(tail("a\nb\nc", 2), "b\nc");
        assert_eq!(tail("a\nb\n", 9), "a\nb\n");
        assert_eq!(tail("a\n", 0), "");
        assert_eq!(tail("", 3), "");
        let long = format!(
            "{}\n{}\n{}\n",
            "x".repeat(99),
            "y".repeat(200_000),
            "z".repeat(99)
        );
        assert_eq!(tail(&long, 2).len(), 200_001 + 100);
    }

    #[test]
    fn a_replaced_or_shortened_log_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "one\n").unwrap();
        let mut file = File::open(&path).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        assert!(successor(&file, &path).unwrap().is_none());
        std::fs::write(&path, "").unwrap();
        assert!(successor(&file, &path).unwrap().is_some());
        std::fs::remove_file(&path).unwrap();
        assert!(successor(&file, &path).unwrap().is_none());
        std::fs::write(&path, "a new one, and longer\n").unwrap();
        assert!(successor(&file, &path).unwrap().is_some());
    }

    proptest! {
        #[test]
        fn as_many_lines_as_asked_for(text in "[a\n]{0,30}", lines in 1_usize..6) {
            let all: Vec<&str> = text.split_inclusive('\n').collect();
            let want = all[all.len().saturating_sub(lines)..].concat();
            prop_assert_eq!(tail(&text, lines), want);
        }
    }
}
