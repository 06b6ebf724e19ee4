//! What runs in the kernel, one file per question.

pub(crate) mod connect;
pub(crate) mod context;
pub(crate) mod established;
pub(crate) mod ingress;
pub(crate) mod maps;
pub(crate) mod peer;
