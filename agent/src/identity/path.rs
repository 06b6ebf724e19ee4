//! Reads a cgroup path. Knows how kubelet, containerd, CRI-O, Docker, Podman and systemd name their cgroups, with the
//! systemd and the cgroupfs driver. Pure: text in, facts out.

use serde::Serialize;

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

/// What a path says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) container_id: Option<String>,
    pub(super) pod_uid: Option<String>,
    pub(super) runtime: Option<Runtime>,
    pub(super) qos: Option<Qos>,
    pub(super) unit: Option<String>,
}

struct Container<'a> {
    id: &'a str,
    runtime: Option<Runtime>,
}

struct Pod {
    uid: String,
    qos: Qos,
}

/// From the leaf upwards: programs in a container may make cgroups of their own, and a node may itself be a container.
/// The innermost pod counts. In it the container right below the pod counts, for that is the one the cluster knows;
/// without a pod, the innermost container.
pub(super) fn describe(path: &str) -> Place {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let mut container: Option<Container<'_>> = None;
    for (index, segment) in segments.iter().enumerate().rev() {
        let parent = index.checked_sub(1).map(|parent| segments[parent]);
        if let Some(pod) = pod(segment, parent) {
            let below = segments.get(index + 1);
            let own = below.and_then(|below| self::container(below, Some(segment)));
            return place(own.or_else(|| self::container(segment, parent)), Some(pod));
        }
        if container.is_none() {
            container = self::container(segment, parent);
        }
    }
    match container {
        Some(container) => place(Some(container), None),
        None => Place { unit: unit(&segments), ..Place::default() },
    }
}

fn place(container: Option<Container<'_>>, pod: Option<Pod>) -> Place {
    let qos = pod.as_ref().map(|pod| pod.qos);
    Place {
        runtime: container.as_ref().and_then(|container| container.runtime),
        container_id: container.map(|container| container.id.to_owned()),
        pod_uid: pod.map(|pod| pod.uid),
        qos,
        unit: None,
    }
}

/// What runtimes put before the id. Their monitors (`crio-conmon-`, `libpod-conmon-`) are no containers: what follows
/// their prefix is not an id.
const PREFIXES: [(&str, Runtime); 6] = [
    ("cri-containerd-", Runtime::Containerd),
    ("nerdctl-", Runtime::Containerd),
    ("containerd-", Runtime::Containerd),
    ("crio-", Runtime::Crio),
    ("docker-", Runtime::Docker),
    ("libpod-", Runtime::Podman),
];

fn container<'a>(segment: &'a str, parent: Option<&str>) -> Option<Container<'a>> {
    let name = segment.strip_suffix(".scope").unwrap_or(segment);
    for (prefix, runtime) in PREFIXES {
        if let Some(id) = name.strip_prefix(prefix).filter(|id| is_container_id(id)) {
            return Some(Container { id, runtime: Some(runtime) });
        }
    }
    // containerd told to use cgroupfs under a kubelet that uses systemd: `kubepods-podUID.slice:cri-containerd:ID`.
    if let Some((_, id)) =
        name.rsplit_once(":cri-containerd:").filter(|(_, id)| is_container_id(id))
    {
        return Some(Container { id, runtime: Some(Runtime::Containerd) });
    }
    // The cgroupfs driver: the id alone, below something that says whose it is, or below a pod.
    if !is_container_id(name) {
        return None;
    }
    let runtime = match parent {
        Some("docker") => Some(Runtime::Docker),
        Some("libpod_parent") => Some(Runtime::Podman),
        _ => None,
    };
    Some(Container { id: name, runtime })
}

/// 64 hexadecimal digits; a shorter name that happens to be hexadecimal is no id.
fn is_container_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `pod<uid>` below `kubepods`, `burstable` or `besteffort`; or `…kubepods-burstable-pod<uid>.slice`.
fn pod(segment: &str, parent: Option<&str>) -> Option<Pod> {
    let name = segment.split(':').next().unwrap_or_default();
    if let Some(slice) = name.strip_suffix(".slice") {
        let (before, uid) = slice.rsplit_once("-pod")?;
        let uid = pod_uid(uid)?;
        let qos = match before.rsplit('-').next()? {
            "burstable" => Qos::Burstable,
            "besteffort" => Qos::Besteffort,
            "kubepods" => Qos::Guaranteed,
            _ => return None,
        };
        return Some(Pod { uid, qos });
    }
    let uid = pod_uid(name.strip_prefix("pod")?)?;
    let qos = match parent? {
        "burstable" => Qos::Burstable,
        "besteffort" => Qos::Besteffort,
        "kubepods" => Qos::Guaranteed,
        _ => return None,
    };
    Some(Pod { uid, qos })
}

/// A UUID, its hyphens written as underscores by the systemd driver; or the 32 digits of a static pod.
fn pod_uid(text: &str) -> Option<String> {
    let uid = text.replace('_', "-");
    let groups: Vec<usize> = uid.split('-').map(str::len).collect();
    let shaped = groups == [8, 4, 4, 4, 12] || groups == [32];
    (shaped && uid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())).then_some(uid)
}

/// The innermost service or scope. systemd puts `_` before a name that the kernel would take for a file of its own.
fn unit(segments: &[&str]) -> Option<String> {
    let unit = segments
        .iter()
        .rev()
        .find(|segment| segment.ends_with(".service") || segment.ends_with(".scope"))?;
    Some(unit.strip_prefix('_').unwrap_or(unit).to_owned())
}
