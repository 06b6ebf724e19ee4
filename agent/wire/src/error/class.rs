//! What an error means: the provider's words first, its status last. Knows no body.

#[cfg(test)]
mod tests;

use crate::answer::ErrorClass;

/// Words and phrases of providers' codes, types and messages, first match wins: the more telling come first.
static TELLING: &[(&str, ErrorClass)] = &[
    // Google says "quota" for what passes in a minute, too.
    ("resource_exhausted", ErrorClass::RateLimited),
    ("insufficient_quota", ErrorClass::QuotaExhausted),
    ("exceeded your current quota", ErrorClass::QuotaExhausted),
    ("billing", ErrorClass::QuotaExhausted),
    ("credit balance", ErrorClass::QuotaExhausted),
    ("insufficient credits", ErrorClass::QuotaExhausted),
    ("insufficient balance", ErrorClass::QuotaExhausted),
    // OpenRouter's, under a status that says permission.
    ("key limit exceeded", ErrorClass::QuotaExhausted),
    ("payment_required", ErrorClass::QuotaExhausted),
    ("context_length_exceeded", ErrorClass::ContextTooLong),
    ("too_many_prompt_tokens", ErrorClass::ContextTooLong),
    ("too_many_tokens", ErrorClass::ContextTooLong),
    ("request_too_large", ErrorClass::ContextTooLong),
    ("prompt is too long", ErrorClass::ContextTooLong),
    ("prompt too long", ErrorClass::ContextTooLong),
    ("maximum context length", ErrorClass::ContextTooLong),
    ("context window", ErrorClass::ContextTooLong),
    ("maximum number of tokens", ErrorClass::ContextTooLong),
    ("input tokens exceeded", ErrorClass::ContextTooLong),
    ("too many tokens", ErrorClass::ContextTooLong),
    ("content_filter", ErrorClass::ContentRefused),
    ("content_policy", ErrorClass::ContentRefused),
    ("responsibleaipolicy", ErrorClass::ContentRefused),
    ("moderation", ErrorClass::ContentRefused),
    ("overloaded", ErrorClass::Overloaded),
    ("rate_limit", ErrorClass::RateLimited),
    ("ratelimit", ErrorClass::RateLimited),
    ("rate limit", ErrorClass::RateLimited),
    ("throttling", ErrorClass::RateLimited),
    ("too_many_requests", ErrorClass::RateLimited),
    ("invalid_api_key", ErrorClass::Authentication),
    ("api key not valid", ErrorClass::Authentication),
    ("incorrect api key", ErrorClass::Authentication),
    ("authentication", ErrorClass::Authentication),
    ("unauthenticated", ErrorClass::Authentication),
    ("invalidsignature", ErrorClass::Authentication),
    ("expiredtoken", ErrorClass::Authentication),
    ("unrecognizedclient", ErrorClass::Authentication),
    ("incompletesignature", ErrorClass::Authentication),
    ("missingauthentication", ErrorClass::Authentication),
    ("accessdenied", ErrorClass::Permission),
    ("permission", ErrorClass::Permission),
    ("model_not_found", ErrorClass::NotFound),
    ("deploymentnotfound", ErrorClass::NotFound),
    ("not_found", ErrorClass::NotFound),
    ("resourcenotfound", ErrorClass::NotFound),
    ("input is too long", ErrorClass::ContextTooLong),
    ("servicequotaexceeded", ErrorClass::QuotaExhausted),
    ("modelnotready", ErrorClass::Overloaded),
    ("deadline_exceeded", ErrorClass::Timeout),
    ("timeout", ErrorClass::Timeout),
];

/// Words that say no more than a status does; they count where there is no telling status.
static VAGUE: &[(&str, ErrorClass)] = &[
    ("invalid_request", ErrorClass::BadRequest),
    ("invalid_argument", ErrorClass::BadRequest),
    ("validation", ErrorClass::BadRequest),
    ("unavailable", ErrorClass::Overloaded),
    ("server_error", ErrorClass::Server),
    ("modelstreamerror", ErrorClass::Server),
    ("modelerror", ErrorClass::Server),
    ("api_error", ErrorClass::Server),
    ("internal", ErrorClass::Server),
];

pub(crate) fn class(
    status: u16,
    kind: Option<&str>,
    code: Option<&str>,
    message: Option<&str>,
) -> ErrorClass {
    let words = [code, kind, message].map(|words| words.unwrap_or("").to_ascii_lowercase());
    let find = |table: &[(&str, ErrorClass)]| {
        let told = |needle: &str| words.iter().any(|words| words.contains(needle));
        table.iter().find(|(needle, _)| told(needle)).map(|(_, class)| *class)
    };
    let by_code = code.and_then(|code| code.parse().ok()).and_then(of_status);
    find(TELLING)
        .or_else(|| of_status(status))
        .or(by_code)
        .or_else(|| find(VAGUE))
        .unwrap_or(ErrorClass::Unknown)
}

fn of_status(status: u16) -> Option<ErrorClass> {
    Some(match status {
        401 => ErrorClass::Authentication,
        402 => ErrorClass::QuotaExhausted,
        403 => ErrorClass::Permission,
        404 | 410 => ErrorClass::NotFound,
        408 | 504 => ErrorClass::Timeout,
        413 => ErrorClass::ContextTooLong,
        429 => ErrorClass::RateLimited,
        // Groq's flex tier is out of room; Bedrock's model failed.
        498 => ErrorClass::Overloaded,
        424 => ErrorClass::Server,
        503 | 529 => ErrorClass::Overloaded,
        400..=499 => ErrorClass::BadRequest,
        500..=599 => ErrorClass::Server,
        _ => return None,
    })
}
