use super::percentile_us;

#[test]
fn percentiles_are_values_that_were_measured() {
    let sorted: Vec<u64> = (1..=200).map(|n| n * 1000).collect();
    assert_eq!(percentile_us(&sorted, 50).expect("p50"), 100.0);
    assert_eq!(percentile_us(&sorted, 99).expect("p99"), 198.0);
    assert_eq!(percentile_us(&[7000], 99).expect("one value"), 7.0);
    assert!(percentile_us(&[], 50).is_err());
}
