//! A connection without sockets, for trying exchanges in memory.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::Config;
use crate::providers::Providers;
use crate::record::Recorder;

pub(crate) fn connection(server_name: &str, records: &Path) -> Arc<Connection> {
    let accounting = Accounting {
        providers: Providers::new(&Config::default()),
        recorder: Recorder::open(Some(records)).expect("the records file can be opened"),
        body_bytes_max: 1 << 20,
        hash_key: [7; 32],
        stop: CancellationToken::new(),
        abandon: CancellationToken::new(),
    };
    Arc::new(Connection {
        accounting: Arc::new(accounting),
        id: "c".into(),
        workload: Arc::new(Workload::default()),
        server_name: server_name.into(),
        target: format!("{server_name} 192.0.2.1:443"),
        exchanges: AtomicU32::new(0),
        sent_bytes: AtomicU64::new(0),
        received_bytes: AtomicU64::new(0),
        provider_broke: AtomicBool::new(false),
    })
}
