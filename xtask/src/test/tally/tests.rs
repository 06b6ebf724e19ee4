use super::Tally;

fn tally(output: &str) -> Tally {
    let mut tally = Tally::default();
    output.lines().for_each(|line| tally.read(line));
    tally
}

#[test]
fn runners_are_summed_up() {
    let output = "
test a ... ok
test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s
";
    assert_eq!(tally(output).to_string(), "12 passed, 2 failed, 0 skipped");
}

#[test]
fn a_test_that_says_it_was_skipped_did_not_pass() {
    let output = "
skipped: capture_v6: needs root
test kernel::learns ... skipped: learns: no cgroup v2
test slow ... ignored, takes an hour
test result: ok. 9 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
    let tally = tally(output);
    assert_eq!(tally.to_string(), "7 passed, 0 failed, 3 skipped");
    let skips: Vec<_> = tally.skips().map(String::as_str).collect();
    assert_eq!(skips, ["capture_v6: needs root", "learns: no cgroup v2", "slow: takes an hour"]);
}

#[test]
fn a_reason_in_shown_output_gets_the_name_of_its_test() {
    let output = "
---- capture::learns_v6 stdout ----
SKIPPED: it needs root

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
    let tally = tally(output);
    assert_eq!(tally.to_string(), "1 passed, 0 failed, 1 skipped");
    assert!(tally.skips().eq(["capture::learns_v6: it needs root"]));
}
