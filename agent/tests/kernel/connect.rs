//! connect(), and what the application and the proxy see of it.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream},
};

use socket2::{Domain, SockAddr, Socket, Type};
use weir::capture::{Origin, cgroup_id};

use crate::place::{FOREIGN, FOREIGN_V6, PROVIDER, PROVIDER_V6, Place, dial, may_run};

/// Accepts the connection that is already there.
fn accept(listener: &TcpListener) -> SocketAddr {
    listener.accept().expect("a redirected connection").1
}

/// Checks that the connection which `said` "peer local" was redirected to `listener`, and gives its origin.
fn origin(place: &Place, listener: &TcpListener, said: &str) -> Origin {
    let (_, local) = said.split_once(' ').expect(said);
    let accepted = accept(listener);
    let local: SocketAddr = local.parse().unwrap();
    assert_eq!(accepted.port(), local.port());
    assert_eq!(accepted.ip().to_canonical(), local.ip().to_canonical());
    place.capture.origin(place.netns(), accepted).expect("an origin")
}

#[test]
fn a_provider_is_redirected_and_its_origin_known() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let said = place.run(|| dial(PROVIDER, 443));
    assert!(said.starts_with("192.0.2.10:443 "), "getpeername: {said}");

    let origin = origin(&place, &place.listeners().v4, &said);
    assert_eq!(origin.destination.to_string(), "192.0.2.10:443");
    assert_eq!(origin.netns, place.netns());
    assert_eq!(origin.cgroup, cgroup_id(&place.cgroup.path).unwrap());
    assert_eq!(origin.uid, 0);
    assert_ne!(origin.pid, std::process::id(), "the child connected");
    assert_eq!(place.count("redirected"), 1);
    assert_eq!(place.count("established"), 1);
}

#[test]
fn ipv6_is_redirected_to_its_own_loopback() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let said = place.run(|| dial(PROVIDER_V6, 443));
    assert!(said.starts_with("[2001:db8::10]:443 "), "getpeername: {said}");
    let origin = origin(&place, place.listeners().v6.as_ref().unwrap(), &said);
    assert_eq!(origin.destination.to_string(), "[2001:db8::10]:443");
}

#[test]
fn a_mapped_socket_stays_mapped() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let said = place.run(|| dial("::ffff:192.0.2.10", 443));
    assert!(said.starts_with("[::ffff:192.0.2.10]:443 "), "getpeername: {said}");
    let origin = origin(&place, &place.listeners().v4, &said);
    assert_eq!(origin.destination.to_string(), "192.0.2.10:443");
}

#[test]
fn an_origin_is_told_once() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    place.run(|| dial(PROVIDER, 443));
    let accepted = accept(&place.listeners().v4);
    assert!(place.capture.origin(place.netns(), accepted).is_some());
    assert_eq!(place.capture.origin(place.netns(), accepted), None);
}

#[test]
fn who_connects_to_the_listener_directly_has_no_origin() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let port = place.listeners().port();
    let said = place.run(move || dial("127.0.0.1", port));
    assert!(said.starts_with(&format!("127.0.0.1:{port} ")), "{said}");
    let accepted = accept(&place.listeners().v4);
    assert_eq!(place.capture.origin(place.netns(), accepted), None);
}

#[test]
fn a_port_used_again_does_not_inherit_the_origin() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let port = place.listeners().port();
    place.run(move || {
        let first = bound(4001);
        first.connect(&address(PROVIDER, 443)).unwrap();
        // A reset instead of a wait, so that the port is free at once.
        first.set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(first);
        let second = bound(4001);
        second.connect(&address("127.0.0.1", port)).unwrap();
        String::new()
    });
    let peers: Vec<SocketAddr> =
        std::iter::from_fn(|| place.listeners().v4.accept().ok()).map(|(_, peer)| peer).collect();
    assert_eq!(peers.last().expect("the second connection").port(), 4001);
    assert_eq!(place.count("established"), 1);
    assert_eq!(place.capture.origin(place.netns(), peers[0]), None);
}

fn bound(port: u16) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&address("127.0.0.1", port)).unwrap();
    socket
}

fn address(ip: &str, port: u16) -> SockAddr {
    SocketAddr::new(ip.parse().unwrap(), port).into()
}

