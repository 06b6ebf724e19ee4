use proptest::prelude::*;

use super::{Fields, Node, Scanner, Shape, Sink, Value, number, scaled, whole};
use crate::call::Unread;
use crate::field::Field;
use Shape::{Leaf, Seen, Text, Tree};

static ROOT: Node = Node {
    fields: Fields::of(&[
        ("model", Leaf(Field::Model)),
        ("seen", Seen(Field::Content)),
        ("text", Text(Field::CallArguments)),
        ("usage", Tree(&INNER)),
        ("list", Tree(&LIST)),
        ("again", Tree(&ROOT)),
    ]),
    items: Tree(&ROOT),
    ..Node::EMPTY
};
static INNER: Node = Node {
    scope: Some(Field::Usage),
    bare: Some(Field::Error),
    fields: Fields::of(&[("n", Leaf(Field::InputTokens))]),
    ..Node::EMPTY
};
static LIST: Node = Node { items: Tree(&INNER), ..Node::EMPTY };
static START: Shape = Tree(&ROOT);

#[derive(Default)]
struct Log {
    told: Vec<u8>,
    in_piece: bool,
}

impl Log {
    fn word(&mut self, word: &str) {
        if self.in_piece {
            self.told.push(b';');
        }
        self.in_piece = false;
        self.told.extend_from_slice(word.as_bytes());
        self.told.push(b' ');
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.told).trim_end().to_owned()
    }
}

impl Sink for Log {
    fn begin(&mut self, scope: Field) {
        self.word(&format!("<{scope:?}"));
    }

    fn end(&mut self, scope: Field) {
        self.word(&format!("{scope:?}>"));
    }

    fn piece(&mut self, _field: Field, bytes: &[u8]) {
        self.in_piece = true;
        self.told.extend_from_slice(bytes);
    }

    fn value(&mut self, field: Field, value: Value<'_>) {
        match value {
            Value::Text(text) => {
                self.word(&format!("{field:?}={:?}", String::from_utf8_lossy(text)))
            }
            Value::Number(text) => {
                self.word(&format!("{field:?}={}", String::from_utf8_lossy(text)))
            }
            Value::Null | Value::Bool(_) | Value::Seen => {
                self.word(&format!("{field:?}={value:?}"))
            }
        }
    }
}

fn scan(json: &[u8], piece: usize) -> String {
    let mut scanner = Scanner::new(&START);
    let mut log = Log::default();
    json.chunks(piece.max(1)).for_each(|piece| scanner.push(piece, &mut log));
    let end = scanner.finish(&mut log);
    if let Err(why) = end {
        return format!("unread: {why}");
    }
    log.text()
}

/// The same whole and in small pieces.
fn check(json: &str, told: &str) {
    for piece in [usize::MAX, 1, 2, 3, 5] {
        assert_eq!(scan(json.as_bytes(), piece), told, "{json} in pieces of {piece}");
    }
}

