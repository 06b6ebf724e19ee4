//! `cargo xtask ebpf`: builds the kernel half, which stable Rust alone cannot, and writes the object that is committed
//! beside its source. With `--check` it writes nothing and fails if the bytes would be others.
//!
//! The reference compiler is Debian's (`rustc-web`, `rust-web-src`), for it comes with the sources of `core` and from a
//! signed archive. Any nightly with `rust-src` builds the object too, but other compilers write other bytes.

use crate::packages::{self, Need};
use crate::{cargo, step};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bumped together with the compiler: its LLVM must read what the compiler wrote.
const LINKER_VERSION: &str = "0.10.3";

const TARGET: &str = "bpfel-unknown-none";

/// Without the 32-bit registers of v3: the verifier loses the bounds of what passes through them.
const PROCESSOR: &str = "v2";

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "rust-web-src"];

/// A compiler that can build `core` for the kernel.
struct Toolchain {
    rustc: PathBuf,
    sysroot: PathBuf,
    /// The library that the compiler itself uses.
    llvm: PathBuf,
    is_reference: bool,
}

pub(crate) fn run(check: bool) -> Result<()> {
    let toolchain = toolchain(check)?;
    let linker = linker()?;
    let built = build(&toolchain, &linker)?;
    let committed = cargo::root().join("agent-ebpf/weir.bpf.o");
    if check {
        return compare(&built, &committed);
    }
    fs::copy(&built, &committed).with_context(|| format!("write {}", committed.display()))?;
    step::say(&format!("  ✓ {} ({} bytes)", committed.display(), fs::metadata(&committed)?.len()));
    if !toolchain.is_reference {
        step::say(
            "  · not built with the reference compiler: `cargo xtask ebpf --check` will object",
        );
    }
    Ok(())
}

fn compare(built: &Path, committed: &Path) -> Result<()> {
    ensure!(
        fs::read(built)? == fs::read(committed)?,
        "the committed kernel object is not what its source gives (see {}); run `cargo xtask ebpf` and commit it",
        built.display()
    );
    step::say("  ✓ The committed kernel object is what its source gives");
    Ok(())
}

/// The reference, installed if possible; else, unless bytes are compared, a nightly.
fn toolchain(check: bool) -> Result<Toolchain> {
    if let Some(found) = debian() {
        return Ok(found);
    }
    if let Some(found) = nightly().filter(|_| !check) {
        return Ok(found);
    }
    packages::ensure(&[Need { present: || debian().is_some(), packages: DEBIAN_PACKAGES }])?;
    debian().with_context(|| {
        format!(
            "no compiler for the kernel half: install {} (Debian 12 or later), or `rustup component add rust-src \
             --toolchain nightly`, with which the object can be built but not compared",
            DEBIAN_PACKAGES.join(" and ")
        )
    })
}

fn debian() -> Option<Toolchain> {
    let rustc = PathBuf::from(DEBIAN_RUSTC);
    let sysroot = sysroot(Command::new(&rustc))?;
    let version = text(Command::new(&rustc).arg("-vV"))?;
    let llvm = version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    let (major_minor, _) = llvm.rsplit_once('.')?;
    let name = format!("libLLVM.so.{major_minor}");
    let llvm = folders("/usr/lib")
        .into_iter()
        .map(|folder| folder.join(&name))
        .find(|path| path.exists())?;
    Some(Toolchain { rustc, sysroot, llvm, is_reference: true })
}

fn nightly() -> Option<Toolchain> {
    let sysroot = sysroot({
        let mut command = Command::new("rustup");
        command.args(["run", "nightly", "rustc"]);
        command
    })?;
    let is_llvm = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libLLVM"))
    };
    let llvm = folders(sysroot.join("lib")).into_iter().find(is_llvm)?;
    Some(Toolchain { rustc: sysroot.join("bin/rustc"), sysroot, llvm, is_reference: false })
}

