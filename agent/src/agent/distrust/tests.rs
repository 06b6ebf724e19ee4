use super::*;

fn client(name: &str) -> Client {
    Client::new(7, Some("/usr/bin/app"), name)
}

#[test]
fn an_alert_is_distrust_of_that_name_only() {
    let distrust = Distrust::default();
    distrust.note(&client("a.example"));
    assert!(distrust.holds(&client("a.example")));
    assert!(!distrust.holds(&client("b.example")));
    assert!(!distrust.holds(&Client::new(8, Some("/usr/bin/app"), "a.example")));
    distrust.clear(&client("a.example"));
    assert!(!distrust.holds(&client("a.example")));
}

#[test]
fn silence_is_distrust_the_second_time() {
    let distrust = Distrust::default();
    distrust.suspect(&client("a.example"));
    assert!(!distrust.holds(&client("a.example")));
    distrust.suspect(&client("a.example"));
    assert!(distrust.holds(&client("a.example")));
}

#[test]
fn who_asked_once_is_not_suspected() {
    let distrust = Distrust::default();
    distrust.clear(&client("a.example"));
    for _ in 0..3 {
        distrust.suspect(&client("a.example"));
    }
    assert!(!distrust.holds(&client("a.example")));
    distrust.note(&client("a.example"));
    assert!(distrust.holds(&client("a.example")), "an alert counts all the same");
}

#[test]
fn memory_is_bounded() {
    let distrust = Distrust::default();
    for number in 0..2 * CLIENTS_MAX {
        distrust.clear(&client(&format!("{number}.example")));
    }
    distrust.note(&client("last.example"));
    assert!(distrust.known().len() <= CLIENTS_MAX);
    assert!(distrust.holds(&client("last.example")));
}
