//! The grammars, and what their kinds of nodes are to a chunker. Values of cuts are QMD's.

use std::sync::LazyLock;

use tree_sitter::Node;

use super::Language;

/// What a cut before an item is worth.
const TYPE: u8 = 100;
const FUNCTION: u8 = 90;
const ALIAS: u8 = 80;
pub(super) const IMPORT: u8 = 60;

/// What a kind of node is to a chunker.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    /// An item.
    Item {
        worth: u8,
        /// What goes before its name.
        word: &'static str,
        named: Named,
    },
    /// Something around an item, such as its decorators. It is called what the item is called.
    Wrapper,
    /// One of several that stand together, such as imports: only the first is worth a cut.
    Import,
    /// A comment or an attribute, which belongs to what follows.
    Lead,
    /// Part of a statement that has begun, such as an `else`.
    Clause,
    /// Anything else.
    Other,
}

/// Where an item's name stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Named {
    /// In the field `name`.
    Name,
    /// There too, with parentheses after it.
    Call,
    /// There too, and without a body it is only spoken of.
    Body,
    /// In the declarator, below pointers and parameters, as C has it.
    Declarator,
    /// Rust's `impl Trait for Type`.
    Impl,
    /// Go's `(receiver) name`.
    Receiver,
    /// Go's `type`, named in its first part.
    Spec,
    /// A variable that holds a function or a class.
    Value,
}

/// A grammar, and the role of each kind of node, by the kind's number.
pub(super) struct Grammar {
    pub(super) language: tree_sitter::Language,
    roles: Vec<Role>,
}

impl Grammar {
    /// Built at the first call for a language.
    pub(super) fn of(language: Language) -> &'static Self {
        static GRAMMARS: [LazyLock<Grammar>; Language::ALL.len()] = [
            LazyLock::new(|| Grammar::new(tree_sitter_rust::LANGUAGE.into(), RUST)),
            LazyLock::new(|| Grammar::new(tree_sitter_python::LANGUAGE.into(), PYTHON)),
            LazyLock::new(|| {
                Grammar::new(tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(), SCRIPT)
            }),
            LazyLock::new(|| Grammar::new(tree_sitter_typescript::LANGUAGE_TSX.into(), SCRIPT)),
            LazyLock::new(|| Grammar::new(tree_sitter_javascript::LANGUAGE.into(), SCRIPT)),
            LazyLock::new(|| Grammar::new(tree_sitter_go::LANGUAGE.into(), GO)),
            LazyLock::new(|| Grammar::new(tree_sitter_c::LANGUAGE.into(), C)),
            LazyLock::new(|| Grammar::new(tree_sitter_cpp::LANGUAGE.into(), C)),
            LazyLock::new(|| Grammar::new(tree_sitter_java::LANGUAGE.into(), JAVA)),
        ];
        &GRAMMARS[language as usize]
    }

    fn new(language: tree_sitter::Language, table: &[(&str, Role)]) -> Self {
        let role = |kind: u16| {
            let name = language.node_kind_for_id(kind)?;
            if !language.node_kind_is_named(kind) {
                return None;
            }
            table.iter().chain(COMMON).find(|(known, _)| *known == name)
        };
        let roles = (0..language.node_kind_count() as u16)
            .map(|kind| role(kind).map_or(Role::Other, |(_, role)| *role))
            .collect();
        Self { language, roles }
    }

    pub(super) fn role(&self, node: Node<'_>) -> Role {
        let role = self.roles.get(usize::from(node.kind_id())).copied();
        match role.unwrap_or(Role::Other) {
            Role::Item {
                named: Named::Body, ..
            } if node.child_by_field_name("body").is_none() => Role::Other,
            Role::Item {
                named: Named::Value,
                ..
            } if value_item(node).is_none() => Role::Other,
            role => role,
        }
    }
}

