//! What happens when nobody listens.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::TcpListener,
};

use nix::{
    sched::{CloneFlags, setns},
    sys::{
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::{ForkResult, fork},
};
use weir::capture::{Capture, Event, FailMode, Listeners, Netns, Settings, cgroup_id};

use crate::place::{Cgroup, Namespace, PROVIDER, PROVIDER_V6, Place, alone, dial, may_run};

#[test]
fn open_a_dead_listener_lets_connections_go_direct() {
    if !may_run() {
        return;
    }
    let mut place = Place::new();
    let (v4, v6) = (place.server(PROVIDER, 443), place.server(PROVIDER_V6, 443));
    drop(place.listeners.take());
    let said = place.run(|| format!("{}\n{}", dial(PROVIDER, 443), dial(PROVIDER_V6, 443)));
    assert!(
        said.starts_with("192.0.2.10:443 ") && said.contains("\n[2001:db8::10]:443 "),
        "{said}"
    );
    assert!(v4.accept().is_ok() && v6.accept().is_ok());
    assert_eq!(place.count("dead_listener"), 2);
}

#[test]
fn closed_a_dead_listener_refuses_connections() {
    if !may_run() {
        return;
    }
    let mut place = Place::with(|settings| settings.fail_mode = FailMode::Closed);
    let _reachable = (place.server(PROVIDER, 443), place.server(PROVIDER_V6, 443));
    assert!(place.run(|| dial(PROVIDER, 443)).starts_with("192.0.2.10:443 "), "while it listens");
    drop(place.listeners.take());
    let said = place.run(|| format!("{} {}", dial(PROVIDER, 443), dial(PROVIDER_V6, 443)));
    assert_eq!(said, "PermissionDenied PermissionDenied");
    assert_eq!(place.count("connect_denied"), 2);
}

#[test]
fn a_cgroup_may_have_its_own_fail_mode() {
    if !may_run() {
        return;
    }
    let mut place = Place::new();
    let server = place.server(PROVIDER, 443);
    drop(place.listeners.take());
    let cgroup = cgroup_id(&place.cgroup.path).unwrap();
    place.capture.fail_mode(cgroup, Some(FailMode::Closed)).unwrap();
    assert_eq!(place.run(|| dial(PROVIDER, 443)), "PermissionDenied");
    place.capture.fail_mode(cgroup, None).unwrap();
    assert!(place.run(|| dial(PROVIDER, 443)).starts_with("192.0.2.10:443 "));
    assert!(server.accept().is_ok());
}

#[test]
fn dropping_the_capture_detaches_everything() {
    if !may_run() {
        return;
    }
    let place = Place::with(|settings| settings.fail_mode = FailMode::Closed);
    let server = place.server(PROVIDER, 443);
    let Place { capture, listeners, namespace, cgroup } = place;
    drop((capture, listeners));
    let said = cgroup.run(Some(&namespace.file), || dial(PROVIDER, 443));
    assert!(said.starts_with("192.0.2.10:443 "), "{said}");
    assert!(server.accept().is_ok());
    let attached =
        std::process::Command::new("bpftool").args(["cgroup", "show"]).arg(&cgroup.path).output();
    if let Ok(attached) = attached {
        assert_eq!(String::from_utf8_lossy(&attached.stdout).trim(), "");
    }
}

#[test]
fn a_cgroup_that_is_not_there_is_an_error() {
    if !may_run() {
        return;
    }
    let settings = Settings { cgroup: "/nowhere".into(), ..Settings::default() };
    let error = Capture::attach(&settings).unwrap_err();
    assert!(format!("{error:#}").contains("/nowhere"), "{error:#}");
}

#[test]
fn an_unknown_namespace_is_announced_by_a_connect() {
    announced(|place| {
        place.run(|| dial(PROVIDER, 443));
    });
}

#[test]
fn an_unknown_namespace_is_announced_by_a_question_to_a_dns_server() {
    announced(|place| {
        place.run(|| {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            format!("{:?}", socket.send_to(b"?", "127.0.0.1:53"))
        });
    });
}

fn announced(act: impl FnOnce(&Place)) {
    if !may_run() {
        return;
    }
    let place = Place::new();
    place.capture.not_listening(place.netns());
    act(&place);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let event = runtime.block_on(async { place.capture.events().unwrap().next().await }).unwrap();
    let Event::NewNetns { cookie, pid } = event else { panic!("{event:?}") };
    assert_eq!(cookie, place.netns());
    assert_ne!(pid, std::process::id());
}

/// A cgroup and a namespace in which an agent was killed.
struct Orphaned {
    cgroup: Cgroup,
    namespace: Namespace,
    /// Someone real at the provider's address, to see who arrives unredirected.
    server: TcpListener,
}

impl Orphaned {
    fn new(fail_mode: FailMode) -> Self {
        let (cgroup, namespace) = (Cgroup::new(), Namespace::new(&["192.0.2.10/32"]));
        let server = namespace.run(|| TcpListener::bind((PROVIDER, 443)).unwrap());
        server.set_nonblocking(true).unwrap();
        let orphaned = Self { cgroup, namespace, server };
        // Whatever the loader finds out once, it finds out before the fork: a thread of another test that is doing so does
        // not come along, and the child would wait for it.
        drop(orphaned.attach(fail_mode, &orphaned.namespace.netns()));
        let _alone = alone();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        // SAFETY: the child only loads programs, listens and waits.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).unwrap();
                // Only this thread came along, and none that enters namespaces.
                setns(&orphaned.namespace.file, CloneFlags::CLONE_NEWNET).unwrap();
                let _agent = orphaned.attach(fail_mode, &Netns::own().unwrap());
                File::from(writer).write_all(b"+").unwrap();
                loop {
                    nix::unistd::pause();
                }
            }
            ForkResult::Parent { child } => {
                drop(writer);
                File::from(reader).read_exact(&mut [0]).unwrap();
                let said = orphaned
                    .cgroup
                    .run_alone(Some(&orphaned.namespace.file), || dial(PROVIDER, 443));
                assert!(said.starts_with("192.0.2.10:443 "), "{said}");
                assert!(orphaned.server.accept().is_err(), "redirected while the agent lives");
                kill(child, Signal::SIGKILL).unwrap();
                waitpid(child, None).unwrap();
            }
        }
        orphaned
    }

    fn attach(&self, fail_mode: FailMode, netns: &Netns) -> (Capture, Listeners) {
        let cgroup = self.cgroup.path.clone();
        let settings = Settings { cgroup, ports: vec![443], fail_mode, ..Settings::default() };
        let capture = Capture::attach(&settings).unwrap();
        capture.learn(PROVIDER.parse().unwrap()).unwrap();
        let listeners = netns.listen().unwrap();
        capture.listening(&listeners).unwrap();
        (capture, listeners)
    }

    fn dial(&self) -> String {
        self.cgroup.run(Some(&self.namespace.file), || dial(PROVIDER, 443))
    }
}

