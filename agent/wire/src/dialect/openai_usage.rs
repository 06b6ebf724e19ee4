//! The usage object of OpenAI's older endpoints, with every name its imitators gave to the same figures.
//! Inclusive: cached tokens are part of `prompt_tokens`, reasoning is part of `completion_tokens`.

use crate::field::Field;
use crate::json::{Fields, Node, Shape};
use Shape::{Leaf, Tree};

pub(super) static USAGE: Node =
    Node { scope: Some(Field::Usage), fields: Fields::of(USAGE_FIELDS), ..Node::EMPTY };
pub(super) static SPARE_USAGE: Node =
    Node { scope: Some(Field::SpareUsage), fields: Fields::of(USAGE_FIELDS), ..Node::EMPTY };

const USAGE_FIELDS: &[(&str, Shape)] = &[
    ("prompt_tokens", Leaf(Field::InputTokens)),
    ("completion_tokens", Leaf(Field::OutputTokens)),
    ("total_tokens", Leaf(Field::TotalTokens)),
    ("prompt_tokens_details", Tree(&INPUT_DETAILS)),
    ("prompt_token_details", Tree(&INPUT_DETAILS)),
    ("completion_tokens_details", Tree(&OUTPUT_DETAILS)),
    ("completion_token_details", Tree(&OUTPUT_DETAILS)),
    // DeepSeek; Mistral; Fireworks and Moonshot; LiteLLM.
    ("prompt_cache_hit_tokens", Leaf(Field::CachedToo)),
    ("num_cached_tokens", Leaf(Field::CachedToo)),
    ("cached_tokens", Leaf(Field::CachedToo)),
    ("cache_read_input_tokens", Leaf(Field::CachedToo)),
    ("cache_creation_input_tokens", Leaf(Field::CacheWrite)),
    // Perplexity.
    ("reasoning_tokens", Leaf(Field::ReasoningToo)),
    ("num_search_queries", Leaf(Field::WebSearches)),
    // OpenRouter, Perplexity; xAI.
    ("cost", Tree(&COST)),
    ("is_byok", Leaf(Field::OwnKey)),
    ("cost_in_usd_ticks", Leaf(Field::StatedCostTicks)),
];

static COST: Node = Node {
    bare: Some(Field::StatedCost),
    fields: Fields::of(&[("total_cost", Leaf(Field::StatedCost))]),
    ..Node::EMPTY
};

static INPUT_DETAILS: Node = Node {
    fields: Fields::of(&[
        ("cached_tokens", Leaf(Field::Cached)),
        ("cache_write_tokens", Leaf(Field::CacheWrite)),
        ("audio_tokens", Leaf(Field::InputAudio)),
    ]),
    ..Node::EMPTY
};

static OUTPUT_DETAILS: Node = Node {
    fields: Fields::of(&[
        ("reasoning_tokens", Leaf(Field::Reasoning)),
        ("audio_tokens", Leaf(Field::OutputAudio)),
    ]),
    ..Node::EMPTY
};
