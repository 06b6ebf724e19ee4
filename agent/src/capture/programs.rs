//! The kernel object: loading it, and a link for every hook. Knows which program goes where.

use std::{fs::File, path::Path};

use anyhow::{Context as _, bail};
use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel,
    programs::{
        CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSockAddr, Program, SockOps,
        cgroup_skb::CgroupSkbLink, cgroup_sock_addr::CgroupSockAddrLink, sock_ops::SockOpsLink,
    },
};
use tracing::warn;

/// Built by `cargo xtask ebpf` and committed.
static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/../agent-ebpf/weir.bpf.o"));

/// Without these there is no capture. In the order of attaching: whatever completes a redirected connection comes
/// before what redirects it.
pub(super) const REQUIRED: [&str; 7] = [
    "weir_sockops",
    "weir_getpeername4",
    "weir_getpeername6",
    "weir_sendmsg4",
    "weir_sendmsg6",
    "weir_connect6",
    "weir_connect4",
];

/// Learns addresses in the kernel; it needs `bpf_loop` (5.17).
pub(super) const DNS: &str = "weir_dns";

/// Sends every answer to user space instead, on kernels where the other does not load.
pub(super) const DNS_RELAY: &str = "weir_dns_relay";

/// One attached hook; dropping it detaches.
#[derive(Debug)]
#[expect(dead_code, reason = "a link is only held")]
enum Attached {
    SockAddr(CgroupSockAddrLink),
    SockOps(SockOpsLink),
    Skb(CgroupSkbLink),
}

/// Everything that is attached.
pub(super) struct Programs {
    // In reverse order of attaching: nothing is redirected any more when the rest goes.
    links: Vec<Attached>,
    _object: Ebpf,
    kernel_dns: bool,
}

/// Creates the maps; the programs are loaded when they are attached.
pub(super) fn load() -> anyhow::Result<Ebpf> {
    // The verifier writes megabytes when asked to explain itself, and then may refuse for the lack of space alone.
    Ok(EbpfLoader::new().verifier_log_level(VerifierLogLevel::STATS).load(OBJECT)?)
}

impl Programs {
    pub(super) fn attach(mut object: Ebpf, cgroup: &Path) -> anyhow::Result<Self> {
        let cgroup = File::open(cgroup)?;
        let kernel_dns = load_program(&mut object, DNS)
            .inspect_err(|error| warn!(error = format!("{error:#}"), "dns answers are read late"))
            .is_ok();
        let mut links = Vec::with_capacity(REQUIRED.len() + 1);
        let dns = if kernel_dns { DNS } else { DNS_RELAY };
        if !kernel_dns {
            load_program(&mut object, DNS_RELAY)?;
        }
        links.push(attach_program(&mut object, dns, &cgroup)?);
        for name in REQUIRED {
            load_program(&mut object, name)?;
        }
        for name in REQUIRED {
            links.push(attach_program(&mut object, name, &cgroup)?);
        }
        links.reverse();
        Ok(Self { links, _object: object, kernel_dns })
    }

    pub(super) fn kernel_dns(&self) -> bool {
        self.kernel_dns
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        // In order: `connect` first.
        for link in self.links.drain(..) {
            drop(link);
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the object holds three kinds of programs")]
pub(super) fn load_program(object: &mut Ebpf, name: &str) -> anyhow::Result<()> {
    let loaded =
        match object.program_mut(name).with_context(|| format!("the object lacks {name}"))? {
            Program::CgroupSockAddr(program) => program.load(),
            Program::SockOps(program) => program.load(),
            Program::CgroupSkb(program) => program.load(),
            _ => bail!("{name} is of another kind"),
        };
    loaded.with_context(|| format!("the kernel does not load {name}"))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the object holds three kinds of programs")]
fn attach_program(object: &mut Ebpf, name: &str, cgroup: &File) -> anyhow::Result<Attached> {
    let attached =
        match object.program_mut(name).with_context(|| format!("the object lacks {name}"))? {
            Program::CgroupSockAddr(program) => attach_sock_addr(program, cgroup),
            Program::SockOps(program) => attach_sock_ops(program, cgroup),
            Program::CgroupSkb(program) => attach_skb(program, cgroup),
            _ => bail!("{name} is of another kind"),
        };
    attached.with_context(|| format!("cannot attach {name}"))
}

// `Single` means no flags, which is all that `bpf_link_create` accepts; a link is always one among several.

fn attach_sock_addr(program: &mut CgroupSockAddr, cgroup: &File) -> anyhow::Result<Attached> {
    let id = program.attach(cgroup, CgroupAttachMode::Single)?;
    Ok(Attached::SockAddr(program.take_link(id)?))
}

fn attach_sock_ops(program: &mut SockOps, cgroup: &File) -> anyhow::Result<Attached> {
    let id = program.attach(cgroup, CgroupAttachMode::Single)?;
    Ok(Attached::SockOps(program.take_link(id)?))
}

fn attach_skb(program: &mut CgroupSkb, cgroup: &File) -> anyhow::Result<Attached> {
    let id = program.attach(cgroup, CgroupSkbAttachType::Ingress, CgroupAttachMode::Single)?;
    Ok(Attached::Skb(program.take_link(id)?))
}
