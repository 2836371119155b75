//! What the grammars tell of small pieces of code.

use proptest::prelude::*;

use super::*;

/// Lines with what a cut before them is worth.
fn cuts(code: &str, language: Language) -> Vec<(&str, Option<u8>)> {
    let syntax = parse(code, language).expect("it is parsed");
    code.lines().zip(syntax.lines).collect()
}

fn names(code: &str, language: Language) -> Vec<String> {
    let syntax = parse(code, language).expect("it is parsed");
    syntax.items.into_iter().map(|item| item.name).collect()
}

#[test]
fn rust_is_cut_before_items_with_what_belongs_to_them() {
    let code = "\
//! Head.

use a::b;
use c;

/// A doc.
#[derive(Debug)]
struct A {
    a: u32,
}

mod tests {
    impl fmt::Display for A<T> {
        // note
        fn f(&self)
        where
            Self: Sized,
        {
            let x = 1;

            if x {
                y();
            } else {
                z(
                    a,
                );
            }
        }
    }
}
";
    let expected = [
        Some(10),
        None,
        Some(60),
        Some(1),
        None,
        Some(100),
        Some(1),
        Some(0),
        Some(10),
        Some(0),
        None,
        Some(100),
        Some(90),
        Some(70),
        Some(0),
        Some(0),
        Some(1),
        Some(0),
        Some(10),
        None,
        Some(20),
        Some(5),
        Some(0),
        Some(5),
        Some(2),
        Some(0),
        Some(0),
        Some(0),
        Some(0),
        Some(0),
    ];
    let found: Vec<_> = cuts(code, Language::Rust);
    for ((line, worth), expected) in found.iter().zip(expected) {
        assert_eq!(*worth, expected, "{line}");
    }
    assert_eq!(
        names(code, Language::Rust),
        [
            "struct A",
            "mod tests",
            "impl fmt::Display for A<T>",
            "fn f"
        ]
    );
}

#[test]
fn items_hold_their_comments_and_their_lines() {
    let code = "x = 1\n\n# about\n@dec\nclass A:\n    def f(self):\n        pass\n\n    # g\n    def g(self): pass\ny = 2\n";
    let syntax = parse(code, Language::Python).expect("it is parsed");
    let items = syntax.items.into_iter();
    let items: Vec<_> = items.map(|item| (item.name, &code[item.bytes])).collect();
    let expected = [
        (
            "class A",
            "# about\n@dec\nclass A:\n    def f(self):\n        pass\n\n    # g\n    def g(self): pass\n",
        ),
        ("def f", "    def f(self):\n        pass\n"),
        ("def g", "    # g\n    def g(self): pass\n"),
    ];
    assert_eq!(items, expected.map(|(name, code)| (name.to_owned(), code)));
}

