//! What each kernel program is for, and what its absence costs. Knows the programs' names; asks the kernel half to try them.

use super::{Finding, Group};
use crate::capture::{Trial, probe};

/// Program, what it is called here, what its absence costs.
const HOOKS: [(&str, &str, &str); 8] = [
    ("weir_connect4", "connect4", "calls over IPv4 are not captured"),
    ("weir_connect6", "connect6", "calls over IPv6 are not captured"),
    ("weir_getpeername4", "getpeername4", "programs see the agent as their peer over IPv4"),
    ("weir_getpeername6", "getpeername6", "programs see the agent as their peer over IPv6"),
    ("weir_sendmsg4", "sendmsg4", "QUIC over IPv4 goes past the agent"),
    ("weir_sendmsg6", "sendmsg6", "QUIC over IPv6 goes past the agent"),
    (
        IN_KERNEL,
        "DNS in the kernel",
        "a call made right after the first answer for its name may go direct",
    ),
    (
        "weir_ingress_relay",
        "DNS in the agent",
        "addresses are learned by looking names up, not from answers",
    ),
];

/// Needs a newer kernel than the rest; the agent can do its work later instead.
const IN_KERNEL: &str = "weir_ingress";

pub(super) fn findings() -> Vec<Finding> {
    match probe() {
        Ok(trials) => HOOKS.iter().map(|hook| finding(hook, &trials)).collect(),
        Err(error) => HOOKS.iter().map(|(_, name, cost)| untried(name, cost, &error)).collect(),
    }
}

fn finding(
    &(program, name, cost): &(&str, &'static str, &'static str),
    trials: &[Trial],
) -> Finding {
    let trial = trials.iter().find(|trial| trial.program == program);
    let refusal = trial
        .map_or_else(|| Some("not part of this build".to_owned()), |trial| trial.refusal.clone());
    Finding {
        group: Group::Hook,
        name,
        present: refusal.is_none(),
        detail: refusal.unwrap_or_else(|| "the kernel takes it".to_owned()),
        required: program != IN_KERNEL,
        cost,
    }
}

fn untried(name: &'static str, cost: &'static str, error: &anyhow::Error) -> Finding {
    let detail = format!("not tried: {}", error.root_cause());
    Finding { group: Group::Hook, name, present: false, detail, required: true, cost }
}
