//! The authority on disk. Knows files, modes and the order in which they may be written; knows no leaf.
//!
//! `root.key` is written before `root.pem`: a root that workloads may already trust always has its key beside it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use time::{Duration, OffsetDateTime};

use super::describe::permitted_subtrees;
use super::mint::{Intermediate, Root, not_after};
use crate::names::NameSet;

/// At start, so that an agent restarted rarely does not meet the end while it runs.
const INTERMEDIATE_LEFT_AT_START: Duration = Duration::days(90);
/// A root this close to its end is told to the operator: every trust bundle must be renewed with it.
const ROOT_LEFT_WARN: Duration = Duration::days(180);

/// A key may be read by its owner alone.
const KEY_MODE_FORBIDDEN: u32 = 0o077;
/// Others may look into the directory, but who can write there can replace the root.
const DIRECTORY_MODE_FORBIDDEN: u32 = 0o022;

pub(super) fn root_path(directory: &Path) -> PathBuf {
    directory.join("root.pem")
}

/// Returns the root certificate and the intermediate for these names.
pub(super) fn open_or_create(
    directory: &Path,
    names: &NameSet,
    now: OffsetDateTime,
) -> Result<(String, Intermediate)> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory).context("cannot be created")?;
    ensure_private(directory, DIRECTORY_MODE_FORBIDDEN)?;
    let _lock = lock(directory)?;
    let root = open_or_create_root(directory, now)?;
    let path = directory.join("intermediate.pem");
    if let Some(pem) = read_private(&path)? {
        match usable(&pem, &root, names, now) {
            Ok(intermediate) => return Ok((root.certificate_pem(), intermediate)),
            Err(reason) => {
                tracing::info!(reason = format!("{reason:#}"), "intermediate certificate replaced")
            }
        }
    }
    let intermediate = root.intermediate(names, now)?;
    write_private(&path, &intermediate.to_pem())?;
    Ok((root.certificate_pem(), intermediate))
}

fn open_or_create_root(directory: &Path, now: OffsetDateTime) -> Result<Root> {
    let key_path = directory.join("root.key");
    let certificate = read_private(&root_path(directory))?;
    let Some(certificate) = certificate else {
        let root = Root::new(now)?;
        write_private(&key_path, &root.key_pem())?;
        write_private(&root_path(directory), &root.certificate_pem())?;
        return Ok(root);
    };
    let Some(key) = read_private(&key_path)? else {
        bail!(
            "root.pem has no root.key beside it; restore the key, or remove root.pem to start a new authority"
        );
    };
    let root = Root::from_pem(&certificate, &key).context("root.pem and root.key")?;
    let left = not_after(root.der())? - now;
    ensure!(
        left.is_positive(),
        "root.pem has expired; remove it to start a new authority, and renew every trust bundle"
    );
    if left < ROOT_LEFT_WARN {
        tracing::warn!(days_left = left.whole_days(), "root certificate nears its end");
    }
    Ok(root)
}

/// The stored intermediate, if it still says what a new one would say. The error is the reason to replace it.
fn usable(pem: &str, root: &Root, names: &NameSet, now: OffsetDateTime) -> Result<Intermediate> {
    let intermediate = Intermediate::from_pem(pem)?;
    ensure!(
        permitted_subtrees(intermediate.der())? == names.subtrees(),
        "the configured names changed"
    );
    ensure!(intermediate.left(now) > INTERMEDIATE_LEFT_AT_START, "it nears its end");
    let (_, issuer) = x509_parser::parse_x509_certificate(root.der())?;
    let (_, certificate) = x509_parser::parse_x509_certificate(intermediate.der())?;
    ensure!(certificate.issuer() == issuer.subject(), "another root signed it");
    Ok(intermediate)
}

/// Two agents that start at once must not make two roots. The lock ends with the returned file.
fn lock(directory: &Path) -> Result<File> {
    let path = directory.join("lock");
    let file =
        OpenOptions::new().create(true).append(true).mode(0o600).open(&path).context("lock")?;
    file.lock().context("lock")?;
    Ok(file)
}

fn read_private(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => {
            ensure_private(path, KEY_MODE_FORBIDDEN)?;
            Ok(Some(text))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// A key that others could read may have been copied; the operator decides what that means.
fn ensure_private(path: &Path, forbidden: u32) -> Result<()> {
    let mode = fs::metadata(path).with_context(|| path.display().to_string())?.mode() & 0o777;
    ensure!(
        mode & forbidden == 0,
        "{} is open to other users (mode {mode:03o}); make it private (chmod go= {0}) if nobody read it, or start anew",
        path.display()
    );
    Ok(())
}

/// Whole or not at all, also when the machine stops here.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        match path.parent() {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    };
    write().with_context(|| format!("writing {}", path.display()))
}
