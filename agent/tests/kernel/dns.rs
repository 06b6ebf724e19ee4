//! Learning from DNS answers: whatever the answer holds is redirected by the time the application has read it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};

use weir::capture::{Event, NameRule};

use crate::{
    place::{Place, dial, may_run},
    resolver::{
        A, AAAA, HTTPS, Record, Resolver, SERVER, a, aaaa, answer, asked, cname, query, wire_name,
    },
};

fn place() -> Place {
    Place::with(|settings| {
        settings.names = vec![
            NameRule::Exact("api.openai.com".to_owned()),
            NameRule::Suffix("race.example".to_owned()),
        ];
    })
}

/// Asks, reads the answer, and connects to each address at once.
fn ask_and_dial(server: IpAddr, name: &[u8], addresses: &[&str]) -> String {
    let local: IpAddr = if server.is_ipv4() { SERVER.into() } else { Ipv6Addr::LOCALHOST.into() };
    let socket = UdpSocket::bind((local, 0)).unwrap();
    socket.send_to(&query(name, A), (server, 53)).unwrap();
    let mut buffer = [0; 65_535];
    socket.recv(&mut buffer).unwrap();
    let said: Vec<String> = addresses.iter().map(|address| dial(address, 443)).collect();
    said.join("\n")
}

/// Whether a connection was redirected: there is no route to anything in these tests.
fn redirected(said: &str) -> Vec<bool> {
    said.lines().map(|line| line.contains(":443 ")).collect()
}

#[track_caller]
fn check_name(wire: &[u8], expected: bool) {
    if !may_run() {
        return;
    }
    let place = place();
    let _server = Resolver::start(&place.namespace, SERVER.into(), |query| {
        answer(query, &[a([10, 7, 0, 1])])
    });
    let said = place.run(|| ask_and_dial(SERVER.into(), wire, &["10.7.0.1"]));
    assert_eq!(redirected(&said), [expected], "{said}");
}

#[test]
fn an_exact_name() {
    check_name(&wire_name("api.openai.com"), true);
}

#[test]
fn mixed_case() {
    check_name(&wire_name("aPi.oPENai.COm"), true);
}

#[test]
fn a_name_below_a_suffix() {
    check_name(&wire_name("a.b.race.example"), true);
}

#[test]
fn the_suffix_itself() {
    check_name(&wire_name("race.example"), false);
}

#[test]
fn a_search_domain() {
    check_name(&wire_name("api.openai.com.default.svc.cluster.local"), false);
}

#[test]
fn a_name_that_ends_alike() {
    check_name(&wire_name("evil-api.openai.com"), false);
    check_name(&wire_name("evilrace.example"), false);
}

#[test]
fn a_name_below_an_exact_one() {
    check_name(&wire_name("x.api.openai.com"), false);
}

#[test]
fn a_dot_inside_a_label() {
    check_name(b"\x0aapi.openai\x03com\x00", false);
}

#[test]
fn the_longest_name_there_can_be() {
    let labels = [
        "x".repeat(63),
        "y".repeat(63),
        "z".repeat(63),
        "w".repeat(48),
        "race".to_owned(),
        "example".to_owned(),
    ];
    let name = labels.join(".");
    assert_eq!(name.len(), 253);
    check_name(&wire_name(&name), true);
}

#[track_caller]
fn check_answer(records: Vec<Record>, expected: &[&str]) {
    if !may_run() {
        return;
    }
    let place = place();
    let _server =
        Resolver::start(&place.namespace, SERVER.into(), move |query| answer(query, &records));
    let said = place.run(|| ask_and_dial(SERVER.into(), &wire_name("api.openai.com"), expected));
    assert!(redirected(&said).iter().all(|redirected| *redirected), "{said}");
    assert_eq!(place.count("dns_learned"), 1);
}

#[test]
fn both_families() {
    check_answer(vec![a([10, 7, 1, 1]), aaaa("2001:db8:7::1")], &["10.7.1.1", "2001:db8:7::1"]);
}

