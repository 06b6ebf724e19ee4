//! The provider's figures and the two conventions that turn them into buckets.
//! Inclusive: cached tokens are part of the input, reasoning is part of the output (OpenAI and its kin, Gemini's input).
//! Exclusive: cached tokens are beside the input (Anthropic, Bedrock).

use super::{Billed, Stated, Usage, UsageSource};
use crate::field::Field;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) total: Option<u64>,
    pub(crate) cached: Option<u64>,
    pub(crate) cached_too: Option<u64>,
    pub(crate) cache_write: Option<u64>,
    pub(crate) cache_write_5m: Option<u64>,
    pub(crate) cache_write_1h: Option<u64>,
    pub(crate) reasoning: Option<u64>,
    pub(crate) reasoning_too: Option<u64>,
    pub(crate) input_audio: Option<u64>,
    pub(crate) output_audio: Option<u64>,
    pub(crate) web_searches: Option<u64>,
    pub(crate) tool_prompt: Option<u64>,
    pub(crate) billed_input: Option<u64>,
    pub(crate) billed_output: Option<u64>,
    pub(crate) search_units: Option<u64>,
    pub(crate) cost_nanodollars: Option<u64>,
    pub(crate) own_key: bool,
}

impl Figures {
    pub(crate) fn set(&mut self, field: Field, figure: u64) {
        if let Some(place) = self.place(field) {
            *place = Some(figure);
        }
    }

    fn place(&mut self, field: Field) -> Option<&mut Option<u64>> {
        let places = [
            (Field::InputTokens, &mut self.input),
            (Field::OutputTokens, &mut self.output),
            (Field::TotalTokens, &mut self.total),
            (Field::Cached, &mut self.cached),
            (Field::CachedToo, &mut self.cached_too),
            (Field::CacheWrite, &mut self.cache_write),
            (Field::CacheWrite5m, &mut self.cache_write_5m),
            (Field::CacheWrite1h, &mut self.cache_write_1h),
            (Field::Reasoning, &mut self.reasoning),
            (Field::ReasoningToo, &mut self.reasoning_too),
            (Field::InputAudio, &mut self.input_audio),
            (Field::OutputAudio, &mut self.output_audio),
            (Field::WebSearches, &mut self.web_searches),
            (Field::ToolPrompt, &mut self.tool_prompt),
            (Field::BilledInput, &mut self.billed_input),
            (Field::BilledOutput, &mut self.billed_output),
            (Field::SearchUnits, &mut self.search_units),
        ];
        places.into_iter().find(|(known, _)| *known == field).map(|(_, place)| place)
    }

    /// A later statement: what it says wins, field by field.
    pub(crate) fn update(&mut self, later: &Self) {
        let keep = |mine: &mut Option<u64>, later: Option<u64>| *mine = later.or(*mine);
        keep(&mut self.input, later.input);
        keep(&mut self.output, later.output);
        keep(&mut self.total, later.total);
        keep(&mut self.cached, later.cached);
        keep(&mut self.cached_too, later.cached_too);
        keep(&mut self.cache_write, later.cache_write);
        keep(&mut self.cache_write_5m, later.cache_write_5m);
        keep(&mut self.cache_write_1h, later.cache_write_1h);
        keep(&mut self.reasoning, later.reasoning);
        keep(&mut self.reasoning_too, later.reasoning_too);
        keep(&mut self.input_audio, later.input_audio);
        keep(&mut self.output_audio, later.output_audio);
        keep(&mut self.web_searches, later.web_searches);
        keep(&mut self.tool_prompt, later.tool_prompt);
        keep(&mut self.billed_input, later.billed_input);
        keep(&mut self.billed_output, later.billed_output);
        keep(&mut self.search_units, later.search_units);
        keep(&mut self.cost_nanodollars, later.cost_nanodollars);
    }

    /// Whether nothing was stated that can be billed.
    pub(crate) fn is_empty(&self) -> bool {
        let tokens = [self.input, self.output, self.total, self.billed_input, self.billed_output];
        tokens.iter().chain([&self.search_units]).all(Option::is_none)
    }

    /// Cached ⊂ input, reasoning ⊂ output, unless the provider's own total says that they are beside it:
    /// xAI leaves reasoning out of its completion tokens.
    pub(crate) fn inclusive(&self) -> Usage {
        let stated = self.stated();
        let (input, output) = (stated.input_tokens.unwrap_or(0), stated.output_tokens.unwrap_or(0));
        let cached = stated.cached_input_tokens.unwrap_or(0);
        let writes = self.writes();
        let reasoning = stated.reasoning_tokens.unwrap_or(0);
        let beside_input = cached.saturating_add(writes.total());
        let is = |sum: [u64; 4]| {
            self.total == sum.iter().try_fold(0u64, |all, part| all.checked_add(*part))
        };

        let reasoning_beside = reasoning > 0
            && (reasoning > output
                || is([input, output, reasoning, 0])
                || is([input, output, reasoning, beside_input]));
        let produced = if reasoning_beside { output.saturating_add(reasoning) } else { output };
        let cached_beside =
            beside_input > 0 && (beside_input > input || is([input, beside_input, produced, 0]));
        if cached_beside && is([input, produced, 0, 0]) {
            // xAI on Azure: the cached part is a prompt of the provider's own, in no total and on no bill.
            let none = Writes::default();
            return self.buckets(stated, input, 0, none, produced, reasoning);
        }
        let read = if cached_beside { input.saturating_add(beside_input) } else { input };
        self.buckets(stated, read, cached, writes, produced, reasoning)
    }

