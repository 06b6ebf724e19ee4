use std::collections::HashSet;

use super::{HostRule, hosts, provider_of};
use crate::Provider;

fn check(host: &str, provider: Option<Provider>) {
    assert_eq!(provider_of(host), provider, "{host}");
}

#[test]
fn hosts_and_their_owners() {
    check("api.openai.com", Some(Provider::OpenAi));
    check("API.OpenAI.com", Some(Provider::OpenAi));
    check("api.openai.com:443", Some(Provider::OpenAi));
    check("api.openai.com.", Some(Provider::OpenAi));
    check("team.openai.azure.com", Some(Provider::Azure));
    check("bedrock-runtime.eu-west-3.amazonaws.com", Some(Provider::Bedrock));
    check("europe-west4-aiplatform.googleapis.com", Some(Provider::Vertex));
}

#[test]
fn strangers() {
    check("chatgpt.com", None);
    check("openai.com", None);
    check("claude.ai", None);
    check("openai.azure.com", None);
    check("notopenai.azure.com", None);
    check("xapi.openai.com", None);
    check("api.openai.com.evil.test", None);
    check("s3.us-east-1.amazonaws.com", None);
    check("storage.googleapis.com", None);
    check("", None);
    check("[::1]:443", None);
}

#[test]
fn names_are_plain_and_told_once() {
    let mut seen = HashSet::new();
    for rule in hosts() {
        let name = rule.name();
        assert!(seen.insert(name), "{name} is told twice");
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        assert!(
            name.bytes().all(plain) && !name.starts_with('.') && !name.ends_with('.'),
            "{name}"
        );
        assert!(
            matches!(rule, HostRule::Exact(_)) || name.split('.').count() >= 3,
            "{name} is too wide"
        );
    }
}
