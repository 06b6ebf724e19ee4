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
