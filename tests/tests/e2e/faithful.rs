//! What policy does not change arrives unchanged, in both directions. Each test lets the same
//! client talk to the same provider with and without weir, and compares what both ends saw.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use weir_tests::client::{Act, Conversation, End, HeardAnswer, Plan, Report, Request, Version};
use weir_tests::received::{Received, sha256};
use weir_tests::{
    Answer, Begin, Behaviour, Framing, Head, Provider, Records, Rig, Step, Weir, canned, coding,
};

use crate::client::{assert_websocket_echoed, websocket};
use crate::{CLIENT, both_versions, rig};

const CHAT: &str = "/v1/chat/completions";
const CHAT_BODY: &str = include_str!("../../src/canned/openai-chat.json");

#[test]
fn headers_keep_case_order_and_what_nobody_knows() {
    let odd = |_: &Received| {
        Answer::json("{}")
            .header("X-MiXeD-Case", "a, b")
            .header("x-Twice", "1")
            .header("x-Twice", "2")
            .header("X-Empty", "")
    };
    for http in both_versions() {
        let ask = Request::post("q", CHAT, "{ }")
            .header("X-OdD-CaSe", "a;b=\"c\"")
            .header("x-twice", "1");
        let ask = ask
            .header("X-TWICE", "2")
            .header("Authorization", "Bearer sk-rig-0000")
            .header("x-empty", "");
        let Some(both) = see(odd, [Conversation::new(http, "api.openai.com").asks(ask)]) else {
            return;
        };
        both.assert_same();
        assert_eq!(both.under_weir.answer("q").unwrap().status, Some(200));
    }
}

#[test]
fn long_and_many_headers_travel() {
    let long = |_: &Received| {
        let mut answer = Answer::json("{}").header("X-Long", &"v".repeat(12_000));
        for n in 0..60 {
            answer = answer.header(&format!("X-Many-{n}"), &n.to_string());
        }
        answer
    };
    for http in both_versions() {
        let mut ask = Request::post("q", CHAT, "{}").header("Authorization", &"t".repeat(12_000));
        for n in 0..60 {
            ask = ask.header(&format!("X-Many-{n}"), &n.to_string());
        }
        let Some(both) = see(long, [Conversation::new(http, "api.openai.com").asks(ask)]) else {
            return;
        };
        both.assert_same();
        assert_eq!(
            both.under_weir.answer("q").unwrap().header("x-many-59"),
            Some("59"),
            "{http:?}"
        );
    }
}

#[test]
fn a_query_travels_and_is_not_recorded() {
    for http in both_versions() {
        let ask = Request::post("q", "/v1/chat/completions?key=sk-rig-query&a=%20b", "{}");
        let Some(both) = see(canned::openai, [Conversation::new(http, "api.openai.com").asks(ask)])
        else {
            return;
        };
        both.assert_same();
        assert_eq!(both.record()["path"], "/v1/chat/completions");
        assert!(!format!("{:?}", both.records).contains("sk-rig-query"));
    }
}

#[test]
fn bodies_and_trailers_travel_both_ways() {
    let echo = |request: &Received| {
        Answer::json(request.body.clone())
            .chunks_of(777)
            .trailer("X-Check-Sum", "abc")
            .trailer("x-more", "1")
    };
    for http in both_versions() {
        let ask =
            Request::post("q", "/v1/x", varied(100_000)).chunked(4096).trailer("X-End", "yes");
        let Some(both) = see(echo, [Conversation::new(http, "api.openai.com").asks(ask)]) else {
            return;
        };
        both.assert_same();
        let answer = both.under_weir.answer("q").unwrap();
        assert_eq!(
            (answer.body_sha256.as_str(), answer.trailers.len()),
            (&*sha256(&varied(100_000)), 2)
        );
        assert_eq!(both.received_under_weir[0].trailers.len(), 1);
    }
}

#[test]
fn content_codings_are_carried_and_still_understood() {
    for coding in ["gzip", "br", "zstd", "deflate"] {
        let coded = move |_: &Received| {
            Answer::json(coding::encode(coding, CHAT_BODY.as_bytes()).unwrap())
                .header("Content-Encoding", coding)
        };
        for http in both_versions() {
            let Some(both) = see(coded, [chat(http)]) else { return };
            both.assert_same();
            assert_eq!(both.record()["total_input"], 19, "{coding} {http:?}: {:#}", both.record());
        }
    }
}

