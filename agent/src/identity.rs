//! Who opened a connection: from cgroup, process and user to container, pod, unit and program.
//! Knows cgroup v2 paths and /proc; asks no container runtime and no API.

use serde::Serialize;

/// What is known of the caller. Everything that could not be learned is `None`, never a guess.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// Path below the cgroup v2 mount, `/` first. Empty when the cgroup is gone.
    pub cgroup: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<Qos>,
    /// The systemd unit of a process that is in no container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    pub pid: u32,
    pub uid: u32,
    /// The kernel's name of the thread that connected.
    pub command: String,
}

/// Who made the container, as far as the path says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    Containerd,
    Crio,
    Docker,
    Podman,
}

/// The pod's quality of service class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Qos {
    Guaranteed,
    Burstable,
    Besteffort,
}
