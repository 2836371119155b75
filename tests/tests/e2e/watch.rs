//! Folders are followed: what is saved is found, without a command.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    net::TcpListener,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use qmd_proto::v1::ModelRole;
use qmd_tests::{Daemon, Events, Random, Sandbox, program, run, wait};
use serde_json::Value;

/// A daemon that follows the folders of an `index.yml`, in which `~` is the sandbox's home.
fn following(sandbox: Sandbox, config: &str) -> Result<Daemon> {
    configure(&sandbox, config)?;
    Daemon::start_with(sandbox, [("QMDD_WATCH", "1")])
}

fn configure(sandbox: &Sandbox, config: &str) -> Result<()> {
    let folder = sandbox.dirs().config;
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join("index.yml"), config)?)
}

/// A folder `notes` in the sandbox's home.
fn notes(sandbox: &Sandbox) -> Result<PathBuf> {
    let notes = sandbox.join("home/notes");
    fs::create_dir_all(&notes)?;
    Ok(notes)
}

const NOTES: &str = "collections:\n  notes: {path: ~/notes}\n";
const NOTES_POLLED: &str = "watch: {poll: 1s}\ncollections:\n  notes: {path: ~/notes}\n";

/// What `status` says of a collection.
fn state(daemon: &Daemon, collection: &str) -> Result<Value> {
    let status = daemon.qmdctl(["status", "--json"]).ok().json();
    let states = status["index"]["collectionStates"].as_array();
    let mut states = states.context("no states")?.iter();
    let found = states.find(|state| state["collection"] == collection);
    found.cloned().context("no such collection")
}

/// Waits until a collection is followed in that way.
fn wait_until(daemon: &Daemon, collection: &str, following: &str) -> Result<Value> {
    wait::until(
        &format!("{collection} to be {following}"),
        wait::LIMIT,
        || {
            let state = state(daemon, collection)?;
            Ok((state["following"] == following).then_some(state))
        },
    )
}

/// The documents a search finds.
fn hits(daemon: &Daemon, verb: &str, words: &str) -> Vec<String> {
    let rows = daemon.qmdctl([verb, words, "--json"]).ok().json();
    let rows = rows.as_array().cloned().unwrap_or_default();
    let files = rows.iter().filter_map(|row| row["file"].as_str());
    files.map(str::to_owned).collect()
}

/// Waits until searching by words finds just these.
fn wait_for_hits(daemon: &Daemon, words: &str, expected: &[&str]) -> Result<()> {
    wait::until(&format!("{words:?} in {expected:?}"), wait::LIMIT, || {
        Ok((hits(daemon, "search", words) == expected).then_some(()))
    })
}

#[test]
fn a_saved_file_is_found_by_words_and_by_meaning_until_it_is_gone() -> Result<()> {
    let sandbox = Sandbox::with_models()?;
    let notes = notes(&sandbox)?;
    fs::write(
        notes.join("old.md"),
        "# Old\n\nwritten before the start: walrus\n",
    )?;
    let daemon = following(sandbox, NOTES)?;
    daemon.wait_for_model(ModelRole::Embed)?;
    wait_for_hits(&daemon, "walrus", &["qmd://notes/old.md"])?;
    wait_until(&daemon, "notes", "live")?;
    let mut events = Events::listen(&daemon)?;

    fs::write(
        notes.join("new.md"),
        "# Bread\n\nhow to keep a sourdough starter alive\n",
    )?;
    let added = events.document("added", "new.md")?;
    assert_eq!(
        (&added["collection"], &added["title"]),
        (&"notes".into(), &"Bread".into())
    );
    assert_eq!(hits(&daemon, "search", "sourdough"), ["qmd://notes/new.md"]);
    events.document("embedded", "new.md")?;
    let by_meaning = daemon.qmdctl(["vsearch", "baking leaven", "--json", "--strict"]);
    assert!(by_meaning.ok().stdout.contains("qmd://notes/new.md"));

    fs::write(notes.join("new.md"), "# Boats\n\ncaulking a wooden hull\n")?;
    events.document("changed", "new.md")?;
    assert_eq!(hits(&daemon, "search", "sourdough"), [] as [&str; 0]);
    assert_eq!(hits(&daemon, "search", "caulking"), ["qmd://notes/new.md"]);
    events.document("embedded", "new.md")?;

    // A rename costs no embedding.
    fs::rename(notes.join("new.md"), notes.join("boats.md"))?;
    events.document("added", "boats.md")?;
    fs::write(notes.join("marker.md"), "# Marker\n")?;
    events.document("embedded", "marker.md")?;
    assert!(
        events.paths("removed").contains(&"new.md"),
        "{:#?}",
        events.heard
    );
    assert!(
        !events.paths("embedded").contains(&"boats.md"),
        "{:#?}",
        events.heard
    );
    let found = daemon
        .qmdctl(["vsearch", "ship repair", "--json", "--strict"])
        .ok();
    assert!(found.stdout.contains("qmd://notes/boats.md"), "{found}");

    fs::remove_file(notes.join("boats.md"))?;
    events.document("removed", "boats.md")?;
    assert_eq!(hits(&daemon, "search", "caulking"), [] as [&str; 0]);
    let state = state(&daemon, "notes")?;
    assert_eq!(
        (&state["documents"], &state["pendingEmbedding"]),
        (&2.into(), &0.into())
    );
    Ok(())
}

