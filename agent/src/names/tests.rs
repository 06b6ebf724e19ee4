use super::*;

fn check(rule: &str, host: &str, expected: bool) {
    let rule: NameRule = rule.parse_rule();
    assert_eq!(rule.matches(host), expected, "{rule} against {host}");
    let set: NameSet = [rule.clone()].into_iter().collect();
    assert_eq!(set.matches(host), expected, "set of {rule} against {host}");
}

trait ParseRule {
    fn parse_rule(&self) -> NameRule;
}

impl ParseRule for str {
    fn parse_rule(&self) -> NameRule {
        NameRule::parse(self).unwrap_or_else(|e| panic!("{self}: {e}"))
    }
}

#[test]
fn exact_is_exact() {
    check("api.openai.com", "api.openai.com", true);
    check("api.openai.com", "API.OpenAI.com.", true);
    check("API.OpenAI.com", "api.openai.com", true);
    check("api.openai.com", "evil-api.openai.com", false);
    check("api.openai.com", "v1.api.openai.com", false);
    check("api.openai.com", "api.openai.com.svc.cluster.local", false);
    check("api.openai.com", "", false);
}

#[test]
fn suffix_is_label_aligned_and_below() {
    check("*.openai.azure.com", "mine.openai.azure.com", true);
    check("*.openai.azure.com", "a.b.OpenAI.azure.com", true);
    check("*.openai.azure.com", "openai.azure.com", false);
    check("*.openai.azure.com", "evil-openai.azure.com", false);
    check("*.openai.azure.com", ".openai.azure.com", false);
    check("*.openai.azure.com", "mine.openai.azure.com.evil.example", false);
}

#[test]
fn matching_survives_names_that_are_not_ascii() {
    check("*.openai.azure.com", "ü.openai.azure.com.é", false);
    check("*.bc.de", "ééé", false);
}

#[test]
fn bad_names_say_why() {
    for (text, expected) in [
        ("", BadName::Empty),
        (".", BadName::Empty),
        ("*.", BadName::Empty),
        ("a..b", BadName::Label),
        ("-a.example", BadName::Label),
        ("a b.example", BadName::Label),
        ("https://api.openai.com", BadName::Label),
        ("api.openai.com:443", BadName::Label),
        ("10.0.0.1", BadName::Address),
        ("::1", BadName::Address),
        ("api.*.com", BadName::Wildcard),
        ("*api.example.com", BadName::Wildcard),
        ("*", BadName::Wildcard),
        ("*.com", BadName::TooWide),
    ] {
        assert_eq!(NameRule::parse(text), Err(expected), "{text}");
    }
    assert_eq!(NameRule::parse(&"a.".repeat(130)), Err(BadName::TooLong));
    assert_eq!(NameRule::parse(&"a".repeat(64)), Err(BadName::Label));
}

#[test]
fn display_and_parse_agree() {
    for text in ["api.openai.com", "*.openai.azure.com", "vllm", "my_vllm.svc"] {
        assert_eq!(text.parse_rule().to_string(), text);
    }
}

#[test]
fn subtrees_drop_what_is_covered() {
    let set: NameSet =
        ["*.azure.com", "a.azure.com", "b.a.azure.com", "api.openai.com", "notazure.com"]
            .iter()
            .map(|text| text.parse_rule())
            .collect();
    let subtrees: Vec<String> = set.subtrees().into_iter().collect();
    assert_eq!(subtrees, ["api.openai.com", "azure.com", "notazure.com"]);
}
