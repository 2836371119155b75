//! An index of QMD's, taken over: documents are matched by their text, and vectors are taken where they
//! are what would be computed here.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use qmd_proto::{
    Reason,
    v1::{
        EmbedInput, EmbedKind, EmbedRequest, ModelRole, Priority,
        inference_service_client::InferenceServiceClient,
    },
};
use qmd_tests::{
    Daemon, Random, Sandbox, models, program,
    qmd::{QmdChunk, QmdIndex},
    run,
};

/// Of the starter's embedding model.
const DIMENSIONS: usize = 384;

/// A name by which a model gets the prompts that QMD gives to most.
const LIKE_QMD: &str = "embeddinggemma-small";

/// A daemon with notes in the collection `notes`, and a model of some name.
struct Home {
    daemon: Daemon,
    model: PathBuf,
}

impl Home {
    fn new(model_name: &str) -> Result<Self> {
        let sandbox = Arc::new(Sandbox::new()?);
        let model = sandbox.join("model.gguf");
        models::renamed(model_name, &model)?;
        let notes = sandbox.join("home/notes");
        fs::create_dir(&notes)?;
        let config = sandbox.dirs().config;
        fs::create_dir_all(&config)?;
        fs::write(
            config.join("index.yml"),
            format!(
                "watch: false\ncollections:\n  notes:\n    path: ~/notes\nmodels:\n  embed: {}\n",
                model.display()
            ),
        )?;
        let daemon = Daemon::start(sandbox)?;
        daemon.wait_for_model(ModelRole::Embed)?;
        Ok(Self { daemon, model })
    }

    fn write(&self, path: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.daemon.join("home/notes").join(path), text)?)
    }

    /// Where QMD has its index.
    fn qmd_file(&self) -> PathBuf {
        self.daemon.dirs().qmd_cache.join("index.sqlite")
    }

    fn qmd(&self) -> Result<QmdIndex> {
        let model = self.model.to_str().context("path")?;
        QmdIndex::create(&self.qmd_file(), model, DIMENSIONS)
    }

    /// What QMD would have of a chunk: the model's vector, of another length than 1.
    fn chunk(&self, title: &str, text: &str, start: u64) -> Result<QmdChunk> {
        let request = EmbedRequest {
            inputs: vec![EmbedInput {
                text: text.to_owned(),
                title: title.to_owned(),
            }],
            kind: EmbedKind::Document.into(),
            priority: Priority::Interactive.into(),
        };
        let runtime = tokio::runtime::Runtime::new()?;
        let reply = runtime.block_on(async {
            let mut client = InferenceServiceClient::new(self.daemon.channel().await?);
            anyhow::Ok(client.embed(request).await?.into_inner())
        })?;
        let vector = &reply.embeddings.first().context("no vector")?.values;
        Ok(QmdChunk {
            start,
            vector: vector.iter().map(|it| it * 1.75).collect(),
        })
    }
}

/// A text of paragraphs that QMD cuts in two.
fn long_text() -> String {
    // Few tokens for their length: a chunk of QMD's fits the small model's window.
    let sentence = "international information development organization government community. ";
    format!("# Foxes\n\n{}\n", sentence.repeat(55))
}

