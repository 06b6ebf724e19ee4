//! The kernel half's shared part: what both halves agree on. Knows the layout of the maps, the decisions and the
//! DNS wire format; knows no helper, no map and no kernel context, so that all of it is tested on the host.

#![cfg_attr(not(test), no_std)]

pub mod abi;
pub mod decide;
pub mod names;
pub mod repeat;
