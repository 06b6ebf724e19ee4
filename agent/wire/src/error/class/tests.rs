use super::class;

fn check(status: u16, kind: &str, code: &str, message: &str, expected: &str) {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (kind, code, message) = (some(kind), some(code), some(message));
    let got = class(status, kind.as_deref(), code.as_deref(), message.as_deref());
    assert_eq!(got.as_str(), expected, "{status} {kind:?} {code:?} {message:?}");
}

#[test]
fn openai_and_its_kin() {
    check(429, "insufficient_quota", "insufficient_quota", "", "quota_exhausted");
    check(429, "tokens", "rate_limit_exceeded", "", "rate_limited");
    check(400, "invalid_request_error", "context_length_exceeded", "", "context_too_long");
    check(400, "", "content_filter", "", "content_refused");
    check(401, "invalid_request_error", "invalid_api_key", "", "authentication");
    check(404, "invalid_request_error", "model_not_found", "", "not_found");
    check(410, "", "", "", "not_found");
    check(402, "", "", "Insufficient Balance", "quota_exhausted");
    check(403, "", "403", "Key limit exceeded (total limit)", "quota_exhausted");
    check(498, "", "", "", "overloaded");
    check(500, "server_error", "", "", "server");
    check(400, "invalid_request_error", "", "", "bad_request");
}

#[test]
fn anthropic() {
    check(529, "overloaded_error", "", "Overloaded", "overloaded");
    check(200, "overloaded_error", "", "Overloaded", "overloaded");
    check(413, "request_too_large", "", "", "context_too_long");
    check(
        400,
        "invalid_request_error",
        "",
        "Your credit balance is too low to access the Anthropic API.",
        "quota_exhausted",
    );
    check(403, "permission_error", "", "", "permission");
    check(200, "api_error", "", "", "server");
}

#[test]
fn google() {
    check(400, "INVALID_ARGUMENT", "400", "API key not valid.", "authentication");
    check(429, "RESOURCE_EXHAUSTED", "429", "", "rate_limited");
    check(503, "UNAVAILABLE", "503", "", "overloaded");
    check(504, "DEADLINE_EXCEEDED", "504", "", "timeout");
    check(200, "", "404", "", "not_found");
}

#[test]
fn bedrock() {
    check(429, "ThrottlingException", "", "", "rate_limited");
    check(200, "throttlingException", "", "", "rate_limited");
    check(200, "internalServerException", "", "", "server");
    check(200, "modelStreamErrorException", "", "", "server");
    check(200, "serviceUnavailableException", "", "", "overloaded");
    check(200, "modelTimeoutException", "", "", "timeout");
    check(200, "validationException", "", "", "bad_request");
    check(200, "accessDeniedException", "", "", "permission");
    check(403, "ExpiredTokenException", "", "", "authentication");
    check(404, "ResourceNotFoundException", "", "", "not_found");
    check(400, "ServiceQuotaExceededException", "", "", "quota_exhausted");
}
