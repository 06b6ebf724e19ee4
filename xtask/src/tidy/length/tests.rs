use super::*;

#[test]
fn functions_are_measured_from_signature_to_brace() {
    let text = "\
impl A {
    pub(crate) async fn long<T>(
        &self,
    ) -> u8 {
        if true {
        }
        1
    }

    fn short() {}
}
";
    assert_eq!(functions(text), [(2, "long", 7), (10, "short", 1)]);
}

#[test]
fn what_is_long_is_remarked_on() {
    let body = "    let x = 1;\n".repeat(FUNCTION_LINES);
    let text = format!("fn f() {{\n{body}}}\n");
    let source = Source { path: "a.rs".to_owned(), text };
    assert_eq!(remarks(&source).len(), 1);
    let source = Source { path: "a.md".to_owned(), ..source };
    assert!(remarks(&source).is_empty());
}