/// The variable of a declaration that holds a function or a class.
pub(super) fn value_item(declaration: Node<'_>) -> Option<Node<'_>> {
    let variable = if declaration.kind() == "public_field_definition" {
        declaration
    } else {
        declaration.named_child(0)?
    };
    let value = variable.child_by_field_name("value")?;
    let holds = [
        "arrow_function",
        "function_expression",
        "generator_function",
        "class",
    ];
    holds.contains(&value.kind()).then_some(variable)
}

const fn item(worth: u8, word: &'static str, named: Named) -> Role {
    Role::Item { worth, word, named }
}

/// In all of them.
const COMMON: &[(&str, Role)] = &[
    ("comment", Role::Lead),
    ("line_comment", Role::Lead),
    ("block_comment", Role::Lead),
    ("else_clause", Role::Clause),
    ("catch_clause", Role::Clause),
    ("finally_clause", Role::Clause),
];

const RUST: &[(&str, Role)] = &[
    ("attribute_item", Role::Lead),
    ("mod_item", item(TYPE, "mod", Named::Body)),
    ("trait_item", item(TYPE, "trait", Named::Name)),
    ("impl_item", item(TYPE, "impl", Named::Impl)),
    ("struct_item", item(TYPE, "struct", Named::Name)),
    ("union_item", item(TYPE, "union", Named::Name)),
    ("enum_item", item(ALIAS, "enum", Named::Name)),
    ("type_item", item(ALIAS, "type", Named::Name)),
    ("function_item", item(FUNCTION, "fn", Named::Name)),
    ("function_signature_item", item(FUNCTION, "fn", Named::Name)),
    ("macro_definition", item(FUNCTION, "macro", Named::Name)),
    ("use_declaration", Role::Import),
    ("extern_crate_declaration", Role::Import),
];

const PYTHON: &[(&str, Role)] = &[
    ("decorated_definition", Role::Wrapper),
    ("decorator", Role::Lead),
    ("class_definition", item(TYPE, "class", Named::Name)),
    ("function_definition", item(FUNCTION, "def", Named::Name)),
    ("import_statement", Role::Import),
    ("import_from_statement", Role::Import),
    ("future_import_statement", Role::Import),
    ("elif_clause", Role::Clause),
    ("except_clause", Role::Clause),
];

/// JavaScript and TypeScript.
const SCRIPT: &[(&str, Role)] = &[
    ("export_statement", Role::Wrapper),
    ("ambient_declaration", Role::Wrapper),
    ("decorator", Role::Lead),
    ("class_declaration", item(TYPE, "class", Named::Name)),
    (
        "abstract_class_declaration",
        item(TYPE, "class", Named::Name),
    ),
    (
        "interface_declaration",
        item(TYPE, "interface", Named::Name),
    ),
    ("internal_module", item(TYPE, "namespace", Named::Name)),
    ("module", item(TYPE, "module", Named::Name)),
    ("enum_declaration", item(ALIAS, "enum", Named::Name)),
    ("type_alias_declaration", item(ALIAS, "type", Named::Name)),
    (
        "function_declaration",
        item(FUNCTION, "function", Named::Name),
    ),
    (
        "generator_function_declaration",
        item(FUNCTION, "function", Named::Name),
    ),
    (
        "function_signature",
        item(FUNCTION, "function", Named::Name),
    ),
    ("method_definition", item(FUNCTION, "", Named::Call)),
    ("public_field_definition", item(FUNCTION, "", Named::Value)),
    ("lexical_declaration", item(FUNCTION, "const", Named::Value)),
    ("variable_declaration", item(FUNCTION, "var", Named::Value)),
    ("import_statement", Role::Import),
];

const GO: &[(&str, Role)] = &[
    ("function_declaration", item(FUNCTION, "func", Named::Name)),
    (
        "method_declaration",
        item(FUNCTION, "func", Named::Receiver),
    ),
    ("type_declaration", item(TYPE, "type", Named::Spec)),
    ("import_declaration", Role::Import),
];

/// C and C++.
const C: &[(&str, Role)] = &[
    ("template_declaration", Role::Wrapper),
    ("access_specifier", Role::Lead),
    ("namespace_definition", item(TYPE, "namespace", Named::Name)),
    ("class_specifier", item(TYPE, "class", Named::Body)),
    ("struct_specifier", item(TYPE, "struct", Named::Body)),
    ("union_specifier", item(TYPE, "union", Named::Body)),
    ("enum_specifier", item(ALIAS, "enum", Named::Body)),
    ("type_definition", item(ALIAS, "typedef", Named::Declarator)),
    ("alias_declaration", item(ALIAS, "using", Named::Name)),
    ("concept_definition", item(ALIAS, "concept", Named::Name)),
    ("function_definition", item(FUNCTION, "", Named::Declarator)),
    ("preproc_function_def", item(ALIAS, "#define", Named::Name)),
    ("preproc_include", Role::Import),
    ("using_declaration", Role::Import),
];

const JAVA: &[(&str, Role)] = &[
    ("class_declaration", item(TYPE, "class", Named::Name)),
    (
        "interface_declaration",
        item(TYPE, "interface", Named::Name),
    ),
    (
        "annotation_type_declaration",
        item(TYPE, "@interface", Named::Name),
    ),
    ("record_declaration", item(TYPE, "record", Named::Name)),
    ("enum_declaration", item(ALIAS, "enum", Named::Name)),
    ("method_declaration", item(FUNCTION, "", Named::Call)),
    ("constructor_declaration", item(FUNCTION, "", Named::Call)),
    (
        "compact_constructor_declaration",
        item(FUNCTION, "", Named::Call),
    ),
    ("package_declaration", Role::Import),
    ("import_declaration", Role::Import),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A grammar that renames a kind would silently lose it.
    #[test]
    fn every_kind_is_one_of_its_grammar() {
        for (languages, table) in [
            (&[Language::Rust][..], RUST),
            (&[Language::Python], PYTHON),
            (
                &[Language::TypeScript, Language::Tsx, Language::JavaScript],
                SCRIPT,
            ),
            (&[Language::Go], GO),
            (&[Language::C, Language::Cpp], C),
            (&[Language::Java], JAVA),
        ] {
            for (kind, _) in table {
                let known = |language: &Language| {
                    let grammar = &Grammar::of(*language).language;
                    grammar.id_for_node_kind(kind, true) != 0
                };
                assert!(languages.iter().any(known), "{kind}");
            }
        }
    }

    #[test]
    fn grammars_stand_in_the_order_of_their_languages() {
        for language in Language::ALL {
            let name = Grammar::of(language)
                .language
                .name()
                .unwrap_or_default()
                .to_lowercase();
            let expected = language.name().to_lowercase().replace('+', "p");
            // Grammars of before ABI 15 have no name.
            assert!(name.is_empty() || name == expected, "{name} for {expected}");
        }
    }
}
