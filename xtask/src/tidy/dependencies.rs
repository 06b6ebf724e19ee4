//! Crates that the project decided against. The lock file names crates that no build uses, so cargo is asked.

use super::Finding;
use crate::cargo;
use anyhow::{Context, Result, ensure};

/// A second TLS or crypto stack, and crates that are abandoned or read YAML loosely.
const BANNED: [&str; 7] =
    ["ring", "openssl-sys", "native-tls", "reqwest", "serde_yaml", "serde_yml", "rustls-pemfile"];

pub(super) fn check() -> Result<Vec<Finding>> {
    let mut tree = cargo::locked("tree");
    tree.args([
        "--workspace",
        "--all-features",
        "--edges",
        "all",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let output = tree.output().context("start cargo tree")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    Ok(banned(&String::from_utf8_lossy(&output.stdout)))
}

fn banned(tree: &str) -> Vec<Finding> {
    let used = |name: &&str| tree.lines().any(|line| line.split(' ').next() == Some(name));
    let finding = |name| Finding {
        path: "Cargo.toml".to_owned(),
        line: 0,
        what: format!("{name} came in; it is banned"),
    };
    BANNED.into_iter().filter(used).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::banned;

    #[test]
    fn a_banned_crate_is_found_by_its_whole_name() {
        assert_eq!(banned("weir v0.1.0\nring v0.17.8\n").len(), 1);
        assert!(banned("weir v0.1.0\nringbuf v0.4.0\nserde_yaml_ng v1.0.0\n").is_empty());
    }
}