#[test]
fn a_foreign_destination_is_left_alone() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let v4 = place.server(FOREIGN, 443);
    let v6 = place.server(FOREIGN_V6, 443);
    let said = place.run(|| format!("{}\n{}", dial(FOREIGN, 443), dial(FOREIGN_V6, 443)));
    assert!(said.starts_with("192.0.2.20:443 "), "{said}");
    assert!(said.contains("\n[2001:db8::20]:443 "), "{said}");
    assert!(v4.accept().is_ok() && v6.accept().is_ok());
    assert_eq!(place.count("redirected"), 0);
    assert_eq!(place.count("established"), 0);
}

#[test]
fn another_port_of_a_provider_is_left_alone() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let server = place.server(PROVIDER, 8080);
    place.run(|| dial(PROVIDER, 8080));
    assert!(server.accept().is_ok());
    assert_eq!(place.count("other_port"), 1);
}

#[test]
fn a_non_blocking_connect_is_redirected() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let said = place.run(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
        let mut said = String::new();
        if let Err(error) = socket.connect(&address(PROVIDER, 443)) {
            assert_eq!(error.raw_os_error(), Some(libc::EINPROGRESS), "{error}");
        }
        let mut poll = libc::pollfd {
            fd: std::os::fd::AsRawFd::as_raw_fd(&socket),
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: one valid entry.
        assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 5_000) }, 1);
        assert!(socket.take_error().unwrap().is_none());
        let stream = TcpStream::from(socket);
        write!(said, "{} {}", stream.peer_addr().unwrap(), stream.local_addr().unwrap()).unwrap();
        said
    });
    assert!(said.starts_with("192.0.2.10:443 "), "{said}");
    origin(&place, &place.listeners().v4, &said);
}

#[test]
fn bytes_flow_both_ways() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let listener = place.listeners().v4.try_clone().unwrap();
    let proxy = std::thread::spawn(move || {
        listener.set_nonblocking(false).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).unwrap();
        stream.write_all(b"pong").unwrap();
        asked
    });
    let said = place.run(|| {
        let mut stream = TcpStream::connect(format!("{PROVIDER}:443")).unwrap();
        stream.write_all(b"ping").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    assert_eq!(said, "pong");
    assert_eq!(&proxy.join().unwrap(), b"ping");
}

#[test]
fn fast_open_is_redirected() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let said = place.run(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let sent = socket
            .send_to_with_flags(b"early", &address(PROVIDER, 443), libc::MSG_FASTOPEN)
            .unwrap();
        let stream = TcpStream::from(socket);
        format!("{} {} {sent}", stream.peer_addr().unwrap(), stream.local_addr().unwrap())
    });
    let said = said.strip_suffix(" 5").expect("all was sent");
    assert!(said.starts_with("192.0.2.10:443 "), "{said}");
    origin(&place, &place.listeners().v4, said);
}

#[test]
fn quic_to_a_provider_is_refused_and_other_datagrams_are_not() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let said = place.run(|| {
        let mut said = String::new();
        for (ip, port) in
            [(PROVIDER, 443), (PROVIDER_V6, 443), (PROVIDER, 53), (FOREIGN, 443), (FOREIGN_V6, 443)]
        {
            let domain = if ip.contains(':') { Domain::IPV6 } else { Domain::IPV4 };
            let sent =
                Socket::new(domain, Type::DGRAM, None).unwrap().send_to(b"x", &address(ip, port));
            let connected =
                Socket::new(domain, Type::DGRAM, None).unwrap().connect(&address(ip, port));
            writeln!(said, "{ip} {port} {} {}", code(sent.map(|_| ())), code(connected)).unwrap();
        }
        said
    });
    assert_eq!(
        said,
        "192.0.2.10 443 EPERM EPERM\n2001:db8::10 443 EPERM EPERM\n192.0.2.10 53 ok ok\n192.0.2.20 443 ok ok\n\
         2001:db8::20 443 ok ok\n"
    );
    assert_eq!(place.count("udp_denied"), 4);
}