#[test]
fn an_unknown_coding_is_carried_and_marked() {
    let coded = |_: &Received| Answer::json("????").header("Content-Encoding", "x-secret");
    let Some(both) = see(coded, [chat(Version::H1)]) else { return };
    both.assert_same();
    assert_ne!(both.record()["unread"].as_array().map(Vec::len), Some(0), "{:#}", both.record());
}

#[test]
fn answers_without_a_body() {
    let bodiless = |request: &Received| match request.path() {
        "/204" => Answer::empty(204),
        "/304" => Answer::empty(304).header("ETag", "\"x\""),
        _ => Answer::json(CHAT_BODY),
    };
    for http in both_versions() {
        let conversation = Conversation::new(http, "api.openai.com")
            .asks(Request::new("head", "HEAD", CHAT))
            .asks(Request::new("204", "GET", "/204"))
            .asks(Request::new("304", "GET", "/304").header("If-None-Match", "\"x\""))
            .asks(Request::new("after", "GET", "/v1/models"));
        let Some(both) = see(bodiless, [conversation]) else { return };
        both.assert_same();
        assert_eq!(both.under_weir.answer("after").unwrap().body.text(), CHAT_BODY);
        assert_eq!(both.records.exchanges.len(), 4);
    }
}

#[test]
fn informational_answers_come_before_the_real_one() {
    let early = |_: &Received| {
        Answer::json("{}").interim(103, &[("Link", "</style.css>; rel=preload")]).interim(103, &[])
    };
    for http in both_versions() {
        let Some(both) = see(early, [chat(http)]) else { return };
        both.assert_same();
        assert_eq!(both.under_weir.answer("q").unwrap().interim.len(), 2);
    }
}

