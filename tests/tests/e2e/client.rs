//! The rig's client against the rig's providers, with nobody between: what is asserted under
//! weir later must be seen here first.

use weir_tests::client::{Act, Base64, Conversation, End, Plan, Report, Request, Version};
use weir_tests::{
    Answer, Begin, Behaviour, Ending, Framing, Head, Provider, Received, Step, canned,
};

use crate::{CLIENT, both_versions, rig};

#[test]
fn answers_arrive_as_they_were_sent() {
    let Some(rig) = rig() else { return };
    rig.serve(Provider::named("api.openai.com").behaves(canned::openai)).unwrap();
    let host = rig.workload().unwrap();

    for http in both_versions() {
        let ask = Request::post("q", "/v1/chat/completions", r#"{"stream":true}"#);
        let plan = Plan::of([Conversation::new(http, "api.openai.com").asks(ask)]);
        let report = Report::direct(&host, CLIENT.as_ref(), &plan).unwrap();
        let answer = report.answer("q").unwrap();
        assert_eq!((answer.status, &answer.end), (Some(200), &End::Complete), "{report:#?}");
        assert!(answer.body.text().ends_with("data: [DONE]\n\n"));
        let received = rig.take_received();
        assert_eq!(received[0].body, r#"{"stream":true}"#);
        assert_eq!(report.conversations[0].peer, report.conversations[0].asked);
    }
}

#[test]
fn a_request_body_travels_in_chunks_with_trailers_after_continue() {
    let Some(rig) = rig() else { return };
    let echo = |request: &Received| {
        Answer::json(request.body.clone()).interim(103, &[("Link", "</a>")]).trailer("X-Sum", "7")
    };
    rig.serve(Provider::named("api.openai.com").behaves(echo)).unwrap();
    let host = rig.workload().unwrap();

    for http in both_versions() {
        let body = "0123456789".repeat(5000);
        let ask = Request::post("q", "/v1/x", body.clone()).chunked(1000).trailer("X-End", "e");
        let ask = ask.header("X-OdD-Case", "v").waits_for_continue();
        let plan = Plan::of([Conversation::new(http, "api.openai.com").asks(ask)]);
        let report = Report::direct(&host, CLIENT.as_ref(), &plan).unwrap();
        let answer = report.answer("q").unwrap();
        assert_eq!(answer.body.text(), body, "{http:?} {:?}", report.conversations[0].failure);
        let interim: Vec<u16> = answer.interim.iter().map(|(status, _)| *status).collect();
        assert_eq!(interim, [100, 103], "{http:?}");
        assert!(answer.trailers[0].0.eq_ignore_ascii_case("x-sum"));
        let received = rig.take_received();
        assert_eq!(received[0].trailers[0].1, "e");
        let name = if http == Version::H1 { "X-OdD-Case" } else { "x-odd-case" };
        assert!(received[0].head.headers.iter().any(|(n, _)| n == name));
    }
}

#[test]
fn every_way_to_end_is_told_apart() {
    let Some(rig) = rig() else { return };
    let endings = |request: &Received| {
        let answer = canned::events(include_str!("../../src/canned/openai-chat-stream.txt"));
        match request.path() {
            "/fin" => answer.cut_after(500, Ending::Fin),
            "/reset" => answer.cut_after(500, Ending::Reset),
            "/stream" => answer.cut_after(500, Ending::ResetStream),
            "/close" => Answer::json("{}").framed(Framing::UntilClose),
            "/short" => {
                Answer::json("{}").framed(Framing::Declared(10)).then(Step::End(Ending::Close))
            }
            "/hang" => Answer::json("{").framed(Framing::Declared(10)).then(Step::Hang),
            _ => Answer::raw(vec![
                Step::Send("no http at all\r\n\r\n".into()),
                Step::End(Ending::Close),
            ]),
        }
    };
    rig.serve(Provider::named("api.openai.com").behaves(endings)).unwrap();
    let host = rig.workload().unwrap();

    let see = |http, path: &str| {
        let ask = Request::new(path, "GET", path);
        let one = Conversation::new(http, "api.openai.com").asks(ask).patience_ms(1000);
        let report = Report::direct(&host, CLIENT.as_ref(), &Plan::of([one])).unwrap();
        report.answer(path).unwrap().clone()
    };
    let fin = see(Version::H1, "/fin");
    assert_eq!((fin.end, fin.body_bytes), (End::Cut, 500));
    assert_eq!(see(Version::H1, "/reset").end, End::Reset);
    assert_eq!(see(Version::H1, "/close").end, End::Closed);
    assert_eq!(see(Version::H1, "/short").end, End::Closed);
    assert_eq!(see(Version::H1, "/hang").end, End::Silence);
    assert!(matches!(see(Version::H1, "/garbage").end, End::Unreadable(_)));
    assert_eq!(see(Version::H2, "/stream").end, End::StreamReset("INTERNAL_ERROR".into()));
    assert_eq!(see(Version::H2, "/hang").end, End::Silence);
    let fin = see(Version::H2, "/fin");
    assert!(matches!(fin.end, End::Cut | End::Failed(_)) && fin.body_bytes == 500, "{fin:?}");
}

struct Refuses;

impl Behaviour for Refuses {
    fn begin(&self, _head: &Head) -> Begin {
        Begin::AnswerNow(canned::openai_error(413, "invalid_request_error", "too_large"))
    }

    fn answer(&self, _request: &Received) -> Answer {
        Answer::empty(500)
    }
}

#[test]
fn a_refusal_may_come_before_the_body() {
    let Some(rig) = rig() else { return };
    rig.serve(Provider::named("api.openai.com").behaves(Refuses)).unwrap();
    let host = rig.workload().unwrap();

    let ask = Request::post("q", "/v1/x", "{}").waits_for_continue();
    let plan = Plan::of([Conversation::new(Version::H1, "api.openai.com").asks(ask)]);
    let report = Report::direct(&host, CLIENT.as_ref(), &plan).unwrap();
    assert_eq!(report.answer("q").unwrap().status, Some(413));
}

#[test]
fn a_websocket_echoes() {
    let Some(rig) = rig() else { return };
    rig.serve(Provider::named("api.openai.com").behaves(canned::openai)).unwrap();
    let host = rig.workload().unwrap();

    let report = Report::direct(&host, CLIENT.as_ref(), &Plan::of([websocket()])).unwrap();
    assert_websocket_echoed(&report);
}

/// Upgrades, says "hello", and closes.
pub(crate) fn websocket() -> Conversation {
    let upgrade = "GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: api.openai.com\r\nUpgrade: websocket\r\n\
                   Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // Masked frames, with a mask of zeros.
    let hello = Base64(b"\x81\x85\0\0\0\0hello".to_vec());
    let close = Base64(b"\x88\x80\0\0\0\0".to_vec());
    Conversation::new(Version::H1, "api.openai.com")
        .does(Act::Send(upgrade.into()))
        .does(Act::ReadUntil("\r\n\r\n".into()))
        .does(Act::Send(hello))
        .does(Act::ReadUntil("hello".into()))
        .does(Act::Send(close))
        .does(Act::ReadToEnd)
}

pub(crate) fn assert_websocket_echoed(report: &Report) {
    let heard = &report.conversations[0];
    let text = heard.script.text();
    assert!(text.starts_with("HTTP/1.1 101 "), "{heard:#?}");
    assert!(text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{text}");
    assert!(heard.script.0.ends_with(b"\x81\x05hello\x88\x00"), "{:?}", heard.script.0);
    assert_eq!(heard.script_end, Some(End::Closed));
}
