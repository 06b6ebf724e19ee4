//! The stage: the rig with two providers and a host that is none, and what they answer.
//! The texts and figures here are what `acts` expects.

use anyhow::Result;
use std::time::Duration;
use weir_tests::{Answer, Provider, Received, Rig, Step, Workload, canned};

/// Between two events of a stream: what a person would see as typing.
const PACE: Duration = Duration::from_millis(15);

/// A host that shares an address with a provider and has nothing to do with LLMs.
pub(crate) const FOREIGN: &str = "static.example.test";

/// As canned, but with a prompt of which most was in the provider's cache.
pub(crate) const CHAT: &str = r#"{
  "id": "chatcmpl-Demo000000000000000000001",
  "object": "chat.completion",
  "created": 1767225600,
  "model": "gpt-4o-mini-2024-07-18",
  "choices": [
    {
      "index": 0,
      "message": {"role": "assistant", "content": "A weir is a low dam that measures what flows over it.", "refusal": null, "annotations": []},
      "logprobs": null,
      "finish_reason": "stop"
    }
  ],
  "usage": {
    "prompt_tokens": 1210,
    "completion_tokens": 13,
    "total_tokens": 1223,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
  },
  "service_tier": "default",
  "system_fingerprint": "fp_0000000001"
}
"#;

/// Input, cache reads and cache writes are told apart, and each has its own price.
const MESSAGE: &str = r#"{"id":"msg_01DemoDemoDemoDemoDemo1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":[{"type":"text","text":"A weir is a low dam that measures what flows over it."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":21,"cache_creation_input_tokens":240,"cache_read_input_tokens":1800,"cache_creation":{"ephemeral_5m_input_tokens":240,"ephemeral_1h_input_tokens":0},"output_tokens":17,"service_tier":"standard"}}"#;

pub(crate) struct Stage {
    rig: Rig,
    pub(crate) host: Workload,
}

impl Stage {
    pub(crate) fn build() -> Result<Self> {
        let rig = Rig::start()?;
        rig.serve(Provider::named("api.openai.com").behaves(openai))?;
        rig.serve(Provider::named("api.anthropic.com").behaves(anthropic))?;
        let foreign = Provider::named(FOREIGN).behaves(canned::foreign);
        rig.serve(foreign.at_address_of("api.openai.com"))?;
        let host = rig.workload()?;
        Ok(Self { rig, host })
    }

    /// A folder that goes away with the stage.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.rig.directory()
    }
}

fn openai(request: &Received) -> Answer {
    let asked: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let is_plain = asked["stream"] != true && asked["tools"].is_null();
    if request.path() == "/v1/chat/completions" && is_plain {
        return Answer::json(CHAT);
    }
    paced(canned::openai(request))
}

fn anthropic(request: &Received) -> Answer {
    let asked: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    if request.path() == "/v1/messages" && asked["stream"] != true {
        return Answer::json(MESSAGE);
    }
    paced(canned::anthropic(request))
}

/// The same answer with a pause after each part.
fn paced(mut answer: Answer) -> Answer {
    answer.steps = answer.steps.into_iter().flat_map(|step| [step, Step::Pause(PACE)]).collect();
    answer
}
