//! The kernel half's shared part: what both halves agree on. Knows the layout of the maps, the decisions and the
//! DNS wire format; knows no helper, no map and no kernel context, so that all of it is tested on the host.

#![cfg_attr(target_arch = "bpf", no_std)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

pub mod abi;
pub mod decide;
pub mod dns;
pub mod names;
pub mod repeat;
