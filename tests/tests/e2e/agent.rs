//! `weir agent`: a configured cgroup, from start to an orderly stop.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use weir_tests::client::{Conversation, End, Plan, Report, Request, Version};
use weir_tests::rig::{AUTHORITY_NAME, Cgroup, wait_until};
use weir_tests::{Agent, Provider, Received, Rig, Workload, canned};

use crate::{CLIENT, both_versions, rig};

const CHAT: &str = "/v1/chat/completions";
const STREAM: &str = include_str!("../../src/canned/openai-chat-stream-usage.txt");

#[test]
fn a_cgroup_is_captured_while_the_agent_runs() {
    let Some((rig, host, cgroup)) = stage() else { return };
    let ask =
        || Conversation::new(Version::H1, "api.openai.com").asks(Request::post("q", CHAT, "{}"));
    let plan = Plan::of([ask()]);

    let mut agent = Agent::start(&rig, &host, &cgroup, "").unwrap();
    let during = agent.carry_out(CLIENT, &plan).unwrap();
    let outside = Report::direct(&host, CLIENT.as_ref(), &plan).unwrap();
    agent.signal(Signal::SIGTERM).unwrap();
    let status = agent.ended().unwrap();
    let after = agent.carry_out(CLIENT, &plan).unwrap();

    assert!(status.success(), "{status}: {}", agent.stderr());
    assert!(!is_direct(&during), "captured: {during:?}");
    assert!(is_direct(&outside), "another cgroup is left alone: {outside:?}");
    assert!(is_direct(&after), "nothing is left attached: {after:?}");
    let records = agent.records().unwrap();
    let record = records.exchange().unwrap();
    let workload = &record["workload"];
    assert_eq!(record["total_input"], 19);
    assert_eq!(
        (workload["exe"].as_str(), workload["uid"].as_u64()),
        (Some(CLIENT), Some(0)),
        "{workload}"
    );
    assert!(
        cgroup.path().to_string_lossy().ends_with(workload["cgroup"].as_str().unwrap()),
        "{workload}"
    );
}

#[test]
fn a_stream_ends_in_peace_when_the_agent_is_told_to_stop() {
    for http in both_versions() {
        let Some((rig, host, cgroup)) = stage() else { return };
        let slow = |_: &Received| canned::events(STREAM).paced(Duration::from_millis(50));
        rig.serve(Provider::named("api.anthropic.com").behaves(slow)).unwrap();
        let mut agent = Agent::start(&rig, &host, &cgroup, "").unwrap();
        let plan = Plan::of([
            Conversation::new(http, "api.anthropic.com").asks(Request::post("q", CHAT, "{}"))
        ]);

        let report = std::thread::scope(|scope| {
            let client = scope.spawn(|| agent.carry_out(CLIENT, &plan));
            assert!(wait_until(Duration::from_secs(30), || !rig.received().is_empty()));
            agent.signal(Signal::SIGTERM).unwrap();
            client.join().unwrap().unwrap()
        });
        let status = agent.ended().unwrap();

        assert!(status.success(), "{status}: {}", agent.stderr());
        let answer = report.answer("q").unwrap();
        assert_eq!(
            (&answer.end, answer.body_bytes),
            (&End::Complete, STREAM.len()),
            "{http:?} {}",
            agent.stderr()
        );
        assert_eq!(agent.records().unwrap().exchange().unwrap()["outcome"], "complete");
    }
}

#[test]
fn a_client_that_distrusts_the_agent_loses_one_connection_and_no_more() {
    let Some((rig, host, cgroup)) = stage() else { return };
    let mut agent = Agent::start(&rig, &host, &cgroup, "").unwrap();
    let plan = Plan::of([
        Conversation::new(Version::H1, "api.openai.com").asks(Request::post("q", CHAT, "{}"))
    ]);
    let run = || {
        let mut command = agent.distrusting_command(CLIENT).unwrap();
        Report::read(&command.arg("plan").arg(plan.write(&host).unwrap()).output().unwrap().stdout)
            .unwrap()
    };

    let first = run();
    assert!(first.conversations[0].failure.is_some(), "{first:?}");
    for _ in 0..3 {
        let next = run();
        assert_eq!(next.answer("q").unwrap().status, Some(200));
        assert!(is_direct(&next));
    }
    agent.signal(Signal::SIGTERM).unwrap();
    agent.ended().unwrap();
    let records = agent.records().unwrap();
    let reasons: Vec<_> =
        records.connections.iter().map(|c| (c["verdict"].as_str(), c["reason"].as_str())).collect();
    let distrust = Some("client_distrusts");
    let passed = (Some("passed"), distrust);
    assert_eq!(reasons, [(Some("failed"), distrust), passed, passed, passed]);
    assert!(records.exchanges.is_empty());
}

#[test]
fn an_agent_that_was_killed_is_replaced() {
    for mode in ["open", "closed"] {
        let Some((rig, host, cgroup)) = stage() else { return };
        let plan =
            Plan::of([Conversation::new(Version::H1, "api.openai.com")
                .asks(Request::post("q", CHAT, "{}"))]);
        let more = format!("  fail_mode: {mode}\n");
        let mut first = Agent::start(&rig, &host, &cgroup, &more).unwrap();
        assert!(!is_direct(&first.carry_out(CLIENT, &plan).unwrap()));
        first.signal(Signal::SIGKILL).unwrap();
        first.ended().unwrap();
        let between = first.carry_out(CLIENT, &plan).unwrap();
        match mode {
            "open" => assert!(is_direct(&between), "{between:?}"),
            _ => {
                let failure = between.conversations[0].failure.as_deref().unwrap_or_default();
                assert!(failure.contains("Operation not permitted"), "{between:?}");
            }
        }

        let mut second = Agent::start(&rig, &host, &cgroup, &more).unwrap();
        assert!(!is_direct(&second.carry_out(CLIENT, &plan).unwrap()), "{mode}: captured again");
        second.signal(Signal::SIGTERM).unwrap();
        assert!(second.ended().unwrap().success());
        assert!(
            is_direct(&second.carry_out(CLIENT, &plan).unwrap()),
            "{mode}: nothing of either is left"
        );
    }
}

