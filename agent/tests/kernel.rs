//! The kernel half on this machine's kernel, in cgroups and network namespaces made for the test. Needs root.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "kernel/connect.rs"]
mod connect;
#[path = "kernel/dns.rs"]
mod dns;
#[path = "kernel/failure.rs"]
mod failure;
#[path = "kernel/place.rs"]
mod place;
#[path = "kernel/resolver.rs"]
mod resolver;
