//! A model on its way when the daemon is killed.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context, Result};
use qmd_tests::{Daemon, Sandbox, models, program, wait};
use rustix::process::Signal;
use sha2::{Digest, Sha256};

/// Offsets that were asked for, one a request.
type Asked = Arc<Mutex<Vec<usize>>>;

/// A hub with one file, which stops in its middle the first time. Returns its address.
fn hub(file: Vec<u8>, asked: Asked) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}", listener.local_addr()?);
    let hash = hex::encode(Sha256::digest(&file));
    thread::spawn(move || {
        let mut open = Vec::new();
        for client in listener.incoming().flatten() {
            // A client that goes away is none of its business; a stalled one is kept waiting.
            open.extend(answer(client, &file, &hash, &asked).ok());
        }
    });
    Ok(address)
}

fn answer(mut client: TcpStream, file: &[u8], hash: &str, asked: &Asked) -> Result<TcpStream> {
    let mut offset = 0;
    for line in BufReader::new(client.try_clone()?).lines() {
        let line = line?.to_ascii_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            offset = range.trim_end_matches('-').parse()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let first = {
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push(offset);
        asked.len() == 1
    };
    let (total, rest) = (file.len(), &file[offset..]);
    let status = if offset == 0 {
        "200 OK".to_owned()
    } else {
        format!(
            "206 Partial Content\r\nContent-Range: bytes {offset}-{}/{total}",
            total - 1
        )
    };
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"e1\"\r\nX-Linked-ETag: \"{hash}\"\r\n\
         X-Linked-Size: {total}\r\nX-Repo-Commit: c0ffee\r\nConnection: close\r\n\r\n",
        rest.len()
    )?;
    let sent = if first { &rest[..rest.len() / 2] } else { rest };
    client.write_all(sent)?;
    client.flush()?;
    Ok(client)
}

#[test]
fn a_pull_goes_on_where_the_killed_daemon_left_it() -> Result<()> {
    let file = fs::read(models::embedder()?)?;
    let half = file.len() / 2;
    let asked = Asked::default();
    let endpoint = hub(file.clone(), Arc::clone(&asked))?;
    let environment = [("HF_ENDPOINT", endpoint.as_str())];
    let sandbox = Arc::new(Sandbox::new()?);
    let model = sandbox.dirs().models().join("hf/owner/repo/tiny.gguf");

    let daemon = Daemon::start_with(Arc::clone(&sandbox), environment)?;
    let mut pull = sandbox
        .command(program("qmdctl")?)
        .args(["models", "pull", "hf:owner/repo/tiny.gguf"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let part = || Some(fs::metadata(model.with_extension("gguf.part")).ok()?.len() as usize);
    // What the hub sent may not all be written yet.
    wait::until("a part of the file", wait::LIMIT, || {
        Ok(part().filter(|&part| part > half / 2))
    })?;
    daemon.signal(Signal::KILL)?;
    daemon.ended()?;
    let left = part().context("nothing is left")?;
    let refused = pull.wait()?;
    assert!(!refused.success(), "a pull without a daemon: {refused}");

    let daemon = Daemon::start_with(Arc::clone(&sandbox), environment)?;
    let pulled = daemon.qmdctl(["models", "pull", "hf:owner/repo/tiny.gguf"]);
    let pulled = pulled.ok();
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(asked, [0, left], "{pulled}");
    assert!(fs::read(&model)? == file, "another file than the hub's");
    Ok(())
}
