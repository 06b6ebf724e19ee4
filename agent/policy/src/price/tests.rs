#![expect(clippy::unwrap_used, reason = "a test may")]

use weir_wire::{Billed, Provider, Stated, Usage, UsageSource};

use super::{Cost, Sale, Table, bundled};

/// 2026-11-01
const NOW: i64 = 1_793_491_200;

fn usage(change: impl FnOnce(&mut Usage)) -> Usage {
    let stated = Stated { input_tokens: Some(0), output_tokens: Some(0), ..Stated::default() };
    let mut usage = Usage { stated, source: UsageSource::Provider, ..Usage::default() };
    change(&mut usage);
    usage
}

/// The price at the standard tier.
fn standard(
    table: &Table,
    provider: Provider,
    (served_model, request_model): (Option<&str>, Option<&str>),
    usage: &Usage,
    at_unix_seconds: i64,
) -> Cost {
    let service_tier = None;
    table.price(&Sale {
        provider,
        served_model,
        request_model,
        service_tier,
        usage,
        at_unix_seconds,
    })
}

/// `expected` in nano-dollars; `None` for unknown.
fn check(provider: Provider, model: &str, usage: &Usage, expected: Option<u64>) {
    let cost = standard(bundled(), provider, (Some(model), None), usage, NOW);
    let expected = expected.map_or(Cost::Unknown, |nanodollars| Cost::Known { nanodollars });
    assert_eq!(cost, expected, "{provider} {model}");
}

fn million_in() -> Usage {
    usage(|usage| usage.input_uncached = 1_000_000)
}

#[test]
fn known_public_prices() {
    let dollar = 1_000_000_000;
    check(Provider::OpenAi, "gpt-4o-2024-11-20", &million_in(), Some(5 * dollar / 2));
    check(Provider::OpenAi, "gpt-4o-mini-2024-07-18", &million_in(), Some(15 * dollar / 100));
    check(Provider::OpenAi, "text-embedding-3-small", &million_in(), Some(2 * dollar / 100));
    check(Provider::Anthropic, "claude-3-haiku-20240307", &million_in(), Some(dollar / 4));
    check(Provider::Anthropic, "claude-haiku-4-5-20251001", &million_in(), Some(dollar));
    let out = usage(|usage| usage.output_text = 1_000_000);
    check(Provider::OpenAi, "gpt-4o", &out, Some(10 * dollar));
    check(Provider::Anthropic, "claude-haiku-4-5", &out, Some(5 * dollar));
}

#[test]
fn every_bucket_is_priced() {
    // Claude Haiku 4.5: 1, 0.10, 1.25, 2, 5 dollars per million; searches 10 dollars per thousand.
    let all = usage(|usage| {
        usage.input_uncached = 7;
        usage.cache_read = 11;
        usage.cache_write = 1;
        usage.cache_write_5m = 12;
        usage.cache_write_1h = 17;
        usage.output_text = 19;
        usage.reasoning = 23;
        usage.web_searches = 2;
    });
    let nano = 7 * 1000 + 11 * 100 + 13 * 1250 + 17 * 2000 + (19 + 23) * 5000 + 2 * 10_000_000;
    check(Provider::Anthropic, "claude-haiku-4-5", &all, Some(nano));
}

#[test]
fn fractions_of_a_nanodollar_are_rounded_once() {
    // 0.075 dollars per million is 75 nano-dollars a thousand.
    let model = "gpt-4o-mini";
    check(Provider::OpenAi, model, &usage(|usage| usage.cache_read = 1), Some(75));
    let tiny = |count| usage(|usage| usage.input_uncached = count);
    check(Provider::OpenAi, "text-embedding-3-small", &tiny(1), Some(20));
    check(Provider::Mistral, "mistral-embed", &tiny(3), Some(300));
}

#[test]
fn unknown_is_never_nothing() {
    check(Provider::OpenAi, "no-such-model", &million_in(), None);
    check(Provider::OpenAi, "", &million_in(), None);
    check(Provider::Compatible, "gpt-4o", &million_in(), None);
    // A bucket that was used and has no price.
    check(Provider::OpenAi, "gpt-3.5-turbo", &usage(|usage| usage.output_audio = 1), None);
    check(Provider::Anthropic, "claude-3-haiku", &usage(|usage| usage.web_searches = 1), None);
    // Nothing was stated.
    let silent = Usage { source: UsageSource::None, ..Usage::default() };
    check(Provider::OpenAi, "gpt-4o", &silent, None);
}

#[test]
fn calls_beside_the_tokens_make_it_unknown() {
    let searched = usage(|usage| usage.unpriced_calls = 1);
    check(Provider::OpenAi, "gpt-4o", &searched, None);
}

#[test]
fn an_unused_bucket_needs_no_price() {
    check(Provider::OpenAi, "gpt-3.5-turbo", &usage(|usage| usage.cache_read = 0), Some(0));
}

#[test]
fn the_requested_model_stands_in() {
    let cost =
        |served, asked| standard(bundled(), Provider::OpenAi, (served, asked), &million_in(), NOW);
    assert_eq!(
        cost(Some("my-deployment"), Some("gpt-4o")),
        Cost::Known { nanodollars: 2_500_000_000 }
    );
    assert_eq!(cost(None, Some("gpt-4o")), Cost::Known { nanodollars: 2_500_000_000 });
    assert_eq!(cost(Some("gpt-4o-mini"), Some("gpt-4o")), Cost::Known { nanodollars: 150_000_000 });
    assert_eq!(cost(None, None), Cost::Unknown);
}

