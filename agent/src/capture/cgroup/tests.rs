use super::*;

#[track_caller]
fn check(mounts: &str, expected: Option<&str>) {
    assert_eq!(mount_point(mounts, "cgroup2"), expected.map(PathBuf::from));
}

#[test]
fn unified() {
    check(
        "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n",
        Some("/sys/fs/cgroup"),
    );
}

#[test]
fn hybrid() {
    check(
        "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
         cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
        Some("/sys/fs/cgroup/unified"),
    );
}

#[test]
fn version_1_only() {
    check("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n", None);
}

#[test]
fn a_path_with_a_space() {
    check("none /mnt/a\\040b cgroup2 rw 0 0\n", Some("/mnt/a b"));
}