#[test]
fn every_language_names_its_items() {
    for (language, code, expected) in [
        (
            Language::TypeScript,
            "import a from 'a';\nexport interface I {\n  a: string;\n}\nexport abstract class C<T> {\n  @dec()\n  m(): void {\n  }\n  h = () => {\n  };\n}\nexport const f = async () => {\n};\nconst x = 1;\nnamespace N {\n  export type T = 1;\n}\ndeclare module 'm' {\n  function g(): void;\n}\nenum E { A }\n",
            &[
                "interface I",
                "class C",
                "m()",
                "h",
                "const f",
                "namespace N",
                "type T",
                "module 'm'",
                "function g",
                "enum E",
            ][..],
        ),
        (
            Language::Tsx,
            "export default function App() {\n  return <a>\n    <b/>\n  </a>;\n}\n",
            &["function App"],
        ),
        (
            Language::JavaScript,
            "class A {\n  constructor() {\n  }\n}\nfunction* g() {\n}\nvar h = function () {\n};\n",
            &["class A", "constructor()", "function g", "var h"],
        ),
        (
            Language::Go,
            "package p\n\nimport (\n\t\"a\"\n)\n\ntype T struct {\n\ta int\n}\n\n// F is.\nfunc (t *T) F() {\n}\nfunc g() {}\n",
            &["type T", "func (t *T) F", "func g"],
        ),
        (
            Language::C,
            "#include <a.h>\n#ifdef X\nstatic int *f(int a)\n{\n  return 0;\n}\n#endif\ntypedef struct {\n  int a;\n} T;\nstruct S {\n  int a;\n};\nstruct S s = {\n  0\n};\nint g(void);\n",
            &["f()", "typedef T", "struct S"],
        ),
        (
            Language::Cpp,
            "namespace a::b {\ntemplate <typename T>\nclass C : D {\n public:\n  T &f() const {\n  }\n};\nvoid C::g() {\n}\nenum class E {\n  A\n};\n}\nextern \"C\" {\nvoid h() {}\n}\n",
            &[
                "namespace a::b",
                "class C",
                "f()",
                "C::g()",
                "enum E",
                "h()",
            ],
        ),
        (
            Language::Java,
            "package p;\nimport a;\n\n/** Doc. */\n@A\npublic class C {\n  C() {\n  }\n  @Override\n  public void m() {\n  }\n  enum E { A }\n}\ninterface I {\n  int n();\n}\nrecord R(int a) {}\n",
            &[
                "class C",
                "C()",
                "m()",
                "enum E",
                "interface I",
                "n()",
                "record R",
            ],
        ),
    ] {
        assert_eq!(names(code, language), expected, "{}", language.name());
    }
}

#[test]
fn signatures_stay_with_bodies_and_closings_with_what_they_close() {
    let code = "\
template <typename T>
class A {
 public:
  int f(
      int a)
  {
    return a;
  }
};
";
    let expected = [100, 0, 80, 0, 1, 0, 10, 0, 0].map(Some);
    for ((line, worth), expected) in cuts(code, Language::Cpp).iter().zip(expected) {
        assert_eq!(*worth, expected, "{line}");
    }
}

#[test]
fn broken_code_is_parsed_as_far_as_it_goes() {
    let code = "fn a() {\n    x\n}\n\n)) what %%\n\nfn b() {\n    y\n}\n";
    assert!(names(code, Language::Rust).contains(&"fn b".to_owned()));
    assert_eq!(parse("", Language::Rust).map(|it| it.lines.len()), Some(1));
    assert_eq!(parse(&" ".repeat(MAX_BYTES + 1), Language::C), None);
}

#[test]
fn the_budget_ends_a_parse_that_leads_nowhere() {
    assert_eq!(parse(&"case a:".repeat(600), Language::Go), None);
}

proptest! {
    #[test]
    fn any_text_has_a_syntax(
        code in "(fn a\\(\\) \\{\n|\\}\n|class A|:\n|    |\n|\"|'|/\\*|\\*/|//x\n|#x\n|\\(|\\)|[a-z ]{0,9}|\u{e9}|=|,|;|<|>|`|\\$\\{|@a\n|import a\n|\\\\|\t|\u{0}){0,60}",
        language in prop::sample::select(Language::ALL.to_vec()),
    ) {
        let Some(Syntax { lines, items }) = parse(&code, language) else {
            return Ok(());
        };
        prop_assert_eq!(lines.len(), code.matches('\n').count() + 1);
        prop_assert!(lines.iter().all(|worth| worth.is_none_or(|worth| worth <= 100)));
        let mut around: Vec<usize> = Vec::new();
        let mut last = 0;
        for Item { bytes, name } in items {
            prop_assert!(bytes.start >= last && !name.is_empty());
            last = bytes.start;
            let starts_line = bytes.start == 0 || code[..bytes.start].ends_with('\n');
            prop_assert!(starts_line && code.get(bytes.clone()).is_some());
            around.retain(|end| *end > bytes.start);
            prop_assert!(around.last().is_none_or(|end| bytes.end <= *end));
            around.push(bytes.end);
        }
    }
}
