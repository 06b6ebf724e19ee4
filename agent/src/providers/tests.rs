use super::*;
use crate::config;

const FILE: &str = "\
providers:
  - { name: gpu, hosts: [llm.internal.example, '*.llm.example'], dialect: openai }
  - { name: claude-like, hosts: [claude.internal.example], dialect: anthropic }
capture: { names: [watched.example] }
";

fn providers() -> Providers {
    Providers::new(&config::parse(FILE, "weir.yaml").expect("a good file"))
}

#[track_caller]
fn check(host: &str, path: &str, expected: &str) {
    let Endpoint { provider, dialect, operation } = providers().endpoint(host, "POST", path);
    assert_eq!(format!("{provider} {dialect} {operation}"), expected);
}

#[test]
fn endpoints() {
    check("api.openai.com", "/v1/chat/completions", "openai openai.chat chat");
    check("api.anthropic.com", "/v1/messages?beta=true", "anthropic anthropic.messages chat");
    check("llm.internal.example", "/v1/chat/completions", "compatible openai.chat chat");
    check("a.llm.example", "/v1/embeddings", "compatible openai.embeddings embeddings");
    check("claude.internal.example", "/v1/messages", "compatible anthropic.messages chat");
    check("watched.example", "/v1/chat/completions", "compatible other other");
}

#[test]
fn every_rule_is_a_name_to_capture() {
    let names = providers().names();
    for name in ["api.openai.com", "llm.internal.example", "x.llm.example", "watched.example"] {
        assert!(names.matches(name), "{name}");
    }
    assert!(!names.matches("llm.example"));
    assert!(!names.matches("evil-api.openai.com.example"));
}
