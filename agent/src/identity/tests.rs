#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use super::path::{Place, describe};
use super::process::{started, unified};
use super::*;
use crate::testing::skip;

const ID: &str = "3b1bd32ea0f7b4ec1e0d9a1d4b9a7c5f60718293a4b5c6d7e8f9012345678901";
const OTHER: &str = "aaaabbbbccccddddeeeeffff0000111122223333444455556666777788889999";
const UID: &str = "9f0ac0fd-6a1f-4c3e-8f52-0d2c5e1a7b11";
const UID_SYSTEMD: &str = "9f0ac0fd_6a1f_4c3e_8f52_0d2c5e1a7b11";
const STATIC: &str = "f0a1b2c3d4e5f60718293a4b5c6d7e8f";

/// `ID`, `OTHER`, `UID`, `UID_` and `STATIC` stand for the constants.
fn path(text: &str) -> String {
    text.replace("{id}", ID)
        .replace("{other}", OTHER)
        .replace("{uid}", UID)
        .replace("{uid_}", UID_SYSTEMD)
        .replace("{static}", STATIC)
}

fn pod(text: &str, runtime: Option<Runtime>, qos: Qos) {
    let expected = Place {
        container_id: Some(ID.into()),
        pod_uid: Some(UID.into()),
        runtime,
        qos: Some(qos),
        unit: None,
    };
    assert_eq!(describe(&path(text)), expected, "{text}");
}

fn container(text: &str, runtime: Option<Runtime>) {
    let expected = Place { container_id: Some(ID.into()), runtime, ..Place::default() };
    assert_eq!(describe(&path(text)), expected, "{text}");
}

fn unit(text: &str, unit: Option<&str>) {
    let expected = Place { unit: unit.map(str::to_owned), ..Place::default() };
    assert_eq!(describe(&path(text)), expected, "{text}");
}

#[test]
fn kubelet_with_the_systemd_driver() {
    use {Qos::*, Runtime::*};
    pod(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid_}.slice/cri-containerd-{id}.scope",
        Some(Containerd),
        Burstable,
    );
    pod(
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{uid_}.slice/cri-containerd-{id}.scope",
        Some(Containerd),
        Besteffort,
    );
    pod(
        "/kubepods.slice/kubepods-pod{uid_}.slice/cri-containerd-{id}.scope",
        Some(Containerd),
        Guaranteed,
    );
    pod("/kubepods.slice/kubepods-pod{uid_}.slice/crio-{id}.scope", Some(Crio), Guaranteed);
    pod(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid_}.slice/docker-{id}.scope",
        Some(Docker),
        Burstable,
    );
}

#[test]
fn kubelet_with_the_cgroupfs_driver() {
    use {Qos::*, Runtime::*};
    pod("/kubepods/burstable/pod{uid}/{id}", None, Burstable);
    pod("/kubepods/besteffort/pod{uid}/{id}", None, Besteffort);
    pod("/kubepods/pod{uid}/{id}", None, Guaranteed);
    pod("/kubepods/besteffort/pod{uid}/crio-{id}", Some(Crio), Besteffort);
}

#[test]
fn drivers_that_disagree() {
    use {Qos::*, Runtime::*};
    pod(
        "/system.slice/containerd.service/kubepods-burstable-pod{uid_}.slice:cri-containerd:{id}",
        Some(Containerd),
        Burstable,
    );
    pod("/kubepods-pod{uid_}.slice:cri-containerd:{id}", Some(Containerd), Guaranteed);
}

#[test]
fn programs_make_cgroups_of_their_own() {
    use {Qos::*, Runtime::*};
    // systemd in the container, crun's extra level, a program with delegation, Docker in a pod.
    pod(
        "/kubepods.slice/kubepods-pod{uid_}.slice/cri-containerd-{id}.scope/init.scope",
        Some(Containerd),
        Guaranteed,
    );
    pod(
        "/kubepods.slice/kubepods-pod{uid_}.slice/cri-containerd-{id}.scope/system.slice/ssh.service",
        Some(Containerd),
        Guaranteed,
    );
    pod(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid_}.slice/crio-{id}.scope/container",
        Some(Crio),
        Burstable,
    );
    pod("/kubepods/burstable/pod{uid}/{id}/workers/7", None, Burstable);
    pod("/kubepods/burstable/pod{uid}/{id}/docker/{other}", None, Burstable);
    pod("/kubepods/burstable/pod{uid}/{id}/docker/{other}/a/b", None, Burstable);
    container("/system.slice/docker-{id}.scope/system.slice/cron.service", Some(Docker));
}

