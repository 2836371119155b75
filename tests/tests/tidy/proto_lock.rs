//! Nothing of the API that is out there changes its meaning: tests/proto.lock lists every field, value
//! and method, and none of its lines may go or change.

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::Label,
};
use qmd_proto::DESCRIPTOR_SET;
use qmd_tests::workspace;

/// Set to lock what is new.
const UPDATE: &str = "QMD_UPDATE_PROTO_LOCK";

fn lock_file() -> PathBuf {
    workspace().join("tests/proto.lock")
}

/// One line for each field, value and method.
fn lines(set: &FileDescriptorSet) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for file in &set.file {
        let package = format!(".{}", file.package());
        for message in &file.message_type {
            message_lines(&package, message, &mut lines);
        }
        for values in &file.enum_type {
            enum_lines(&package, values, &mut lines);
        }
        method_lines(&package, file, &mut lines);
    }
    lines
}

fn message_lines(parent: &str, message: &DescriptorProto, lines: &mut BTreeSet<String>) {
    let name = format!("{parent}.{}", message.name());
    for field in &message.field {
        let kind = if field.type_name().is_empty() {
            field
                .r#type()
                .as_str_name()
                .trim_start_matches("TYPE_")
                .to_lowercase()
        } else {
            field.type_name().to_owned()
        };
        let label = match (field.label(), field.oneof_index) {
            (Label::Repeated, _) => "repeated ".to_owned(),
            (_, Some(_)) if field.proto3_optional() => "optional ".to_owned(),
            (_, Some(at)) => format!("oneof {} ", message.oneof_decl[at as usize].name()),
            _ => String::new(),
        };
        lines.insert(format!(
            "{name} {:03} {} {label}{kind}",
            field.number(),
            field.name()
        ));
    }
    for inner in &message.nested_type {
        message_lines(&name, inner, lines);
    }
    for values in &message.enum_type {
        enum_lines(&name, values, lines);
    }
}

fn enum_lines(parent: &str, values: &EnumDescriptorProto, lines: &mut BTreeSet<String>) {
    for value in &values.value {
        let name = values.name();
        lines.insert(format!(
            "{parent}.{name} {:03} {}",
            value.number(),
            value.name()
        ));
    }
}

fn method_lines(package: &str, file: &FileDescriptorProto, lines: &mut BTreeSet<String>) {
    for service in &file.service {
        for method in &service.method {
            let stream = |streams: bool| if streams { "stream " } else { "" };
            lines.insert(format!(
                "{package}.{} {} ({}{}) returns ({}{})",
                service.name(),
                method.name(),
                stream(method.client_streaming()),
                method.input_type(),
                stream(method.server_streaming()),
                method.output_type(),
            ));
        }
    }
}

fn current() -> FileDescriptorSet {
    FileDescriptorSet::decode(DESCRIPTOR_SET).unwrap()
}

/// Locked lines that the API does not have any more.
fn broken(locked: &BTreeSet<String>, api: &BTreeSet<String>) -> Vec<String> {
    locked.difference(api).cloned().collect()
}

#[test]
fn what_is_out_there_keeps_its_meaning() {
    let text = fs::read_to_string(lock_file()).unwrap_or_default();
    let locked: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let api = lines(&current());
    let broken = broken(&locked, &api);
    assert!(
        broken.is_empty(),
        "removed or changed, which breaks clients that are out there:\n{}",
        broken.join("\n")
    );
    if env::var_os(UPDATE).is_some() {
        let lines: Vec<&str> = api.iter().map(String::as_str).collect();
        fs::write(lock_file(), lines.join("\n") + "\n").unwrap();
        return;
    }
    let new: Vec<&str> = api.difference(&locked).map(String::as_str).collect();
    assert!(
        new.is_empty(),
        "new, and to be locked with `{UPDATE}=1 cargo test --release -p qmd-tests --test tidy \
         proto_lock`:\n{}",
        new.join("\n")
    );
}

#[test]
fn a_change_is_seen_and_an_addition_is_none() {
    let before = lines(&current());
    let changed = |change: fn(&mut DescriptorProto)| {
        let mut set = current();
        let mut messages = set.file.iter_mut().flat_map(|file| &mut file.message_type);
        change(
            messages
                .find(|message| message.name() == "SearchRequest")
                .unwrap(),
        );
        drop(messages);
        broken(&before, &lines(&set)).len()
    };
    assert_eq!(changed(|message| message.field[0].number = Some(99)), 1);
    assert_eq!(
        changed(|message| message.field[1].name = Some("words".into())),
        1
    );
    assert_eq!(changed(|message| drop(message.field.pop())), 1);
    assert_eq!(
        changed(|message| message.field[1].set_label(Label::Repeated)),
        1
    );
    assert_eq!(
        changed(|message| {
            let mut field = message.field[1].clone();
            (field.number, field.name) = (Some(99), Some("new".into()));
            message.field.push(field);
        }),
        0
    );
    let mut set = current();
    let services = set.file.iter_mut().flat_map(|file| &mut file.service);
    for service in services {
        service.method[0].server_streaming = Some(true);
    }
    assert!(!broken(&before, &lines(&set)).is_empty());
}
