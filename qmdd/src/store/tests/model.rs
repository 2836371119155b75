//! Random histories against a plain model of what the store should hold.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Apply(usize, Vec<Option<u8>>),
    Embed(usize, usize),
    Sync([bool; 2]),
    Reopen,
}

/// For each of six paths: leave, remove, or put one of a few texts.
fn step() -> impl Strategy<Value = Step> {
    let texts = proptest::collection::vec(proptest::option::of(0..5_u8), 1..6);
    prop_oneof![
        6 => (0..2_usize, texts).prop_map(|(collection, texts)| Step::Apply(collection, texts)),
        3 => (0..2_usize, 0..3_usize).prop_map(|(collection, model)| Step::Embed(collection, model)),
        1 => any::<[bool; 2]>().prop_map(Step::Sync),
        1 => Just(Step::Reopen),
    ]
}

const NAMES: [&str; 2] = ["a", "b"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_history_leaves_a_whole_index(steps in proptest::collection::vec(step(), 1..16)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut fixture = Fixture::new(&NAMES).await;
            let mut held = [true; 2];
            let mut files: [BTreeMap<String, String>; 2] = Default::default();
            for step in steps {
                match step {
                    Step::Apply(collection, texts) if held[collection] => {
                        let mut changes = Vec::new();
                        for (place, text) in texts.into_iter().enumerate() {
                            let path = format!("{place}.md");
                            if let Some(text) = text {
                                let text = format!("text {text}");
                                changes.push(put(&path, &text));
                                files[collection].insert(path, text);
                            } else {
                                changes.push(remove(&path));
                                files[collection].remove(&path);
                            }
                        }
                        fixture.store.apply(&name(NAMES[collection]), changes).await.unwrap();
                    }
                    Step::Apply(..) => {}
                    Step::Embed(collection, model) => {
                        // Two models share a length, the third has its own.
                        let vector = |_: &str| vec![1.0; if model == 2 { 3 } else { 2 }];
                        let model = format!("model-{model}");
                        fixture.embed(NAMES[collection], &model, vector).await;
                    }
                    Step::Sync(wanted) => {
                        let names: Vec<&str> = (0..2).filter(|i| wanted[*i]).map(|i| NAMES[i]).collect();
                        let mut lost = 0;
                        for place in (0..2).filter(|place| !wanted[*place]) {
                            lost += std::mem::take(&mut files[place]).len() as u64;
                        }
                        assert_eq!(fixture.sync(&names).await, lost);
                        held = wanted;
                    }
                    Step::Reopen => {
                        fixture.store.close().await;
                        fixture.store = Store::open(&fixture.path()).await.unwrap();
                    }
                }
                fixture.assert_whole().await;
                for place in (0..2).filter(|place| held[*place]) {
                    let listed = fixture.store.list(scope(&[NAMES[place]]), None, None, 100).await;
                    let listed = listed.unwrap().into_iter();
                    let known: BTreeMap<String, ContentHash> =
                        listed.map(|file| (file.path, file.hash)).collect();
                    let expected = files[place]
                        .iter()
                        .map(|(path, text)| (path.clone(), ContentHash::of(text)));
                    assert_eq!(known, expected.collect());
                }
                let words = fixture.number("SELECT count(*) FROM documents_fts('text')").await;
                assert_eq!(words as usize, files[0].len() + files[1].len());
            }
        });
    }
}