/// A way to save a file.
type Save = fn(&Path, &str) -> std::io::Result<()>;

/// As vim does: tries the folder with a file 4913, moves the old text away, writes the new one.
fn vim(file: &Path, text: &str) -> std::io::Result<()> {
    let probe = file.with_file_name("4913");
    fs::write(&probe, "")?;
    fs::remove_file(&probe)?;
    let swap = file.with_file_name(".a.md.swp");
    fs::write(&swap, "swap")?;
    let backup = file.with_file_name("a.md~");
    fs::rename(file, &backup)?;
    fs::write(file, text)?;
    fs::remove_file(&backup)?;
    fs::remove_file(&swap)
}

/// As emacs does: a lock that is a link to nowhere, an auto-save file, a backup.
fn emacs(file: &Path, text: &str) -> std::io::Result<()> {
    let lock = file.with_file_name(".#a.md");
    symlink("me@host.1234:1", &lock)?;
    let auto_save = file.with_file_name("#a.md#");
    fs::write(&auto_save, &text[..text.len() / 2])?;
    fs::copy(file, file.with_file_name("a.md~"))?;
    fs::write(file, text)?;
    fs::remove_file(&auto_save)?;
    fs::remove_file(&lock)
}

/// Beside it first, then in its place.
fn atomic(file: &Path, text: &str) -> std::io::Result<()> {
    let beside = file.with_file_name(".a.md.tmp-1");
    fs::write(&beside, text)?;
    fs::rename(&beside, file)
}

/// Emptied, then written piece by piece.
fn pieces(file: &Path, text: &str) -> std::io::Result<()> {
    let mut open = fs::File::create(file)?;
    for byte in text.as_bytes() {
        open.write_all(&[*byte])?;
        open.sync_data()?;
    }
    Ok(())
}

#[test]
fn however_an_editor_saves_the_last_text_counts_and_nothing_else_comes_in() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let notes = notes(&sandbox)?;
    fs::write(notes.join("a.md"), "# A\n\nfirst\n")?;
    let daemon = following(sandbox, NOTES)?;
    wait_for_hits(&daemon, "first", &["qmd://notes/a.md"])?;
    let mut events = Events::listen(&daemon)?;
    let ways: [(&str, Save); 4] = [
        ("vim", vim),
        ("emacs", emacs),
        ("atomic", atomic),
        ("pieces", pieces),
    ];
    for (word, save) in ways {
        save(&notes.join("a.md"), &format!("# A\n\nsaved by {word}\n"))?;
        wait_for_hits(
            &daemon,
            &format!("\"saved by {word}\""),
            &["qmd://notes/a.md"],
        )?;
    }
    // What came before this has been heard.
    fs::write(notes.join("last.md"), "# Last\n")?;
    events.document("added", "last.md")?;
    let others = |what| {
        let paths = events.paths(what).into_iter();
        paths
            .filter(|path| !["a.md", "last.md"].contains(path))
            .collect::<Vec<_>>()
    };
    assert_eq!((others("added"), others("changed")), (vec![], vec![]));
    assert_eq!(state(&daemon, "notes")?["documents"], 2);
    Ok(())
}

