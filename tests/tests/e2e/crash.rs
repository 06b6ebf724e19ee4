//! The agent dies without a word: the kernel alone decides what happens next.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use weir_tests::client::probe::Attempt;
use weir_tests::rig::{AUTHORITY_NAME, wait_until};
use weir_tests::weir::Running;
use weir_tests::{Provider, Weir, canned};

use crate::{CLIENT, rig};

const EPERM: i32 = 1;
const TURNS: usize = 50;

#[test]
fn open_lets_the_next_connection_go_direct() {
    let after = attempts_after_kill("open");
    for attempt in after {
        let Attempt::Answered { issuer, status } = attempt else {
            panic!("not answered: {attempt:?}")
        };
        assert_eq!(issuer, format!("CN={AUTHORITY_NAME}"), "nobody stands between any more");
        assert_eq!(status, "HTTP/1.1 200 OK");
    }
}

#[test]
fn closed_refuses_the_next_connection() {
    let after = attempts_after_kill("closed");
    for attempt in after {
        assert_eq!(attempt, Attempt::NotConnected { errno: Some(EPERM) });
    }
}

/// What a client saw that connected again and again after the agent was killed.
fn attempts_after_kill(fail_mode: &str) -> Vec<Attempt> {
    let Some(rig) = rig() else { return Vec::new() };
    rig.serve(Provider::named("api.openai.com").behaves(canned::openai)).unwrap();
    let host = rig.workload().unwrap();
    let weir =
        Weir::on(&host, &rig).config(&format!("capture: {{fail_mode: {fail_mode}}}\n")).unwrap();
    let mut running =
        weir.start(&[CLIENT, "turns", "api.openai.com", "v4"], Stdio::piped()).unwrap();
    let mut turns = running.child.stdin.take().unwrap();

    turn(&running, &mut turns, 1);
    let before = attempts(&running);
    let Attempt::Answered { issuer, .. } = &before[0] else {
        panic!("{before:?} {}", running.stderr())
    };
    assert_ne!(issuer, &format!("CN={AUTHORITY_NAME}"), "weir stands between");

    let pid = Pid::from_raw(i32::try_from(running.child.id()).unwrap());
    kill(pid, Signal::SIGKILL).unwrap();
    running.child.wait().unwrap();
    turn(&running, &mut turns, 1 + TURNS);
    let after = attempts(&running).split_off(1);
    drop(turns);
    assert_eq!(after.len(), TURNS);
    after
}

/// Lets the client take turns until it has taken `total`.
fn turn(running: &Running, turns: &mut impl Write, total: usize) {
    for _ in attempts(running).len()..total {
        writeln!(turns).unwrap();
    }
    turns.flush().unwrap();
    let taken = wait_until(Duration::from_secs(60), || attempts(running).len() >= total);
    assert!(taken, "{:?} {}", attempts(running), running.stderr());
}

fn attempts(running: &Running) -> Vec<Attempt> {
    let stdout = running.stdout();
    let whole_lines =
        stdout.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    whole_lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}
