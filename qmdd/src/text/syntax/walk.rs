//! From a syntax tree to the worth of each line and the named items.

use std::ops::Range;

use tree_sitter::{Node, Tree, TreeCursor};

use super::{
    Item, Syntax,
    grammar::{Grammar, IMPORT, Named, Role, value_item},
};
use crate::text::outline::one_line;

/// What a cut before a statement is worth: the more, the fewer of the nodes around it are cut through.
const STATEMENT: u8 = 10;
const STATEMENT_AFTER_BLANK: u8 = 20;
/// What a cut inside a statement, a comment or a literal is worth, and between signature and body.
const LINE: u8 = 1;
const NONE: u8 = 0;
/// How deep counts what is no body of an item. Nothing counts as deeper.
const SIGNATURE: u8 = 3;
/// What an item loses for each item around it, and what it keeps at least.
const NESTING: u8 = 10;
const LEAST: u8 = 50;

/// How many named items deep names are kept.
const MAX_ITEMS: usize = 8;
/// How many nodes deep the tree is looked at.
const MAX_DEPTH: usize = 400;
/// Longest name, in characters.
const MAX_NAME: usize = 80;

pub(super) fn walk(tree: &Tree, code: &str, grammar: &Grammar) -> Syntax {
    let mut walker = Walker {
        grammar,
        code,
        starts: starts(code),
        worth: Vec::new(),
        items: Vec::new(),
    };
    walker.worth = vec![None; walker.starts.len()];
    walker.descend(&mut tree.walk());
    walker
        .items
        .sort_by_key(|item| (item.bytes.start, std::cmp::Reverse(item.bytes.end)));
    Syntax {
        lines: walker.worth,
        items: walker.items,
    }
}

/// Where each line starts. After the last line feed there is one more, perhaps empty.
fn starts(code: &str) -> Vec<usize> {
    let feeds = code.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    std::iter::once(0)
        .chain(feeds.map(|(at, _)| at + 1))
        .collect()
}

struct Walker<'a> {
    grammar: &'a Grammar,
    code: &'a str,
    /// Where each line starts.
    starts: Vec<usize>,
    worth: Vec<Option<u8>>,
    items: Vec<Item>,
}

/// A node whose children are looked at.
#[derive(Clone, Copy, Default)]
struct Frame {
    /// Named items around.
    items: usize,
    /// How deep its children are nested in the body of the innermost item: nodes count that begin on
    /// a line which is indented further than the line of the node around.
    depth: u8,
    /// How far the line is indented on which it begins, in bytes; of the whole file there is none.
    indent: Option<usize>,
    /// Whether it is an item: all its children but the body hang together.
    is_item: bool,
    /// Whether it is a wrapper, named and cut before as what it wraps.
    is_wrapper: bool,
    /// The lines of comments and attributes that stand right before.
    lead: Option<(usize, usize)>,
    /// The last line of the import before.
    import: Option<usize>,
}

