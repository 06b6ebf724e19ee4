use super::*;

fn check_at(path: &str, text: &str, expected: usize) {
    let source = Source { path: path.to_owned(), text: text.to_owned() };
    assert_eq!(check(&source).len(), expected, "in {text}");
}

#[test]
fn paths_of_one_machine_are_found() {
    check_at("a.rs", concat!("open(\"/ro", "ot/x\")"), 1);
    check_at("a.md", concat!("see /wo", "rk/main"), 1);
    check_at("a.md", concat!("https://example.org/ro", "ot/x"), 0);
    check_at("a.rs", "/proc/1/root/sys/fs/cgroup", 0);
}

#[test]
fn only_the_public_registry() {
    check_at("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\"", 0);
    check_at("Cargo.lock", "source = \"git+https://example.org/x\"", 1);
    check_at("agent-ebpf/Cargo.lock", "source = \"sparse+https://mirror.example/index/\"", 1);
}