#[test]
fn vectors_that_are_the_same_are_taken_and_the_rest_is_left_to_embed() -> Result<()> {
    let home = Home::new(LIKE_QMD)?;
    let short = "# Bread\n\nA sourdough starter wants flour and water.\n";
    let long = long_text();
    let cut = 2700 - 17;
    home.write("short.md", short)?;
    home.write("long.md", &long)?;
    home.write("half.md", "# Half\n\nOnly one of two chunks is there.\n")?;
    home.write("odd.md", "# Odd\n\nCut in a way that cannot be told.\n")?;
    home.write(
        "title.md",
        "---\ntitle: Ours\n---\n# Theirs\n\nTitles differ.\n",
    )?;
    home.write("changed.md", "# Changed\n\nAfter QMD saw it.\n")?;
    home.write("new.md", "# New\n\nQMD has never seen it.\n")?;

    let qmd = home.qmd()?;
    let put = |path: &str, title: &str, text: &str, chunks: &[QmdChunk], total| {
        qmd.put(("notes", path, title), text, chunks, total)
    };
    put(
        "short.md",
        "Bread",
        short,
        &[home.chunk("Bread", short, 0)?],
        1,
    )?;
    let second = cut - 405;
    let chunks = [
        home.chunk("Foxes", &long[..cut], 0)?,
        home.chunk("Foxes", &long[second..], second as u64)?,
    ];
    put("long.md", "Foxes", &long, &chunks, 2)?;
    let text = fs::read_to_string(home.daemon.join("home/notes/half.md"))?;
    put(
        "half.md",
        "Half",
        &text,
        &[home.chunk("Half", &text, 0)?],
        2,
    )?;
    let text = fs::read_to_string(home.daemon.join("home/notes/odd.md"))?;
    let odd = [home.chunk("Odd", &text, 0)?, home.chunk("Odd", &text, 7)?];
    put("odd.md", "Odd", &text, &odd, 2)?;
    let text = fs::read_to_string(home.daemon.join("home/notes/title.md"))?;
    put(
        "title.md",
        "Theirs",
        &text,
        &[home.chunk("Theirs", &text, 0)?],
        1,
    )?;
    let lost = QmdChunk {
        start: 0,
        vector: Vec::new(),
    };
    let text = "# Lost\n\nIts vector is gone.\n";
    home.write("lost.md", text)?;
    put("lost.md", "Lost", text, &[lost], 1)?;
    // Over the window of 512 tokens, where QMD cuts off.
    let text = format!("# Wide\n\n{}\n", "a b c d e f g ".repeat(150));
    home.write("wide.md", &text)?;
    let wide = QmdChunk {
        start: 0,
        vector: vec![1.0; DIMENSIONS],
    };
    put("wide.md", "Wide", &text, &[wide], 1)?;
    put("changed.md", "Changed", "# Changed\n\nBefore.\n", &[], 0)?;
    put("gone.md", "Gone", "# Gone\n\nNo file any more.\n", &[], 0)?;
    qmd.put(
        ("elsewhere", "x.md", "X"),
        "# X\n\nNot configured.\n",
        &[],
        0,
    )?;
    qmd.close()?;
    let before = fs::read(home.qmd_file())?;

    let told = home.daemon.qmdctl(["import-qmd", "--json"]).ok().json();
    assert_eq!(told["documents"]["same"], 7, "{told:#}");
    assert_eq!(told["documents"]["changed"], 1, "{told:#}");
    assert_eq!(told["documents"]["absent"], 1, "{told:#}");
    assert_eq!(told["collectionsLeft"][0]["name"], "elsewhere", "{told:#}");
    assert_eq!(told["vectors"]["documents"], 2, "{told:#}");
    assert_eq!(told["vectors"]["chunks"], 3, "{told:#}");
    let left = told["vectors"]["left"].as_array().context("left")?;
    assert_eq!(left.len(), 5, "each for a reason of its own: {told:#}");
    assert!(left.iter().all(|it| it["documents"] == 1), "{told:#}");
    assert_eq!(
        told["notices"].as_array().map(Vec::len),
        Some(0),
        "{told:#}"
    );
    let distance = told["vectors"]["distance"].as_f64().context("distance")?;
    let compared = told["vectors"]["compared"].as_u64().context("compared")?;
    assert!(distance < 1e-4 && compared >= 2, "{told:#}");
    assert_eq!(told["pendingEmbedding"], 7, "{told:#}");

    assert_eq!(
        fs::read(home.qmd_file())?,
        before,
        "QMD's index is as it was"
    );
    let beside: Vec<_> = fs::read_dir(home.daemon.dirs().qmd_cache)?.collect();
    assert_eq!(beside.len(), 1, "and nothing lies beside it");

    // They answer before anything was embedded here, each at its place.
    let hits = home
        .daemon
        .qmdctl(["vsearch", "baking with a leaven", "-n", "1", "--json"])
        .ok()
        .json();
    assert_eq!(hits[0]["file"], "qmd://notes/short.md", "{hits:#}");
    let again = home.daemon.qmdctl(["import-qmd", "--json"]).ok().json();
    assert_eq!(again["vectors"]["documents"], 0, "{again:#}");
    let embedded = home.daemon.qmdctl(["embed"]).ok();
    assert!(
        embedded.stdout.contains("7 documents embedded"),
        "{}",
        embedded.stdout
    );
    Ok(())
}