#[test]
fn open_a_killed_agent_leaves_the_way_free() {
    if !may_run() {
        return;
    }
    let orphaned = Orphaned::new(FailMode::Open);
    assert!(orphaned.dial().starts_with("192.0.2.10:443 "));
    assert!(orphaned.server.accept().is_ok());
}

#[test]
fn closed_a_killed_agent_leaves_the_door_shut_until_the_next() {
    if !may_run() {
        return;
    }
    let orphaned = Orphaned::new(FailMode::Closed);
    assert_eq!(orphaned.dial(), "PermissionDenied");

    let (capture, listeners) = orphaned.attach(FailMode::Closed, &orphaned.namespace.netns());
    let said = orphaned.dial();
    assert!(said.starts_with("192.0.2.10:443 "), "{said}");
    assert!(listeners.v4.accept().is_ok(), "through the next agent");
    drop((capture, listeners));
    assert!(orphaned.dial().starts_with("192.0.2.10:443 "), "an orderly end detaches");
    assert!(orphaned.server.accept().is_ok());
}

#[test]
fn closed_an_agent_may_leave_the_door_shut() {
    if !may_run() {
        return;
    }
    let orphaned = Orphaned::new(FailMode::Open);
    let (capture, listeners) = orphaned.attach(FailMode::Closed, &orphaned.namespace.netns());
    capture.leave();
    drop(listeners);
    assert_eq!(orphaned.dial(), "PermissionDenied");
    // Takes off what was left, and then itself.
    drop(orphaned.attach(FailMode::Open, &orphaned.namespace.netns()));
    assert!(orphaned.dial().starts_with("192.0.2.10:443 "));
}
