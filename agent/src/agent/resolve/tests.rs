use super::*;
use crate::names::NameRule;

#[test]
fn a_hosts_file() {
    let names: NameSet = [NameRule::Exact("api.openai.com".into())].into_iter().collect();
    let hosts = "127.0.0.1 localhost\n192.0.2.7\tx API.openai.com # api.openai.com\n\
                 2001:db8::7 api.openai.com\n192.0.2.8 # api.openai.com\nnonsense api.openai.com\n";
    let found: Vec<String> =
        hosts_addresses(hosts, &names).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["192.0.2.7", "2001:db8::7"]);
}

#[test]
fn who_answers_for_names() {
    let check = |line: &str, expected| assert_eq!(by_dns_alone(line), expected, "{line}");
    check("", true);
    check("passwd: sss\nhosts: files dns\n", true);
    check("hosts: files mdns4_minimal [NOTFOUND=return] dns myhostname", true);
    check("hosts: mymachines resolve [!UNAVAIL=return] files dns", false);
    check("hosts: files [ NOTFOUND=return ] dns # resolve", true);
    check("hosts: files sss dns", false);
}