#[test]
fn nodes_that_are_containers() {
    use {Qos::*, Runtime::*};
    // kind and k3d: the node's own container is not the workload's.
    pod(
        "/system.slice/docker-{other}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod{uid_}.slice/cri-containerd-{id}.scope",
        Some(Containerd),
        Besteffort,
    );
    pod(
        "/docker/{other}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{uid_}.slice/cri-containerd-{id}.scope",
        Some(Containerd),
        Guaranteed,
    );
    pod("/docker/{other}/kubelet/kubepods/burstable/pod{uid}/{id}", None, Burstable);
    pod("/docker/{other}/kubepods/besteffort/pod{uid}/{id}", None, Besteffort);
    pod("/libpod_parent/libpod-{other}/kubelet/kubepods/pod{uid}/{id}", None, Guaranteed);
    // What runs in the node's container itself.
    container("/docker/{id}/kubelet", Some(Docker));
    container("/system.slice/docker-{id}.scope/system.slice/containerd.service", Some(Docker));
    // A cluster in a pod of a cluster.
    pod(
        "/kubepods/pod11111111-2222-3333-4444-555555555555/{other}/kubepods/besteffort/pod{uid}/{id}",
        None,
        Besteffort,
    );
}

#[test]
fn containers_without_a_pod() {
    use Runtime::*;
    container("/system.slice/docker-{id}.scope", Some(Docker));
    container("/docker/{id}", Some(Docker));
    container(
        "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{id}.scope",
        Some(Docker),
    );
    container("/machine.slice/libpod-{id}.scope", Some(Podman));
    container("/machine.slice/libpod-{id}.scope/container", Some(Podman));
    container(
        "/machine.slice/machine-libpod_pod_{other}.slice/libpod-{id}.scope/container",
        Some(Podman),
    );
    container(
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{id}.scope/container",
        Some(Podman),
    );
    container("/libpod_parent/libpod-{id}", Some(Podman));
    container("/system.slice/nerdctl-{id}.scope", Some(Containerd));
    container("/ecs/0123456789abcdef0123456789abcdef/{id}", None);
}

#[test]
fn static_pods_and_pods_without_a_container() {
    let place = describe(&path(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{static}.slice/cri-containerd-{id}.scope",
    ));
    assert_eq!(place.pod_uid.as_deref(), Some(STATIC));
    assert_eq!(place.container_id.as_deref(), Some(ID));
    for text in [
        "/kubepods/besteffort/pod{uid}",
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{uid_}.slice/crio-conmon-{id}.scope",
    ] {
        let place = describe(&path(text));
        assert_eq!(place.pod_uid.as_deref(), Some(UID), "{text}");
        assert_eq!(place.container_id, None, "{text}");
    }
}

#[test]
fn units() {
    unit("/system.slice/ssh.service", Some("ssh.service"));
    unit("/system.slice/system-getty.slice/getty@tty1.service", Some("getty@tty1.service"));
    unit("/user.slice/user-1000.slice/session-3.scope", Some("session-3.scope"));
    unit(
        "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-code-4242.scope",
        Some("app-gnome-code-4242.scope"),
    );
    unit(
        "/user.slice/user-1000.slice/user@1000.service/app.slice/my\\x2dapp.service",
        Some("my\\x2dapp.service"),
    );
    unit("/user.slice/user-1000.slice/user@1000.service/init.scope", Some("init.scope"));
    unit("/system.slice/app.service/delegated/worker", Some("app.service"));
    unit("/system.slice/_cgroup.service", Some("cgroup.service"));
    unit("/init.scope", Some("init.scope"));
    unit("/machine.slice/libpod-conmon-{id}.scope", Some(&format!("libpod-conmon-{ID}.scope")));
}

#[test]
fn what_looks_like_something_but_is_not() {
    unit("", None);
    unit("/", None);
    unit("/system.slice", None);
    unit("/weir/run-4242", None);
    unit("/docker/short", None);
    unit("/docker/3B1BD32EA0F7B4EC1E0D9A1D4B9A7C5F60718293A4B5C6D7E8F9012345678901", None);
    unit("/pod{uid}", None);
    unit("/other/pod{uid}", None);
    unit("/my-pod{uid_}.slice", None);
    unit("/kubepods/burstable/podnope", None);
    unit("/kubepods.slice/kubepods-burstable.slice", None);
    unit("/docker-nope.scope", Some("docker-nope.scope"));
    unit("/é/ü", None);
}

#[test]
fn the_start_is_read_past_any_name() {
    let fields = "S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 1";
    assert_eq!(started(&format!("42 (python3) {fields}")), Some(987_654));
    assert_eq!(started(&format!("42 (a) (b) 7 ) {fields}")), Some(987_654));
    assert_eq!(started("42 (cut) S 1"), None);
    assert_eq!(started(""), None);
}

#[test]
fn the_unified_line_is_found_on_any_hierarchy() {
    assert_eq!(unified("0::/a/b\n").as_deref(), Some("/a/b"));
    assert_eq!(unified("9:name=systemd:/x\n0::/a b\n").as_deref(), Some("/a b"));
    assert_eq!(unified("0::/gone (deleted)\n").as_deref(), Some("/gone"));
    assert_eq!(unified("1:cpu:/x\n"), None);
}

