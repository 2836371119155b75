//! Whose vectors an index holds.

use super::*;

#[tokio::test]
async fn an_index_is_of_other_models_when_none_of_its_vectors_is_of_these() {
    let fixture = Fixture::new(&["a", "b"]).await;
    fixture.put("a", &[("1.md", "one")]).await;
    fixture.put("b", &[("2.md", "two")]).await;
    let is_of_others = |model: &str, but: Option<&str>| {
        let but = but.map(|collection| Scope::of(vec![name(collection)]));
        fixture
            .store
            .is_of_other_models(vec!["before".into(), model.into()], but)
    };
    assert!(!is_of_others(MODEL, None).await.unwrap(), "it is empty");
    fixture.embed("a", MODEL, |_| vec![1.0, 0.0]).await;
    assert!(!is_of_others(MODEL, None).await.unwrap());
    assert!(is_of_others("model-2", None).await.unwrap());
    assert!(is_of_others("model-2", Some("b")).await.unwrap());
    let all_there_is = is_of_others("model-2", Some("a")).await.unwrap();
    assert!(!all_there_is);
    // Somebody has begun with the other one, on purpose.
    fixture.embed("b", "model-2", |_| vec![0.0, 1.0]).await;
    assert!(!is_of_others("model-2", None).await.unwrap());
}
