//! What can be read about the machine without touching it. Knows /proc, /sys and capabilities.

use std::fs::{self, File};
use std::path::Path;

use super::{Finding, Group};
use crate::capture::{Netns, cgroup2_mount};

/// The oldest kernel weir is made for.
const KERNEL_MIN: (u32, u32) = (5, 15);

pub(super) fn findings() -> Vec<Finding> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = effective_capabilities(&status);
    let mut findings = vec![kernel(), cgroup2(), netns(), jit(), btf(), roots()];
    findings.extend(CAPABILITIES.iter().map(|capability| capability.finding(capabilities)));
    findings
}

fn kernel() -> Finding {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let (major, minor) = KERNEL_MIN;
    Finding {
        group: Group::Machine,
        name: "kernel",
        present: version(release).is_some_and(|version| version >= KERNEL_MIN),
        detail: format!("{release}, weir is made for {major}.{minor} and later"),
        required: false,
        cost: "hooks may be missing or behave otherwise",
    }
}

/// "6.1.0-18-amd64" is (6, 1).
pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn cgroup2() -> Finding {
    let mount = cgroup2_mount();
    let hybrid = Path::new("/sys/fs/cgroup/systemd").exists();
    let detail = match &mount {
        Ok(path) if hybrid => {
            format!("{} (hybrid: version 1 is mounted beside it)", path.display())
        }
        Ok(path) => path.display().to_string(),
        Err(error) => format!("{error:#}"),
    };
    Finding {
        group: Group::Machine,
        name: "cgroup v2",
        present: mount.is_ok(),
        detail,
        required: true,
        cost: "there is nothing to attach to",
    }
}

fn netns() -> Finding {
    // Also into the agent's own: the right to enter is what is asked.
    let entered =
        File::open("/proc/self/ns/net").map_err(anyhow::Error::from).and_then(Netns::open);
    Finding {
        group: Group::Machine,
        name: "network namespaces",
        present: entered.is_ok(),
        detail: entered.map_or_else(
            |error| format!("{error:#}"),
            |_| "can be entered and told apart".to_owned(),
        ),
        required: true,
        cost: "containers are not captured, and origins cannot be told apart",
    }
}

fn jit() -> Finding {
    let value = fs::read_to_string("/proc/sys/net/core/bpf_jit_enable");
    let present = value.as_ref().map_or(true, |value| value.trim() != "0");
    Finding {
        group: Group::Machine,
        name: "BPF compiler",
        present,
        detail: match value {
            Ok(value) => format!("net.core.bpf_jit_enable = {}", value.trim()),
            Err(_) => "always on in this kernel, or not told".to_owned(),
        },
        required: false,
        cost: "the hooks are interpreted and take several times longer",
    }
}

fn btf() -> Finding {
    let path = Path::new("/sys/kernel/btf/vmlinux");
    Finding {
        group: Group::Machine,
        name: "kernel types (BTF)",
        present: path.exists(),
        detail: if path.exists() {
            path.display().to_string()
        } else {
            "not in this kernel".to_owned()
        },
        required: false,
        cost: "nothing now: no hook asks for kernel types",
    }
}

fn roots() -> Finding {
    let loaded = rustls_native_certs::load_native_certs();
    let count = loaded.certs.len();
    Finding {
        group: Group::Machine,
        name: "public authorities",
        present: count > 0,
        detail: match (count, loaded.errors.first()) {
            (0, Some(error)) => format!("none ({error})"),
            (0, None) => "none; install ca-certificates".to_owned(),
            (count, _) => format!("{count} in the system's store"),
        },
        required: false,
        cost: "providers are verified against Mozilla's list as weir was built with it",
    }
}

struct Capability {
    name: &'static str,
    bit: u32,
    /// Grants it too.
    or: Option<u32>,
    required: bool,
    cost: &'static str,
}

const SYS_ADMIN: u32 = 21;

const CAPABILITIES: [Capability; 5] = [
    Capability {
        name: "CAP_BPF",
        bit: 39,
        or: Some(SYS_ADMIN),
        required: true,
        cost: "no program can be loaded",
    },
    Capability {
        name: "CAP_NET_ADMIN",
        bit: 12,
        or: Some(SYS_ADMIN),
        required: true,
        cost: "no program can be attached",
    },
    Capability {
        name: "CAP_SYS_ADMIN",
        bit: SYS_ADMIN,
        or: None,
        required: true,
        cost: "network namespaces cannot be entered: containers are not captured",
    },
    Capability {
        name: "CAP_DAC_READ_SEARCH",
        bit: 2,
        or: None,
        required: false,
        cost: "cgroups are found by search: slower, and one that is gone by then has no name",
    },
    Capability {
        name: "CAP_SYS_PTRACE",
        bit: 19,
        or: None,
        required: false,
        cost: "the program files of other users' processes are not named",
    },
];

impl Capability {
    fn finding(&self, effective: u64) -> Finding {
        let has = |bit: u32| effective & 1 << bit != 0;
        let present = has(self.bit) || self.or.is_some_and(has);
        Finding {
            group: Group::Privilege,
            name: self.name,
            present,
            detail: if present { "granted" } else { "not granted; run as root" }.to_owned(),
            required: self.required,
            cost: self.cost,
        }
    }
}

/// The CapEff line of /proc/PID/status.
pub(super) fn effective_capabilities(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or_default()
}
