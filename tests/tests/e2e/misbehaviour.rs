//! Providers that break off, talk nonsense or say nothing. A client under weir sees what it
//! sees without; the record says what happened.

use serde_json::Value;
use weir_tests::client::{Conversation, End, HeardAnswer, Plan, Report, Request, Version};
use weir_tests::{
    Answer, Behaviour, Ending, Framing, Manners, Provider, Received, Records, Rig, Step, Weir,
    Workload, canned,
};

use crate::{CLIENT, both_versions, rig};

const STREAM: &str = include_str!("../../src/canned/openai-chat-stream-usage.txt");
/// In the middle of the fifth event.
const CUT: usize = 1300;

#[test]
fn a_stream_cut_in_the_middle() {
    for ending in [Ending::Close, Ending::Fin, Ending::Reset] {
        let Some(both) =
            see(Version::H1, move |_: &Received| canned::events(STREAM).cut_after(CUT, ending))
        else {
            return;
        };
        both.assert_same();
        let record = both.record();
        assert_eq!(record["outcome"], "provider_cut", "{ending:?}: {record:#}");
        assert_eq!(record["status"], 200);
        assert_eq!(
            record["model"], "gpt-4o-mini-2024-07-18",
            "what was seen before the cut is told"
        );
        assert_eq!(record["total_output"], Value::Null, "usage that never came is not guessed");
    }
}