#[test]
fn new_folders_are_followed_and_ignored_ones_are_not() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let notes = notes(&sandbox)?;
    let daemon = following(sandbox, NOTES)?;
    wait_until(&daemon, "notes", "live")?;
    let mut events = Events::listen(&daemon)?;
    let write = |path: &str| -> Result<()> {
        let path = notes.join(path);
        fs::create_dir_all(path.parent().context("no folder")?)?;
        Ok(fs::write(path, "# It\n\nplover\n")?)
    };
    // A whole tree at once, and later a file deep in it.
    write("one/two/three/a.md")?;
    events.document("added", "one/two/three/a.md")?;
    write("one/two/three/b.md")?;
    events.document("added", "one/two/three/b.md")?;
    write("one/node_modules/x.md")?;
    write("one/.hidden/y.md")?;
    write("one/two/c.md")?;
    events.document("added", "one/two/c.md")?;

    // A rule leaves them out, another lets them in again.
    fs::write(notes.join("one/.gitignore"), "three/\n")?;
    events.document("removed", "one/two/three/a.md")?;
    fs::remove_file(notes.join("one/.gitignore"))?;
    events.document("added", "one/two/three/a.md")?;

    // A folder goes elsewhere, and on being followed.
    fs::rename(notes.join("one/two"), notes.join("moved"))?;
    events.document("added", "moved/three/a.md")?;
    write("moved/three/d.md")?;
    events.document("added", "moved/three/d.md")?;
    fs::remove_dir_all(notes.join("moved"))?;
    events.document("removed", "moved/three/d.md")?;
    wait_for_hits(&daemon, "plover", &[])?;
    assert!(
        !events
            .paths("added")
            .iter()
            .any(|path| path.contains("x.md") || path.contains("y.md"))
    );
    Ok(())
}

/// Every Markdown file below a folder, with its text.
fn files(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let inside = path.strip_prefix(folder)?.to_str().context("path")?;
                files.insert(inside.to_owned(), fs::read_to_string(&path)?);
            }
        }
    }
    Ok(files)
}

/// Changes something at a place that the numbers choose; what cannot be done is left.
fn change_something(random: &mut Random, notes: &Path, number: usize) {
    let names = ["a", "b", "c"];
    let mut place = || {
        let mut path = notes.to_owned();
        for _ in 0..random.below(3) {
            path.push(names[random.below(names.len())]);
        }
        path
    };
    let (folder, other) = (place(), place());
    let file = |folder: &Path, number: usize| folder.join(format!("{}.md", number % 7));
    let _ = match random.below(8) {
        0..=3 => fs::create_dir_all(&folder).and_then(|()| {
            let text = format!("# Note {number}\n\nwritten in step {number}\n");
            fs::write(file(&folder, random.below(7)), text)
        }),
        4 => fs::rename(
            file(&folder, random.below(7)),
            file(&other, random.below(7)),
        ),
        5 => fs::remove_file(file(&folder, random.below(7))),
        6 if folder != notes => fs::rename(&folder, other.join("c")),
        7 if folder != notes && random.below(4) == 0 => fs::remove_dir_all(&folder),
        _ => Ok(()),
    };
}

#[test]
fn whatever_happens_in_a_folder_the_index_comes_to_be_what_is_in_it() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let notes = notes(&sandbox)?;
    let daemon = following(sandbox, NOTES)?;
    wait_until(&daemon, "notes", "live")?;
    let mut random = Random::new(4);
    for round in 0..4 {
        for number in 0..150 {
            change_something(&mut random, &notes, round * 1_000 + number);
        }
        let expected = files(&notes)?;
        wait::until("the index to be in step", wait::LIMIT, || {
            if state(&daemon, "notes")?["documents"] != expected.len() {
                return Ok(None);
            }
            let is_known = |(path, text): (&String, &String)| {
                let address = format!("qmd://notes/{path}");
                let known = daemon.qmdctl(["get", &address, "--no-line-numbers"]);
                known.code == Some(0) && known.stdout.trim() == text.trim()
            };
            Ok(expected.iter().all(is_known).then_some(()))
        })?;
        // Nothing is left for an update.
        let update = daemon.qmdctl(["update"]).ok();
        let nothing = "0 documents added, 0 changed, 0 removed";
        assert!(update.stdout.contains(nothing), "round {round}: {update}");
    }
    Ok(())
}

