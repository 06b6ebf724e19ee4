use super::*;

fn times(values: impl IntoIterator<Item = u32>) -> Times {
    let mut times = Times::default();
    values.into_iter().for_each(|value| times.add(f64::from(value)));
    times
}

#[test]
fn percentiles_are_nearest_ranks() {
    assert_eq!(times([]).percentile(50.0), None);
    assert_eq!(times([7]).percentile(95.0), Some(7.0));
    assert_eq!(times(1..=100).percentile(50.0), Some(50.0));
    assert_eq!(times((1..=100).rev()).percentile(95.0), Some(95.0));
}

#[test]
fn many_times_are_thinned_evenly() {
    let many = times(1..=100_000);
    assert!(many.kept.len() <= SAMPLES_MAX);
    let median = many.percentile(50.0).expect("there are times");
    assert!((49_000.0..=51_000.0).contains(&median), "{median}");
}

#[test]
fn an_unknown_price_is_counted_and_not_free() {
    let mut summary = Summary::default();
    let group = || Group(vec!["openai".into(), "gpt-unheard-of".into()]);
    summary.add(group(), &Sample { has_usage: true, nanodollars: None, ..Sample::default() });
    summary.add(group(), &Sample { has_usage: true, nanodollars: Some(5), ..Sample::default() });
    let figures = &summary.groups[&group()];
    assert_eq!((figures.calls, figures.unpriced, figures.nanodollars), (2, 1, 5));
}
