//! What the providers' words for the end of an answer mean. Knows words; knows no dialect: they do not clash.

#[cfg(test)]
mod tests;

use crate::answer::FinishClass;

static WORDS: &[(&str, FinishClass)] = &[
    ("stop", FinishClass::Stop),
    ("end_turn", FinishClass::Stop),
    ("stop_sequence", FinishClass::Stop),
    ("complete", FinishClass::Stop),
    ("completed", FinishClass::Stop),
    ("finish", FinishClass::Stop),
    ("finished", FinishClass::Stop),
    ("endoftext", FinishClass::Stop),
    ("eos", FinishClass::Stop),
    // Gemini's `STOP` as a number.
    ("1", FinishClass::Stop),
    ("length", FinishClass::Length),
    ("max_tokens", FinishClass::Length),
    ("max_output_tokens", FinishClass::Length),
    ("model_length", FinishClass::Length),
    ("model_context_window_exceeded", FinishClass::Length),
    ("error_limit", FinishClass::Length),
    ("2", FinishClass::Length),
    ("tool_use", FinishClass::ToolCalls),
    ("tool_call", FinishClass::ToolCalls),
    ("tool_calls", FinishClass::ToolCalls),
    ("function_call", FinishClass::ToolCalls),
    ("content_filter", FinishClass::ContentRefused),
    ("content_filtered", FinishClass::ContentRefused),
    ("guardrail_intervened", FinishClass::ContentRefused),
    ("refusal", FinishClass::ContentRefused),
    ("safety", FinishClass::ContentRefused),
    ("recitation", FinishClass::ContentRefused),
    ("blocklist", FinishClass::ContentRefused),
    ("prohibited_content", FinishClass::ContentRefused),
    ("spii", FinishClass::ContentRefused),
    ("image_safety", FinishClass::ContentRefused),
    ("error_toxic", FinishClass::ContentRefused),
    ("3", FinishClass::ContentRefused),
    ("4", FinishClass::ContentRefused),
    ("pause_turn", FinishClass::Paused),
    ("in_progress", FinishClass::Paused),
    ("queued", FinishClass::Paused),
    ("error", FinishClass::Error),
    ("failed", FinishClass::Error),
    ("cancelled", FinishClass::Error),
    ("user_cancel", FinishClass::Error),
    ("malformed_function_call", FinishClass::Error),
    ("malformed_tool_use", FinishClass::Error),
    ("malformed_model_output", FinishClass::Error),
    ("unexpected_tool_call", FinishClass::Error),
];

pub(crate) fn class(reason: &str) -> FinishClass {
    let known = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(reason));
    known.map_or(FinishClass::Unknown, |(_, class)| *class)
}
