//! Who opened a connection: from cgroup, process and user to container, pod, unit and program.
//! Knows cgroup v2 and /proc; asks no container runtime and no API.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

mod cgroups;
mod path;
mod process;

use cgroups::Cgroups;
pub use path::{Qos, Runtime};
use process::Process;

/// A node has a few hundred pods with a few processes each. A full map is emptied: to fill it again costs microseconds.
const PROCESSES_MAX: usize = 4096;

/// What is known of the caller. Everything that could not be learned is absent, never a guess.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// Path below the cgroup v2 mount, `/` first. Empty when the cgroup was gone before it could be asked.
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
    /// As the process sees it: a path inside its container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    pub pid: u32,
    pub uid: u32,
    /// The kernel's name of the thread that connected.
    pub command: String,
}

/// Resolves callers, and remembers what it resolved.
pub struct Identities {
    cgroups: Cgroups,
    /// By process and its start: a process number alone comes back.
    processes: Mutex<HashMap<(u32, u64), Known>>,
}

struct Known {
    cgroup_id: u64,
    workload: Arc<Workload>,
}

impl Identities {
    /// `cgroup_mount` is where cgroup v2 is mounted.
    pub fn new(cgroup_mount: PathBuf) -> Identities {
        Identities { cgroups: Cgroups::new(cgroup_mount), processes: Mutex::default() }
    }

    /// What the kernel half saw when the connection was opened, made into a workload. Never fails: the process may be
    /// gone by now, and then less is known.
    pub fn resolve(&self, cgroup_id: u64, pid: u32, uid: u32, command: &str) -> Arc<Workload> {
        let process = Process::open(pid);
        let key = process.as_ref().map(|process| (pid, process.started()));
        if let Some(known) = key.and_then(|key| self.remembered(key, cgroup_id, uid, command)) {
            return known;
        }
        let cgroup = self.cgroups.path(cgroup_id, process.as_ref());
        // A process in another cgroup is not the one that connected: it moved, or its number was given away.
        let same =
            process.filter(|process| cgroup.is_some() && process.cgroup() == cgroup.as_deref());
        let place = path::describe(cgroup.as_deref().unwrap_or_default());
        let workload = Arc::new(Workload {
            cgroup: cgroup.map(|path| path.to_string()).unwrap_or_default(),
            container_id: place.container_id,
            pod_uid: place.pod_uid,
            runtime: place.runtime,
            qos: place.qos,
            unit: place.unit,
            exe: same.as_ref().and_then(Process::exe),
            pid,
            uid,
            command: command.to_owned(),
        });
        if let (Some(key), true) = (key, same.is_some()) {
            self.remember(key, cgroup_id, &workload);
        }
        workload
    }

    fn remembered(
        &self,
        key: (u32, u64),
        cgroup_id: u64,
        uid: u32,
        command: &str,
    ) -> Option<Arc<Workload>> {
        let processes = self.processes();
        let known = processes.get(&key)?;
        let same = known.cgroup_id == cgroup_id
            && known.workload.uid == uid
            && known.workload.command == command;
        same.then(|| known.workload.clone())
    }

    fn remember(&self, key: (u32, u64), cgroup_id: u64, workload: &Arc<Workload>) {
        let mut processes = self.processes();
        if processes.len() >= PROCESSES_MAX {
            processes.clear();
        }
        processes.insert(key, Known { cgroup_id, workload: workload.clone() });
    }

    fn processes(&self) -> MutexGuard<'_, HashMap<(u32, u64), Known>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