#[test]
fn a_chain_of_names() {
    let chain = vec![
        cname("api.openai.com.cdn.example"),
        Record { owner: Some("api.openai.com.cdn.example"), ..cname("edge.cdn.example") },
        Record { owner: Some("edge.cdn.example"), ..a([10, 7, 2, 1]) },
        Record { owner: Some("edge.cdn.example"), ..a([10, 7, 2, 2]) },
    ];
    check_answer(chain, &["10.7.2.1", "10.7.2.2"]);
}

#[test]
fn two_hundred_addresses() {
    let records: Vec<Record> = (0..200).map(|last| a([10, 7, 3, last])).collect();
    check_answer(records, &["10.7.3.0", "10.7.3.24", "10.7.3.25", "10.7.3.199"]);
}

#[test]
fn addresses_after_a_record_of_another_kind() {
    let text = Record { owner: None, kind: 16, data: vec![200; 201] };
    check_answer(vec![text, a([10, 7, 4, 1])], &["10.7.4.1"]);
}

#[test]
fn a_server_reached_over_ipv6() {
    if !may_run() {
        return;
    }
    let place = place();
    let server = IpAddr::from(Ipv6Addr::LOCALHOST);
    let _server =
        Resolver::start(&place.namespace, server, |query| answer(query, &[a([10, 7, 5, 1])]));
    let said = place.run(|| ask_and_dial(server, &wire_name("api.openai.com"), &["10.7.5.1"]));
    assert_eq!(redirected(&said), [true], "{said}");
}

#[test]
fn an_answer_cut_short_gives_what_it_has() {
    if !may_run() {
        return;
    }
    let place = place();
    let _server = Resolver::start(&place.namespace, SERVER.into(), |query| {
        let mut cut = answer(query, &[a([10, 7, 6, 1]), a([10, 7, 6, 2])]);
        cut.truncate(cut.len() - 3);
        cut
    });
    let said =
        place.run(|| ask_and_dial(SERVER.into(), &wire_name("api.openai.com"), &["10.7.6.1"]));
    assert_eq!(redirected(&said), [true], "{said}");
    assert_eq!(place.count("dns_unread"), 1, "user space gets it as well");
}

#[test]
fn nobody_else_is_learned_from() {
    if !may_run() {
        return;
    }
    let place = place();
    let _server = Resolver::start(&place.namespace, SERVER.into(), |query| {
        answer(query, &[a([10, 7, 7, 1])])
    });
    place.run(|| ask_and_dial(SERVER.into(), &wire_name("www.example.org"), &["10.7.7.1"]));
    assert_eq!(place.count("dns_learned"), 0);
    assert_eq!(place.count("dns_unread"), 0, "what is foreign is not sent to user space");
}

/// Runs `ask` and then waits for user space to have learned.
fn late(ask: impl FnOnce(&Place)) -> Event {
    let place = place();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut events = runtime.block_on(async { place.capture.events() }).unwrap();
    ask(&place);
    let event = runtime.block_on(events.next()).unwrap();
    let said = place.run(|| dial("10.7.8.1", 443));
    assert_eq!(redirected(&said), [true], "{said}");
    event
}

#[test]
fn address_hints_are_read_late() {
    if !may_run() {
        return;
    }
    // Priority 1, the owner itself, ipv4hint.
    let hint = vec![0, 1, 0, 0, 4, 0, 4, 10, 7, 8, 1];
    let event = late(|place| {
        let record = Record { owner: None, kind: HTTPS, data: hint };
        let _server = Resolver::start(&place.namespace, SERVER.into(), move |query| {
            answer(query, std::slice::from_ref(&record))
        });
        place.run(|| ask_and_dial(SERVER.into(), &wire_name("api.openai.com"), &[]));
    });
    assert_eq!(event, Event::LateDns { addresses: 1 });
}

