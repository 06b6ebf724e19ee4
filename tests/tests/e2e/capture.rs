//! What the kernel half does, seen from the application: where its connections go, and what
//! its system calls say.

use std::net::{IpAddr, SocketAddr};

use serde::de::DeserializeOwned;
use weir_tests::client::probe::{Attempt, Connected, Datagrams, Race};
use weir_tests::client::{Conversation, Family, Plan, Report, Request, Version};
use weir_tests::rig::AUTHORITY_NAME;
use weir_tests::{Manners, Provider, Rig, Run, Weir, Workload, canned};

use crate::turns::Turns;
use crate::{CLIENT, both_versions, rig};

const EPERM: i32 = 1;

#[test]
fn a_call_is_intercepted_and_recorded_over_ipv4_and_ipv6() {
    let Some((rig, host)) = stage() else { return };
    for family in [Family::V4, Family::V6] {
        let ask = Request::post("q", "/v1/chat/completions", r#"{"model":"gpt-4o-mini"}"#);
        let one = Conversation::new(Version::H1, "api.openai.com").family(family).asks(ask);
        let (report, run) =
            Weir::on(&host, &rig).carry_out(CLIENT.as_ref(), &Plan::of([one])).unwrap();

        let heard = &report.conversations[0];
        assert_eq!(report.answer("q").unwrap().status, Some(200));
        assert_eq!(heard.peer, heard.asked, "getpeername says what was asked for");
        assert_ne!(
            heard.issuer.as_deref(),
            Some(issuer_of_the_rig().as_str()),
            "weir stood between"
        );

        let record = run.records.exchange().unwrap();
        assert_eq!(
            (&record["provider"], &record["dialect"]),
            (&"openai".into(), &"openai.chat".into())
        );
        assert_eq!(
            (&record["request_model"], &record["stream"]),
            (&"gpt-4o-mini".into(), &false.into())
        );
        assert_eq!((&record["total_input"], &record["total_output"]), (&19.into(), &13.into()));
        let connection = run.records.connection().unwrap();
        assert_eq!(connection["verdict"], "intercepted");
        assert_eq!(connection["destination"], heard.asked.unwrap().to_string());
        assert_eq!(connection["connection"], record["connection"]);
    }
}

#[test]
fn a_workload_in_another_network_namespace_is_captured_there() {
    let Some((rig, home)) = stage() else { return };
    let away = rig.workload().unwrap();
    for family in ["v4", "v6"] {
        let _ = rig.take_received();
        let [nsenter, net] = away.entering();
        let turns = [&nsenter, &net, CLIENT, "turns", "api.openai.com", family];
        let mut turns = Turns::start(Weir::on(&home, &rig), &turns).unwrap();

        // The first connection tells weir that there is such a network. What comes before weir
        // listens there goes direct, as the fail mode says; nothing comes to harm.
        let mut seen = Vec::new();
        while !seen.last().is_some_and(is_intercepted) {
            assert!(seen.len() < 50, "never captured: {seen:?}");
            seen.push(turns.take().unwrap());
        }
        for _ in 0..10 {
            seen.push(turns.take().unwrap());
        }
        let run = turns.finish().unwrap();

        assert!(seen.iter().all(|a| matches!(a, Attempt::Answered { .. })), "{seen:?}");
        let first = seen.iter().position(is_intercepted).unwrap();
        assert!(seen[first..].iter().all(is_intercepted), "{seen:?}");
        assert_eq!(run.records.exchanges.len(), seen.len() - first);
        let own = [IpAddr::from(away.v4()), away.v6().into()];
        for request in rig.take_received() {
            let from = request.head.peer.ip();
            assert!(own.contains(&from), "reached from the workload's own network, not {from}");
        }
    }
}

fn is_intercepted(attempt: &Attempt) -> bool {
    matches!(attempt, Attempt::Answered { issuer, .. } if *issuer != issuer_of_the_rig())
}

#[test]
fn a_non_blocking_connect_and_a_mapped_address_are_captured() {
    let Some((rig, host)) = stage() else { return };
    for address in rig.addresses("api.openai.com") {
        let asked = SocketAddr::new(address, 443);
        for way in ["connect", "connect-nonblocking", "connect-mapped"] {
            let connected: Connected = probe(&host, &rig, &[way, &asked.to_string()]);
            assert_eq!(connected.errno, None, "{way} {asked}");
            assert!(
                connected.local.unwrap().ip().to_canonical().is_loopback(),
                "{way} {asked} goes to the agent"
            );
            let peer = connected.peer.unwrap();
            assert_eq!(SocketAddr::new(peer.ip().to_canonical(), peer.port()), asked, "{way}");
        }
        let connected: Connected = probe(&host, &rig, &["connect-nonblocking", &asked.to_string()]);
        assert_eq!(connected.first_errno, Some(libc::EINPROGRESS));
    }
}

#[test]
fn quic_to_a_provider_is_refused_and_other_datagrams_are_not() {
    let Some((rig, host)) = stage() else { return };
    for address in rig.addresses("api.openai.com") {
        let quic: Datagrams =
            probe(&host, &rig, &["udp", &SocketAddr::new(address, 443).to_string()]);
        assert_eq!(
            (quic.connect_errno, quic.sendto_errno),
            (Some(EPERM), Some(EPERM)),
            "{address}"
        );
        let other: Datagrams =
            probe(&host, &rig, &["udp", &SocketAddr::new(address, 4433).to_string()]);
        assert_eq!((other.connect_errno, other.sendto_errno), (None, None), "{address}");
    }
    let foreign: Datagrams = probe(&host, &rig, &["udp", "198.51.100.9:443"]);
    assert_eq!((foreign.connect_errno, foreign.sendto_errno), (None, None));
}

#[test]
fn a_foreign_name_on_a_provider_address_is_spliced() {
    let Some((rig, host)) = stage() else { return };
    let foreign = Provider::named("static.example.test").behaves(canned::foreign);
    rig.serve(foreign.at_address_of("api.openai.com")).unwrap();
    for http in both_versions() {
        let ask = Request::new("q", "GET", "/hello.txt");
        let one = Conversation::new(http, "static.example.test").asks(ask);
        let plan = Plan::of([one]).write(&host).unwrap();
        // A program that has asked for the provider's name, so that the address is known.
        let command = [CLIENT, "resolving", "api.openai.com", "plan", &plan.to_string_lossy()];
        let run = Weir::on(&host, &rig).run(&command).unwrap();
        let report = Report::read(&run.stdout).unwrap();

        assert_eq!(report.answer("q").unwrap().body.text(), canned::FOREIGN_GREETING);
        assert_eq!(
            report.conversations[0].issuer,
            Some(issuer_of_the_rig()),
            "its own certificate"
        );
        let connection = run.records.connection().unwrap();
        assert_eq!(
            (&connection["verdict"], &connection["reason"]),
            (&"passed".into(), &"foreign_name".into())
        );
        assert_eq!(connection["server_name"], "static.example.test");
        assert!(run.records.exchanges.is_empty());
    }
}

#[test]
fn a_host_that_is_no_provider_is_left_alone() {
    let Some((rig, host)) = stage() else { return };
    rig.serve(Provider::named("elsewhere.example.test").behaves(canned::foreign)).unwrap();
    let address = SocketAddr::new(rig.addresses("elsewhere.example.test")[0], 443);
    let run = Weir::on(&host, &rig).run(&[CLIENT, "connect", &address.to_string()]).unwrap();

    let connected: Connected = serde_json::from_slice(&run.stdout).unwrap();
    assert!(!connected.local.unwrap().ip().is_loopback(), "{connected:?}");
    assert!(run.records.connections.is_empty(), "{:?}", run.records);
}

#[test]
fn a_fresh_name_is_captured_by_the_very_next_connect() {
    let Some(rig) = rig() else { return };
    let host = rig.workload().unwrap();
    const ROUNDS: usize = 500;
    let mut names = Vec::new();
    for n in 0..2 * ROUNDS {
        let name = format!("fresh-{n}.openai.azure.com");
        let provider = Provider::named(&name).behaves(canned::openai).through(&["edge.cdn.test"]);
        rig.serve_fresh(provider).unwrap();
        names.push(name);
    }

    let mut seen = 0;
    for (family, half) in [("v4", &names[..ROUNDS]), ("v6", &names[ROUNDS..])] {
        let file = host.directory().join(family);
        std::fs::write(&file, half.join("\n")).unwrap();
        let run =
            Weir::on(&host, &rig).run(&[CLIENT, "race", &file.to_string_lossy(), family]).unwrap();
        let race: Race = serde_json::from_slice(&run.stdout).unwrap();

        assert!(race.failures.is_empty(), "{:?}", race.failures);
        assert_eq!(
            race.issuers.get(&issuer_of_the_rig()),
            None,
            "nobody was reached past weir: {race:?}"
        );
        assert_eq!(run.records.connections.len(), ROUNDS);
        assert!(
            run.records.connections.iter().all(|connection| connection["verdict"] == "intercepted")
        );
        seen += race.rounds;
    }
    assert_eq!(seen, 2 * ROUNDS);
}

#[test]
fn every_address_of_an_answer_is_captured() {
    let Some(rig) = rig() else { return };
    let host = rig.workload().unwrap();
    // As many as fit into one datagram without EDNS.
    let many = |name: &str| Provider::named(name).behaves(canned::openai).addresses(24);
    rig.serve_fresh(many("many.openai.azure.com")).unwrap();
    rig.serve_fresh(many("more.openai.azure.com").through(&[
        "a.cdn.test",
        "b.cdn.test",
        "c.cdn.test",
    ]))
    .unwrap();
    let file = host.directory().join("names");
    std::fs::write(&file, "many.openai.azure.com\nmore.openai.azure.com\n").unwrap();
    let run = Weir::on(&host, &rig).run(&[CLIENT, "race", &file.to_string_lossy(), "v4"]).unwrap();

    let race: Race = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!((race.rounds, race.failures.len()), (48, 0), "{race:?}");
    assert_eq!(
        race.issuers.get(&issuer_of_the_rig()),
        None,
        "nobody was reached past weir: {race:?}"
    );
}

#[test]
fn an_answer_that_comes_over_tcp_is_learned_too() {
    let Some(rig) = rig() else { return };
    let host = rig.workload().unwrap();
    // More than fit into any datagram.
    let crowd = Provider::named("crowd.openai.azure.com").behaves(canned::openai).addresses(120);
    rig.serve_fresh(crowd).unwrap();
    let turns = [CLIENT, "turns", "crowd.openai.azure.com", "v4"];
    let mut turns = Turns::start(Weir::on(&host, &rig), &turns).unwrap();
    let first = turns.take().unwrap();
    assert!(matches!(first, Attempt::Answered { .. }), "{first:?}");

    // Read by user space a moment later; what is learned stays.
    let mut seen = Vec::new();
    for _ in 0..20 {
        seen.push(turns.take().unwrap());
    }
    turns.finish().unwrap();
    let captured = seen.iter().filter(|attempt| is_intercepted(attempt)).count();
    assert!(captured >= 18, "{seen:?}");
}

#[test]
fn a_name_from_the_hosts_file_is_captured() {
    let Some(rig) = rig() else { return };
    rig.serve(Provider::named("api.openai.com").behaves(canned::openai)).unwrap();
    let host = rig.workload().unwrap();
    let address = rig.addresses("api.openai.com")[0];
    rig.zone.remove("api.openai.com");
    host.add_host(address, "api.openai.com").unwrap();
    let ask = Request::post("q", "/v1/chat/completions", "{}");
    let plan = Plan::of([Conversation::new(Version::H1, "api.openai.com").asks(ask)]);
    let (report, run) = Weir::on(&host, &rig).carry_out(CLIENT.as_ref(), &plan).unwrap();

    assert_eq!(report.answer("q").unwrap().status, Some(200));
    assert_eq!(run.records.exchange().unwrap()["host"], "api.openai.com");
}

#[test]
fn what_is_no_tls_is_carried_untouched() {
    let Some(rig) = rig() else { return };
    let mail = Provider::named("api.openai.com").manners(Manners::GarbageBeforeTls);
    rig.serve(mail).unwrap();
    let host = rig.workload().unwrap();
    let address = SocketAddr::new(rig.addresses("api.openai.com")[0], 443).to_string();
    let say = [CLIENT, "resolving", "api.openai.com", "say", &address, "EHLO example.test\r\n"];
    let run = Weir::on(&host, &rig).run(&say).unwrap();

    let said: String = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(said, "220 mail.example.test ESMTP\r\n", "{}", run.stderr);
    let connection = run.records.connection().unwrap();
    assert_eq!(
        (&connection["verdict"], &connection["reason"]),
        (&"passed".into(), &"not_tls".into())
    );
}

fn stage() -> Option<(Rig, Workload)> {
    let rig = rig()?;
    rig.serve(
        Provider::named("api.openai.com").through(&["edge.cdn.test"]).behaves(canned::openai),
    )
    .unwrap();
    let host = rig.workload().unwrap();
    Some((rig, host))
}

fn issuer_of_the_rig() -> String {
    format!("CN={AUTHORITY_NAME}")
}

fn probe<T: DeserializeOwned>(host: &Workload, rig: &Rig, words: &[&str]) -> T {
    let mut command = vec![CLIENT, "resolving", "api.openai.com"];
    command.extend(words);
    let run: Run = Weir::on(host, rig).run(&command).unwrap();
    serde_json::from_slice(&run.stdout)
        .unwrap_or_else(|error| panic!("{words:?}: {error}: {run:?}"))
}
