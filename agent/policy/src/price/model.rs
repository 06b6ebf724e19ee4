//! One model's prices: which row holds when, and what it says. Knows no provider and no usage.

use super::decimal::femto;

const DAY: i64 = 86_400;

/// Steps of a price by context length; no model has more.
const STEPS_MAX: usize = 4;

/// One price per bucket, where there is one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rates {
    pub(super) input: Option<Rate>,
    pub(super) output: Option<Rate>,
    pub(super) cache_read: Option<Rate>,
    pub(super) cache_write: Option<Rate>,
    pub(super) cache_write_1h: Option<Rate>,
    pub(super) input_audio: Option<Rate>,
    pub(super) output_audio: Option<Rate>,
    pub(super) reasoning: Option<Rate>,
    pub(super) web_searches: Option<Rate>,
    /// Depends on something that no usage tells.
    untold: bool,
}

/// Femto-dollars each, by the length of the whole input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    base: u128,
    steps: [(u64, u128); STEPS_MAX],
}

impl Rate {
    pub(super) fn at(&self, total_input: u64) -> u128 {
        let above = |(start, _): &&(u64, u128)| total_input > *start;
        self.steps.iter().rev().find(above).map_or(self.base, |(_, rate)| *rate)
    }

    /// `2.5>200000=5`
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('>');
        let base = femto(parts.next()?)?;
        let mut steps = [(u64::MAX, 0); STEPS_MAX];
        for (at, part) in parts.enumerate() {
            let (start, rate) = part.split_once('=')?;
            *steps.get_mut(at)? = (start.parse().ok()?, femto(rate)?);
        }
        Some(Self { base, steps })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    tier: Option<&'static str>,
    holds: Holds,
    rates: Rates,
}

#[derive(Clone, Copy, Debug)]
enum Holds {
    Always,
    /// From the first second of this day on.
    Since(i64),
    /// Seconds of a day, past midnight if the end is before the start.
    Daily(i64, i64),
}

impl Model {
    /// Rows as the table writes them; `None` if one cannot be read: then the model has no price.
    pub(super) fn parse(rows: impl Iterator<Item = &'static str>) -> Option<Self> {
        rows.map(Row::parse).collect::<Option<_>>().map(|rows| Self { rows })
    }

    /// The last standard row that holds, with what a tier replaces. `None`: no such tier, or no price at all.
    pub(super) fn rates(&self, tier: Option<&str>, at: i64) -> Option<Rates> {
        let holding = |tier: Option<&str>| {
            self.rows
                .iter()
                .rev()
                .find(move |row| row.tier == tier && row.holds.at(at))
                .map(|row| row.rates)
        };
        let mut rates = holding(None)?;
        if tier.is_some() {
            rates.replace(holding(tier)?);
        }
        (!rates.untold).then_some(rates)
    }
}

impl Row {
    fn parse(line: &'static str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let mut condition = words.next()?;
        let mut tier = None;
        if let Some(named) = condition.strip_prefix("tier=") {
            let (name, since) = named.split_once('@').unwrap_or((named, "*"));
            tier = Some(name);
            condition = since;
        }
        Some(Self { tier, holds: Holds::parse(condition)?, rates: Rates::parse(words)? })
    }
}

impl Rates {
    fn parse(words: impl Iterator<Item = &'static str>) -> Option<Self> {
        let mut rates = Self::default();
        for word in words {
            if word == "x" {
                rates.untold = true;
                continue;
            }
            let (unit, amount) = word.split_at_checked(1)?;
            let place = match unit {
                "i" => &mut rates.input,
                "o" => &mut rates.output,
                "r" => &mut rates.cache_read,
                "w" => &mut rates.cache_write,
                "h" => &mut rates.cache_write_1h,
                "a" => &mut rates.input_audio,
                "A" => &mut rates.output_audio,
                "R" => &mut rates.reasoning,
                "s" => &mut rates.web_searches,
                _ => return None,
            };
            *place = Some(Rate::parse(amount)?);
        }
        Some(rates)
    }

    fn replace(&mut self, tier: Self) {
        let replace = |mine: &mut Option<Rate>, tier: Option<Rate>| *mine = tier.or(*mine);
        replace(&mut self.input, tier.input);
        replace(&mut self.output, tier.output);
        replace(&mut self.cache_read, tier.cache_read);
        replace(&mut self.cache_write, tier.cache_write);
        replace(&mut self.cache_write_1h, tier.cache_write_1h);
        replace(&mut self.input_audio, tier.input_audio);
        replace(&mut self.output_audio, tier.output_audio);
        replace(&mut self.reasoning, tier.reasoning);
        replace(&mut self.web_searches, tier.web_searches);
        self.untold |= tier.untold;
    }
}

impl Holds {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Always);
        }
        if let Some((start, end)) = text.split_once('-').filter(|(start, _)| start.contains(':')) {
            return Some(Self::Daily(seconds(start)?, seconds(end)?));
        }
        let mut parts = text.splitn(3, '-').map(|part| part.parse::<i64>().ok());
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        Some(Self::Since(days_since_1970(year, month, day) * DAY))
    }

    fn at(self, now: i64) -> bool {
        match self {
            Self::Always => true,
            Self::Since(start) => now >= start,
            Self::Daily(start, end) => {
                let now = now.rem_euclid(DAY);
                if end < start { now >= start || now < end } else { now >= start && now < end }
            }
        }
    }
}

fn seconds(time: &str) -> Option<i64> {
    let (hours, minutes) = time.split_once(':')?;
    Some(hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60)
}

/// Days of the proleptic Gregorian calendar; March is the first month, so that a leap day is a year's last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}
