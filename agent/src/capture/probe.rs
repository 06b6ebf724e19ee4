//! Which programs this kernel takes, each tried by itself and attached to nothing. For `weir doctor`.

use super::programs::{INGRESS, INGRESS_RELAY, REQUIRED, load, load_program};

/// One program, and what the kernel said to it.
#[derive(Debug, Clone)]
pub struct Trial {
    pub program: &'static str,
    /// None: it was loaded.
    pub refusal: Option<String>,
}

/// Loads every program and lets go of it. An error when not even the maps can be made.
pub fn probe() -> anyhow::Result<Vec<Trial>> {
    let mut object = load()?;
    let programs = REQUIRED.into_iter().chain([INGRESS, INGRESS_RELAY]);
    let mut trial = |program| {
        let refusal = load_program(&mut object, program).err().map(|error| reason(&error));
        Trial { program, refusal }
    };
    Ok(programs.map(&mut trial).collect())
}

/// The verifier's log may be long; its first line says what the kernel refused.
fn reason(error: &anyhow::Error) -> String {
    let causes = error.chain().skip(1).map(|cause| cause.to_string());
    let mut lines = causes.filter_map(|cause| cause.lines().next().map(str::to_owned));
    let first = lines.next().unwrap_or_else(|| error.to_string());
    // The first cause names the call, the last one the kernel's answer.
    match lines.last() {
        Some(last) if !first.contains(&last) => format!("{first}: {last}"),
        _ => first,
    }
}
