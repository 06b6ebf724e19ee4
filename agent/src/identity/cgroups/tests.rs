#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use super::*;
use crate::testing::skip;

/// A cgroup of the test's own, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn make(mount: &Path, name: &str) -> Option<Scratch> {
        let path = mount.join(format!("weir-test-{}-{name}", std::process::id()));
        match fs::create_dir(&path) {
            Ok(()) => Some(Scratch(path)),
            Err(error) => {
                skip(&format!("no cgroup can be made ({error})"));
                None
            }
        }
    }

    fn id(&self) -> u64 {
        fs::metadata(&self.0).unwrap().ino()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

fn mount() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"));
    line.and_then(|line| line.split(' ').nth(1)).map(PathBuf::from).unwrap_or_default()
}

#[test]
fn every_way_finds_the_same_path() {
    let Some(scratch) = Scratch::make(&mount(), "ways") else { return };
    let cgroups = Cgroups::new(mount());
    let expected = Some(format!("/{}", scratch.0.file_name().unwrap().to_str().unwrap()));
    assert_eq!(cgroups.by_handle(scratch.id()), Handled::Path(expected.clone().unwrap()));
    assert_eq!(cgroups.by_search(scratch.id()), expected);
    assert_eq!(cgroups.path(scratch.id(), None).as_deref(), expected.as_deref());
}

#[test]
fn the_root_is_a_cgroup_too() {
    let Ok(metadata) = fs::metadata(mount()) else { return };
    let cgroups = Cgroups::new(mount());
    assert_eq!(cgroups.by_handle(metadata.ino()), Handled::Path("/".to_owned()));
    assert_eq!(cgroups.by_search(metadata.ino()).as_deref(), Some("/"));
}

#[test]
fn a_removed_cgroup_is_remembered_but_not_invented() {
    let Some(scratch) = Scratch::make(&mount(), "gone") else { return };
    let id = scratch.id();
    let (knowing, asked_late) = (Cgroups::new(mount()), Cgroups::new(mount()));
    let path = knowing.path(id, None);
    assert!(path.is_some());
    drop(scratch);
    assert_eq!(knowing.path(id, None), path);
    assert_eq!(asked_late.by_handle(id), Handled::Gone);
    assert_eq!(asked_late.by_search(id), None);
    assert_eq!(asked_late.path(id, None), None);
}

#[test]
fn a_process_tells_its_cgroup_only_if_it_is_the_one() {
    let Some(process) = Process::open(std::process::id()) else { return };
    let cgroups = Cgroups::new(mount());
    let own = process.cgroup().unwrap();
    let Ok(metadata) = fs::metadata(mount().join(own.trim_start_matches('/'))) else {
        skip("this process is outside its view of the cgroup tree");
        return;
    };
    assert_eq!(cgroups.by_process(metadata.ino(), &process).as_deref(), Some(own));
    assert_eq!(cgroups.by_process(metadata.ino() + 1, &process), None);
}
