//! How far a pull or an import has come.

use std::sync::Arc;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Bytes come over the network.
    Download,
    /// A hash is computed.
    Verify,
    /// A model is unpacked and brought into GGUF form.
    Convert,
}

impl Step {
    /// As the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Verify => "verify",
            Self::Convert => "convert",
        }
    }
}

/// One report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// Bytes done.
    pub bytes_done: u64,
    /// Bytes in all; 0 while unknown.
    pub bytes_total: u64,
}

/// Hears reports: at most one a MiB, and one at the end of each step.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// Thins the reports of one step.
pub(super) struct Meter {
    step: Step,
    bytes_total: u64,
    next: u64,
    on_progress: OnProgress,
}

impl Meter {
    const EVERY: u64 = 1 << 20;

    pub(super) fn new(step: Step, bytes_total: u64, on_progress: &OnProgress) -> Self {
        Self {
            step,
            bytes_total,
            next: 0,
            on_progress: Arc::clone(on_progress),
        }
    }

    /// `bytes_done` of the step are done.
    pub(super) fn at(&mut self, bytes_done: u64) {
        if bytes_done >= self.next || bytes_done == self.bytes_total {
            self.next = bytes_done + Self::EVERY;
            let (step, bytes_total) = (self.step, self.bytes_total);
            (self.on_progress)(Progress {
                step,
                bytes_done,
                bytes_total,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn reports_are_thinned_but_the_end_is_told() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        let on_progress: OnProgress =
            Arc::new(move |progress| sink.lock().expect("lock").push(progress.bytes_done));
        let mut meter = Meter::new(Step::Verify, 2_500_000, &on_progress);
        (0..=25).for_each(|n| meter.at(n * 100_000));
        assert_eq!(
            *heard.lock().expect("lock"),
            [0, 1_100_000, 2_200_000, 2_500_000]
        );
    }
}