/// Where a compiler lives, if it has the sources of `core`.
fn sysroot(mut rustc: Command) -> Option<PathBuf> {
    let sysroot = PathBuf::from(text(rustc.args(["--print", "sysroot"]))?.trim());
    sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").exists().then_some(sysroot)
}

fn text(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

fn folders(path: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// bpf-linker in its pinned version, installed if need be.
fn linker() -> Result<PathBuf> {
    let home = cargo_home()?;
    let path = home.join("bin/bpf-linker");
    if !is_pinned(&path) {
        let title = format!("Installing bpf-linker {LINKER_VERSION}");
        let mut install = cargo::locked("install");
        install.args(["bpf-linker", "--force", "--version", &format!("={LINKER_VERSION}")]);
        step::run(&title, install.arg("--root").arg(&home))?;
    }
    ensure!(is_pinned(&path), "{} is not bpf-linker {LINKER_VERSION}", path.display());
    Ok(path)
}

fn is_pinned(linker: &Path) -> bool {
    let version = text(Command::new(linker).arg("--version"));
    version.is_some_and(|version| version.trim() == format!("bpf-linker {LINKER_VERSION}"))
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    let home = std::env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cargo"))
}

/// Builds the object and gives the path of a copy that has type information but no debug sections.
fn build(toolchain: &Toolchain, linker: &Path) -> Result<PathBuf> {
    let target = cargo::target()?.join("ebpf");
    let llvm = target.join("llvm");
    fs::create_dir_all(&llvm)?;
    // bpf-linker takes the first LLVM it finds on this path: it must be the compiler's own.
    let link = llvm.join("libLLVM.so");
    let _ = fs::remove_file(&link);
    symlink(&toolchain.llvm, &link)?;

    let mut command = cargo::locked("build");
    command
        .current_dir(cargo::root().join("agent-ebpf"))
        .args(["--release", "-Z", "build-std=core", "--target", TARGET, "--bin", "weir"])
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTC", &toolchain.rustc)
        // `-Z build-std` on a compiler that is not a nightly.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("LD_LIBRARY_PATH", &llvm)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain, linker)?.join("\u{1f}"))
        // Workspace settings of the caller must not reach the object.
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTUP_TOOLCHAIN");
    step::run("Building the kernel half", &mut command)?;
    let object = target.join("weir.bpf.o");
    fs::copy(target.join(TARGET).join("release/weir"), &object)?;
    strip(&object)?;
    Ok(object)
}

/// The same bytes wherever it is built: no path of this machine in them.
fn flags(toolchain: &Toolchain, linker: &Path) -> Result<Vec<String>> {
    let library = toolchain.sysroot.join("lib/rustlib/src/rust");
    let mut remaps = vec![
        (cargo::root().join("agent-ebpf"), "weir-ebpf"),
        (fs::canonicalize(&library)?, "rust"),
        (library, "rust"),
    ];
    // One folder per registry, and their names differ.
    for registry in folders(cargo_home()?.join("registry/src")) {
        remaps.push((registry, "crates"));
    }
    let mut flags = vec![
        format!("-Clinker={}", linker.display()),
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        format!("-Ctarget-cpu={PROCESSOR}"),
    ];
    flags.extend(
        remaps.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())),
    );
    Ok(flags)
}

/// Takes off the debug sections and leaves the type information, with the tool that comes with every Rust.
fn strip(object: &Path) -> Result<()> {
    let sysroot = text(Command::new("rustc").args(["--print", "sysroot"]))
        .context("ask rustc for its folder")?;
    let sysroot = PathBuf::from(sysroot.trim());
    let tool =
        folders(sysroot.join("lib/rustlib")).into_iter().map(|host| host.join("bin/rust-objcopy"));
    let Some(tool) = tool.into_iter().find(|path| path.exists()) else {
        bail!("no rust-objcopy in {}: it comes with rustup's Rust", sysroot.display());
    };
    let mut command = Command::new(tool);
    command.env("LD_LIBRARY_PATH", sysroot.join("lib")).arg("--strip-debug").arg(object);
    step::run("Taking off the debug sections", &mut command)
}
