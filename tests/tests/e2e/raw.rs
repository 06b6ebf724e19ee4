//! Messages that no library would write, both ways: weir carries the bytes as they are.

use weir_tests::client::{Act, Conversation, End, Plan, Report, Version};
use weir_tests::{Answer, Ending, Manners, Provider, RAW_MARK, Received, Run, Step, Weir};

use crate::{CLIENT, rig};

/// Answers, as they go over the wire. The request is a `POST` with `Connection: close`.
const ANSWERS: [(&str, &str); 20] = [
    ("HTTP/1.0, to the end", "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":1}"),
    ("no reason phrase", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n{}"),
    ("no reason phrase and no space", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}"),
    ("an odd reason phrase", "HTTP/1.1 200 Wholly  Fine!\r\nContent-Length: 2\r\n\r\n{}"),
    ("a status nobody knows", "HTTP/1.1 599 Eh\r\ncontent-length:2\r\n\r\n{}"),
    ("no space after the colon", "HTTP/1.1 200 OK\r\nX-A:b\r\nCONTENT-LENGTH:2\r\n\r\n{}"),
    ("spaces around a value", "HTTP/1.1 200 OK\r\nX-A:   b  \t\r\nContent-Length:  2 \r\n\r\n{}"),
    (
        "bytes beyond ASCII in a value",
        "HTTP/1.1 200 OK\r\nX-A: \u{fc}\u{df}\r\nContent-Length: 2\r\n\r\n{}",
    ),
    ("lines that end with LF alone", "HTTP/1.1 200 OK\nContent-Length: 2\n\n{}"),
    (
        "chunk extensions",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\n{}\r\n0;x\r\n\r\n",
    ),
    (
        "chunk sizes with zeros",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0002\r\n{}\r\n000\r\n\r\n",
    ),
    (
        "chunk sizes in upper case",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
    ),
    (
        "trailers nobody announced",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-T: 1\r\nx-u:2\r\n\r\n",
    ),
    (
        "two lengths that agree",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    ),
    (
        "two lengths that do not",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}",
    ),
    (
        "a length and chunks",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ),
    ("a length that is no number", "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}"),
    ("a folded header", "HTTP/1.1 200 OK\r\nX-A: b\r\n  c\r\nContent-Length: 2\r\n\r\n{}"),
    (
        "interim answers of all kinds",
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 Odd\r\nX-A: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ),
    ("a chunk that is cut", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"a\""),
];

/// Requests, as they go over the wire; each holds the mark that ends what the provider reads.
const REQUESTS: [(&str, &str); 14] = [
    (
        "odd case and spacing",
        "POST /v1/chat/completions HTTP/1.1\r\nhOsT:api.openai.com\r\nX-A:   b \t\r\nCONTENT-LENGTH:11\r\n\r\n{}~the end~",
    ),
    (
        "a method nobody knows",
        "BREW /v1/pot HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 9\r\n\r\n~the end~",
    ),
    (
        "a target in absolute form",
        "POST https://api.openai.com/v1/x HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 9\r\n\r\n~the end~",
    ),
    (
        "a target that needs no decoding",
        "POST /v1/%2e%2e//x?a=%zz&b=;'\" HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 9\r\n\r\n~the end~",
    ),
    ("HTTP/1.0", "POST /v1/x HTTP/1.0\r\nContent-Length: 9\r\n\r\n~the end~"),
    ("no host", "POST /v1/x HTTP/1.1\r\nContent-Length: 9\r\n\r\n~the end~"),
    (
        "chunk extensions and trailers",
        "POST /v1/x HTTP/1.1\r\nHost: api.openai.com\r\nTransfer-Encoding: chunked\r\n\r\n2;q=\"~\"\r\n{}\r\n0\r\nX-T: ~the end~\r\n\r\n",
    ),
    (
        "a chunk size with zeros",
        "POST /v1/x HTTP/1.1\r\nHost: api.openai.com\r\nTransfer-Encoding: chunked\r\n\r\n00009\r\n~the end~\r\n0\r\n\r\n",
    ),
    (
        "a length and chunks",
        "POST /v1/x HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n~the end~\r\n0\r\n\r\n",
    ),
    (
        "two lengths that do not agree",
        "POST /v1/x HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 9\r\nContent-Length: 8\r\n\r\n~the end~",
    ),
    (
        "a folded header",
        "POST /v1/x HTTP/1.1\r\nHost: api.openai.com\r\nX-A: b\r\n c\r\nContent-Length: 9\r\n\r\n~the end~",
    ),
    (
        "a body where there is usually none",
        "GET /v1/models HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 9\r\n\r\n~the end~",
    ),
    ("bytes that are no HTTP", "\u{1}\u{2}\u{3} nothing to see ~the end~\r\n\r\n"),
    (
        "a line that begins with an empty one",
        "\r\nPOST /v1/x HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 9\r\n\r\n~the end~",
    ),
];

