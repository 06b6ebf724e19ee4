use super::*;

const GATES: [Gate; 6] =
    [Gate::Alive, Gate::Dead, Gate::Missing, Gate::BoundToDevice, Gate::NoRoute, Gate::MapFull];

#[test]
fn a_live_listener_gets_the_connection_in_both_modes() {
    assert_eq!(listed(Gate::Alive, FailMode::Open), Verdict::Redirect);
    assert_eq!(listed(Gate::Alive, FailMode::Closed), Verdict::Redirect);
}

#[test]
fn open_never_denies() {
    for gate in GATES {
        assert_ne!(listed(gate, FailMode::Open), Verdict::Deny, "{gate:?}");
    }
}

#[test]
fn closed_lets_nothing_pass() {
    for gate in GATES {
        assert_ne!(listed(gate, FailMode::Closed), Verdict::Pass, "{gate:?}");
    }
}

#[test]
fn every_gate_counts_as_something_else() {
    for a in GATES {
        for b in GATES {
            assert_eq!(a == b, a.outcome() == b.outcome());
        }
    }
}

#[test]
fn the_loopback_is_of_the_family_asked_for() {
    assert_eq!(loopback(Address::v4([192, 0, 2, 1])), LOOPBACK_V4);
    assert_eq!(loopback(Address::v6([0x20; 16])), LOOPBACK_V6);
    assert!(is_loopback(LOOPBACK_V4) && is_loopback(LOOPBACK_V6));
    assert!(!is_loopback(Address::v4([127, 0, 0, 2])));
}