#[test]
fn other_sellers_of_the_same_model() {
    check(Provider::Azure, "gpt-4.1-mini-2025-04-14", &million_in(), Some(400_000_000));
    check(Provider::Vertex, "claude-haiku-4-5@20251001", &million_in(), Some(1_000_000_000));
}

#[test]
fn prices_change_on_their_day() {
    // o3 went from 10 to 2 dollars on 2025-06-10.
    let change = 1_749_513_600;
    let o3 = (Some("o3"), None);
    let at = |at| standard(bundled(), Provider::OpenAi, o3, &million_in(), at);
    assert_eq!(at(change - 1), Cost::Known { nanodollars: 10_000_000_000 });
    assert_eq!(at(change), Cost::Known { nanodollars: 2_000_000_000 });
}

fn tier(model: &str, tier: &str) -> Cost {
    bundled().price(&Sale {
        provider: Provider::OpenAi,
        served_model: Some(model),
        request_model: None,
        service_tier: Some(tier),
        usage: &million_in(),
        at_unix_seconds: NOW,
    })
}

#[test]
fn tiers() {
    assert_eq!(tier("o3", "default"), Cost::Known { nanodollars: 2_000_000_000 });
    assert_eq!(tier("o3", "flex"), Cost::Known { nanodollars: 1_000_000_000 });
    assert_eq!(tier("o3", "priority"), Cost::Known { nanodollars: 3_500_000_000 });
    assert_eq!(tier("o3", "scale"), Cost::Unknown);
    assert_eq!(tier("gpt-3.5-turbo", "priority"), Cost::Unknown);
}

#[test]
fn units_on_the_bill_count_before_tokens() {
    let read = usage(|usage| {
        usage.input_uncached = 1537;
        usage.output_text = 18;
        usage.billed = Some(Billed { input: 50, output: 4 });
    });
    // 2.50 and 10 dollars per million.
    check(Provider::Cohere, "command-a-03-2025", &read, Some(50 * 2500 + 4 * 10_000));
}

#[test]
fn what_the_provider_charged_counts() {
    let told = usage(|usage| usage.stated_cost_nanodollars = Some(717));
    check(Provider::OpenRouter, "no-such-model", &told, Some(717));
}

static SMALL: &str = "# source a test\n# date 2026-01-02\n@openai\nlong ^long\n\t* i1>1000=3>5000=4 o2\nnight =night\n\t* i1\n\t22:30-02:00 i5\nodd =odd\n\t* i1 ?9\ndated =dated-2025-12-11\n\t* i7\n@azure openai\n";

fn small(model: &str, tokens: u64, at: i64) -> Cost {
    let asked = usage(|usage| usage.input_uncached = tokens);
    let table = Table::read("small", SMALL);
    standard(&table, Provider::OpenAi, (Some(model), None), &asked, at)
}

#[test]
fn long_contexts_cost_more_for_all_tokens() {
    assert_eq!(small("long-1", 1000, NOW), Cost::Known { nanodollars: 1_000_000 });
    assert_eq!(small("long-1", 1001, NOW), Cost::Known { nanodollars: 3_003_000 });
    assert_eq!(small("long-1", 5001, NOW), Cost::Known { nanodollars: 20_004_000 });
}

#[test]
fn times_of_day_pass_midnight() {
    let at = |hour: i64, minute: i64| small("night", 1, hour * 3600 + minute * 60);
    assert_eq!(at(22, 29), Cost::Known { nanodollars: 1000 });
    assert_eq!(at(22, 30), Cost::Known { nanodollars: 5000 });
    assert_eq!(at(1, 59), Cost::Known { nanodollars: 5000 });
    assert_eq!(at(2, 0), Cost::Known { nanodollars: 1000 });
}

#[test]
fn compact_dates_and_capitals() {
    assert_eq!(small("Dated-20251211", 1, NOW), Cost::Known { nanodollars: 7000 });
    assert_eq!(small("dated-202512110", 1, NOW), Cost::Unknown);
}

#[test]
fn a_row_that_cannot_be_read_prices_nothing() {
    assert_eq!(small("odd", 1, NOW), Cost::Unknown);
}

#[test]
fn the_table_says_where_it_is_from() {
    let table = bundled();
    assert!(table.source.contains("genai-prices"), "{}", table.source);
    assert_eq!(table.version.len(), "2026-10-26".len());
    assert_eq!(Table::read("small", SMALL).version, "2026-01-02");
}

#[test]
fn every_row_of_the_table_can_be_read() {
    let mut models = 0;
    for provider in bundled().providers() {
        for (head, model) in bundled().rows(provider) {
            assert!(model.is_some(), "{provider}: {head}");
            models += 1;
        }
    }
    assert!(models > 1000, "{models}");
}

#[test]
fn inventing_names_does_not_grow_memory() {
    for number in 0..2000 {
        check(Provider::Groq, &format!("invented-{number}"), &million_in(), None);
    }
    let known = bundled().rows("groq").first().unwrap().0.split(' ').next().unwrap();
    assert!(!known.is_empty());
}
