//! Much at once: every byte still arrives at the right place, and weir stays small.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use weir_tests::client::{Conversation, End, Plan, Report, Request, Version};
use weir_tests::received::sha256;
use weir_tests::rig::wait_until;
use weir_tests::{Answer, Begin, Behaviour, Head, Provider, Received, Step, Weir};

use crate::{CLIENT, both_versions, rig};

/// More than this, above an idle weir, is not a bounded buffer any more.
const GROWTH_KIB_MAX: u64 = 16 << 10;

#[test]
fn many_connections_with_bodies_of_all_sizes_at_once() {
    let Some(rig) = rig() else { return };
    let echo = |request: &Received| {
        let answer = Answer::json(request.body.clone());
        match request.header("x-chunk").and_then(|size| size.parse().ok()) {
            Some(size) => answer.chunks_of(size),
            None => answer,
        }
    };
    rig.serve(Provider::named("api.openai.com").behaves(echo)).unwrap();
    let host = rig.workload().unwrap();
    let mut dice = Dice(7);
    let mut conversations = Vec::new();
    for n in 0..40_u32 {
        let http = both_versions()[n as usize % 2];
        let mut conversation = Conversation::new(http, "api.openai.com");
        conversation.at_once = 8;
        for m in 0..20 {
            conversation = conversation.asks(request(&mut dice, &format!("{n}-{m}")));
        }
        conversations.push(conversation);
    }
    let plan = Plan { conversations, at_once: 20 };

    let (report, run) = Weir::on(&host, &rig).carry_out(CLIENT.as_ref(), &plan).unwrap();

    let failed =
        report.conversations.iter().flat_map(|c| &c.answers).filter(|a| a.end != End::Complete);
    let failed: Vec<_> = failed.map(|answer| (&answer.id, answer.status, &answer.end)).collect();
    assert!(failed.is_empty(), "{failed:?} {}", run.stderr);
    let (mut sent, mut echoed) = (0, 0);
    for request in plan.conversations.iter().flat_map(|conversation| &conversation.requests) {
        let answer = report.answer(&request.id).unwrap();
        assert_eq!(answer.body_sha256, sha256(&request.body.0), "{} {:?}", request.id, answer.end);
        sent += request.body.0.len() as u64;
        echoed += answer.body_bytes as u64;
    }
    let sum = |field: &str| {
        run.records.exchanges.iter().filter_map(|record| record[field].as_u64()).sum::<u64>()
    };
    assert_eq!(run.records.exchanges.len(), 800);
    assert!(run.records.exchanges.iter().all(|record| record["outcome"] == "complete"));
    assert_eq!((sum("request_bytes"), sum("response_bytes")), (sent, echoed));
    assert_eq!(run.records.connections.len(), 40);
}

fn request(dice: &mut Dice, id: &str) -> Request {
    let bound = [1, 100, 5_000, 20_000, 200_000][dice.below(5)];
    let length = dice.below(bound);
    let body: Vec<u8> = (0..length).map(|_| u8::try_from(32 + dice.below(90)).unwrap()).collect();
    let mut request = Request::post(id, "/v1/chat/completions", body);
    if dice.below(2) == 0 {
        request = request.chunked(16 + dice.below(30_000));
    }
    if dice.below(2) == 0 {
        request = request.header("x-chunk", &(16 + dice.below(30_000)).to_string());
    }
    request
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }
}

/// Providers send a small frame for each token, and clients pause.
#[test]
fn small_frames_may_wait_for_a_slow_client() {
    let Some(rig) = rig() else { return };
    let tokens =
        |_: &Received| Answer::new(200, "text/event-stream", vec![b'x'; 400 << 10]).chunks_of(20);
    rig.serve(Provider::named("api.openai.com").behaves(tokens)).unwrap();
    let host = rig.workload().unwrap();
    let mut conversation = Conversation::new(Version::H2, "api.openai.com");
    conversation.at_once = 4;
    for n in 0..4 {
        let ask = Request::post(&n.to_string(), "/v1/chat/completions", "{}");
        // Three streams stop in the middle and hold what they have; one goes on to its end.
        conversation = conversation.asks(if n == 3 { ask } else { ask.reads_only(100 << 10) });
    }
    let plan = Plan::of([conversation]).write(&host).unwrap();
    let weir = Weir::on(&host, &rig);
    let mut running =
        weir.start(&[CLIENT, "plan", &plan.to_string_lossy()], Stdio::piped()).unwrap();
    let stdin = running.child.stdin.take();
    let asked = wait_until(Duration::from_secs(30), || rig.received().len() == 4);
    assert!(asked, "{}", running.stderr());
    wait_until_still(|| rig.bytes_sent());
    drop(stdin);
    let run = running.finish().unwrap();
    let report = Report::read(&run.stdout).unwrap();

    let ends: Vec<_> = report.conversations[0].answers.iter().map(|answer| &answer.end).collect();
    assert_eq!(ends, [&End::Left, &End::Left, &End::Left, &End::Complete], "{}", run.stderr);
}

