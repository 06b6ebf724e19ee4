//! `weir doctor`.

use crate::cli::Output;

pub async fn run(_output: Output) -> anyhow::Result<bool> {
    anyhow::bail!("not built yet")
}
