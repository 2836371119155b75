//! Shows how models come in, or are read.

use qmd_proto::v1::{ModelDone, ModelEvent, model_event::Event};
use tonic::Streaming;

use crate::{
    commands::incomplete,
    error::Result,
    render::{self, Screen, Step},
};

/// Shows a stream of models to its end, which holds one `done` for each; `told` says what that
/// means.
pub(super) async fn watch(
    screen: Screen,
    mut events: Streaming<ModelEvent>,
    told: fn(&ModelDone) -> &'static str,
) -> Result<()> {
    let mut progress = screen.progress();
    let mut models = 0;
    while let Some(event) = events.message().await? {
        match event.event {
            Some(Event::Progress(step)) => progress.show(&Step {
                label: format!("{} {}", step.step, step.name),
                done: step.bytes_done,
                total: step.bytes_total,
                detail: String::new(),
                bytes: true,
            }),
            Some(Event::Done(done)) => {
                models += 1;
                progress.finish();
                screen.done(&line(&done, told(&done)))?;
                progress = screen.progress();
            }
            // An event of a newer daemon.
            None => {}
        }
    }
    progress.finish();
    if models == 0 {
        return Err(incomplete("the daemon ended the job without a model").into());
    }
    Ok(())
}

/// A model that came, or was there.
pub(super) fn arrived(done: &ModelDone) -> &'static str {
    if done.already_present {
        "is here already"
    } else {
        "is ready"
    }
}

fn line(done: &ModelDone, how: &str) -> String {
    format!(
        "{} {how}: {} ({})",
        render::clean(&done.name),
        render::clean(&done.path),
        render::size(done.bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrival_names_the_file() {
        let done = ModelDone {
            name: "m".into(),
            path: "/c/m.gguf".into(),
            bytes: 25 << 20,
            ..ModelDone::default()
        };
        assert_eq!(
            line(&done, arrived(&done)),
            "m is ready: /c/m.gguf (25.0 MiB)"
        );
    }
}
