//! Addresses of the configured names, learned from user space: for answers that never pass the kernel half
//! as DNS. Knows the system's resolver and its files; knows no connection.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::Agent;
use crate::names::NameSet;

/// Start-up waits this long for a resolver that answers by other ways than DNS.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);
/// A node's resolver is not to be flooded.
const LOOKUPS_AT_ONCE: usize = 8;

/// Before the first program asks. Names in the hosts file are known at once. If programs here get all other
/// names by DNS, the kernel half will see every answer, and nothing needs to be waited for.
pub(super) async fn at_start(agent: &Arc<Agent>) {
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    for address in hosts_addresses(&hosts, &agent.names) {
        learn(agent, address);
    }
    let switch = fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
    if agent.capture.learns_dns_in_kernel() && by_dns_alone(&switch) && !Path::new(NSCD).exists() {
        agent.serve(once(agent.clone()));
    } else if tokio::time::timeout(FIRST_PATIENCE, once(agent.clone())).await.is_err() {
        debug!("the resolver is slow; names that it holds already may be missed at first");
    }
}

/// The socket of the name service cache, which answers without DNS.
const NSCD: &str = "/run/nscd/socket";

pub(super) async fn now_and_then(agent: Arc<Agent>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        once(agent.clone()).await;
    }
}

async fn once(agent: Arc<Agent>) {
    let at_once = Arc::new(Semaphore::new(LOOKUPS_AT_ONCE));
    let mut lookups = JoinSet::new();
    for name in agent.accounting.providers.exact_names() {
        let (agent, name, at_once) = (agent.clone(), name.clone(), at_once.clone());
        lookups.spawn(async move {
            let _permit = at_once.acquire().await;
            let Ok(addresses) = tokio::net::lookup_host((name.as_str(), 443)).await else { return };
            addresses.for_each(|address| learn(&agent, address.ip()));
        });
    }
    while lookups.join_next().await.is_some() {}
}

fn learn(agent: &Agent, address: IpAddr) {
    // A name that is pointed at this machine is switched off, or served here: not for us to redirect.
    if address.is_loopback() || address.is_unspecified() {
        return;
    }
    if let Err(problem) = agent.capture.learn(address) {
        warn!(%problem, "an address could not be learned");
    }
}

/// What a hosts file says about `names`.
fn hosts_addresses(hosts: &str, names: &NameSet) -> Vec<IpAddr> {
    hosts
        .lines()
        .filter_map(|line| {
            let mut words = line.split('#').next()?.split_whitespace();
            let address = words.next()?.parse().ok()?;
            words.any(|name| names.matches(name)).then_some(address)
        })
        .collect()
}

/// Do programs get names from files and by DNS packets only? (nsswitch.conf, its "hosts" line)
fn by_dns_alone(switch: &str) -> bool {
    let line = switch.lines().find_map(|line| line.trim_start().strip_prefix("hosts:"));
    let Some(line) = line else { return true };
    let line = line.split('#').next().unwrap_or_default();
    let mut in_action = false;
    line.split_whitespace().all(|word| {
        let action = in_action || word.starts_with('[');
        in_action = action && !word.ends_with(']');
        action
            || matches!(word, "files" | "dns" | "myhostname" | "mymachines")
            || word.starts_with("mdns")
    })
}

#[cfg(test)]
mod tests;