/// Where cgroup v2 is, or None with the reason on stderr.
fn mount() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"));
    if line.is_none() {
        skip("no cgroup v2 on this machine");
    }
    line.and_then(|line| line.split(' ').nth(1)).map(PathBuf::from)
}

#[test]
fn this_process_is_known() {
    use std::os::unix::fs::MetadataExt;
    let Some(mount) = mount() else { return };
    let own = unified(&std::fs::read_to_string("/proc/self/cgroup").unwrap()).unwrap();
    let Ok(metadata) = std::fs::metadata(mount.join(own.trim_start_matches('/'))) else {
        skip("this process is outside its view of the cgroup tree");
        return;
    };
    let id = metadata.ino();
    let identities = Identities::new(mount);
    let pid = std::process::id();
    let first = identities.resolve(id, pid, 7, "some thread");
    assert_eq!(first.cgroup, own);
    assert_eq!(first.exe.as_deref(), std::env::current_exe().unwrap().to_str());
    assert_eq!((first.pid, first.uid, first.command.as_str()), (pid, 7, "some thread"));
    assert!(Arc::ptr_eq(&first, &identities.resolve(id, pid, 7, "some thread")), "remembered");
    assert_eq!(
        identities.resolve(id, pid, 8, "other").uid,
        8,
        "another user is not taken for the first"
    );
}

/// A cgroup tree and a process in its leaf; gone when dropped.
struct Pod {
    top: PathBuf,
    leaf: PathBuf,
    process: std::process::Child,
}

impl Pod {
    /// None, with the reason on stderr, where cgroups cannot be made.
    fn start(mount: &std::path::Path) -> Option<Pod> {
        let top = mount.join(format!("weir-test-{}-pod", std::process::id()));
        let leaf = top.join(path("kubepods/burstable/pod{uid}/{id}"));
        if let Err(error) = std::fs::create_dir_all(&leaf) {
            skip(&format!("no cgroup can be made ({error})"));
            return None;
        }
        let process = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        std::fs::write(leaf.join("cgroup.procs"), process.id().to_string()).unwrap();
        Some(Pod { top, leaf, process })
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let above = self.leaf.ancestors().take_while(|path| path.starts_with(&self.top));
        above.for_each(|path| drop(std::fs::remove_dir(path)));
    }
}

#[test]
fn a_process_in_a_pod_is_known_while_it_lives_and_after() {
    use std::os::unix::fs::MetadataExt;
    let Some(mount) = mount() else { return };
    let Some(pod) = Pod::start(&mount) else { return };
    let id = std::fs::metadata(&pod.leaf).unwrap().ino();
    let pid = pod.process.id();
    let identities = Identities::new(mount);
    let living = identities.resolve(id, pid, 0, "sleep");
    assert_eq!(living.container_id.as_deref(), Some(ID));
    assert_eq!(living.pod_uid.as_deref(), Some(UID));
    assert_eq!(living.qos, Some(Qos::Burstable));
    assert!(
        living
            .exe
            .as_deref()
            .is_some_and(|exe| exe.ends_with("/sleep") || exe.ends_with("coreutils"))
    );
    let other = identities.resolve(id, std::process::id(), 0, "sleep");
    assert_eq!(
        (other.exe.as_deref(), &other.pod_uid),
        (None, &living.pod_uid),
        "this process is elsewhere"
    );
    drop(pod);
    let gone = identities.resolve(id, pid, 0, "sleep");
    assert_eq!(
        (gone.exe.as_deref(), &gone.pod_uid),
        (None, &living.pod_uid),
        "the pod is remembered"
    );
}

#[test]
fn a_process_in_another_cgroup_is_not_the_caller() {
    let Some(mount) = mount() else { return };
    let workload = Identities::new(mount).resolve(u64::MAX, std::process::id(), 0, "x");
    assert_eq!(workload.cgroup, "");
    assert_eq!(workload.exe, None);
}

#[test]
fn a_caller_that_is_gone_keeps_what_the_kernel_saw() {
    let directory = tempfile::TempDir::new().unwrap();
    // No process has this number: the kernel's limit is 2^22.
    let workload =
        Identities::new(directory.path().to_owned()).resolve(1 << 60, 1 << 23, 1000, "curl");
    let expected =
        Workload { pid: 1 << 23, uid: 1000, command: "curl".into(), ..Workload::default() };
    assert_eq!(*workload, expected);
}

#[test]
fn the_record_leaves_out_what_is_unknown() {
    let workload =
        Workload { cgroup: "/a".into(), pid: 1, command: "x".into(), ..Workload::default() };
    let json = serde_json::to_string(&workload).unwrap();
    assert_eq!(json, r#"{"cgroup":"/a","pid":1,"uid":0,"command":"x"}"#);
}