#[test]
fn the_body_waits_for_continue() {
    for http in both_versions() {
        let ask = Request::post("q", CHAT, varied(50_000)).waits_for_continue();
        let Some(both) = see(canned::openai, [Conversation::new(http, "api.openai.com").asks(ask)])
        else {
            return;
        };
        both.assert_same();
        assert_eq!(both.under_weir.answer("q").unwrap().interim[0].0, 100);
    }
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
fn a_refusal_arrives_before_the_body_is_sent() {
    let ask = Request::post("q", CHAT, varied(50_000)).waits_for_continue();
    let Some(both) = see(Refuses, [Conversation::new(Version::H1, "api.openai.com").asks(ask)])
    else {
        return;
    };
    both.assert_same();
    assert_eq!(both.under_weir.answer("q").unwrap().status, Some(413));
    assert_eq!(both.record()["error"]["code"], "too_large");
}

#[test]
fn an_early_answer_reaches_a_client_that_still_sends() {
    for http in both_versions() {
        let ask = Request::post("q", CHAT, varied(6 << 20));
        let Some(rig) = rig() else { return };
        rig.serve(Provider::named("api.openai.com").behaves(Refuses)).unwrap();
        let host = rig.workload().unwrap();
        let plan = Plan::of([Conversation::new(http, "api.openai.com").asks(ask)]);
        let direct = Report::direct(&host, CLIENT.as_ref(), &plan).unwrap();
        let (under_weir, run) = Weir::on(&host, &rig).carry_out(CLIENT.as_ref(), &plan).unwrap();

        // How the rest of the body failed is up to chance; the answer is not.
        assert_eq!(direct.answer("q").unwrap().status, Some(413), "{http:?} {direct:?}");
        assert_eq!(under_weir.answer("q").unwrap().status, Some(413), "{http:?} {under_weir:?}");
        let record = run.records.exchange().unwrap();
        assert_eq!(
            (&record["status"], &record["error"]["code"]),
            (&413.into(), &"too_large".into())
        );
    }
}

#[test]
fn a_body_above_the_limit_is_carried_and_marked() {
    let large = |_: &Received| Answer::json(varied(3 << 20));
    for http in both_versions() {
        let ask = Request::post("q", CHAT, varied(2 << 20));
        let conversation = Conversation::new(http, "api.openai.com").asks(ask);
        let Some(both) = see_with("observe: {body_limit: 1MiB}\n", large, [conversation]) else {
            return;
        };
        both.assert_same();
        assert_eq!(both.under_weir.answer("q").unwrap().body_sha256, sha256(&varied(3 << 20)));
        assert_eq!(both.record()["outcome"], "complete");
        assert_eq!(both.record()["response_bytes"], 3 << 20);
        assert_ne!(
            both.record()["unread"].as_array().map(Vec::len),
            Some(0),
            "{:#}",
            both.record()
        );
    }
}

#[test]
fn a_body_that_ends_with_the_connection() {
    let until_close = |_: &Received| Answer::json(CHAT_BODY).framed(Framing::UntilClose);
    let Some(both) = see(until_close, [chat(Version::H1)]) else { return };
    both.assert_same();
    assert_eq!(both.direct.answer("q").unwrap().end, End::Closed);
    assert_eq!(
        (&both.record()["outcome"], &both.record()["total_input"]),
        (&"complete".into(), &19.into())
    );
}

#[test]
fn connection_close_is_obeyed() {
    let closing = |_: &Received| Answer::json(CHAT_BODY).header("Connection", "close");
    let Some(both) = see(closing, [chat(Version::H1)]) else { return };
    both.assert_same();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let number = |request: &Received| Answer::json(format!("{{\"path\":\"{}\"}}", request.path()));
    let get = |n: u32| format!("GET /v1/{n} HTTP/1.1\r\nHost: api.openai.com\r\n\r\n");
    let last = "GET /v1/3 HTTP/1.1\r\nHost: api.openai.com\r\nConnection: close\r\n\r\n";
    let all = format!("{}{}{last}", get(1), get(2));
    let conversation = Conversation::new(Version::H1, "api.openai.com")
        .does(Act::Send((&*all).into()))
        .does(Act::ReadToEnd);
    let Some(both) = see(number, [conversation]) else { return };
    both.assert_same();
    let paths: Vec<_> =
        both.received_under_weir.iter().map(|request| request.path().to_owned()).collect();
    assert_eq!(paths, ["/v1/1", "/v1/2", "/v1/3"]);
    assert_eq!(both.records.exchanges.len(), 3);
}

#[test]
fn a_client_may_close_its_side_and_still_be_answered() {
    let post =
        "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 2\r\n\r\n{}";
    for close in [Act::CloseWriting, Act::Fin] {
        let conversation = Conversation::new(Version::H1, "api.openai.com")
            .does(Act::Send(post.into()))
            .does(close)
            .does(Act::ReadToEnd);
        let Some(both) = see(canned::openai, [conversation]) else { return };
        let (direct, under_weir) =
            (&both.direct.conversations[0], &both.under_weir.conversations[0]);
        assert_eq!(under_weir.script, direct.script);
        // A bare FIN is passed on as an orderly end: a provider that would mind it cannot.
        assert!(matches!(under_weir.script_end, Some(End::Closed | End::Cut)), "{under_weir:?}");
        assert!(under_weir.script.text().ends_with(CHAT_BODY));
        assert_eq!(both.record()["total_input"], 19);
    }
}

#[test]
fn a_websocket_is_tunnelled() {
    let Some(both) = see(canned::openai, [websocket()]) else { return };
    both.assert_same();
    assert_websocket_echoed(&both.under_weir);
    assert_eq!(
        (&both.record()["outcome"], &both.record()["status"]),
        (&"upgraded".into(), &101.into())
    );
}

#[test]
fn an_event_is_delivered_before_the_next_one_exists() {
    let first =
        || Bytes::from_static(b"data: {\"object\":\"chat.completion.chunk\",\"choices\":[]}\n\n");
    let then_silence = move |_: &Received| Answer::events([first()]).then(Step::Hang);
    for http in both_versions() {
        let ask = Request::post("q", CHAT, r#"{"stream":true}"#).leaves_after(first().len());
        let Some(both) = see(then_silence, [Conversation::new(http, "api.openai.com").asks(ask)])
        else {
            return;
        };
        both.assert_same();
        assert_eq!(both.under_weir.answer("q").unwrap().end, End::Left);
        assert_eq!(both.record()["outcome"], "client_gone", "{http:?}: {:#}", both.record());
    }
}

#[test]
fn many_exchanges_share_one_connection() {
    for http in both_versions() {
        let mut conversation = Conversation::new(http, "api.openai.com");
        conversation.at_once = 16;
        for n in 0..64 {
            conversation =
                conversation.asks(Request::post(&n.to_string(), CHAT, format!("{{\"n\":{n}}}")));
        }
        let Some(both) = see(canned::openai, [conversation]) else { return };
        assert_eq!(both.under_weir.conversations[0].answers, both.direct.conversations[0].answers);
        assert_eq!(both.records.exchanges.len(), 64);
        assert_eq!(both.records.connection().unwrap()["exchanges"], 64);
        assert_eq!(both.received_under_weir.len(), 64);
    }
}

#[test]
fn errors_of_a_provider_are_passed_on_and_named() {
    for (status, kind, code) in
        [(429, "requests", "rate_limit_exceeded"), (503, "server_error", "overloaded")]
    {
        let failing =
            move |_: &Received| canned::openai_error(status, kind, code).header("Retry-After", "7");
        let Some(both) = see(failing, [chat(Version::H1)]) else { return };
        both.assert_same();
        assert_eq!(
            (&both.record()["status"], &both.record()["error"]["code"]),
            (&status.into(), &code.into())
        );
    }
}

/// The same conversations with and without weir, as both ends saw them.
struct Both {
    direct: Report,
    under_weir: Report,
    received_direct: Vec<Arc<Received>>,
    received_under_weir: Vec<Arc<Received>>,
    records: Records,
    _rig: Rig,
}

impl Both {
    fn assert_same(&self) {
        let heard = |report: &Report| -> Vec<(Vec<HeardAnswer>, String, Option<End>)> {
            let one = report.conversations.iter();
            one.map(|c| (c.answers.clone(), c.script.text(), c.script_end.clone())).collect()
        };
        assert_eq!(
            heard(&self.under_weir),
            heard(&self.direct),
            "what the client saw: {:?}",
            failures(&self.under_weir)
        );
        let got = |requests: &[Arc<Received>]| -> Vec<_> {
            let one = requests.iter();
            one.map(|r| {
                (
                    r.head.method.clone(),
                    r.head.target.clone(),
                    r.head.headers.clone(),
                    r.body.clone(),
                    r.trailers.clone(),
                )
            })
            .collect()
        };
        assert_eq!(
            got(&self.received_under_weir),
            got(&self.received_direct),
            "what the provider got"
        );
    }

    fn record(&self) -> &Value {
        self.records.exchange().unwrap()
    }
}

fn failures(report: &Report) -> Vec<&String> {
    report.conversations.iter().filter_map(|conversation| conversation.failure.as_ref()).collect()
}

fn chat(http: Version) -> Conversation {
    Conversation::new(http, "api.openai.com").asks(Request::post(
        "q",
        CHAT,
        r#"{"model":"gpt-4o-mini"}"#,
    ))
}

fn see(
    behaviour: impl Behaviour,
    conversations: impl IntoIterator<Item = Conversation>,
) -> Option<Both> {
    see_with("", behaviour, conversations)
}

fn see_with(
    config: &str,
    behaviour: impl Behaviour,
    conversations: impl IntoIterator<Item = Conversation>,
) -> Option<Both> {
    let rig = rig()?;
    rig.serve(Provider::named("api.openai.com").behaves(behaviour)).unwrap();
    let host = rig.workload().unwrap();
    let plan = Plan::of(conversations);
    let direct = Report::direct(&host, CLIENT.as_ref(), &plan).unwrap();
    let received_direct = rig.take_received();
    let weir = Weir::on(&host, &rig);
    let weir = if config.is_empty() { weir } else { weir.config(config).unwrap() };
    let (under_weir, run) = weir.carry_out(CLIENT.as_ref(), &plan).unwrap();
    let received_under_weir = rig.take_received();
    Some(Both {
        direct,
        under_weir,
        received_direct,
        received_under_weir,
        records: run.records,
        _rig: rig,
    })
}

/// Bytes that differ everywhere, so that a lost or swapped piece shows.
fn varied(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b' ' + u8::try_from(state >> 26).unwrap()
    };
    (0..length).map(|_| next()).collect()
}
