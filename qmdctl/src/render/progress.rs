//! How a long job goes on: a bar on a terminal, now and then a line elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{tell, text::clean_line};

/// At least this long between two lines off a terminal.
const LINE_EVERY: Duration = Duration::from_secs(2);
/// How often a bar without a known end moves.
const TICK: Duration = Duration::from_millis(100);

/// A state of the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// What is being done.
    pub(crate) label: String,
    /// How much of it is done.
    pub(crate) done: u64,
    /// How much there is; 0 while that is not known.
    pub(crate) total: u64,
    /// More about it.
    pub(crate) detail: String,
    /// Whether `done` and `total` are bytes.
    pub(crate) bytes: bool,
}

/// Shows steps.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Nowhere.
    Silent,
    /// On a terminal.
    Bar(ProgressBar),
    /// As lines.
    Lines(Throttle),
}

impl Progress {
    pub(super) fn new(quiet: bool, terminal: bool) -> Self {
        if quiet {
            return Self::Silent;
        }
        if !terminal {
            return Self::Lines(Throttle::new(Instant::now()));
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.enable_steady_tick(TICK);
        Self::Bar(bar)
    }

    /// Shows the job's state.
    pub(crate) fn show(&mut self, step: &Step) {
        match self {
            Self::Silent => {}
            Self::Bar(bar) => {
                if bar.length() != Some(step.total) || bar.prefix() != step.label {
                    bar.set_style(style(step));
                    bar.set_length(step.total);
                    bar.set_prefix(clean_line(&step.label));
                }
                bar.set_position(step.done);
                bar.set_message(clean_line(&step.detail));
            }
            Self::Lines(throttle) => {
                if throttle.due(step, Instant::now()) {
                    tell(&line(step));
                }
            }
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn template(step: &Step) -> &'static str {
    match (step.total, step.bytes) {
        (0, _) => "{spinner} {prefix} {msg:.dim}",
        (_, true) => "{prefix} {bar:30.cyan} {binary_bytes}/{binary_total_bytes} {eta} {msg:.dim}",
        (_, false) => "{prefix} {bar:30.cyan} {pos}/{len} {eta} {wide_msg:.dim}",
    }
}

fn style(step: &Step) -> ProgressStyle {
    ProgressStyle::with_template(template(step)).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn line(step: &Step) -> String {
    let amount = match (step.total, step.bytes) {
        (0, _) => String::new(),
        (total, true) => format!(": {} of {}", super::size(step.done), super::size(total)),
        (total, false) => format!(": {} of {total}", step.done),
    };
    format!("{}{amount}\n", clean_line(&step.label))
}

/// Lets the first step of each label pass, then one in a while.
#[derive(Debug)]
pub(crate) struct Throttle {
    label: Option<String>,
    last: Instant,
}

impl Throttle {
    fn new(now: Instant) -> Self {
        Self {
            label: None,
            last: now,
        }
    }

    fn due(&mut self, step: &Step, now: Instant) -> bool {
        let new = self.label.as_ref() != Some(&step.label);
        if new || now.saturating_duration_since(self.last) >= LINE_EVERY {
            self.label = Some(step.label.clone());
            self.last = now;
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(label: &str, done: u64, total: u64, bytes: bool) -> Step {
        Step {
            label: label.into(),
            done,
            total,
            detail: String::new(),
            bytes,
        }
    }

    #[test]
    fn lines_say_what_and_how_much() {
        assert_eq!(
            line(&step("scanning notes", 3, 10, false)),
            "scanning notes: 3 of 10\n"
        );
        assert_eq!(line(&step("pip", 0, 0, false)), "pip\n");
        assert_eq!(
            line(&step("m", 1 << 20, 5 << 20, true)),
            "m: 1.0 MiB of 5.0 MiB\n"
        );
    }

    #[test]
    fn lines_come_now_and_then() {
        let start = Instant::now();
        let mut throttle = Throttle::new(start);
        let at = |seconds| start + Duration::from_secs(seconds);
        let (a, b) = (step("a", 0, 9, false), step("b", 0, 9, false));
        let due = [(&a, 0), (&a, 1), (&a, 2), (&a, 3), (&b, 3), (&b, 4)]
            .map(|(step, seconds)| throttle.due(step, at(seconds)));
        assert_eq!(due, [true, false, true, false, true, false]);
    }

    #[test]
    fn every_template_is_valid() {
        for (total, bytes) in [(0, false), (1, false), (1, true)] {
            let template = template(&step("x", 0, total, bytes));
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
