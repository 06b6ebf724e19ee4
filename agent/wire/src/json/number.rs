//! JSON numbers as text. No floating point: figures are counted and billed.

/// Whether this is a number by JSON's grammar.
pub(super) fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(text);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return false;
    }
    let mut rest = &text[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = digits(fraction);
        if len == 0 {
            return false;
        }
        rest = &fraction[len..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', digits @ ..] => digits,
            _ => exponent,
        };
        let len = digits(exponent);
        return len > 0 && len == exponent.len();
    }
    rest.is_empty()
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// A count; some providers write `12.0`. `None` for what is no count.
pub(crate) fn whole(text: &[u8]) -> Option<u64> {
    let (value, shift) = decimal(text)?;
    if shift >= 0 {
        return value.checked_mul(10u64.checked_pow(shift.unsigned_abs())?);
    }
    if value == 0 {
        return Some(0);
    }
    let divisor = 10u64.checked_pow(shift.unsigned_abs())?;
    value.is_multiple_of(divisor).then_some(value / divisor)
}

/// An amount × 10^`places`, rounded to the nearest. `None` for a negative or one too large.
pub(crate) fn scaled(text: &[u8], places: i32) -> Option<u64> {
    let (value, shift) = decimal(text)?;
    let shift = shift.checked_add(places)?;
    if shift >= 0 {
        return value.checked_mul(10u64.checked_pow(shift.unsigned_abs())?);
    }
    let Some(divisor) = 10u64.checked_pow(shift.unsigned_abs()) else { return Some(0) };
    Some(value / divisor + u64::from(value % divisor >= divisor - divisor / 2))
}

/// The digits of a number and the power of ten they are to be taken by.
fn decimal(text: &[u8]) -> Option<(u64, i32)> {
    let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&text[..at], str::from_utf8(&text[at + 1..]).ok()?.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|b| *b == b'.') {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &[][..]),
    };
    // Beyond eighteen places a fraction is below anything that is counted or billed.
    let fraction = &fraction[..fraction.len().min(18)];
    let mut value: u64 = 0;
    for digit in whole.iter().chain(fraction) {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some((value, exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?))
}