#[test]
fn a_body_shorter_than_it_said() {
    let short = |_: &Received| {
        Answer::json(r#"{"id":"#).framed(Framing::Declared(900)).then(Step::End(Ending::Close))
    };
    let Some(both) = see(Version::H1, short) else { return };
    both.assert_same();
    assert_eq!(both.record()["outcome"], "provider_cut");
}

#[test]
fn an_http2_stream_reset_in_the_middle() {
    let reset = |_: &Received| canned::events(STREAM).cut_after(CUT, Ending::ResetStream);
    let Some(both) = see(Version::H2, reset) else { return };
    both.assert_same();
    assert_eq!(both.record()["outcome"], "provider_cut");
}

#[test]
fn an_http2_connection_cut_in_the_middle() {
    for ending in [Ending::Fin, Ending::Reset] {
        let Some(both) =
            see(Version::H2, move |_: &Received| canned::events(STREAM).cut_after(CUT, ending))
        else {
            return;
        };
        // Which error a cut makes is up to the client's library; that it is none is not.
        assert_eq!(both.weir().status, both.direct().status);
        assert_ne!(both.weir().end, End::Complete);
        assert_ne!(both.weir().end, End::Silence);
        assert_eq!(both.record()["outcome"], "provider_cut");
    }
}

#[test]
fn an_answer_that_is_no_http() {
    let garbage = |_: &Received| {
        Answer::raw(vec![
            Step::Send("220 this is no HTTP\r\n\r\n".into()),
            Step::End(Ending::Close),
        ])
    };
    let Some(both) = see(Version::H1, garbage) else { return };
    assert!(matches!(both.direct().end, End::Unreadable(_)), "{:?}", both.direct());
    both.assert_same();
    assert_eq!(both.record()["outcome"], "unreadable");
}

#[test]
fn a_head_that_never_ends() {
    let endless = |_: &Received| {
        Answer::raw(vec![
            Step::Send("HTTP/1.1 200 OK\r\n".into()),
            Step::SendEndlessly(
                "X-Filler: 0123456789abcdef0123456789abcdef0123456789abcdef\r\n".into(),
            ),
        ])
    };
    let Some(both) = see(Version::H1, endless) else { return };
    assert!(matches!(both.direct().end, End::Unreadable(_)), "{:?}", both.direct());
    let seen = both.weir();
    assert_eq!(seen.status, None);
    assert!(!matches!(seen.end, End::Complete | End::Silence), "{seen:?}");
    assert!(both.record()["outcome"] != "complete");
}

#[test]
fn a_provider_that_never_answers() {
    for http in both_versions() {
        let Some(both) = see(http, |_: &Received| Answer::raw(vec![Step::Hang])) else { return };
        assert_eq!(both.direct().end, End::Silence);
        both.assert_same();
        assert_eq!(both.record()["outcome"], "client_gone", "{http:?}: {:#}", both.record());
        assert_eq!(both.record()["status"], Value::Null);
    }
}

#[test]
fn a_stream_that_falls_silent() {
    for http in both_versions() {
        let Some(both) = see(http, |_: &Received| {
            canned::events(STREAM).cut_after(CUT, Ending::Close).hanging()
        }) else {
            return;
        };
        assert_eq!((both.direct().end.clone(), both.direct().body_bytes), (End::Silence, CUT));
        both.assert_same();
        assert_eq!(both.record()["outcome"], "client_gone", "{http:?}: {:#}", both.record());
    }
}

#[test]
fn a_provider_that_fails_before_http() {
    use Manners::{GarbageAfterTls, GarbageBeforeTls, ResetBeforeTls};
    for manners in [GarbageBeforeTls, ResetBeforeTls, GarbageAfterTls] {
        let Some((rig, host)) = stage(Provider::named("api.openai.com").manners(manners)) else {
            return;
        };
        let (direct, under_weir, records) = run_both(&rig, &host, Version::H1);
        let (direct, under_weir) = (&direct.conversations[0], &under_weir.conversations[0]);
        assert_eq!(
            direct.answers.iter().map(|answer| answer.status).collect::<Vec<_>>(),
            under_weir.answers.iter().map(|answer| answer.status).collect::<Vec<_>>(),
            "{manners:?}: {direct:?} {under_weir:?}"
        );
        assert_eq!(
            direct.failure.is_some(),
            under_weir.failure.is_some(),
            "{manners:?}: {under_weir:?}"
        );
        assert_eq!(records.connections.len(), 1, "{manners:?}");
    }
}

/// The same conversation, with and without weir.
struct Both {
    direct: Report,
    under_weir: Report,
    records: Records,
}

impl Both {
    fn direct(&self) -> &HeardAnswer {
        self.direct.answer("q").unwrap()
    }

    fn weir(&self) -> &HeardAnswer {
        self.under_weir.answer("q").unwrap()
    }

    fn assert_same(&self) {
        assert_eq!(self.weir(), self.direct());
    }

    fn record(&self) -> &Value {
        self.records.exchange().unwrap()
    }
}

trait Hanging {
    fn hanging(self) -> Self;
}

impl Hanging for Answer {
    /// Says nothing more instead of ending.
    fn hanging(mut self) -> Self {
        self.steps.pop();
        self.then(Step::Hang)
    }
}

fn see(http: Version, behaviour: impl Behaviour) -> Option<Both> {
    let (rig, host) = stage(Provider::named("api.openai.com").behaves(behaviour))?;
    let (direct, under_weir, records) = run_both(&rig, &host, http);
    Some(Both { direct, under_weir, records })
}

fn stage(provider: Provider) -> Option<(Rig, Workload)> {
    let rig = rig()?;
    rig.serve(provider).unwrap();
    let host = rig.workload().unwrap();
    Some((rig, host))
}

fn run_both(rig: &Rig, host: &Workload, http: Version) -> (Report, Report, Records) {
    let ask =
        Request::post("q", "/v1/chat/completions", r#"{"model":"gpt-4o-mini","stream":true}"#);
    let plan = Plan::of([Conversation::new(http, "api.openai.com").asks(ask).patience_ms(2000)]);
    let direct = Report::direct(host, CLIENT.as_ref(), &plan).unwrap();
    let (under_weir, run) = Weir::on(host, rig).carry_out(CLIENT.as_ref(), &plan).unwrap();
    (direct, under_weir, run.records)
}
