//! Shows a person what takes time: one line a step, with a moving sign on a terminal and plain lines elsewhere.
//! Everything goes to stderr, so that results alone are on stdout.

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read, Write as _};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Lines of a failed command that are shown: enough for a compiler error, not the whole build.
const TAIL_LINES: usize = 60;

/// How often the moving sign moves.
const TICK: Duration = Duration::from_millis(100);

/// Run `command` as the step called `title`. Its output is shown only if it fails.
pub(crate) fn run(title: &str, command: &mut Command) -> Result<()> {
    let start = Instant::now();
    let bar = begin(title)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", command.get_program().display()))?;
    let (sender, lines) = mpsc::channel();
    for pipe in readers(&mut child) {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
    }
    drop(sender);
    let mut log = Vec::new();
    for line in lines {
        bar.set_message(line.trim().to_owned());
        log.push(line);
    }
    let status = child.wait()?;
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    if status.success() {
        say(&format!("  ✓ {title} ({seconds:.1} s)"));
        return Ok(());
    }
    say(&format!("  ✗ {title} ({seconds:.1} s)"));
    for line in log.iter().skip(log.len().saturating_sub(TAIL_LINES)) {
        say(line);
    }
    bail!("{title}: {status}");
}

fn begin(title: &str) -> Result<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        say(&format!("  … {title}"));
        return Ok(ProgressBar::hidden());
    }
    let style =
        ProgressStyle::with_template("  {spinner} {prefix} {elapsed:.dim} {wide_msg:.dim}")?;
    let bar = ProgressBar::new_spinner().with_style(style).with_prefix(title.to_owned());
    bar.enable_steady_tick(TICK);
    Ok(bar)
}

fn readers(child: &mut std::process::Child) -> Vec<Box<dyn Read + Send>> {
    let mut readers: Vec<Box<dyn Read + Send>> = Vec::new();
    readers.extend(child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>));
    readers.extend(child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>));
    readers
}

/// One line to stderr.
pub(crate) fn say(line: &str) {
    // A closed stderr is no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
