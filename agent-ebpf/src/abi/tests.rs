use super::*;

#[test]
fn addresses_survive_the_round_trip() {
    for text in ["192.0.2.7", "2001:db8::7", "::1", "127.0.0.1"] {
        let address: IpAddr = text.parse().expect("an address");
        assert_eq!(IpAddr::from(Address::from(address)), address);
    }
}

#[test]
fn a_mapped_address_is_the_ipv4_address() {
    let mapped: IpAddr = "::ffff:192.0.2.7".parse().expect("an address");
    let plain: IpAddr = "192.0.2.7".parse().expect("an address");
    assert_eq!(Address::from(mapped), Address::from(plain));
    assert_eq!(IpAddr::from(Address::from(mapped)), plain);
}

#[test]
fn outcomes_are_listed_in_their_order() {
    for (index, (outcome, _)) in Outcome::ALL.iter().enumerate() {
        assert_eq!(*outcome as usize, index);
    }
}

#[test]
fn some_addresses_cannot_be_a_provider() {
    for (text, connectable) in [
        ("192.0.2.7", true),
        ("127.0.0.2", true),
        ("0.0.0.0", false),
        ("224.0.0.1", false),
        ("255.255.255.255", false),
        ("2001:db8::7", true),
        ("::1", true),
        ("::", false),
        ("ff02::1", false),
    ] {
        let address: IpAddr = text.parse().expect("an address");
        assert_eq!(Address::from(address).is_connectable(), connectable, "{text}");
    }
}
