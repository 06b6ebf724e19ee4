use super::{RetryHeaders, delay, http_date, in_message};

fn check(headers: &[(&str, &str)], expected: Option<u64>) {
    let mut read = RetryHeaders::default();
    headers.iter().for_each(|(name, value)| read.read(name, value));
    assert_eq!(read.wait_ms(), expected, "{headers:?}");
}

#[test]
fn precedence() {
    let [ms, microsoft, seconds] =
        [("Retry-After-Ms", "120"), ("x-ms-retry-after-ms", "1500"), ("retry-after", "2")];
    check(&[seconds, microsoft, ms], Some(120));
    check(&[seconds, microsoft], Some(1500));
    check(&[seconds], Some(2000));
    check(&[], None);
}

#[test]
fn values() {
    check(&[("retry-after", "0.25")], Some(250));
    check(&[("retry-after", "-1")], None);
    check(&[("retry-after", "soon")], None);
    check(&[("retry-after", "99999999999")], None);
    check(&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")], None);
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    check(&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"), date], Some(10_000));
    check(&[("retry-after", "Sun, 06 Nov 1994 08:49:27 GMT"), date], Some(0));
}

#[test]
fn dates() {
    assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
    assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    assert_eq!(http_date("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
    assert_eq!(http_date("Thu, 29 anF 2024 12:00:00 GMT"), None);
    assert_eq!(http_date("Thu, 29 Feb 2024 12:00 GMT"), None);
}

#[test]
fn sentences() {
    assert_eq!(delay("34.4s"), Some(34_400));
    assert_eq!(delay("34.4"), None);
    assert_eq!(in_message("Please try again in 5.289s. Visit"), Some(5_289));
    assert_eq!(in_message("Please try again in 1m5.2s."), Some(65_200));
    assert_eq!(in_message("Please try again in 6ms"), Some(6));
    assert_eq!(in_message("Please retry after 20 seconds."), Some(20_000));
    assert_eq!(in_message("Please retry after lunch"), None);
    assert_eq!(in_message("no such model"), None);
}
