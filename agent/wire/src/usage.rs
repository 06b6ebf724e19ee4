//! Tokens, in buckets that do not overlap, and the provider's own figures beside them.
//! Knows no dialect: each dialect turns its convention into these buckets.

use serde::Serialize;

mod figures;

pub(crate) use figures::Figures;

use crate::endpoint::words;

words! {
    /// Where the figures come from. An estimate is never shown as a bill.
    #[derive(Default)]
    UsageSource {
        Provider = "provider",
        Injected = "injected",
        Estimated = "estimated",
        #[default]
        None = "none",
    }
}

/// Billed tokens. Every token is in exactly one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Text (and whatever is not told apart) that was read in full.
    pub input_uncached: u64,
    pub input_audio: u64,
    pub cache_read: u64,
    /// Written to a cache whose lifetime was not stated.
    pub cache_write: u64,
    pub cache_write_5m: u64,
    pub cache_write_1h: u64,
    pub output_text: u64,
    pub reasoning: u64,
    pub output_audio: u64,
    /// Searches and fetches that the provider ran and bills by the piece.
    pub web_searches: u64,
    /// Searches in the caller's documents, billed by the unit (Cohere's rerank).
    pub search_units: u64,
    /// Other calls that the provider ran and bills beside the tokens, in a way that no figure tells.
    pub unpriced_calls: u64,
    /// What is paid for, where that is not what was read and written (Cohere).
    pub billed: Option<Billed>,
    /// What the provider says it charged, rounded to whole nano-dollars.
    pub stated_cost_nanodollars: Option<u64>,
    /// The figures in the provider's own words and convention.
    pub stated: Stated,
    pub source: UsageSource,
}

/// Tokens on the bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Billed {
    pub input: u64,
    pub output: u64,
}

/// What the answer says, unchanged; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stated {
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub cached_input_tokens: Option<u64>,
    pub cache_creation_tokens: Option<u64>,
    pub reasoning_tokens: Option<u64>,
    pub total_tokens: Option<u64>,
}

impl Usage {
    /// Everything read, from a cache or not; `None` if the provider said nothing of input.
    pub fn total_input(&self) -> Option<u64> {
        self.stated.input_tokens?;
        Some(
            self.input_uncached
                .saturating_add(self.input_audio)
                .saturating_add(self.cache_read)
                .saturating_add(self.cache_write)
                .saturating_add(self.cache_write_5m)
                .saturating_add(self.cache_write_1h),
        )
    }

    /// Everything produced, reasoning included; `None` if the provider said nothing of output.
    pub fn total_output(&self) -> Option<u64> {
        self.stated.output_tokens.or(self.stated.reasoning_tokens)?;
        Some(self.output_text.saturating_add(self.reasoning).saturating_add(self.output_audio))
    }
}
