//! `weir inspect`: recorded exchanges in, one observation a line out, in the same order. Knows files and how they are
//! shown; what an exchange says is read as on the wire. What cannot be read says so and never yields a figure.

mod har;
mod observation;
mod recording;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use flate2::bufread::MultiGzDecoder;

use observation::Observation;
use recording::Recording;

/// One exchange in a file: larger ones are not recordings of a call.
const LINE_BYTES_MAX: u64 = 512 * 1024 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];

#[derive(Args)]
pub struct Inspect {
    /// Recorded exchanges: JSON lines or HAR, gzip or not; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Observe each body in pieces of so many bytes: it says the same.
    #[arg(long, value_name = "BYTES")]
    pub split: Option<NonZeroUsize>,
}

pub fn run(arguments: &Inspect) -> anyhow::Result<ExitCode> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for file in &arguments.files {
        match inspect(&mut *open(file)?, arguments.split, &mut out) {
            Ok(()) => {}
            // Who reads no further has seen enough.
            Err(problem) if is_broken_pipe(&problem) => return Ok(ExitCode::SUCCESS),
            Err(problem) => return Err(problem.context(file.display().to_string())),
        }
    }
    match out.flush() {
        Err(problem) if problem.kind() != io::ErrorKind::BrokenPipe => Err(problem.into()),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

fn is_broken_pipe(problem: &anyhow::Error) -> bool {
    let kind = problem.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}

fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    let mut file: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        Box::new(BufReader::new(file))
    };
    let is_packed = file.fill_buf()?.starts_with(&GZIP);
    Ok(if is_packed { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { file })
}

/// A file whose first line is a document is lines; else it is one document over many lines.
fn inspect(
    file: &mut dyn BufRead,
    split: Option<NonZeroUsize>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut line = Vec::new();
    let mut number = 0;
    while next_line(file, &mut line)? {
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        if number == 1 && har::may_begin(&line) {
            file.take(LINE_BYTES_MAX).read_to_end(&mut line)?;
            return har::read(&line)?
                .into_iter()
                .try_for_each(|recording| tell(Ok(recording), split, out));
        }
        let recording = Recording::read(&line)
            .map_err(|why| format!("line {number} is no recorded exchange: {why}"));
        tell(recording, split, out)?;
    }
    Ok(())
}

fn next_line(file: &mut dyn BufRead, line: &mut Vec<u8>) -> anyhow::Result<bool> {
    line.clear();
    let len = file.take(LINE_BYTES_MAX).read_until(b'\n', line)?;
    anyhow::ensure!((len as u64) < LINE_BYTES_MAX, "a line is longer than {LINE_BYTES_MAX} bytes");
    Ok(len > 0)
}

fn tell(
    recording: Result<Recording, String>,
    split: Option<NonZeroUsize>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let observation = match recording {
        Ok(recording) => Observation::of(&recording, split),
        Err(why) => Observation::unread(why),
    };
    let mut line = serde_json::to_vec(&observation)?;
    line.push(b'\n');
    out.write_all(&line)?;
    Ok(())
}
