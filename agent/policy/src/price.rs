//! What tokens cost, in whole nano-dollars. Knows a dated table of public prices; guesses nothing.

mod decimal;
mod matching;
mod model;
mod table;
#[cfg(test)]
mod tests;

use weir_wire::{Provider, Usage};

use model::Model;
pub use table::{Table, bundled};

/// Femto-dollars in a nano-dollar: a price per million tokens with nine decimals is whole femto-dollars a token.
const FEMTO_IN_NANO: u128 = 1_000_000;

/// What an exchange cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    Known {
        nanodollars: u64,
    },
    /// The model, its tier, or a bucket that was used, has no price. Never zero instead.
    Unknown,
}

/// Everything a price depends on.
#[derive(Clone, Copy, Debug)]
pub struct Sale<'a> {
    pub provider: Provider,
    /// As the answer names it; it counts before the requested one.
    pub served_model: Option<&'a str>,
    pub request_model: Option<&'a str>,
    /// As the answer names it: flex, priority, batch, ...
    pub service_tier: Option<&'a str>,
    pub usage: &'a Usage,
    pub at_unix_seconds: i64,
}

/// Tiers that are sold at the standard price, in the words of several providers.
const STANDARD: &[&str] = &["default", "standard", "auto", "on_demand", ""];

impl Table {
    /// What the provider says it charged, else the table's price.
    pub fn price(&self, sale: &Sale<'_>) -> Cost {
        let usage = sale.usage;
        if let Some(nanodollars) = usage.stated_cost_nanodollars {
            return Cost::Known { nanodollars };
        }
        if usage.stated.input_tokens.is_none() && usage.stated.output_tokens.is_none() {
            return Cost::Unknown;
        }
        if usage.unpriced_calls > 0 {
            return Cost::Unknown;
        }
        let served = sale.served_model.and_then(|name| self.model(sale.provider, name));
        let model =
            served.or_else(|| sale.request_model.and_then(|name| self.model(sale.provider, name)));
        model
            .and_then(|model| sum(&model, sale))
            .map_or(Cost::Unknown, |nanodollars| Cost::Known { nanodollars })
    }
}

fn sum(model: &Model, sale: &Sale<'_>) -> Option<u64> {
    let tier = sale.service_tier.filter(|tier| !STANDARD.contains(tier));
    let rates = model.rates(tier, sale.at_unix_seconds)?;
    let usage = sale.usage;
    let total_input = usage.total_input().unwrap_or(0);
    let token = |rate: Option<model::Rate>| rate.map(|rate| rate.at(total_input));
    let buckets = [
        (usage.input_uncached, token(rates.input)),
        (usage.input_audio, token(rates.input_audio)),
        (usage.cache_read, token(rates.cache_read)),
        // A write without a stated lifetime lives for the standard five minutes.
        (usage.cache_write, token(rates.cache_write)),
        (usage.cache_write_5m, token(rates.cache_write)),
        (usage.cache_write_1h, token(rates.cache_write_1h)),
        (usage.output_text, token(rates.output)),
        (usage.reasoning, token(rates.reasoning.or(rates.output))),
        (usage.output_audio, token(rates.output_audio)),
        // Priced per thousand: a thousand times the price per million.
        (usage.web_searches, token(rates.web_searches).map(|rate| rate.saturating_mul(1000))),
    ];
    if let Some(billed) = usage.billed {
        let buckets = [(billed.input, token(rates.input)), (billed.output, token(rates.output))];
        return total(&buckets);
    }
    total(&buckets)
}

/// `None` if a bucket that was used has no price.
fn total(buckets: &[(u64, Option<u128>)]) -> Option<u64> {
    let mut femto: u128 = 0;
    for (count, rate) in buckets {
        if *count > 0 {
            femto = femto.checked_add(u128::from(*count).checked_mul((*rate)?)?)?;
        }
    }
    u64::try_from((femto + FEMTO_IN_NANO / 2) / FEMTO_IN_NANO).ok()
}
