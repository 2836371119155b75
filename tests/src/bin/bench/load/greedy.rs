//! An editor that asks one thing at a time, alone and beside a client that asks for hundreds at once on one
//! connection, and asks again at once whatever the answer is.

use std::{
    env,
    io::{self, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use qmd_tests::Daemon;
use tokio::{runtime::Runtime, task::JoinSet};
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

use crate::{
    figures::{ms, percentile, spread},
    latency::by_words,
    update::notes::Notes,
};

/// The greedy client's own argument.
pub(crate) const GREEDY: &str = "load-greedy";

/// Requests that it has under way.
const AT_ONCE: usize = 300;
/// Searches of the editor, alone and beside it.
const SEARCHES: usize = 2_000;
/// Between two of them: somebody types.
const PAUSE: Duration = Duration::from_millis(5);
/// How often both are measured, in turn.
const ROUNDS: usize = 3;

pub(super) fn measure(
    out: &mut impl Write,
    runtime: &Runtime,
    daemon: &Daemon,
    questions: &[String],
) -> Result<()> {
    let socket = daemon.socket()?;
    let editor = runtime.block_on(daemon.channel())?;
    // Whatever is lazy, is so once.
    let _ = runtime.block_on(edit(&editor, questions, questions.len()))?;
    for manners in ["rude", "patient"] {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        let mut said = Vec::new();
        for _ in 0..ROUNDS {
            alone.extend(runtime.block_on(edit(&editor, questions, SEARCHES / ROUNDS))?);
            let greedy = Greedy::start(&socket, manners)?;
            std::thread::sleep(Duration::from_millis(500));
            beside.extend(runtime.block_on(edit(&editor, questions, SEARCHES / ROUNDS))?);
            said.push(greedy.end()?);
        }
        let ratio = ms(percentile(&mut beside, 0.99)) / ms(percentile(&mut alone, 0.99));
        writeln!(
            out,
            "A {manners} client with {AT_ONCE} requests under way:\n"
        )?;
        for said in said {
            writeln!(out, "- it: {said}")?;
        }
        writeln!(out, "- the editor alone: {}", spread(&mut alone))?;
        writeln!(out, "- the editor beside it: {}", spread(&mut beside))?;
        writeln!(out, "- p99 beside / alone: {ratio:.2}, wanted 3 at most\n")?;
    }
    Ok(())
}

/// The times of an editor's searches.
async fn edit(channel: &Channel, questions: &[String], count: usize) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        times.push(by_words(channel, &questions[number % questions.len()]).await?);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(times)
}

/// The greedy client's process.
struct Greedy(Child);

impl Greedy {
    fn start(socket: &Path, manners: &str) -> Result<Self> {
        let child = Command::new(env::current_exe()?)
            .args([GREEDY, manners])
            .arg(socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    /// Ends it; what it says of itself.
    fn end(mut self) -> Result<String> {
        drop(self.0.stdin.take());
        let output = self.0.wait_with_output()?;
        anyhow::ensure!(output.status.success(), "it ended with {}", output.status);
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

/// Is greedy until standard input ends: a rude client asks again at once, a patient one when it is told to.
pub(crate) fn be(arguments: &[String]) -> Result<()> {
    let [manners, socket] = arguments else {
        bail!("`{GREEDY}` takes manners and a socket");
    };
    let is_patient = manners == "patient";
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    std::thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        end.store(true, Relaxed);
    });
    let questions = Arc::new(Notes::new().questions(500));
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let began = Instant::now();
    Runtime::new()?.block_on(async {
        let endpoint = Endpoint::try_from(format!("unix:{socket}"))?;
        let channel = endpoint.connect().await?;
        let mut askers = JoinSet::new();
        for asker in 0..AT_ONCE {
            let (channel, ended) = (channel.clone(), Arc::clone(&ended));
            let (questions, counts) = (Arc::clone(&questions), Arc::clone(&counts));
            askers.spawn(async move {
                for number in asker.. {
                    if ended.load(Relaxed) {
                        break;
                    }
                    match by_words(&channel, &questions[number % questions.len()]).await {
                        Ok(_) => {
                            counts[0].fetch_add(1, Relaxed);
                        }
                        Err(status) if status.code() == Code::ResourceExhausted => {
                            counts[1].fetch_add(1, Relaxed);
                            let told = status.get_details_retry_info();
                            let told = told.and_then(|info| info.retry_delay);
                            let told = told
                                .with_context(|| format!("a refusal without a time: {status}"))?;
                            if is_patient {
                                tokio::time::sleep(told).await;
                            }
                        }
                        Err(status) => return Err(status.into()),
                    }
                }
                anyhow::Ok(())
            });
        }
        while let Some(asker) = askers.join_next().await {
            asker??;
        }
        anyhow::Ok(())
    })?;
    let [answered, refused] = [&counts[0], &counts[1]].map(|count| count.load(Relaxed));
    let seconds = began.elapsed().as_secs_f64();
    writeln!(
        io::stdout(),
        "{answered} answered ({:.0} a second), {refused} refused ({:.0} a second)",
        answered as f64 / seconds,
        refused as f64 / seconds
    )?;
    Ok(())
}
