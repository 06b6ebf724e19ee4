//! Decimal text → integers. No binary fractions near money.

/// Decimals of a price per million tokens.
const PLACES: usize = 9;

/// Dollars per million → femto-dollars each.
pub(super) fn femto(text: &str) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > PLACES || whole.is_empty() {
        return None;
    }
    let mut value: u128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        value = value
            .checked_mul(10)?
            .checked_add(u128::from(digit.checked_sub(b'0').filter(|d| *d < 10)?))?;
    }
    // A dollar per million is a thousand million femto-dollars each.
    value.checked_mul(10u128.pow((PLACES - fraction.len()) as u32))
}