    /// Cached ⊂ input, tool prompts beside the input, reasoning beside the output (Gemini).
    pub(crate) fn beside(&self) -> Usage {
        let stated = self.stated();
        let tool_prompt = self.tool_prompt.unwrap_or(0);
        let read = stated.input_tokens.unwrap_or(0).saturating_add(tool_prompt);
        let reasoning = stated.reasoning_tokens.unwrap_or(0);
        let produced = self.output.unwrap_or(0).saturating_add(reasoning);
        let cached = stated.cached_input_tokens.unwrap_or(0);
        self.buckets(stated, read, cached, self.writes(), produced, reasoning)
    }

    /// Cached tokens, read or written, come on top of the input; reasoning ⊂ output.
    pub(crate) fn exclusive(&self) -> Usage {
        let stated = self.stated();
        let writes = self.writes();
        let cached = stated.cached_input_tokens.unwrap_or(0);
        let read =
            stated.input_tokens.unwrap_or(0).saturating_add(cached).saturating_add(writes.total());
        let reasoning = stated.reasoning_tokens.unwrap_or(0);
        let alone = stated.input_tokens.unwrap_or(0);
        let counted_inside = self.total == alone.checked_add(self.output.unwrap_or(0));
        let read = if self.total.is_some() && counted_inside { alone } else { read };
        self.buckets(stated, read, cached, writes, self.output.unwrap_or(0), reasoning)
    }

    /// `read` and `produced` are totals; each part is cut to what is left of its total.
    fn buckets(
        &self,
        stated: Stated,
        read: u64,
        cached: u64,
        writes: Writes,
        produced: u64,
        reasoning: u64,
    ) -> Usage {
        let mut input = Left(read);
        let mut output = Left(produced);
        Usage {
            cache_read: input.take(cached),
            cache_write_1h: input.take(writes.one_hour),
            cache_write_5m: input.take(writes.five_minutes),
            cache_write: input.take(writes.unstated),
            input_audio: input.take(self.input_audio.unwrap_or(0)),
            input_uncached: input.0,
            reasoning: output.take(reasoning),
            output_audio: output.take(self.output_audio.unwrap_or(0)),
            output_text: output.0,
            web_searches: self.web_searches.unwrap_or(0),
            search_units: self.search_units.unwrap_or(0),
            billed: (self.billed_input.is_some() || self.billed_output.is_some()).then(|| Billed {
                input: self.billed_input.unwrap_or(0),
                output: self.billed_output.unwrap_or(0),
            }),
            unpriced_calls: 0,
            // A stated nothing is no bill: xAI on Azure says it always.
            stated_cost_nanodollars: self
                .cost_nanodollars
                .filter(|cost| *cost > 0 && !self.own_key),
            stated,
            source: UsageSource::Provider,
        }
    }

    fn stated(&self) -> Stated {
        // Embeddings that state only a total read all of it.
        let (input, output) =
            (self.input.or(self.billed_input), self.output.or(self.billed_output));
        let input = input.or(if output.is_none() { self.total } else { None });
        let split = match (self.cache_write_5m, self.cache_write_1h) {
            (None, None) => None,
            (five, hour) => Some(five.unwrap_or(0).saturating_add(hour.unwrap_or(0))),
        };
        Stated {
            input_tokens: input,
            output_tokens: output,
            cached_input_tokens: self.cached.or(self.cached_too),
            cache_creation_tokens: self.cache_write.or(split),
            reasoning_tokens: self.reasoning.or(self.reasoning_too),
            total_tokens: self.total,
        }
    }

    /// Cache writes by lifetime. The sum is the stated one where there is one.
    fn writes(&self) -> Writes {
        let (five, hour) = (self.cache_write_5m.unwrap_or(0), self.cache_write_1h.unwrap_or(0));
        let mut left = Left(self.cache_write.unwrap_or(five.saturating_add(hour)));
        let one_hour = left.take(hour);
        let five_minutes = left.take(five);
        Writes { five_minutes, one_hour, unstated: left.0 }
    }
}

#[derive(Clone, Copy, Default)]
struct Writes {
    five_minutes: u64,
    one_hour: u64,
    unstated: u64,
}

impl Writes {
    fn total(self) -> u64 {
        self.five_minutes.saturating_add(self.one_hour).saturating_add(self.unstated)
    }
}

struct Left(u64);

impl Left {
    fn take(&mut self, part: u64) -> u64 {
        let taken = part.min(self.0);
        self.0 -= taken;
        taken
    }
}