#[test]
fn a_checkout_of_5000_files_is_no_storm() -> Result<()> {
    const FILES: usize = 5_000;
    let sandbox = Sandbox::new()?;
    let notes = notes(&sandbox)?;
    let git = |arguments: &[&str]| {
        let mut git = sandbox.command("git");
        git.current_dir(&notes)
            .args(["-c", "user.name=t", "-c", "user.email=t@localhost"]);
        run(git.args(arguments)).map(|outcome| outcome.ok())
    };
    let write_all = |text: &str| -> Result<()> {
        for number in 0..FILES {
            let folder = notes.join(format!("{}", number % 50));
            fs::create_dir_all(&folder)?;
            fs::write(
                folder.join(format!("{number}.md")),
                format!("# {number}\n\n{text}\n"),
            )?;
        }
        Ok(())
    };
    let _ = git(&["init", "--quiet", "--initial-branch=one"])?;
    for (branch, text) in [("one", "curlew"), ("two", "dunlin")] {
        if branch == "two" {
            let _ = git(&["checkout", "--quiet", "-b", branch])?;
        }
        write_all(text)?;
        let _ = git(&["add", "."])?;
        let _ = git(&["commit", "--quiet", "--message", text])?;
    }
    let config = sandbox.dirs().config;
    fs::create_dir_all(&config)?;
    fs::write(config.join("index.yml"), NOTES)?;
    let sandbox = std::sync::Arc::new(sandbox);
    let daemon = Daemon::start_with(std::sync::Arc::clone(&sandbox), [("QMDD_WATCH", "1")])?;
    wait::until("the first look", wait::LIMIT, || {
        let state = state(&daemon, "notes")?;
        Ok((state["documents"] == FILES && state["following"] == "live").then_some(()))
    })?;
    let mut events = Events::listen(&daemon)?;
    let git = |arguments: &[&str]| {
        let mut git = sandbox.command("git");
        run(git.current_dir(&notes).args(arguments)).map(|outcome| outcome.ok())
    };
    let _ = git(&["checkout", "--quiet", "one"])?;
    events.documents(FILES as u64)?;
    wait_for_hits(&daemon, "dunlin", &[])?;
    let rounds = events.count("round");
    assert!(rounds * 50 <= FILES, "{rounds} rounds for {FILES} files");
    ensure!(!hits(&daemon, "search", "curlew").is_empty());
    Ok(())
}

#[test]
fn documents_of_a_folder_that_went_away_stay_and_are_followed_when_it_is_back() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let notes = notes(&sandbox)?;
    fs::write(notes.join("a.md"), "# A\n\nwigeon\n")?;
    let daemon = following(sandbox, NOTES_POLLED)?;
    wait_until(&daemon, "notes", "live")?;
    let away = notes.with_file_name("away");
    fs::rename(&notes, &away)?;
    let state = wait_until(&daemon, "notes", "failed")?;
    assert_eq!(state["reason"], "FOLDER_MISSING");
    assert_eq!(state["documents"], 1);
    assert_eq!(hits(&daemon, "search", "wigeon"), ["qmd://notes/a.md"]);
    let shown = daemon.qmdctl(["status"]).ok();
    assert!(shown.stdout.contains("not followed"), "{shown}");
    // By hand it is no different.
    let by_hand = daemon.qmdctl(["update"]).ok();
    assert!(by_hand.stderr.contains("FOLDER_MISSING"), "{by_hand}");

    fs::write(away.join("b.md"), "# B\n\ngadwall\n")?;
    fs::rename(&away, &notes)?;
    wait_until(&daemon, "notes", "live")?;
    wait_for_hits(&daemon, "gadwall", &["qmd://notes/b.md"])?;
    fs::write(notes.join("c.md"), "# C\n\npintail\n")?;
    wait_for_hits(&daemon, "pintail", &["qmd://notes/c.md"])?;
    // An empty folder is an empty collection.
    for file in ["a.md", "b.md", "c.md"] {
        fs::remove_file(notes.join(file))?;
    }
    wait_for_hits(&daemon, "wigeon", &[])
}

