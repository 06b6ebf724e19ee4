//! Providers that break off, talk nonsense or say nothing. A client under weir sees what it
//! sees without; the record says what happened.

use std::time::Duration;

use serde_json::Value;
use weir_tests::client::{Act, Conversation, End, HeardAnswer, Plan, Report, Request, Version};
use weir_tests::rig::{Entry, STRANGER_NAME};
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
    use Manners::{GarbageAfterTls, GarbageBeforeTls, ResetBeforeTls, SilentBeforeTls};
    for manners in [GarbageBeforeTls, ResetBeforeTls, GarbageAfterTls, SilentBeforeTls] {
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

#[test]
fn a_provider_that_goes_away_lets_open_streams_end() {
    let going = |request: &Received| {
        let answer = canned::events(STREAM);
        if request.path() == "/0" {
            return answer.then(Step::End(Ending::GoAway));
        }
        answer.paced(Duration::from_millis(20))
    };
    let Some((rig, host)) = stage(Provider::named("api.openai.com").behaves(going)) else { return };
    let mut conversation = Conversation::new(Version::H2, "api.openai.com");
    conversation.at_once = 8;
    for n in (0..8).rev() {
        conversation = conversation.asks(Request::post(&n.to_string(), &format!("/{n}"), "{}"));
    }
    let plan = Plan::of([conversation]);
    let direct = Report::direct(&host, CLIENT.as_ref(), &plan).unwrap();
    let (under_weir, run) = Weir::on(&host, &rig).carry_out(CLIENT.as_ref(), &plan).unwrap();

    assert!(
        direct.conversations[0].answers.iter().all(|answer| answer.end == End::Complete),
        "{direct:?}"
    );
    assert_eq!(under_weir.conversations[0].answers, direct.conversations[0].answers);
    assert!(run.records.exchanges.iter().all(|record| record["outcome"] == "complete"));
    assert_eq!(run.records.exchanges.len(), 8);
}

#[test]
fn a_certificate_nobody_trusts_is_the_clients_to_judge() {
    let stranger = Provider::named("api.openai.com").behaves(canned::openai).signed_by_a_stranger();
    let Some((rig, host)) = stage(stranger) else { return };
    let (direct, under_weir, records) = run_both(&rig, &host, Version::H1);
    assert_eq!(under_weir.conversations[0].failure, direct.conversations[0].failure);
    assert!(under_weir.conversations[0].failure.as_ref().unwrap().contains("UnknownIssuer"));
    let connection = records.connection().unwrap();
    assert_eq!(
        (&connection["verdict"], &connection["reason"]),
        (&"passed".into(), &"provider_unverified".into())
    );

    // Who wants to trust it anyway sees that very certificate.
    let curl = ["curl", "-sSkv", "https://api.openai.com/v1/models"];
    let run = Weir::on(&host, &rig).run(&curl).unwrap();
    assert!(run.stderr.contains(STRANGER_NAME), "{}", run.stderr);
    assert!(String::from_utf8_lossy(&run.stdout).contains("gpt-4o-mini"));
}

#[test]
fn a_provider_that_cannot_be_reached() {
    let Some((rig, host)) = stage(Provider::named("api.openai.com").behaves(canned::openai)) else {
        return;
    };
    // Documentation addresses outside the rig: there is no route.
    rig.zone.set("api.openai.com", Entry { v4: vec![[192, 0, 2, 1].into()], ..Entry::default() });
    let (direct, under_weir, records) = run_both(&rig, &host, Version::H1);
    assert!(direct.conversations[0].failure.is_some());
    assert!(under_weir.conversations[0].failure.is_some());
    let connection = records.connection().unwrap();
    assert_eq!(
        (&connection["verdict"], &connection["reason"]),
        (&"failed".into(), &"provider_unreachable".into())
    );
    assert!(records.exchanges.is_empty());
}

#[test]
fn a_client_that_dies_in_the_middle_of_its_request() {
    let Some((rig, host)) = stage(Provider::named("api.openai.com").behaves(canned::openai)) else {
        return;
    };
    let half = "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 900\r\n\r\n{\"model\":";
    let plan =
        Plan::of([Conversation::new(Version::H1, "api.openai.com").does(Act::Send(half.into()))]);
    let run = Weir::on(&host, &rig).carry_out(CLIENT.as_ref(), &plan).unwrap().1;
    let record = run.records.exchange().unwrap();
    assert_eq!(
        (&record["outcome"], &record["status"]),
        (&"client_gone".into(), &Value::Null),
        "{record:#}"
    );
    assert_eq!(record["request_bytes"], 9);
}

#[test]
fn a_client_that_leaves_stops_the_provider() {
    let Some(rig) = rig() else { return };
    let drip = |_: &Received| {
        let steps = (0..100_000).map(|n| format!("data: {n}\n\n"));
        Answer::events(steps).paced(Duration::from_millis(2))
    };
    rig.serve(Provider::named("api.openai.com").behaves(drip)).unwrap();
    let host = rig.workload().unwrap();
    for http in both_versions() {
        let ask = Request::post("q", "/v1/chat/completions", "{}").leaves_after(100);
        let plan = Plan::of([Conversation::new(http, "api.openai.com").asks(ask)]);
        let (report, run) = Weir::on(&host, &rig).carry_out(CLIENT.as_ref(), &plan).unwrap();
        assert_eq!(report.answer("q").unwrap().end, End::Left);
        assert_eq!(run.records.exchange().unwrap()["outcome"], "client_gone");
    }
}

#[test]
fn a_provider_that_closes_after_each_answer_costs_no_client_a_request() {
    let Some(rig) = rig() else { return };
    // It says nothing of closing: the answer looks as if the connection could be used again.
    let closing = |_: &Received| Answer::json("{}").then(Step::End(Ending::Close));
    rig.serve(Provider::named("api.openai.com").alpn(&["http/1.1"]).behaves(closing)).unwrap();
    let host = rig.workload().unwrap();
    let ask = |n: usize| {
        Conversation::new(Version::H1, "api.openai.com").asks(Request::post(
            &n.to_string(),
            "/v1/x",
            "{}",
        ))
    };
    let plan = Plan::of((0..200).map(ask));
    let (report, run) = Weir::on(&host, &rig).carry_out(CLIENT.as_ref(), &plan).unwrap();

    let failed: Vec<_> = report
        .conversations
        .iter()
        .flat_map(|c| &c.answers)
        .filter(|a| a.status != Some(200))
        .collect();
    assert!(failed.is_empty(), "{} of 200: {failed:?}", failed.len());
    assert_eq!(run.records.exchanges.len(), 200);
}

#[test]
fn connections_to_the_provider_are_used_again() {
    for http in both_versions() {
        let Some((rig, host)) = stage(Provider::named("api.openai.com").behaves(canned::openai))
        else {
            return;
        };
        let ask = |n: usize| {
            Conversation::new(http, "api.openai.com").asks(Request::post(
                &n.to_string(),
                "/v1/x",
                "{}",
            ))
        };
        let plan = Plan::of((0..20).map(ask));
        let run = Weir::on(&host, &rig).carry_out(CLIENT.as_ref(), &plan).unwrap().1;
        assert_eq!(run.records.exchanges.len(), 20);
        assert!(
            rig.connections() <= 2,
            "{http:?}: {} connections for clients one after another",
            rig.connections()
        );
        let reused =
            run.records.exchanges.iter().filter(|record| record["attempts"][0]["reused"] == true);
        assert!(reused.count() >= 18);
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
