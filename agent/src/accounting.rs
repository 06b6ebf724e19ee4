//! What every exchange is read and recorded with, and the two signals that end it. Knows no socket, so
//! that exchanges can be tried in memory.

use tokio_util::sync::CancellationToken;

use crate::providers::Providers;
use crate::record::Recorder;

pub(crate) struct Accounting {
    pub(crate) providers: Providers,
    pub(crate) recorder: Recorder,
    /// Bytes of one body that are observed.
    pub(crate) body_bytes_max: u64,
    /// Makes tool-call arguments comparable within this agent, and unreadable outside.
    pub(crate) hash_key: [u8; 32],
    /// No new exchange begins.
    pub(crate) stop: CancellationToken,
    /// What still runs is cut.
    pub(crate) abandon: CancellationToken,
}