#[test]
fn any_answer_arrives_as_it_was_written() {
    let Some(rig) = rig() else { return };
    let host = rig.workload().unwrap();
    let answer = |request: &Received| {
        let n: usize = request.path().trim_start_matches('/').parse().unwrap();
        // As it stands in the table, but for characters that stand for one byte.
        let bytes: Vec<u8> =
            ANSWERS[n].1.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        Answer::raw(vec![Step::Send(bytes.into()), Step::End(Ending::Close)])
    };
    rig.serve(Provider::named("api.openai.com").behaves(answer)).unwrap();
    let plan = Plan::of((0..ANSWERS.len()).map(|n| {
        let request = format!("POST /{n} HTTP/1.1\r\nHost: api.openai.com\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}");
        Conversation::new(Version::H1, "api.openai.com").does(Act::Send((&*request).into())).does(Act::ReadToEnd)
    }));

    let direct = Report::direct(&host, CLIENT.as_ref(), &plan).unwrap();
    let (under_weir, run) = Weir::on(&host, &rig).carry_out(CLIENT.as_ref(), &plan).unwrap();

    let mut wrong = Vec::new();
    for (n, (what, _)) in ANSWERS.iter().enumerate() {
        let (direct, under_weir) = (&direct.conversations[n], &under_weir.conversations[n]);
        assert_eq!(direct.script_end, Some(End::Closed), "{what}");
        if (&direct.script, &direct.script_end) != (&under_weir.script, &under_weir.script_end) {
            wrong.push(format!("{what}: {:?} {:?}", under_weir.script, under_weir.script_end));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    one_record_each(&run, ANSWERS.len());
}

#[test]
fn an_answer_may_be_cut_anywhere() {
    const WHOLE: [&str; 4] = [
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"model\":\"\"}",
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {}\n\ndata: [DONE]\n\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ];
    let Some(rig) = rig() else { return };
    let host = rig.workload().unwrap();
    let cut = |request: &Received| {
        let mut words = request.path().trim_start_matches('/').split('-');
        let whole = WHOLE[words.next().unwrap().parse::<usize>().unwrap()];
        let at: usize = words.next().unwrap().parse().unwrap();
        let ending = if words.next() == Some("fin") { Ending::Fin } else { Ending::Close };
        Answer::raw(vec![Step::Send(whole[..at].into()), Step::End(ending)])
    };
    rig.serve(Provider::named("api.openai.com").alpn(&["http/1.1"]).behaves(cut)).unwrap();
    let mut targets = Vec::new();
    for (n, whole) in WHOLE.iter().enumerate() {
        for at in (0..=whole.len()).step_by(3).chain([whole.len()]) {
            targets.extend(["fin", "close"].map(|ending| format!("/{n}-{at}-{ending}")));
        }
    }
    let mut plan = Plan::of(targets.iter().map(|target| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: api.openai.com\r\n\r\n");
        let one =
            Conversation::new(Version::H1, "api.openai.com").does(Act::Send((&*request).into()));
        one.does(Act::ReadToEnd)
    }));
    plan.at_once = 8;

    let direct = Report::direct(&host, CLIENT.as_ref(), &plan).unwrap();
    let (under_weir, run) = Weir::on(&host, &rig).carry_out(CLIENT.as_ref(), &plan).unwrap();

    let mut wrong = Vec::new();
    for (n, target) in targets.iter().enumerate() {
        let (direct, under_weir) = (&direct.conversations[n], &under_weir.conversations[n]);
        if (&direct.script, &direct.script_end) != (&under_weir.script, &under_weir.script_end) {
            let (wanted, got) = (&direct.script_end, &under_weir.script_end);
            wrong.push(format!(
                "{target}: {got:?} {:?}, not {wanted:?} {:?}",
                under_weir.script, direct.script
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), targets.len(), wrong.join("\n"));
    one_record_each(&run, targets.len());
}

#[test]
fn any_request_arrives_as_it_was_written() {
    let Some(rig) = rig() else { return };
    let host = rig.workload().unwrap();
    rig.serve(Provider::named("api.openai.com").manners(Manners::KeepsRawBytes)).unwrap();
    assert!(REQUESTS.iter().all(|(_, request)| request.contains(RAW_MARK)));
    let plan = Plan::of(REQUESTS.iter().map(|(_, request)| {
        Conversation::new(Version::H1, "api.openai.com")
            .does(Act::Send((*request).into()))
            .does(Act::ReadToEnd)
    }));

    let (report, run) = Weir::on(&host, &rig).carry_out(CLIENT.as_ref(), &plan).unwrap();

    let received = rig.take_received();
    assert_eq!(received.len(), REQUESTS.len());
    let mut wrong = Vec::new();
    for (n, (what, request)) in REQUESTS.iter().enumerate() {
        // The provider answers at the mark; what stands behind it may or may not have come by then.
        let upto = request.find(RAW_MARK).unwrap() + RAW_MARK.len();
        let got = &received[n].body;
        if !request.as_bytes().starts_with(got) || got.len() < upto {
            wrong.push(format!("{what}: the provider got {got:?}"));
        }
        let heard = &report.conversations[n];
        if !heard.script.text().ends_with("\r\n\r\n{}") {
            wrong.push(format!("{what}: the client got {:?} {:?}", heard.script, heard.script_end));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    one_record_each(&run, REQUESTS.len());
}

/// What stands behind an answer belongs to no exchange. Weir does not carry it on, so that it can
/// never be taken for the answer to another request.
#[test]
fn what_stands_behind_an_answer_is_dropped() {
    let answers =
        ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 204 No Content\r\n\r\n"];
    for answer in answers {
        let Some(rig) = rig() else { return };
        let surplus = move |_: &Received| {
            let injected = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nanother";
            Answer::raw(vec![
                Step::Send(format!("{answer}{injected}").into()),
                Step::End(Ending::Close),
            ])
        };
        rig.serve(Provider::named("api.openai.com").behaves(surplus)).unwrap();
        let host = rig.workload().unwrap();
        let request = "GET /v1/x HTTP/1.1\r\nHost: api.openai.com\r\n\r\n";
        let one = Conversation::new(Version::H1, "api.openai.com").does(Act::Send(request.into()));
        let plan = Plan::of([one.does(Act::ReadToEnd)]);
        let (report, run) = Weir::on(&host, &rig).carry_out(CLIENT.as_ref(), &plan).unwrap();
        assert_eq!(report.conversations[0].script.text(), answer);
        assert_eq!(run.records.exchanges[0]["outcome"], "complete");
    }
}

fn one_record_each(run: &Run, count: usize) {
    assert_eq!(run.records.exchanges.len(), count, "{:#?}", run.records.exchanges);
    assert_eq!(run.records.connections.len(), count);
}
