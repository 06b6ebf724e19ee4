//! Writes lines to the records file and keeps the running summary. Knows a file and a thread; knows
//! nothing of networks. The data path only appends to a buffer in memory.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use tracing::error;

use super::{Ledger, Line, Record};
use crate::report::Summary;

/// Lines wait this long for company: one write for many lines.
const GATHER: Duration = Duration::from_millis(20);
/// Lines beyond this wait in vain: the disk is full or hangs. They are counted, and traffic goes on.
const PENDING_BYTES_MAX: usize = 16 * 1024 * 1024;

pub struct Recorder {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    summary: Mutex<Summary>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    pending: Vec<u8>,
    lost: u64,
    ended: bool,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// Without a file, only the summary is kept.
    pub fn open(file: Option<&Path>) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = match file {
            Some(path) => Some(start_writer(path, Arc::clone(&shared))?),
            None => None,
        };
        Ok(Self { shared, writer: Mutex::new(writer), summary: Mutex::default() })
    }

    pub fn exchange(&self, record: &Record) {
        self.summary().add_exchange(record);
        self.append(&Line::Exchange(record));
    }

    pub fn connection(&self, ledger: &Ledger) {
        self.summary().add_connection(ledger);
        self.append(&Line::Connection(ledger));
    }

    pub fn summary(&self) -> MutexGuard<'_, Summary> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> bool {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn append(&self, line: &Line<'_>) {
        if !self.writing() {
            return;
        }
        let mut queue = self.shared.queue();
        if queue.pending.len() > PENDING_BYTES_MAX {
            queue.lost += 1;
            return;
        }
        let was_empty = queue.pending.is_empty();
        if let Err(problem) = serde_json::to_writer(&mut queue.pending, line) {
            error!(%problem, "a record could not be written as JSON");
        }
        queue.pending.push(b'\n');
        drop(queue);
        if was_empty {
            self.shared.wake.notify_one();
        }
    }

    /// Writes what is left. Lines after this are lost.
    pub fn finish(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.shared.queue().ended = true;
        self.shared.wake.notify_one();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            error!("the thread that writes records panicked");
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.finish();
    }
}

fn start_writer(path: &Path, shared: Arc<Shared>) -> anyhow::Result<JoinHandle<()>> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot open the records file {}", path.display()))?;
    std::thread::Builder::new()
        .name("records".into())
        .spawn(move || write_lines(file, &shared))
        .context("cannot start the thread that writes records")
}

fn write_lines(mut file: File, shared: &Shared) {
    let mut batch = Vec::new();
    loop {
        let mut queue = shared.queue();
        while queue.pending.is_empty() && !queue.ended {
            queue = shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if !queue.ended {
            drop(queue);
            std::thread::sleep(GATHER);
            queue = shared.queue();
        }
        batch.append(&mut queue.pending);
        let (ended, lost) = (queue.ended, std::mem::take(&mut queue.lost));
        drop(queue);
        if lost > 0 {
            error!(lost, "records were lost: the records file cannot be written fast enough");
        }
        if let Err(problem) = file.write_all(&batch) {
            let records = batch.iter().filter(|byte| **byte == b'\n').count();
            error!(%problem, records, "records were lost: the records file cannot be written");
            // Half a line may be written: what comes next must not continue it.
            batch.clear();
            batch.push(b'\n');
        } else {
            batch.clear();
        }
        if ended {
            return;
        }
    }
}
