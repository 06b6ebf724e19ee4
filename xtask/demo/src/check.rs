//! Compares what came of an act with what must be true. Pure.

use crate::acts::{Act, Call, Expected, Seen};
use crate::perform::{KEY, Scene};
use serde_json::Value;
use weir_tests::rig::AUTHORITY_NAME;

/// An act, what came of it, and what was wrong with that.
pub(crate) struct Review {
    pub(crate) act: Act,
    pub(crate) scene: Scene,
    pub(crate) problems: Vec<String>,
}

impl Review {
    pub(crate) fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    /// In a few words, why it is good.
    pub(crate) fn praise(&self) -> &'static str {
        match &self.act.expected {
            Expected::Spliced { .. } => "not opened: host's own certificate",
            Expected::Intercepted(Call { seen: Seen::Body(_), .. }) => {
                "byte for byte, record exact"
            }
            Expected::Intercepted(_) => "SDK and record agree",
        }
    }
}

pub(crate) fn review(act: Act, scene: Scene) -> Review {
    let mut problems = Problems::default();
    if !scene.status.success() {
        problems.add(format!("the client failed ({}): {}", scene.status, last_line(&scene.stderr)));
    }
    match &act.expected {
        Expected::Intercepted(call) => {
            recorded(call, &scene, &mut problems);
            seen(call, &scene, &mut problems);
        }
        Expected::Spliced { text } => spliced(text, &scene, &mut problems),
    }
    if scene.raw.contains(KEY) {
        problems.add("the key is in the records".to_owned());
    }
    if scene.raw.contains("low dam") || scene.raw.contains("what is a weir") {
        problems.add("the text of the call is in the records".to_owned());
    }
    Review { act, scene, problems: problems.0 }
}

#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, problem: String) {
        self.0.push(problem);
    }

    /// `what` must be `expected`.
    fn equal(&mut self, what: &str, actual: &Value, expected: impl Into<Value>) {
        let expected = expected.into();
        if *actual != expected {
            self.add(format!("{what} is {actual}, not {expected}"));
        }
    }
}

fn recorded(call: &Call, scene: &Scene, problems: &mut Problems) {
    let [record] = scene.exchanges.as_slice() else {
        problems.add(format!("{} records instead of one", scene.exchanges.len()));
        return;
    };
    problems.equal("protocol", &record["http"], call.http);
    problems.equal("provider", &record["provider"], call.provider);
    problems.equal("operation", &record["operation"], call.operation);
    problems.equal("model", &record["model"], call.model);
    problems.equal("stream", &record["stream"], call.stream);
    problems.equal("status", &record["status"], 200);
    problems.equal("outcome", &record["outcome"], "complete");
    problems.equal("source of usage", &record["usage"]["source"], "provider");
    problems.equal("input tokens", &record["total_input"], call.input);
    if let Some(output) = call.output {
        problems.equal("output tokens", &record["total_output"], output);
    }
    problems.equal("cached tokens", &record["usage"]["cache_read"], call.cached.unwrap_or(0));
    problems.equal("cost", &record["cost"]["nanodollars"], call.nanodollars);
    problems.equal("finish", &record["finish_reasons"][0], call.finish);
    problems.equal("tool", &record["tool_calls"][0]["name"], call.tool);
    let [connection] = scene.connections.as_slice() else {
        problems.add(format!("{} ledger lines instead of one", scene.connections.len()));
        return;
    };
    problems.equal("verdict", &connection["verdict"], "intercepted");
}

fn seen(call: &Call, scene: &Scene, problems: &mut Problems) {
    match call.seen {
        Seen::Body(body) if scene.stdout == body => {}
        Seen::Body(_) => problems.add("the client did not get the provider's bytes".to_owned()),
        Seen::Member(name, expected) => {
            let saw: Value = serde_json::from_str(&scene.stdout).unwrap_or_default();
            let actual = saw[name].as_str().map_or_else(|| saw[name].to_string(), str::to_owned);
            if actual != expected {
                problems.add(format!("the client saw {name} {actual}, not {expected}"));
            }
            problems.equal("the client's input tokens", &saw["input"], call.input);
            problems.equal("the client's output tokens", &saw["output"], call.output);
            problems.equal("the client's cached tokens", &saw["cached"], call.cached);
        }
    }
}

fn spliced(text: &str, scene: &Scene, problems: &mut Problems) {
    if scene.stdout != text {
        problems.add("the client did not get the host's bytes".to_owned());
    }
    let issuer = scene
        .stderr
        .lines()
        .find_map(|line| line.split_once("issuer:"))
        .map_or("", |(_, name)| name.trim());
    if !issuer.contains(AUTHORITY_NAME) {
        problems.add(format!(
            "the client saw a certificate of {issuer:?}, not of the host's own authority"
        ));
    }
    if !scene.exchanges.is_empty() {
        problems.add("a record of what must not be decrypted".to_owned());
    }
    let [connection] = scene.connections.as_slice() else {
        problems.add(format!(
            "{} ledger lines instead of one: it was not captured",
            scene.connections.len()
        ));
        return;
    };
    problems.equal("verdict", &connection["verdict"], "passed");
    problems.equal("reason", &connection["reason"], "foreign_name");
}

/// The end of a traceback says what went wrong.
fn last_line(text: &str) -> &str {
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing")
}