fn code(result: std::io::Result<()>) -> String {
    match result.map_err(|error| error.raw_os_error()) {
        Ok(()) => "ok".to_owned(),
        Err(Some(libc::EPERM)) => "EPERM".to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn the_agents_own_cgroup_is_exempt() {
    if !may_run() {
        return;
    }
    let place =
        Place::with(|settings| settings.exempt_cgroup = Some(cgroup_id(&settings.cgroup).unwrap()));
    let server = place.server(PROVIDER, 443);
    place.run(|| dial(PROVIDER, 443));
    assert!(server.accept().is_ok());
    assert_eq!(place.count("exempt"), 1);
}

#[test]
fn a_socket_bound_to_a_device_goes_direct() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let server = place.server(PROVIDER, 443);
    place.run(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind_device(Some(b"lo")).unwrap();
        format!("{:?}", socket.connect(&address(PROVIDER, 443)))
    });
    assert!(server.accept().is_ok());
    assert_eq!(place.count("bound_to_device"), 1);
}

#[test]
fn strict_mode_redirects_what_no_name_announced() {
    if !may_run() {
        return;
    }
    let direct = weir::capture::Network { address: FOREIGN_V6.parse().unwrap(), prefix: 64 };
    let place = Place::with(|settings| settings.strict = Some(vec![direct]));
    let said = place.run(|| dial(FOREIGN, 443));
    assert_eq!(
        origin(&place, &place.listeners().v4, &said).destination.to_string(),
        "192.0.2.20:443"
    );

    let server = place.server(FOREIGN_V6, 443);
    place.run(|| dial(FOREIGN_V6, 443));
    assert!(server.accept().is_ok(), "a network that goes direct");
}

#[test]
fn without_ipv6_the_kernels_own_answer_stands() {
    if !may_run() {
        return;
    }
    let place = Place::on(crate::place::Namespace::new(&["192.0.2.10/32"]), |_| {});
    assert!(!place.listeners().reaches_ipv6());
    let said = place.run(|| dial(PROVIDER_V6, 443));
    assert_eq!(said, "NetworkUnreachable");
    assert_eq!(place.count("no_route"), 1);
}

#[test]
fn ipv6_that_comes_later_is_noticed() {
    if !may_run() {
        return;
    }
    let place = Place::on(crate::place::Namespace::new(&["192.0.2.10/32"]), |_| {});
    place.namespace.add("2001:db8::99/128");
    place.capture.look_around().unwrap();
    let said = place.run(|| dial(PROVIDER_V6, 443));
    assert!(said.starts_with("[2001:db8::10]:443 "), "{said}");
}

#[test]
fn a_namespace_that_everyone_left_is_told() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    assert_eq!(place.capture.look_around().unwrap(), [place.netns()], "no process lives there");
    let mut tenant =
        place.namespace.run(|| std::process::Command::new("sleep").arg("60").spawn().unwrap());
    let around = place.capture.look_around().unwrap();
    tenant.kill().unwrap();
    tenant.wait().unwrap();
    assert_eq!(around, []);
    place.capture.not_listening(place.netns());
    assert_eq!(place.capture.look_around().unwrap(), []);
}

#[test]
fn two_namespaces_do_not_mix() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let other = crate::place::Namespace::new(&[]);
    let listeners = other.netns().listen().unwrap();
    place.capture.listening(&listeners).unwrap();
    let connect = || {
        let socket = bound(4002);
        socket.connect(&address(PROVIDER, 443)).unwrap();
        "done".to_owned()
    };
    assert_eq!(place.run(connect), "done");
    assert_eq!(place.cgroup.run(Some(&other.file), connect), "done");
    // The same peer address in both, and still two origins.
    for (listeners, netns) in
        [(place.listeners(), place.netns()), (&listeners, other.netns().cookie())]
    {
        let peer = accept(&listeners.v4);
        assert_eq!(peer.to_string(), "127.0.0.1:4002");
        assert_eq!(place.capture.origin(netns, peer).expect("an origin").netns, netns);
    }
}

#[test]
fn any_address_of_the_loopback_v6_is_one_of_ours_only_on_our_port() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let server = place.server("::1", 4003);
    let said = place.run(|| dial(&Ipv6Addr::LOCALHOST.to_string(), 4003));
    assert!(said.starts_with("[::1]:4003 "), "{said}");
    assert!(server.accept().is_ok());
}
