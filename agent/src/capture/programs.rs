//! The kernel object: loading it, and a link for every hook. Knows which program goes where.

use std::{fs::File, path::Path};

use anyhow::{Context as _, bail};
use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel,
    programs::{
        CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSockAddr, Program,
        links::{FdLink, PinnedLink},
    },
};
use tracing::warn;

use super::{cgroup::cgroup_id, pins::Pins};

/// Built by `cargo xtask ebpf` and committed.
static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/../agent-ebpf/weir.bpf.o"));

/// Without these there is no capture. In the order of attaching: whatever completes a redirected connection comes
/// before what redirects it.
pub(super) const REQUIRED: [&str; 6] = [
    "weir_getpeername4",
    "weir_getpeername6",
    "weir_sendmsg4",
    "weir_sendmsg6",
    "weir_connect6",
    "weir_connect4",
];

/// Learns addresses in the kernel; it needs `bpf_loop` (5.17).
pub(super) const INGRESS: &str = "weir_ingress";

/// Sends every answer to user space instead, on kernels where the other does not load.
pub(super) const INGRESS_RELAY: &str = "weir_ingress_relay";

/// One attached hook; dropping a free one detaches.
enum Held {
    Free(FdLink),
    Pinned(PinnedLink),
}

/// Everything that is attached.
pub(super) struct Programs {
    // In reverse order of attaching: nothing is redirected any more when the rest goes.
    links: Vec<(&'static str, Held)>,
    pins: Option<Pins>,
    cgroup: u64,
    _object: Ebpf,
    kernel_dns: bool,
}

/// Creates the maps; the programs are loaded when they are attached.
pub(super) fn load() -> anyhow::Result<Ebpf> {
    // The verifier writes megabytes when asked to explain itself, and then may refuse for the lack of space alone.
    Ok(EbpfLoader::new().btf(None).verifier_log_level(VerifierLogLevel::STATS).load(OBJECT)?)
}

impl Programs {
    pub(super) fn attach(mut object: Ebpf, cgroup: &Path) -> anyhow::Result<Self> {
        let id = cgroup_id(cgroup)?;
        let cgroup = File::open(cgroup)?;
        let kernel_dns = load_program(&mut object, INGRESS)
            .inspect_err(|error| warn!(error = format!("{error:#}"), "dns answers are read late"))
            .is_ok();
        let dns = if kernel_dns { INGRESS } else { INGRESS_RELAY };
        if !kernel_dns {
            load_program(&mut object, INGRESS_RELAY)?;
        }
        for name in REQUIRED {
            load_program(&mut object, name)?;
        }
        let mut links = Vec::with_capacity(REQUIRED.len() + 1);
        for name in std::iter::once(dns).chain(REQUIRED) {
            links.push((name, Held::Free(attach_program(&mut object, name, &cgroup)?)));
        }
        links.reverse();
        Ok(Self { links, pins: None, cgroup: id, _object: object, kernel_dns })
    }

    pub(super) fn kernel_dns(&self) -> bool {
        self.kernel_dns
    }

    /// From now on everything stays attached if this process is killed.
    pub(super) fn pin(&mut self) -> anyhow::Result<()> {
        if self.pins.is_some() {
            return Ok(());
        }
        let pins = Pins::new(self.cgroup)?;
        let mut held = Vec::with_capacity(self.links.len());
        for (name, link) in self.links.drain(..) {
            let link = match link {
                Held::Free(link) => Held::Pinned(pins.pin(name, link)?),
                Held::Pinned(link) => Held::Pinned(link),
            };
            held.push((name, link));
        }
        self.links = held;
        self.pins = Some(pins);
        Ok(())
    }

    /// Lets go without detaching, if everything is pinned.
    pub(super) fn leave(mut self) {
        self.links.clear();
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        // In order: `connect` first.
        for (name, link) in self.links.drain(..) {
            if let Held::Pinned(link) = link
                && let Err(error) = link.unpin()
            {
                warn!(%error, name, "a program stays attached");
            }
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the object holds two kinds of programs")]
pub(super) fn load_program(object: &mut Ebpf, name: &str) -> anyhow::Result<()> {
    let loaded =
        match object.program_mut(name).with_context(|| format!("the object lacks {name}"))? {
            Program::CgroupSockAddr(program) => program.load(),
            Program::CgroupSkb(program) => program.load(),
            _ => bail!("{name} is of another kind"),
        };
    loaded.with_context(|| format!("the kernel does not load {name}"))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the object holds two kinds of programs")]
fn attach_program(object: &mut Ebpf, name: &str, cgroup: &File) -> anyhow::Result<FdLink> {
    let program = object.program_mut(name).with_context(|| format!("the object lacks {name}"))?;
    let attached = match program {
        Program::CgroupSockAddr(program) => attach_sock_addr(program, cgroup),
        Program::CgroupSkb(program) => attach_skb(program, cgroup),
        _ => bail!("{name} is of another kind"),
    };
    attached.with_context(|| format!("cannot attach {name}"))
}

// `Single` means no flags, which is all that `bpf_link_create` accepts; a link is always one among several.

fn attach_sock_addr(program: &mut CgroupSockAddr, cgroup: &File) -> anyhow::Result<FdLink> {
    let id = program.attach(cgroup, CgroupAttachMode::Single)?;
    Ok(program.take_link(id)?.try_into()?)
}

fn attach_skb(program: &mut CgroupSkb, cgroup: &File) -> anyhow::Result<FdLink> {
    let id = program.attach(cgroup, CgroupSkbAttachType::Ingress, CgroupAttachMode::Single)?;
    Ok(program.take_link(id)?.try_into()?)
}