#[test]
fn a_client_that_does_not_read_holds_the_provider_back() {
    let Some(rig) = rig() else { return };
    let flood = |_: &Received| {
        Answer::events(["data: {}\n\n"]).then(Step::SendEndlessly(vec![b'x'; 64 << 10].into()))
    };
    rig.serve(Provider::named("api.openai.com").behaves(flood)).unwrap();
    let host = rig.workload().unwrap();
    for http in both_versions() {
        let ask = Request::post("q", "/v1/chat/completions", "{}").reads_only(10);
        let plan =
            Plan::of([Conversation::new(http, "api.openai.com").asks(ask)]).write(&host).unwrap();
        let _ = rig.take_received();
        let weir = Weir::on(&host, &rig);
        let mut running =
            weir.start(&[CLIENT, "plan", &plan.to_string_lossy()], Stdio::piped()).unwrap();
        let stdin = running.child.stdin.take();
        let asked = wait_until(Duration::from_secs(30), || rig.received().len() == 1);
        assert!(asked, "{}", running.stderr());
        let before = memory_kib(running.child.id());
        wait_until_still(|| rig.bytes_sent());
        let after = memory_kib(running.child.id());
        drop(stdin);
        let run = running.finish().unwrap();

        assert!(after < before + GROWTH_KIB_MAX, "{http:?}: {before} KiB grew to {after} KiB");
        let record = run.records.exchange().unwrap();
        assert_eq!(record["outcome"], "client_gone");
        assert!(
            record["response_bytes"].as_u64().is_some_and(|bytes| bytes < 32 << 20),
            "{record:#}"
        );
    }
}

struct NeverReads;

impl Behaviour for NeverReads {
    fn begin(&self, _head: &Head) -> Begin {
        Begin::NeverRead
    }

    fn answer(&self, _request: &Received) -> Answer {
        Answer::empty(500)
    }
}

#[test]
fn a_provider_that_does_not_read_holds_the_client_back() {
    const BODY_BYTES: usize = 32 << 20;
    let Some(rig) = rig() else { return };
    rig.serve(Provider::named("api.openai.com").behaves(NeverReads)).unwrap();
    let host = rig.workload().unwrap();
    for http in both_versions() {
        let ask = Request::post("q", "/v1/chat/completions", vec![b'x'; BODY_BYTES]);
        let plan =
            Plan::of([Conversation::new(http, "api.openai.com").asks(ask)]).write(&host).unwrap();
        let _ = rig.take_received();
        let weir = Weir::on(&host, &rig);
        let running =
            weir.start(&[CLIENT, "plan", &plan.to_string_lossy()], Stdio::null()).unwrap();
        let asked = wait_until(Duration::from_secs(30), || rig.received().len() == 1);
        assert!(asked, "{}", running.stderr());
        let pid = running.child.id();
        wait_until_still(|| read_bytes(pid));
        let held = memory_kib(pid);
        // Weir passes the signal on, and the client dies of it.
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGTERM).unwrap();
        let run = running.finish().unwrap();

        assert!(held < 64 << 10, "{http:?}: weir holds {held} KiB");
        let record = run.records.exchange().unwrap();
        // On HTTP/1.1 the client's FIN stands behind bytes that nobody may read yet.
        let unseen = http == Version::H1 && record["outcome"] == "stopped";
        assert!(unseen || record["outcome"] == "client_gone", "{http:?} {record:#}");
        let sent = record["request_bytes"].as_u64().unwrap();
        assert!(sent > 0 && sent < BODY_BYTES as u64, "{http:?}: {sent} bytes went on");
    }
}

/// What the process has read from anywhere so far.
fn read_bytes(pid: u32) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

/// Once nothing moves any more, every buffer is as full as it gets.
fn wait_until_still(position: impl Fn() -> u64) {
    let mut last = None;
    let still = wait_until(Duration::from_secs(60), || {
        std::thread::sleep(Duration::from_millis(300));
        let now = Some(position());
        std::mem::replace(&mut last, now) == now
    });
    assert!(still, "it goes on moving");
}

/// What the process holds in memory now.
fn memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
