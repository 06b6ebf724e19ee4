use super::*;

/// The trie as the kernel has it: a rule matches if its bits are the first bits of the key.
fn matches(rule: &Rule, name: &str) -> bool {
    let mut spelling = Spelling::new();
    spelling.clear();
    for label in name.split('.') {
        assert!(spelling.separate());
        for byte in label.bytes() {
            assert!(spelling.push(byte));
        }
    }
    assert_eq!(spelling.text(), name.to_ascii_lowercase());
    let key = spelling.key().expect("a key");
    let (bits, bytes) = key.split_at(4);
    let bits = u32::from_ne_bytes(bits.try_into().expect("four bytes"));
    let counted = rule.bytes;
    bits >= rule.bits() && bytes[..counted] == rule.key()[..counted]
}

#[track_caller]
fn exact(rule: &str, name: &str, expected: bool) {
    assert_eq!(matches(&Rule::exact(rule).expect("a name"), name), expected);
}

#[track_caller]
fn suffix(rule: &str, name: &str, expected: bool) {
    assert_eq!(matches(&Rule::suffix(rule).expect("a name"), name), expected);
}

#[test]
fn exact_is_exact() {
    exact("api.openai.com", "api.openai.com", true);
    exact("api.openai.com", "API.OpenAI.com", true);
    exact("API.openai.com.", "api.openai.com", true);
    exact("api.openai.com", "xapi.openai.com", false);
    exact("api.openai.com", "x.api.openai.com", false);
    exact("api.openai.com", "openai.com", false);
    exact("api.openai.com", "api.openai.com.svc", false);
}

#[test]
fn suffix_is_below_and_of_whole_labels() {
    suffix("openai.azure.com", "mine.openai.azure.com", true);
    suffix("openai.azure.com", "a.b.openai.azure.com", true);
    suffix("openai.azure.com", "openai.azure.com", false);
    suffix("openai.azure.com", "evilopenai.azure.com", false);
}

#[test]
fn what_is_no_name_is_no_rule() {
    let long = "a".repeat(64);
    let longest = [
        long[..63].to_owned(),
        long[..63].to_owned(),
        long[..63].to_owned(),
        long[..61].to_owned(),
    ]
    .join(".");
    for name in ["", ".", "a..b", ".a", &long, &format!("{longest}x")] {
        assert_eq!(Rule::exact(name), None, "{name}");
    }
    assert_eq!(longest.len(), NAME_BYTES_MAX);
    exact(&longest, &longest, true);
}

#[test]
fn a_longer_name_than_there_can_be_is_not_spelled() {
    let mut spelling = Spelling::new();
    let pushed = (0..300).take_while(|_| spelling.push(b'a')).count();
    assert_eq!(pushed, NAME_BYTES_MAX);
    assert!(spelling.key().is_some());
}

#[test]
fn a_spelling_is_used_again() {
    let mut spelling = Spelling::new();
    for name in ["a.long.name.before.example", "b.example"] {
        spelling.clear();
        for byte in name.bytes() {
            assert!(spelling.push(byte));
        }
        // The key writes its length into the buffer, where a longer name had been.
        assert!(spelling.key().is_some());
        assert_eq!(spelling.text(), name);
    }
}
