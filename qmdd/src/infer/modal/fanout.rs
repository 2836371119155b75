//! Large inputs, in batches that are under way together.

use futures::{StreamExt, TryStreamExt, stream};

use crate::infer::backend::InferError;

/// What a batch may hold at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub items: usize,
    pub bytes: usize,
}

/// Cuts inputs into batches, in their order. One that is larger than a batch has one to itself.
pub(super) fn batches<T>(inputs: Vec<T>, most: Size, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    let mut filled = 0;
    for input in inputs {
        let size = bytes(&input);
        if !batch.is_empty() && (batch.len() == most.items || filled + size > most.bytes) {
            batches.push(std::mem::take(&mut batch));
            filled = 0;
        }
        filled += size;
        batch.push(input);
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

/// Sends batches, `width` at a time, and joins their results in order. Errors name inputs by their
/// place in the whole.
pub(super) async fn spread<T, R, F>(
    batches: Vec<Vec<T>>,
    width: usize,
    send: impl Fn(Vec<T>) -> F,
) -> Result<Vec<R>, InferError>
where
    F: Future<Output = Result<Vec<R>, InferError>>,
{
    let mut first = 0;
    let sent = batches.into_iter().map(|batch| {
        let before = first;
        first += batch.len();
        let sent = send(batch);
        async move { sent.await.map_err(|error| moved(error, before)) }
    });
    // Made here, so that the order of the batches is the order of their places.
    let sent: Vec<_> = sent.collect();
    let results: Vec<Vec<R>> = stream::iter(sent)
        .buffered(width.max(1))
        .try_collect()
        .await?;
    Ok(results.into_iter().flatten().collect())
}

fn moved(error: InferError, by: usize) -> InferError {
    match error {
        InferError::InputTooLong {
            role,
            index,
            tokens,
            limit,
        } => InferError::InputTooLong {
            role,
            index: index + by,
            tokens,
            limit,
        },
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Role;

    proptest! {
        #[test]
        fn batches_hold_everything_in_order_and_no_more_than_fits(
            inputs in proptest::collection::vec(0_usize..50, 0..60),
            items in 1_usize..8,
            bytes in 1_usize..60,
        ) {
            let most = Size { items, bytes };
            let batches = batches(inputs.clone(), most, |size| *size);
            prop_assert_eq!(batches.concat(), inputs);
            for batch in &batches {
                prop_assert!(!batch.is_empty() && batch.len() <= items);
                prop_assert!(batch.len() == 1 || batch.iter().sum::<usize>() <= bytes);
            }
        }
    }

    #[tokio::test]
    async fn an_error_names_the_place_in_the_whole() {
        let batches = vec![vec![0, 1, 2], vec![3, 4]];
        let result = spread(batches, 2, |batch| async move {
            if batch.contains(&4) {
                return Err(InferError::InputTooLong {
                    role: Role::Embed,
                    index: 1,
                    tokens: 9,
                    limit: 8,
                });
            }
            Ok(batch)
        })
        .await;
        assert!(matches!(
            result,
            Err(InferError::InputTooLong { index: 4, .. })
        ));
    }
}
