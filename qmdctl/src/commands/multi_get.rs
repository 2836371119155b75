//! `multi-get`.

use qmd_proto::{
    Reason,
    v1::{MultiGetReply, MultiGetRequest, SkippedDocument, multi_get_reply::Item},
};

use super::{address, on_disk::OnDisk};
use crate::{
    cli::MultiGetArgs,
    client::Home,
    error::{Failure, Result},
    render::{Documents, Notice, Screen},
};

pub(super) async fn run(home: &Home, args: &MultiGetArgs) -> Result<()> {
    let (index, patterns) = address::lists(home, &args.patterns)?;
    let request = MultiGetRequest {
        index,
        patterns,
        max_lines: args.lines,
        max_bytes: Some(args.max_bytes),
    };
    let client = home.connect().await?;
    let mut replies = client.documents().multi_get(request).await?.into_inner();
    let on_disk = args.full_path.then(OnDisk::new);
    let format = args.documents_format();
    let mut shown = Documents::new(format, !args.no_line_numbers, Screen::is_terminal());
    shown.print_head()?;
    let mut missing = Missing::default();
    while let Some(MultiGetReply { item }) = replies.message().await? {
        let name = |uri: &str, file: &str| on_disk.as_ref()?.name(uri, file);
        match item {
            Some(Item::Document(document)) => {
                let file = name(&document.uri, &document.file_path);
                missing.found += 1;
                shown.print_document(&document, file.as_deref())?;
            }
            Some(Item::Skipped(skipped)) if skipped.uri.is_empty() => {
                missing.note(&skipped);
                shown.print_skipped(&skipped, None)?;
            }
            Some(Item::Skipped(skipped)) => {
                let file = name(&skipped.uri, &skipped.file_path);
                missing.found += 1;
                if skipped.reason != Reason::FileTooLarge.as_str() {
                    missing.note(&skipped);
                }
                shown.print_skipped(&skipped, file.as_deref())?;
            }
            // Of a later version.
            None => {}
        }
    }
    shown.print_tail()?;
    missing.result()
}

/// What was asked for and could not be had.
#[derive(Debug, Default)]
struct Missing {
    found: usize,
    missing: usize,
}

impl Missing {
    /// Counts it, and says so whatever the format.
    fn note(&mut self, skipped: &SkippedDocument) {
        self.missing += 1;
        Screen::warn(&Notice {
            message: skipped.message.clone(),
            reason: skipped.reason.clone(),
            hint: Some(skipped.hint.clone()).filter(|hint| !hint.is_empty()),
        });
    }

    /// Success, when nothing is missing.
    fn result(&self) -> Result<()> {
        let Self { found, missing } = *self;
        if missing == 0 {
            return Ok(());
        }
        let message = match missing {
            1 => "the answer is partial: 1 of those asked for is missing".to_owned(),
            _ => format!("the answer is partial: {missing} of those asked for are missing"),
        };
        let hint =
            format!("{found} of them are printed; the warnings say what to do about the others");
        Err(Failure::new(Reason::PartialAnswer, message)
            .hint(hint)
            .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn what_is_missing_makes_the_answer_partial() {
        assert!(Missing::default().result().is_ok());
        let missing = Missing {
            found: 3,
            missing: 2,
        };
        let Err(Error::Failed(failure)) = missing.result() else {
            panic!("it is a failure")
        };
        assert_eq!(
            (failure.reason.as_ref(), failure.exit_code),
            ("PARTIAL_ANSWER", 75)
        );
        assert!(failure.message.contains("2 of those"), "{failure:?}");
    }
}