#[test]
fn pods_with_networks_of_their_own_are_told_apart() {
    let Some((rig, host, cgroup)) = stage() else { return };
    let mut agent = Agent::start(&rig, &host, &cgroup, "").unwrap();
    let ask = Conversation::new(Version::H2, "api.openai.com").asks(Request::post("q", CHAT, "{}"));
    let plan = Plan::of([ask]);
    let mut pods = Vec::new();
    for n in 1..=3 {
        let uid = format!("0a1b2c3d-0000-4000-8000-00000000000{n}");
        let container = format!("{n}").repeat(64);
        let slice = format!("kubepods-burstable-pod{}.slice", uid.replace('-', "_"));
        let path = format!(
            "kubepods.slice/kubepods-burstable.slice/{slice}/cri-containerd-{container}.scope"
        );
        pods.push((rig.workload().unwrap(), cgroup.below(&path).unwrap(), uid, container));
    }
    for (network, pod, _, _) in &pods {
        let call = || {
            let mut command = agent.command_in(network, pod, CLIENT).unwrap();
            let output = command.arg("plan").arg(plan.write(network).unwrap()).output().unwrap();
            Report::read(&output.stdout).unwrap()
        };
        // The first connection of a network that was never seen may come before the agent listens there.
        let captured = (0..50).any(|_| !is_direct(&call()));
        assert!(captured && (0..5).all(|_| !is_direct(&call())), "{}", agent.stderr());
    }
    agent.signal(Signal::SIGTERM).unwrap();
    agent.ended().unwrap();

    let records = agent.records().unwrap();
    for (_, _, uid, container) in &pods {
        let own =
            records.exchanges.iter().filter(|record| record["workload"]["pod_uid"] == uid.as_str());
        let own: Vec<_> = own.collect();
        assert_eq!(own.len(), 6, "{records:?}");
        let same = |record: &&&Value| record["workload"]["container_id"] == container.as_str();
        assert_eq!(own.iter().filter(same).count(), 6);
        assert_eq!(own[0]["workload"]["runtime"], "containerd");
    }
    assert_eq!(records.exchanges.len(), 18, "and no other");
}

#[test]
fn nobody_borrows_the_agent() {
    let Some((rig, host, cgroup)) = stage() else { return };
    let mut agent = Agent::start(&rig, &host, &cgroup, "").unwrap();
    // A process that was not captured, but knows where the agent listens.
    let connect = format!("api.openai.com:443:127.0.0.1:{}", listening_port(&host));
    let url = "https://api.openai.com/v1/models";
    let curl = ["-sSk", "--max-time", "10", "--connect-to", &connect, url];
    let output = host.command("curl").args(curl).output().unwrap();
    agent.signal(Signal::SIGTERM).unwrap();
    agent.ended().unwrap();

    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(rig.received().is_empty(), "nothing reached the provider");
    assert!(agent.records().unwrap().exchanges.is_empty());
}

#[test]
fn an_agent_inside_what_it_captures_does_not_capture_itself() {
    let Some((rig, host, cgroup)) = stage() else { return };
    let mut agent = Agent::start_inside(&rig, &host, &cgroup).unwrap();
    for http in both_versions() {
        let ask = Conversation::new(http, "api.openai.com").asks(Request::post("q", CHAT, "{}"));
        let report = agent.carry_out(CLIENT, &Plan::of([ask])).unwrap();
        assert_eq!(report.answer("q").unwrap().status, Some(200));
        assert!(!is_direct(&report));
    }
    agent.signal(Signal::SIGTERM).unwrap();
    assert!(agent.ended().unwrap().success());
    assert_eq!(
        agent.records().unwrap().connections.len(),
        2,
        "its own connections are not among them"
    );
}

/// Where somebody listens on 127.0.0.1 of this host.
fn listening_port(host: &Workload) -> u16 {
    let table =
        host.namespace().enter(|| Ok(std::fs::read_to_string("/proc/thread-self/net/tcp")?));
    let table = table.unwrap();
    // Columns: number, local address, remote address, state; 0A is LISTEN.
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let listener = lines.filter(|words| words.get(3) == Some(&"0A")).find_map(|words| {
        let port = words[1].strip_prefix("0100007F:")?;
        u16::from_str_radix(port, 16).ok()
    });
    listener.expect("the agent listens here")
}

fn stage() -> Option<(Rig, Workload, Cgroup)> {
    let rig = rig()?;
    rig.serve(Provider::named("api.openai.com").behaves(canned::openai)).unwrap();
    let host = rig.workload().unwrap();
    Some((rig, host, Cgroup::new().unwrap()))
}

fn is_direct(report: &Report) -> bool {
    let issuer = report.conversations[0].issuer.as_deref();
    issuer.is_some_and(|issuer| issuer.contains(AUTHORITY_NAME))
}