#[test]
fn scalars_that_are_asked_for() {
    check(r#"{"model":"m"}"#, r#"Model="m""#);
    check(r#"{"model":12.5}"#, "Model=12.5");
    check(r#"{"model":true,"x":false}"#, "Model=Bool(true)");
    check(" {\n\t\"model\" : null , \"x\" : 1 }\r\n", "Model=Null");
    check(r#"{"x":1,"y":[1,{"model":"no"}],"model":"yes"}"#, r#"Model="yes""#);
    check(r#"{"model":"first","model":"last"}"#, r#"Model="first" Model="last""#);
    check(r#"{"model":{"model":"no"}}"#, "");
}

#[test]
fn paths() {
    check(r#"{"usage":{"n":3,"m":4}}"#, "<Usage InputTokens=3 Usage>");
    check(r#"{"usage":null}"#, "Error=Null");
    check(r#"{"usage":"words"}"#, r#"Error="words""#);
    check(
        r#"{"list":[{"n":1},[],{"n":2}]}"#,
        "<Usage InputTokens=1 Usage> <Usage Usage> <Usage InputTokens=2 Usage>",
    );
    check(r#"[{"model":"a"},{"model":"b"}]"#, r#"Model="a" Model="b""#);
    check(r#"{"again":{"again":{"model":"deep"}}}"#, r#"Model="deep""#);
}

#[test]
fn seen() {
    check(r#"{"seen":"a"}"#, "Content=Seen");
    check(r#"{"seen":"\n"}"#, "Content=Seen");
    check(r#"{"seen":""}"#, "");
    check(r#"{"seen":null}"#, "");
    check(r#"{"seen":[1]}"#, "Content=Seen");
}

#[test]
fn texts_in_pieces() {
    check(r#"{"text":"a\"b\\cé😀"}"#, "a\"b\\cé😀;CallArguments>");
    check(r#"{"text":"\ud83d\ude00\u00e9\n"}"#, "😀é\n;CallArguments>");
    check(r#"{"text":"\ud83dx\ude00\ud83d\n"}"#, "\u{fffd}x\u{fffd}\u{fffd}\n;CallArguments>");
    check(r#"{"text":"\ud83d"}"#, "\u{fffd};CallArguments>");
    check(r#"{"text":{"a":[1," \" }"]} }"#, r#"{"a":[1," \" }"]};CallArguments>"#);
    check(r#"{"text":""}"#, "CallArguments>");
    check(r#"{"text":7}"#, "CallArguments=7");
}

#[test]
fn names_with_escapes() {
    check(r#"{"mo\u0064el":"m"}"#, r#"Model="m""#);
    check(r#"{"\"":1,"model":"m"}"#, r#"Model="m""#);
    let long = format!(r#"{{"{}":1,"model":"m"}}"#, "x".repeat(5000));
    check(&long, r#"Model="m""#);
}

#[test]
fn long_values_are_cut() {
    let json = format!(r#"{{"model":"{}"}}"#, "x".repeat(5000));
    check(&json, &format!("Model={:?}", "x".repeat(super::KEPT_MAX)));
}

#[test]
fn broken() {
    let invalid = "unread: invalid JSON";
    check("{", "unread: body ends in the middle of a value");
    check(r#"{"model":"m""#, "unread: body ends in the middle of a value");
    check(r#"{"x":[}"#, invalid);
    check(r#"{"model":tru}"#, invalid);
    check(r#"{"model":01}"#, invalid);
    check(r#"{"model":"\x"}"#, invalid);
    check(r#"{"model":"m"} x"#, invalid);
    check(r#"{"model" "m"}"#, invalid);
    check(r#"{,}"#, invalid);
    check("<html>", invalid);
    check("]", invalid);
}

#[test]
fn depth_is_bounded() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    check(&deep(128), "");
    check(&deep(129), "unread: JSON nested too deep");
    check(&format!(r#"{{"x":{}}}"#, deep(127)), "");
    check(&format!(r#"{{"x":{}}}"#, deep(128)), "unread: JSON nested too deep");
}

#[test]
fn lone_scalars() {
    check("12", "");
    check(r#""text""#, "");
    check("null", "");
}

#[test]
fn a_document_after_another() {
    let mut scanner = Scanner::new(&START);
    let mut log = Log::default();
    scanner.push(br#"{"model":"a""#, &mut log);
    assert_eq!(scanner.finish(&mut log), Err(Unread::Truncated));
    scanner.restart();
    scanner.push(br#"{"model":"b"}"#, &mut log);
    assert_eq!(scanner.finish(&mut log), Ok(()));
    assert_eq!(log.text(), r#"Model="a" Model="b""#);
}

#[test]
fn a_common_beginning() {
    let mut scanner = Scanner::new(&START);
    let mut log = Log::default();
    let json = br#"{"x":[{}],"model":"m","usage":{"n":1}}"#;
    let beginning = scanner.push_first(json, &mut log);
    assert_eq!(&json[..beginning], br#"{"x":[{}],"model":"m","#);
    scanner.restart();
    scanner.resume();
    scanner.push(br#""usage":{"n":2}}"#, &mut log);
    assert_eq!(scanner.finish(&mut log), Ok(()));
    assert_eq!(log.text(), r#"Model="m" <Usage InputTokens=1 Usage> <Usage InputTokens=2 Usage>"#);
}

#[test]
fn counts() {
    let check = |text: &str, count| assert_eq!(whole(text.as_bytes()), count, "{text}");
    check("0", Some(0));
    check("12", Some(12));
    check("12.0", Some(12));
    check("1.2e1", Some(12));
    check("120e-1", Some(12));
    check("12.5", None);
    check("-1", None);
    check("18446744073709551615", Some(u64::MAX));
    check("18446744073709551616", None);
    check("1e99", None);
}

#[test]
fn amounts() {
    let check = |text: &str, nano| assert_eq!(scaled(text.as_bytes(), 9), nano, "{text}");
    check("0.0007169", Some(716_900));
    check("6e-08", Some(60));
    check("2.8e-10", Some(0));
    check("5e-10", Some(1));
    check("4.9e-10", Some(0));
    check("1", Some(1_000_000_000));
    check("0.00014850000000000001", Some(148_500));
    check("-1", None);
    assert_eq!(scaled(b"8171500", -1), Some(817_150));
}

#[test]
fn numbers() {
    for good in ["0", "-0", "10", "1.5", "-1.5e+10", "1E5"] {
        assert!(number::is_number(good.as_bytes()), "{good}");
    }
    for bad in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "0x1", "1 2", "NaN"] {
        assert!(!number::is_number(bad.as_bytes()), "{bad}");
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let key = prop::sample::select(vec![
        "model", "seen", "text", "usage", "list", "again", "n", "x", "é\"",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_cut_tells_the_same(json in json(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let bytes = json.to_string().into_bytes();
        let whole = scan(&bytes, usize::MAX);
        prop_assert!(!whole.starts_with("unread"), "{json}");
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut scanner = Scanner::new(&START);
        let mut log = Log::default();
        cuts.windows(2).for_each(|cut| scanner.push(&bytes[cut[0]..cut[1]], &mut log));
        prop_assert_eq!(scanner.finish(&mut log), Ok(()));
        prop_assert_eq!(log.text(), whole);
    }

    #[test]
    fn any_bytes_tell_the_same(bytes in prop::collection::vec(prop::sample::select(b"{}[]\",:\\u0d1ntfe. model".to_vec()), 0..60)) {
        prop_assert_eq!(scan(&bytes, 1), scan(&bytes, usize::MAX));
    }

    /// What another parser takes, this one takes.
    #[test]
    fn valid_documents_are_read(text in any::<String>()) {
        let json = serde_json::json!({ "model": text, "x": text }).to_string();
        let kept = text.as_bytes()[..text.len().min(super::KEPT_MAX)].to_vec();
        let expected = format!("Model={:?}", String::from_utf8_lossy(&kept));
        prop_assert_eq!(scan(json.as_bytes(), usize::MAX), expected);
    }
}