#[test]
fn vectors_of_another_model_are_refused_whole() -> Result<()> {
    let home = Home::new(LIKE_QMD)?;
    let qmd = home.qmd()?;
    let mut random = Random::new(7);
    for number in 0..5 {
        let text = format!("# Note {number}\n\nSome text.\n");
        home.write(&format!("{number}.md"), &text)?;
        let vector = (0..DIMENSIONS)
            .map(|_| random.fraction() as f32 - 0.5)
            .collect();
        let chunk = QmdChunk { start: 0, vector };
        let (path, title) = (format!("{number}.md"), format!("Note {number}"));
        qmd.put(("notes", &path, &title), &text, &[chunk], 1)?;
    }
    qmd.close()?;
    let told = home.daemon.qmdctl(["import-qmd", "--json"]).ok().json();
    assert_eq!(told["documents"]["same"], 5, "{told:#}");
    assert_eq!(told["vectors"]["documents"], 0, "{told:#}");
    assert_eq!(
        told["notices"][0]["reason"],
        Reason::VectorsDiffer.as_str(),
        "{told:#}"
    );
    assert_eq!(told["pendingEmbedding"], 5, "{told:#}");
    Ok(())
}

#[test]
fn vectors_by_other_prompts_are_refused_before_any_is_computed() -> Result<()> {
    let home = Home::new("all-MiniLM-L6-v2")?;
    home.write("a.md", "# A\n\nText.\n")?;
    let qmd = home.qmd()?;
    let chunk = QmdChunk {
        start: 0,
        vector: vec![1.0; DIMENSIONS],
    };
    qmd.put(("notes", "a.md", "A"), "# A\n\nText.\n", &[chunk], 1)?;
    qmd.close()?;
    let told = home.daemon.qmdctl(["import-qmd", "--json"]).ok().json();
    assert_eq!(
        told["notices"][0]["reason"],
        Reason::VectorsDiffer.as_str(),
        "{told:#}"
    );
    let why = told["notices"][0]["message"].as_str().context("message")?;
    assert!(why.contains("prompts"), "{why}");
    assert_eq!(told["vectors"]["compared"], 0, "{told:#}");
    let said = home.daemon.qmdctl(["import-qmd"]).ok();
    assert!(said.stderr.contains("qmdctl embed"), "{}", said.stderr);
    Ok(())
}

#[test]
fn what_cannot_be_taken_over_says_why() -> Result<()> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let _ = daemon.qmdctl(["import-qmd"]).fails(Reason::NotQmdIndex);
    let file = daemon.join("home/file");
    fs::write(&file, "no database")?;
    let file = file.to_str().context("path")?;
    let _ = daemon
        .qmdctl(["import-qmd", file])
        .fails(Reason::NotQmdIndex);
    let _ = daemon
        .qmdctl(["import-qmd", "none.sqlite"])
        .fails(Reason::NotQmdIndex);

    // Without the model the documents are there all the same, and the vectors are asked for later.
    let notes = daemon.join("home/notes");
    fs::create_dir(&notes)?;
    fs::write(notes.join("a.md"), "# A\n\nwalrus\n")?;
    let notes = notes.to_str().context("path")?;
    let _ = daemon
        .qmdctl(["collection", "add", notes, "--name", "n"])
        .ok();
    let path: &Path = &daemon.join("home/qmd.sqlite");
    let qmd = QmdIndex::create(path, "m", 3)?;
    let chunk = QmdChunk {
        start: 0,
        vector: vec![1.0, 0.0, 0.0],
    };
    qmd.put(("n", "a.md", "A"), "# A\n\nwalrus\n", &[chunk], 1)?;
    // Left open, as by a QMD that runs.
    let told = daemon
        .qmdctl(["import-qmd", "qmd.sqlite", "--json"])
        .ok()
        .json();
    assert_eq!(told["documents"]["same"], 1, "{told:#}");
    assert_eq!(
        told["notices"][0]["reason"],
        Reason::ModelMissing.as_str(),
        "{told:#}"
    );
    let hits = daemon.qmdctl(["search", "walrus", "--json"]).ok().json();
    assert_eq!(hits.as_array().map(Vec::len), Some(1));

    // QMD's index of a project lies in the project.
    let root = daemon.join("home/notes");
    fs::create_dir(root.join(".qmd"))?;
    fs::write(
        root.join(".qmd/index.yml"),
        "collections:\n  p: {path: .}\n",
    )?;
    let qmd = QmdIndex::create(&root.join(".qmd/index.sqlite"), "m", 3)?;
    qmd.put(("p", "a.md", "A"), "# A\n\nwalrus\n", &[], 0)?;
    qmd.close()?;
    let mut command = daemon.command(program("qmdctl")?);
    let told = run(command.current_dir(&root).args(["import-qmd", "--json"]))?
        .ok()
        .json();
    assert_eq!(told["documents"]["same"], 1, "{told:#}");
    let beside = fs::read_dir(root.join(".qmd"))?.count();
    assert_eq!(beside, 2, "its configuration and its database");
    Ok(())
}
