//! How long a provider asks to wait: headers and sentences. Knows no clock: a date counts from the answer's own date.

#[cfg(test)]
mod tests;

/// A longer wait is a mistake, or no wait.
const WAIT_MAX_MS: u64 = 7 * 24 * 3600 * 1000;

/// The headers that say so, in the order in which they are believed.
#[derive(Default)]
pub(crate) struct RetryHeaders {
    /// `retry-after-ms`, `x-ms-retry-after-ms`
    milliseconds: [Option<u64>; 2],
    retry_after: Option<Retry>,
    date: Option<i64>,
}

enum Retry {
    Wait(u64),
    At(i64),
}

impl RetryHeaders {
    pub(crate) fn read(&mut self, name: &str, value: &str) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("retry-after-ms") {
            self.milliseconds[0] = decimal(value, 1);
        } else if is("x-ms-retry-after-ms") {
            self.milliseconds[1] = decimal(value, 1);
        } else if is("retry-after") {
            let wait = decimal(value, 1000).map(Retry::Wait);
            self.retry_after = wait.or_else(|| http_date(value).map(Retry::At));
        } else if is("date") {
            self.date = http_date(value);
        }
    }

    pub(crate) fn wait_ms(&self) -> Option<u64> {
        let [ms, microsoft] = self.milliseconds;
        ms.or(microsoft).or(match self.retry_after {
            Some(Retry::Wait(wait)) => Some(wait),
            Some(Retry::At(at)) => {
                let seconds = u64::try_from(at.checked_sub(self.date?)?).unwrap_or(0);
                Some(seconds.saturating_mul(1000)).filter(|wait| *wait <= WAIT_MAX_MS)
            }
            None => None,
        })
    }
}

/// Google's `34.4s`.
pub(crate) fn delay(text: &str) -> Option<u64> {
    decimal(text.strip_suffix('s')?, 1000)
}

/// `… try again in 1m5.2s`, `… retry after 20 seconds`.
pub(crate) fn in_message(message: &str) -> Option<u64> {
    let lower = message.to_ascii_lowercase();
    let phrases = ["try again in ", "retry after ", "retry in "];
    let rest = phrases.iter().find_map(|phrase| lower.split_once(phrase).map(|(_, rest)| rest))?;
    let mut wait = None::<u64>;
    let mut rest = rest;
    while let Some((part, after)) = duration_part(rest) {
        wait = Some(wait.unwrap_or(0).saturating_add(part));
        rest = after;
    }
    wait.filter(|wait| *wait <= WAIT_MAX_MS)
}

/// A number with its unit.
fn duration_part(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(end);
    let rest = rest.trim_start_matches(' ');
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(letters);
    let in_ms = match unit {
        "ms" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "second" | "seconds" => 1000,
        "m" | "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    };
    Some((decimal(number, in_ms)?, rest.trim_start_matches(' ')))
}

/// A number times a unit, rounded up: a shorter wait than asked for is none.
fn decimal(text: &str, unit: u64) -> Option<u64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !(whole.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    // Beyond nine places nothing is left of a day.
    let fraction = &fraction[..fraction.len().min(9)];
    let scale = 10u64.pow(u32::try_from(fraction.len()).ok()?);
    let parts: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let part = parts.checked_mul(unit)?.div_ceil(scale);
    whole.checked_mul(unit)?.checked_add(part).filter(|wait| *wait <= WAIT_MAX_MS)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in seconds since 1970.
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = text.trim().split_once(", ")?.1.split(' ');
    let day: i64 = words.next()?.parse().ok()?;
    let name = words.next().filter(|name| name.len() == 3)?;
    let place = MONTHS.find(name).filter(|place| place % 3 == 0)?;
    let month = i64::try_from(place / 3).ok()? + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let in_range = (1970..=9999).contains(&year)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !in_range || words.next() != Some("GMT") {
        return None;
    }
    // Days by counting from March, so that the leap day is the last of a year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}
