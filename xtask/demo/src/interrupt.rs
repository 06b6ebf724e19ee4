//! Notices ctrl-C and SIGTERM, so that what was set up can be taken down. The children get ctrl-C by themselves.

use anyhow::{Context, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};

static HAPPENED: AtomicBool = AtomicBool::new(false);

pub(crate) fn happened() -> bool {
    HAPPENED.load(Ordering::Relaxed)
}

/// Watch from now on, in a thread of its own.
pub(crate) fn watch() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            HAPPENED.store(true, Ordering::Relaxed);
        })
        .context("start the thread that watches for ctrl-C")?;
    Ok(())
}
