use super::*;

fn check(seen: Seen) {
    assert_eq!(decode(encode(seen)), seen);
}

#[test]
fn what_was_seen_arrives() {
    check(Seen { errno: libc::ECONNREFUSED, peer: None });
    for peer in ["127.84.0.1:443", "[::1]:443", "[::ffff:127.84.0.1]:1"] {
        check(Seen { errno: 0, peer: peer.parse().ok() });
    }
}
