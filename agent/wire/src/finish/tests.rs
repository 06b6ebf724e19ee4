use super::class;

fn check(reason: &str, expected: &str) {
    assert_eq!(class(reason).as_str(), expected, "{reason}");
}

#[test]
fn words_of_every_provider() {
    check("stop", "stop");
    check("STOP", "stop");
    check("end_turn", "stop");
    check("COMPLETE", "stop");
    check("length", "length");
    check("MAX_TOKENS", "length");
    check("max_output_tokens", "length");
    check("tool_calls", "tool_calls");
    check("TOOL_CALL", "tool_calls");
    check("SAFETY", "content_refused");
    check("guardrail_intervened", "content_refused");
    check("pause_turn", "paused");
    check("MALFORMED_FUNCTION_CALL", "error");
}

#[test]
fn unknown_words_stay_unknown() {
    check("", "unknown");
    check("stop_it", "unknown");
    check("FINISH_REASON_UNSPECIFIED", "unknown");
}