/// `qmdd serve`, following folders, in namespaces of its own, after a preparation there. `None`, after
/// a loud line, where the system lends none.
fn apart(sandbox: &Sandbox, namespaces: &str, prepare: &str) -> Result<Option<Command>> {
    let unshare = |program: &Path| {
        let mut command = sandbox.command("unshare");
        let script = format!("{prepare} && exec \"$0\" \"$@\"");
        command.args([namespaces, "sh", "-c", &script]).arg(program);
        command
    };
    if run(&mut unshare(Path::new("true"))).map_or(true, |outcome| outcome.code != Some(0)) {
        // Not by a macro: what those print is held back.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: this system does not lend what `unshare {namespaces}` asks for"
        );
        return Ok(None);
    }
    let mut command = unshare(&program("qmdd")?);
    command.env("QMDD_WATCH", "1").arg("serve");
    Ok(Some(command))
}

#[test]
fn documents_of_a_disk_that_is_not_mounted_stay() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let notes = notes(&sandbox)?;
    configure(
        &sandbox,
        "watch: {reconcile: 1s, poll: 1s}\ncollections:\n  notes: {path: ~/notes}\n",
    )?;
    let mount = "mount -t tmpfs none \"$HOME/notes\" && echo '# A wigeon' >\"$HOME/notes/a.md\"";
    let Some(command) = apart(&sandbox, "-Urm", mount)? else {
        return Ok(());
    };
    let daemon = Daemon::start_as(sandbox, command)?;
    wait_for_hits(&daemon, "wigeon", &["qmd://notes/a.md"])?;
    let inside = |program: &str, arguments: &[&str]| {
        let mut enter = daemon.command("nsenter");
        let pid = daemon.pid().to_string();
        enter.args(["--preserve-credentials", "-U", "-m", "-t", &pid, program]);
        run(enter.args(arguments).arg(&notes)).map(|outcome| outcome.ok())
    };
    // Its place is an empty folder.
    let _ = inside("umount", &["-l"])?;
    let state = wait_until(&daemon, "notes", "failed")?;
    assert_eq!(
        (&state["reason"], &state["documents"]),
        (&"FOLDER_MISSING".into(), &1.into())
    );
    let by_hand = daemon.qmdctl(["update"]).ok();
    assert!(
        by_hand.stderr.contains("not on the disk it was on"),
        "{by_hand}"
    );
    assert_eq!(hits(&daemon, "search", "wigeon"), ["qmd://notes/a.md"]);
    // Something in it is a new beginning.
    fs::write(notes.join("b.md"), "# B gadwall\n")?;
    wait_for_hits(&daemon, "gadwall", &["qmd://notes/b.md"])?;
    wait_for_hits(&daemon, "wigeon", &[])
}

#[test]
fn where_the_system_watches_no_more_folders_are_looked_at_now_and_then() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let notes = notes(&sandbox)?;
    for number in 0..10 {
        fs::create_dir_all(sandbox.join(format!("home/large/{number}")))?;
    }
    let config = "watch: {poll: 1s}\ncollections:\n  notes: {path: ~/notes}\n  \
                  large: {path: ~/large}\n";
    configure(&sandbox, config)?;
    // A namespace of its own has limits of its own.
    let limited = "echo 6 >/proc/sys/user/max_inotify_watches";
    let Some(command) = apart(&sandbox, "-Ur", limited)? else {
        return Ok(());
    };
    let daemon = Daemon::start_as(sandbox, command)?;
    wait_until(&daemon, "notes", "live")?;
    let state = wait_until(&daemon, "large", "polled")?;
    assert_eq!(state["reason"], "WATCH_LIMIT");
    let hint = state["hint"].as_str().context("no hint")?;
    assert!(
        hint.contains("sysctl fs.inotify.max_user_watches="),
        "{hint}"
    );
    fs::write(daemon.join("home/large/3/a.md"), "# A\n\nwhimbrel\n")?;
    wait_for_hits(&daemon, "whimbrel", &["qmd://large/3/a.md"])?;
    fs::write(notes.join("b.md"), "# B\n\ngodwit\n")?;
    wait_for_hits(&daemon, "godwit", &["qmd://notes/b.md"])
}

