//! Programming languages whose grammar is known.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// A language with a grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Language {
    /// Rust.
    Rust,
    /// Python.
    Python,
    /// TypeScript.
    TypeScript,
    /// TypeScript with JSX.
    Tsx,
    /// JavaScript, with JSX.
    JavaScript,
    /// Go.
    Go,
    /// C.
    C,
    /// C++, and headers that may be of either.
    Cpp,
    /// Java.
    Java,
}

impl Language {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Rust,
        Self::Python,
        Self::TypeScript,
        Self::Tsx,
        Self::JavaScript,
        Self::Go,
        Self::C,
        Self::Cpp,
        Self::Java,
    ];

    /// By a file's extension.
    pub fn of_path(path: &str) -> Option<Self> {
        let extension = Path::new(path).extension()?.to_str()?.to_lowercase();
        Some(match extension.as_str() {
            "rs" => Self::Rust,
            "py" | "pyi" | "pyw" => Self::Python,
            "ts" | "mts" | "cts" => Self::TypeScript,
            "tsx" => Self::Tsx,
            "js" | "mjs" | "cjs" | "jsx" => Self::JavaScript,
            "go" => Self::Go,
            "c" => Self::C,
            "h" | "cc" | "cpp" | "cxx" | "c++" | "hh" | "hpp" | "hxx" | "h++" | "ipp" | "inl"
            | "cu" | "cuh" => Self::Cpp,
            "java" => Self::Java,
            _ => return None,
        })
    }

    /// By the word that names it at a block of code, such as `rust` or `js`; extensions count too.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        Some(match name.as_str() {
            "rust" => Self::Rust,
            "python" | "python3" => Self::Python,
            "typescript" => Self::TypeScript,
            "javascript" | "node" => Self::JavaScript,
            "golang" => Self::Go,
            extension => return Self::of_path(&format!("x.{extension}")),
        })
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::TypeScript => "TypeScript",
            Self::Tsx => "TSX",
            Self::JavaScript => "JavaScript",
            Self::Go => "Go",
            Self::C => "C",
            Self::Cpp => "C++",
            Self::Java => "Java",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_and_names_tell() {
        for (path, language) in [
            ("src/main.rs", Some(Language::Rust)),
            ("A.PY", Some(Language::Python)),
            ("a.d.ts", Some(Language::TypeScript)),
            ("a.h", Some(Language::Cpp)),
            ("a.md", None),
            ("Makefile", None),
        ] {
            assert_eq!(Language::of_path(path), language, "{path}");
        }
        for (name, language) in [
            ("rust", Some(Language::Rust)),
            ("JS", Some(Language::JavaScript)),
            ("c++", Some(Language::Cpp)),
            ("c", Some(Language::C)),
            ("golang", Some(Language::Go)),
            ("text", None),
            ("", None),
            ("a/b.rs", Some(Language::Rust)),
        ] {
            assert_eq!(Language::of_name(name), language, "{name}");
        }
    }
}
