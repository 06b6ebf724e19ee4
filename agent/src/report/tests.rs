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

fn summary() -> Summary {
    let mut summary = Summary::default();
    let group = |model: &str| Group(vec!["openai".into(), model.into()]);
    for total_ms in [12.5, 8.04] {
        summary.add(
            group("gpt-4o"),
            &Sample {
                input: Some(20),
                output: Some(5),
                cached: 4,
                has_usage: true,
                nanodollars: Some(1_500),
                first_byte_ms: Some(3.0),
                total_ms,
                ..Sample::default()
            },
        );
    }
    summary.add(group("models"), &Sample { failed: true, ..Sample::default() });
    summary.pass(Passage {
        verdict: Verdict::Passed,
        reason: crate::record::Reason::ForeignName,
        server_name: Some("static.example".into()),
    });
    summary
}

fn shown(output: crate::cli::Output) -> String {
    let mut bytes = Vec::new();
    print(&summary(), &["provider", "model"], output, &mut bytes).expect("memory takes all");
    String::from_utf8(bytes).expect("text")
}

#[test]
fn the_table_a_person_reads() {
    let text = shown(crate::cli::Output::Text);
    let lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines[2], "openai gpt-4o 2 0 40 8 10 0.000003000 3.0 / 3.0 8.0 / 12");
    assert_eq!(lines[3], "openai models 1 1 0 0 0 - - / - 0.0 / 0.0");
    assert_eq!(lines[4], "passed: 1 connection to static.example: foreign name");
}

#[test]
fn the_summary_a_machine_reads() {
    let value: serde_json::Value =
        serde_json::from_str(&shown(crate::cli::Output::Json)).expect("one JSON document");
    assert_eq!(value["calls"][0]["model"], "gpt-4o");
    assert_eq!(value["calls"][0]["cost_nanodollars"], 3_000);
    assert_eq!(value["calls"][0]["total_p95_ms"], 12.5);
    assert_eq!(value["connections"][0]["reason"], "foreign_name");
}

#[test]
fn records_are_read_back_and_other_lines_are_not() {
    let line = r#"{"kind":"exchange","time":"2026-11-21T04:05:06.000Z","workload":{"cgroup":"/a","pid":1,"uid":0,"command":"x","exe":"/bin/x"},"provider":"openai","operation":"chat","request_model":"m","model":null,"status":200,"outcome":"complete","usage":null,"total_input":3,"total_output":null,"cost":{"nanodollars":null},"error":null,"timings":{"first_byte_ms":1.0,"total_ms":2.0},"later":1}"#;
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), format!("{line}\n\n{line}\n")).expect("it can be written");
    let files = [file.path().to_owned()];
    let by = [Grouping::Hour, Grouping::Workload, Grouping::Model];
    let summary = read_files(&files, &by).expect("records");
    let group = Group(vec!["2026-11-21 04:00Z".into(), "/bin/x".into(), "m".into()]);
    assert_eq!(summary.groups[&group].calls, 2);

    std::fs::write(file.path(), format!("{line}\nnonsense\n")).expect("it can be written");
    let problem = read_files(&files, &by).expect_err("the second line is no record").to_string();
    assert!(problem.ends_with(":2: not a record of weir"), "{problem}");
}