#[test]
fn the_configuration_is_followed_too() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let notes = notes(&sandbox)?;
    let more = sandbox.join("home/more");
    fs::create_dir(&more)?;
    fs::write(notes.join("a.md"), "# A\n\nwigeon\n")?;
    fs::write(more.join("b.md"), "# B\n\ngadwall\n")?;
    let daemon = following(sandbox, NOTES)?;
    wait_for_hits(&daemon, "wigeon", &["qmd://notes/a.md"])?;
    // By hand ...
    configure(&daemon, &format!("{NOTES}  more: {{path: ~/more}}\n"))?;
    wait_until(&daemon, "more", "live")?;
    assert_eq!(hits(&daemon, "search", "gadwall"), ["qmd://more/b.md"]);
    // ... also for the worse: what was is followed.
    configure(&daemon, "collections: [")?;
    fs::write(notes.join("c.md"), "# C\n\npintail\n")?;
    configure(&daemon, NOTES)?;
    wait_for_hits(&daemon, "pintail", &["qmd://notes/c.md"])?;
    // ... and off.
    configure(&daemon, &format!("watch: false\n{NOTES}"))?;
    wait_until(&daemon, "notes", "off")?;
    let mut events = Events::listen(&daemon)?;
    fs::write(notes.join("d.md"), "# D\n\nteal\n")?;
    let _ = daemon.qmdctl(["update"]).ok();
    events.document("added", "d.md")?;
    assert_eq!(events.count("round"), 0);
    // By the client.
    configure(&daemon, NOTES)?;
    wait_until(&daemon, "notes", "live")?;
    let path = more.to_str().context("path")?;
    let added = daemon
        .qmdctl(["collection", "add", path, "--name", "again"])
        .ok();
    assert!(added.stderr.contains("followed from now on"), "{added}");
    wait_until(&daemon, "again", "live")?;
    assert_eq!(hits(&daemon, "search", "gadwall"), ["qmd://again/b.md"]);
    let _ = daemon.qmdctl(["collection", "remove", "again"]).ok();
    events.until("its end", |event| event["event"] == "collectionRemoved")?;
    Ok(())
}

#[test]
fn saving_wakes_no_remote_end() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let notes = notes(&sandbox)?;
    let remote = TcpListener::bind("127.0.0.1:0")?;
    remote.set_nonblocking(true)?;
    let url = format!("http://{}", remote.local_addr()?);
    configure(
        &sandbox,
        &format!("modal: {{inference: true, url: \"{url}\"}}\n{NOTES}"),
    )?;
    let daemon = Daemon::start_with(
        sandbox,
        [("QMDD_WATCH", "1"), ("QMDD_MODAL_TOKEN", "wk-a.ws-b")],
    )?;
    wait_until(&daemon, "notes", "live")?;
    let mut events = Events::listen(&daemon)?;
    fs::write(notes.join("a.md"), "# A\n\nwigeon\n")?;
    events.until("a round", |event| {
        event["event"] == "round" && event["added"] == 1
    })?;
    assert_eq!(hits(&daemon, "search", "wigeon"), ["qmd://notes/a.md"]);
    let called = remote.accept();
    assert!(
        called
            .as_ref()
            .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
        "{called:?}"
    );
    Ok(())
}

#[test]
fn a_listener_is_told_when_the_daemon_ends() -> Result<()> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let mut watch: Command = daemon.command(program("qmdctl")?);
    let mut watching = watch
        .args(["watch", "--json"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    let mut first = String::new();
    let out = watching.stdout.take().context("no output")?;
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut first)?;
    assert!(first.contains("\"state\""), "{first}");
    let _ = daemon.qmdctl(["daemon", "stop"]).ok();
    let output = watching.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("SHUTTING_DOWN"), "{said}");
    assert_eq!(
        output.status.code(),
        Some(i32::from(qmd_proto::Reason::ShuttingDown.exit_code()))
    );
    Ok(())
}
