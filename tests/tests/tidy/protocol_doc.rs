//! docs/protocol.md tells every reason as the code has it.

use std::fmt::Write as _;

use qmd_proto::Reason;
use qmd_tests::workspace;

const HEAD: &str = "| Reason | gRPC status | Exit code | Meaning |\n| --- | --- | --- | --- |\n";

/// The table as the code has it.
fn table() -> String {
    let mut table = HEAD.to_owned();
    for reason in Reason::ALL {
        let _ = writeln!(
            table,
            "| `{reason}` | {} | {} | {} |",
            screaming(&format!("{:?}", reason.grpc_code())),
            reason.exit_code(),
            reason.meaning().trim(),
        );
    }
    table
}

/// `NotFound` as gRPC writes it: `NOT_FOUND`.
fn screaming(camel: &str) -> String {
    let mut text = String::new();
    for (at, letter) in camel.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

/// The table in a document, from its head to the first line that is not of it.
fn table_in(document: &str) -> Option<String> {
    let rows = &document[document.find(HEAD)?..];
    let end = rows
        .split_inclusive('\n')
        .take_while(|line| line.starts_with('|'));
    Some(end.collect())
}

#[test]
fn the_documented_reasons_are_those_of_the_code() {
    let document = std::fs::read_to_string(workspace().join("docs/protocol.md")).unwrap();
    let table = table();
    let documented = table_in(&document).unwrap_or_default();
    assert!(
        documented == table,
        "the table in docs/protocol.md must be:\n{table}"
    );
}

#[test]
fn a_document_that_differs_is_seen() {
    let table = table();
    let document = |table: &str| format!("# Reasons\n\n{table}\nMore.\n");
    assert_eq!(table_in(&document(&table)).as_ref(), Some(&table));
    let row = table.lines().nth(2).unwrap();
    assert_ne!(
        table_in(&document(&table.replace(row, ""))),
        Some(table.clone())
    );
    let more = format!("{table}| `MOON_FULL` | INTERNAL | 99 | The moon is full. |\n");
    assert_ne!(table_in(&document(&more)), Some(table));
    assert_eq!(table_in("nothing"), None);
}
