//! What the tests of several modules share.

use std::io::Write;

/// Says why a test cannot run here. Written past the runner's capture, so that `cargo xtask test` counts it; in CI that is
/// a failure.
pub(crate) fn skip(reason: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("test");
    // Without standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "skipped: {name}: {reason}");
}