impl Walker<'_> {
    /// Walks all nodes that span several lines, and looks at their children.
    fn descend(&mut self, cursor: &mut TreeCursor<'_>) {
        let mut frames = vec![Frame::default()];
        if !cursor.goto_first_child() {
            return;
        }
        loop {
            let inner = frames
                .last_mut()
                .and_then(|frame| self.visit(cursor, frame));
            if let Some(inner) = inner
                && frames.len() < MAX_DEPTH
                && cursor.goto_first_child()
            {
                frames.push(inner);
                continue;
            }
            while !cursor.goto_next_sibling() {
                frames.pop();
                if frames.is_empty() || !cursor.goto_parent() {
                    return;
                }
            }
        }
    }

    /// Looks at a child of the frame's node. Gives the frame of its own children if it spans lines.
    fn visit(&mut self, cursor: &TreeCursor<'_>, frame: &mut Frame) -> Option<Frame> {
        let node = cursor.node();
        let rows = self.rows(node);
        let role = self.grammar.role(node);
        let is_first = self.is_first(node, rows.start);
        if !is_first {
            // What follows on the same line has no say, yet ends what stood before.
            frame.import = None;
        } else if let Role::Lead = role {
            self.lead(frame, rows.clone());
        } else {
            let lead = frame.lead.take().filter(|(_, last)| last + 1 >= rows.start);
            let first = lead.map_or(rows.start, |(first, _)| first);
            let worth = self.worth_of(node, frame, role, first);
            for row in first + 1..=rows.start {
                self.set(row, NONE);
            }
            self.set(first, worth);
            // Comments were given what they are worth alone.
            if lead.is_some()
                && let Some(line) = self.worth.get_mut(first)
            {
                *line = (*line).max(Some(worth));
            }
            frame.import = matches!(role, Role::Import).then_some(rows.end - 1);
            if frame.items < MAX_ITEMS
                && !frame.is_wrapper
                && let Some(name) = self.name(node, role)
            {
                let bytes = self.starts[first]..self.line_end(rows.end - 1);
                self.items.push(Item { bytes, name });
            }
        }
        if rows.len() == 1 {
            return None;
        }
        let inner = self.inner(cursor, frame, role, rows.start);
        if node.child_count() == 0 {
            self.leaf(rows);
        }
        Some(inner)
    }

    /// A comment or an attribute: alone it is worth what a statement is, before something it shares
    /// that one's worth.
    fn lead(&mut self, frame: &mut Frame, rows: Range<usize>) {
        let last = rows.end - 1;
        match &mut frame.lead {
            Some((_, end)) if *end + 1 >= rows.start => {
                *end = last;
                self.set(rows.start, LINE);
            }
            lead => {
                *lead = Some((rows.start, last));
                let worth = self.statement(frame, rows.start);
                self.set(rows.start, worth);
            }
        }
    }

    /// The frame of a node's children.
    fn inner(&self, cursor: &TreeCursor<'_>, frame: &Frame, role: Role, row: usize) -> Frame {
        let line = &self.code[self.starts[row]..self.line_end(row)];
        let indent = line.len() - line.trim_start().len();
        let is_item = matches!(role, Role::Item { .. });
        let depth = if is_item {
            // Signatures and the like; the body begins anew.
            SIGNATURE
        } else if frame.is_item && cursor.field_name() == Some("body") {
            0
        } else {
            let further = frame.indent.is_none_or(|around| indent > around);
            frame.depth.saturating_add(u8::from(further))
        };
        Frame {
            items: frame.items + usize::from(is_item),
            depth,
            indent: Some(indent),
            is_item,
            is_wrapper: matches!(role, Role::Wrapper),
            lead: None,
            import: None,
        }
    }

    fn worth_of(&self, node: Node<'_>, frame: &Frame, role: Role, row: usize) -> u8 {
        let nested = |worth: u8| {
            let lost = NESTING.saturating_mul(frame.items.min(MAX_ITEMS) as u8);
            worth.saturating_sub(lost).max(LEAST.min(worth))
        };
        if frame.is_wrapper {
            return NONE;
        }
        match role {
            Role::Item { worth, .. } => nested(worth),
            Role::Wrapper => match self.wrapped(node) {
                Some((_, Role::Item { worth, .. })) => nested(worth),
                _ => self.statement(frame, row),
            },
            Role::Import if frame.import.is_some_and(|last| last + 1 >= row) => LINE,
            Role::Import => nested(IMPORT),
            Role::Clause => LINE,
            Role::Lead | Role::Other if frame.is_item => NONE,
            Role::Lead | Role::Other if node.is_named() => self.statement(frame, row),
            Role::Lead | Role::Other => match node.kind() {
                "}" | ")" | "]" | "end" | "#endif" => NONE,
                _ => LINE,
            },
        }
    }

    fn statement(&self, frame: &Frame, row: usize) -> u8 {
        let worth = if self.is_after_blank(row) {
            STATEMENT_AFTER_BLANK
        } else {
            STATEMENT
        };
        worth >> frame.depth.min(SIGNATURE)
    }

    /// The lines within a comment or a literal.
    fn leaf(&mut self, rows: Range<usize>) {
        for row in rows.skip(1) {
            let worth = if self.is_after_blank(row) { 5 } else { LINE };
            self.set(row, worth);
        }
    }

    /// The item inside a wrapper.
    fn wrapped<'t>(&self, wrapper: Node<'t>) -> Option<(Node<'t>, Role)> {
        let mut node = wrapper;
        // `export declare class`: a wrapper in a wrapper.
        for _ in 0..3 {
            let mut cursor = node.walk();
            let inner = node.named_children(&mut cursor).find_map(|child| {
                let role = self.grammar.role(child);
                matches!(role, Role::Item { .. } | Role::Wrapper).then_some((child, role))
            });
            match inner? {
                (child, Role::Wrapper) => node = child,
                found => return Some(found),
            }
        }
        None
    }

    fn name(&self, node: Node<'_>, role: Role) -> Option<String> {
        let (node, role) = match role {
            Role::Wrapper => self.wrapped(node)?,
            role => (node, role),
        };
        let Role::Item { word, named, .. } = role else {
            return None;
        };
        let field = |node: Node<'_>, field: &str| -> Option<String> {
            let bytes = node.child_by_field_name(field)?.byte_range();
            self.code.get(bytes).map(short)
        };
        let name = match named {
            Named::Name | Named::Body => field(node, "name")?,
            Named::Call => field(node, "name")? + "()",
            Named::Value => field(value_item(node)?, "name")?,
            Named::Spec => field(node.named_child(0)?, "name")?,
            Named::Receiver => format!("{} {}", field(node, "receiver")?, field(node, "name")?),
            Named::Impl => match field(node, "trait") {
                Some(of) => format!("{of} for {}", field(node, "type")?),
                None => field(node, "type")?,
            },
            Named::Declarator => {
                let mut declarator = node.child_by_field_name("declarator")?;
                while let Some(inner) = inner_declarator(declarator) {
                    declarator = inner;
                }
                let call = if word.is_empty() { "()" } else { "" };
                short(self.code.get(declarator.byte_range())?) + call
            }
        };
        let name = format!("{word} {name}");
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    }

    /// The lines a node touches, from 0.
    fn rows(&self, node: Node<'_>) -> Range<usize> {
        let (start, end) = (node.start_position(), node.end_position());
        // Some nodes take the line feed with them.
        let last = if end.column == 0 && end.row > start.row {
            end.row - 1
        } else {
            end.row
        };
        start.row..last.min(self.starts.len() - 1) + 1
    }

    /// Whether only white space stands before a node on its line.
    fn is_first(&self, node: Node<'_>, row: usize) -> bool {
        let before = self.code.get(self.starts[row]..node.start_byte());
        before.is_some_and(|before| before.trim().is_empty())
    }

    fn is_after_blank(&self, row: usize) -> bool {
        row > 0
            && self.code[self.starts[row - 1]..self.starts[row]]
                .trim()
                .is_empty()
    }

    fn line_end(&self, row: usize) -> usize {
        self.starts.get(row + 1).copied().unwrap_or(self.code.len())
    }

    /// Gives a line its worth, if no outer node has: that one is cut before as well.
    fn set(&mut self, row: usize, worth: u8) {
        if let Some(line) = self.worth.get_mut(row) {
            line.get_or_insert(worth);
        }
    }
}

/// What a declarator of C is about: below pointers, references and parameters.
fn inner_declarator(declarator: Node<'_>) -> Option<Node<'_>> {
    if declarator.kind() == "reference_declarator" {
        return declarator.named_child(0);
    }
    declarator.child_by_field_name("declarator")
}

/// A name on one line, not too long.
fn short(name: &str) -> String {
    let name = one_line(name);
    match name.char_indices().nth(MAX_NAME) {
        Some((cut, _)) => format!("{}\u{2026}", &name[..cut]),
        None => name,
    }
}
