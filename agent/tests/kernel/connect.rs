//! connect(), and what the application and the proxy see of it.

use std::net::{SocketAddr, TcpListener};

use crate::place::{PROVIDER, Place, dial, may_run};

/// Accepts the connection that is already there.
fn accept(listener: &TcpListener) -> SocketAddr {
    listener.accept().expect("a redirected connection").1
}

#[test]
fn a_provider_is_redirected_and_its_origin_known() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let said = place.run(|| dial(PROVIDER, 443));
    let (peer, local) = said.split_once(' ').expect(&said);
    assert_eq!(peer, "192.0.2.10:443");

    let listeners = place.listeners.as_ref().unwrap();
    let accepted = accept(&listeners.v4);
    assert_eq!(accepted.to_string(), local);
    let netns = place.namespace.netns().cookie();
    let origin = place.capture.origin(netns, accepted).expect("an origin");
    assert_eq!(origin.destination.to_string(), "192.0.2.10:443");
    assert_eq!(origin.netns, netns);
    assert_eq!(origin.cgroup, weir::capture::cgroup_id(&place.cgroup.path).unwrap());
    assert_eq!(origin.uid, 0);
    assert_eq!(place.capture.origin(netns, accepted), None, "an origin is told once");
}
