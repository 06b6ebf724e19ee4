//! The rig: network namespaces, test providers, DNS.