/// A server over TCP that sends its answer in these pieces.
fn answer_over_tcp(place: &Place, cuts: &'static [usize]) {
    let listener = place.server("127.0.0.1", 53);
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let message = answer(&query(&wire_name("api.openai.com"), A), &[a([10, 7, 8, 1])]);
        let mut bytes = (message.len() as u16).to_be_bytes().to_vec();
        bytes.extend(message);
        let mut start = 0;
        for end in cuts.iter().copied().chain([bytes.len()]) {
            std::io::Write::write_all(&mut stream, &bytes[start..end]).unwrap();
            // The next piece only when this one was read, so that they stay apart.
            std::io::Read::read_exact(&mut stream, &mut [0]).unwrap();
            start = end;
        }
    });
    place.run(|| {
        let mut stream = TcpStream::connect((SERVER, 53)).unwrap();
        let mut buffer = [0; 1500];
        while let Ok(1..) = std::io::Read::read(&mut stream, &mut buffer) {
            std::io::Write::write_all(&mut stream, b".").unwrap();
        }
        String::new()
    });
    server.join().unwrap();
}

#[test]
fn an_answer_over_tcp_in_pieces_is_read_late() {
    if !may_run() {
        return;
    }
    let event = late(|place| answer_over_tcp(place, &[2, 20]));
    assert_eq!(event, Event::LateDns { addresses: 1 });
}

#[test]
fn an_answer_over_tcp_in_one_piece_is_read_in_the_kernel() {
    if !may_run() {
        return;
    }
    let place = place();
    answer_over_tcp(&place, &[]);
    let said = place.run(|| dial("10.7.8.1", 443));
    assert_eq!(redirected(&said), [true], "{said}");
    assert_eq!(place.count("dns_unread"), 0);
}

/// How often a name that was never asked before is resolved by the C library, and connected to at once.
const RACES: u16 = 1000;

#[test]
fn there_is_no_race_between_an_answer_and_the_connect() {
    if !may_run() {
        return;
    }
    let place = place();
    // n300.race.example is 10.8.1.44 and 2001:db8:8::12c.
    let _server = Resolver::start(&place.namespace, SERVER.into(), |query| {
        let (name, kind) = asked(query);
        let number: u16 = name.trim_start_matches('n').split('.').next().unwrap().parse().unwrap();
        let [high, low] = number.to_be_bytes();
        match kind {
            A => answer(query, &[a([10, 8, high, low])]),
            AAAA => answer(query, &[aaaa(&format!("2001:db8:8::{number:x}"))]),
            _ => answer(query, &[]),
        }
    });
    let proxy = drain(&place);
    let said = place.run(|| {
        crate::place::use_resolver(SERVER.into());
        let mut missed = 0;
        for round in 0..RACES {
            missed += usize::from(!race(round));
        }
        format!("{missed} missed")
    });
    assert_eq!(said, "0 missed");
    drop(proxy);
    assert_eq!(place.count("redirected"), u64::from(RACES));
    assert_eq!(place.count("dns_unread"), 0);
}

fn race(round: u16) -> bool {
    let resolved =
        std::net::ToSocketAddrs::to_socket_addrs(&(format!("n{round}.race.example"), 443));
    let addresses: Vec<SocketAddr> = resolved.unwrap().collect();
    // Alternate between the families.
    let address =
        addresses.iter().find(|address| address.is_ipv4() == round.is_multiple_of(2)).unwrap();
    TcpStream::connect(address).is_ok_and(|stream| stream.peer_addr().unwrap() == *address)
}

/// Accepts and closes whatever arrives, until dropped.
fn drain(place: &Place) -> impl Drop + use<> {
    struct Stop(std::sync::Arc<std::sync::atomic::AtomicBool>, Vec<std::thread::JoinHandle<()>>);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
            self.1.drain(..).for_each(|thread| thread.join().unwrap());
        }
    }
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let listeners = [
        place.listeners().v4.try_clone().unwrap(),
        place.listeners().v6.as_ref().unwrap().try_clone().unwrap(),
    ];
    let threads = listeners.map(|listener| {
        let stop = std::sync::Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                if listener.accept().is_err() {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            }
        })
    });
    Stop(stop, threads.into())
}
