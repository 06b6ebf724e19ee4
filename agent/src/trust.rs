//! Trust delivery for `weir run`: files and variables that let a program trust the agent's root beside what it trusts already.
//! Knows what each runtime reads; knows no key, no socket and no process.
//!
//! Rule: what the process would have used, and our root. Never our root alone, and no value of the user's is lost.
//! A git, cargo, pip or npm that names its authorities in its own configuration file, not in a variable, is not seen here.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

mod bundle;
mod java;

use bundle::Pem;

/// Variables whose file replaces what the runtime trusts by itself, each with the variables it would have obeyed
/// had it not been set.
const REPLACING: [(&str, &[&str]); 10] = [
    // OpenSSL, Python's ssl and httpx, Ruby, .NET, Go, rustls-native-certs.
    ("SSL_CERT_FILE", &[]),
    ("REQUESTS_CA_BUNDLE", &["CURL_CA_BUNDLE"]),
    ("AWS_CA_BUNDLE", &["REQUESTS_CA_BUNDLE"]),
    ("CURL_CA_BUNDLE", &[]),
    ("GIT_SSL_CAINFO", &[]),
    ("CARGO_HTTP_CAINFO", &[]),
    ("PIP_CERT", &["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]),
    ("NPM_CONFIG_CAFILE", &[]),
    ("BUNDLE_SSL_CA_CERT", &[]),
    ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", &[]),
];

/// Variables whose file is trusted beside what the runtime brings: Node and Bun, Deno.
const ADDING: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];

/// Delivered trust. The files are gone when this is dropped.
pub struct Trust {
    directory: TempDir,
    variables: Vec<(String, OsString)>,
    notes: Vec<String>,
}

/// The directory's name begins so, then comes the process id.
const DIRECTORY: &str = "weir-trust-";

/// Removes what killed runs left: directories of ours whose process is gone.
fn remove_left_behind(parent: &Path) {
    let own = nix::unistd::geteuid().as_raw();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(DIRECTORY)?.split('-').next());
        let Some(Ok(pid)) = pid.map(str::parse::<u32>) else { continue };
        let ours = entry.metadata().is_ok_and(|it| it.is_dir() && it.uid() == own);
        if ours && !Path::new(&format!("/proc/{pid}")).exists() {
            // If it fails, the next run tries again.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Trust {
    /// Writes the files for a child that would have run in `environment`.
    pub fn deliver(
        root_pem: &str,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Trust> {
        remove_left_behind(&std::env::temp_dir());
        // World-readable, because the child may run as another user.
        let directory = tempfile::Builder::new()
            .prefix(&format!("{DIRECTORY}{}-", std::process::id()))
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .context("directory for trust bundles")?;
        let mut delivery = Delivery {
            directory: directory.path(),
            root_pem,
            environment,
            default: Pem::default(),
            variables: Vec::new(),
            notes: Vec::new(),
        };
        delivery.everything()?;
        let Delivery { variables, notes, .. } = delivery;
        Ok(Trust { directory, variables, notes })
    }

    /// What to set in the child's environment, over what it has.
    pub fn variables(&self) -> Vec<(String, OsString)> {
        self.variables.clone()
    }

    /// What the operator should know: values that could not be read, or a machine without a bundle.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Where the files lie.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// The state of one delivery.
struct Delivery<'a> {
    directory: &'a Path,
    root_pem: &'a str,
    environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// What a program without variables of its own trusts.
    default: Pem,
    variables: Vec<(String, OsString)>,
    notes: Vec<String>,
}

impl Delivery<'_> {
    fn everything(&mut self) -> Result<()> {
        self.default = self.openssl_default();
        let everyone = self.write("bundle.pem", &self.default.with(self.root_pem))?;
        for (variable, otherwise) in REPLACING {
            let path = match self.chosen(variable, otherwise) {
                Some(pem) => self.write(&file_name(variable), &pem.with(self.root_pem))?,
                None => everyone.clone(),
            };
            self.set(variable, path);
        }
        let root = self.write("root.pem", self.root_pem)?;
        for variable in ADDING {
            let path = match self.read_variable(variable) {
                Some(pem) => self.write(&file_name(variable), &pem.with(self.root_pem))?,
                None => root.clone(),
            };
            self.set(variable, path);
        }
        self.php(&everyone)?;
        self.java()
    }

    /// OpenSSL reads its file and its directory. The directory's variable stays as it is, but clients with a variable of
    /// their own then skip it, so its certificates are part of every bundle.
    fn openssl_default(&mut self) -> Pem {
        let mut pem = self.read_variable("SSL_CERT_FILE").unwrap_or_else(|| {
            let (pem, note) = bundle::system();
            self.notes.extend(note);
            pem
        });
        if let Some(directories) = (self.environment)("SSL_CERT_DIR") {
            for directory in std::env::split_paths(&directories) {
                pem.extend(Pem::read(&directory).unwrap_or_default());
            }
        }
        pem
    }

    /// What a variable, or the ones its runtime falls back to, chose. None: nothing beyond the default.
    fn chosen(&mut self, variable: &str, otherwise: &[&str]) -> Option<Pem> {
        if variable == "SSL_CERT_FILE" {
            return None;
        }
        std::iter::once(&variable)
            .chain(otherwise)
            .find_map(|variable| self.read_variable(variable))
    }

    fn read_variable(&mut self, variable: &str) -> Option<Pem> {
        let value = (self.environment)(variable).filter(|value| !value.is_empty())?;
        match Pem::read(Path::new(&value)) {
            Ok(pem) => Some(pem),
            Err(reason) => {
                let note = format!(
                    "{variable}={}: {reason}; using the default bundle instead",
                    value.display()
                );
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
                None
            }
        }
    }

    /// An empty element keeps the directory that PHP was built with.
    fn php(&mut self, everyone: &Path) -> Result<()> {
        let directory = self.directory.join("php");
        fs::create_dir(&directory)
            .and_then(|()| open_to_all(&directory, 0o755))
            .context("php directory")?;
        let ini = format!("openssl.cafile=\"{0}\"\ncurl.cainfo=\"{0}\"\n", everyone.display());
        self.write("php/weir.ini", &ini)?;
        let mut value = (self.environment)("PHP_INI_SCAN_DIR").unwrap_or_default();
        value.push(":");
        value.push(&directory);
        self.set("PHP_INI_SCAN_DIR", value);
        Ok(())
    }

    fn java(&mut self) -> Result<()> {
        let existing = (self.environment)("JAVA_TOOL_OPTIONS").unwrap_or_default();
        let mut roots = self.default.certificates();
        match java::configured_store(&existing.to_string_lossy()) {
            None => roots.extend(java::own_roots(self.environment)),
            Some(store) => {
                // A store that cannot be read is left alone: its Java is passed through rather than broken.
                let Some(theirs) = java::read(&store) else {
                    self.notes.push(format!(
                        "Java keeps the trust store {}, which weir cannot extend",
                        store.display()
                    ));
                    return Ok(());
                };
                roots = theirs;
            }
        }
        roots.extend(Pem::from(self.root_pem).certificates());
        let path = self.directory.join("truststore.jks");
        self.write_bytes(&path, &java::key_store(&roots))?;
        self.set("JAVA_TOOL_OPTIONS", java::options(existing, &path));
        Ok(())
    }

    fn set(&mut self, variable: &str, value: impl Into<OsString>) {
        self.variables.push((variable.to_owned(), value.into()));
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.directory.join(name);
        self.write_bytes(&path, text.as_bytes())?;
        Ok(path)
    }

    fn write_bytes(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let write = || fs::write(path, bytes).and_then(|()| open_to_all(path, 0o644));
        write().with_context(|| format!("writing {}", path.display()))
    }
}

/// Whatever the umask is.
fn open_to_all(path: &Path, mode: u32) -> std::io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn file_name(variable: &str) -> String {
    format!("{}.pem", variable.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
