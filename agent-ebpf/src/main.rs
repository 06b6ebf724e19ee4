//! The programs. Entry points only: each tells its hook apart, asks, and turns the answer into a return code.
//! The bodies are in `kernel/`; what they decide is in the library.

#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
mod kernel;

#[cfg(target_arch = "bpf")]
mod programs {
    use aya_ebpf::{
        macros::{cgroup_skb, cgroup_sock_addr},
        programs::{SkBuffContext, SockAddrContext},
    };

    use crate::kernel::{
        connect::{connect, send},
        context::{V4, V6},
        ingress::{inspect, relay_all},
        peer::restore,
    };

    #[cgroup_sock_addr(connect4)]
    fn weir_connect4(ctx: SockAddrContext) -> i32 {
        connect::<V4>(&ctx)
    }

    #[cgroup_sock_addr(connect6)]
    fn weir_connect6(ctx: SockAddrContext) -> i32 {
        connect::<V6>(&ctx)
    }

    #[cgroup_sock_addr(sendmsg4)]
    fn weir_sendmsg4(ctx: SockAddrContext) -> i32 {
        send::<V4>(&ctx)
    }

    #[cgroup_sock_addr(sendmsg6)]
    fn weir_sendmsg6(ctx: SockAddrContext) -> i32 {
        send::<V6>(&ctx)
    }

    #[cgroup_sock_addr(getpeername4)]
    fn weir_getpeername4(ctx: SockAddrContext) -> i32 {
        restore::<V4>(&ctx)
    }

    #[cgroup_sock_addr(getpeername6)]
    fn weir_getpeername6(ctx: SockAddrContext) -> i32 {
        restore::<V6>(&ctx)
    }

    #[cgroup_skb(ingress)]
    fn weir_ingress(ctx: SkBuffContext) -> i32 {
        inspect(&ctx);
        PASS
    }

    #[cgroup_skb(ingress)]
    fn weir_ingress_relay(ctx: SkBuffContext) -> i32 {
        relay_all(&ctx);
        PASS
    }

    /// The packet goes on.
    const PASS: i32 = 1;
}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel lets only a program under the GPL call these helpers.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
