//! The agent dies without a word: the kernel alone decides what happens next.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use weir_tests::client::probe::Attempt;
use weir_tests::rig::AUTHORITY_NAME;
use weir_tests::{Provider, Weir, canned};

use crate::turns::Turns;
use crate::{CLIENT, rig};

const EPERM: i32 = 1;
const TURNS: usize = 100;

#[test]
fn open_lets_the_next_connection_go_direct() {
    let Some(seen) = Seen::around_the_kill("open") else { return };
    assert!(seen.before.iter().all(is_intercepted), "{:?}", seen.before);
    assert!(seen.after.iter().all(is_direct), "{:?}", seen.after);
    // At most the one connection that weir held when it died is broken, and none is refused.
    let broken: Vec<_> =
        seen.during.iter().filter(|a| !is_intercepted(a) && !is_direct(a)).collect();
    assert!(broken.len() <= 1, "{broken:?}");
    assert!(!broken.iter().any(|a| matches!(a, Attempt::NotConnected { .. })), "{broken:?}");
}

#[test]
fn closed_refuses_the_next_connection() {
    let Some(seen) = Seen::around_the_kill("closed") else { return };
    assert!(seen.before.iter().all(is_intercepted), "{:?}", seen.before);
    assert!(seen.after.iter().all(is_refused), "{:?}", seen.after);
    let broken: Vec<_> =
        seen.during.iter().filter(|a| !is_intercepted(a) && !is_refused(a)).collect();
    assert!(broken.len() <= 1, "{broken:?}");
    assert!(!broken.iter().any(|a| is_direct(a)), "nothing slips through: {broken:?}");
}

/// What a client saw that connected again and again while the agent was killed.
struct Seen {
    before: Vec<Attempt>,
    during: Vec<Attempt>,
    after: Vec<Attempt>,
}

impl Seen {
    fn around_the_kill(fail_mode: &str) -> Option<Self> {
        let rig = rig()?;
        rig.serve(Provider::named("api.openai.com").behaves(canned::openai)).unwrap();
        let host = rig.workload().unwrap();
        let config = format!("capture: {{fail_mode: {fail_mode}}}\n");
        let weir = Weir::on(&host, &rig).config(&config).unwrap();
        let mut turns = Turns::start(weir, &[CLIENT, "turns", "api.openai.com", "v4"]).unwrap();

        turns.ask(5).unwrap();
        let before = turns.answers(5).unwrap();
        turns.ask(TURNS).unwrap();
        let pid = Pid::from_raw(i32::try_from(turns.running.child.id()).unwrap());
        kill(pid, Signal::SIGKILL).unwrap();
        turns.running.child.wait().unwrap();
        let during = turns.answers(TURNS).unwrap();
        turns.ask(TURNS).unwrap();
        let after = turns.answers(TURNS).unwrap();
        Some(Self { before, during, after })
    }
}

fn is_intercepted(attempt: &Attempt) -> bool {
    matches!(attempt, Attempt::Answered { issuer, .. } if !issuer.contains(AUTHORITY_NAME))
}

fn is_direct(attempt: &Attempt) -> bool {
    let Attempt::Answered { issuer, status } = attempt else { return false };
    issuer.contains(AUTHORITY_NAME) && status == "HTTP/1.1 200 OK"
}

fn is_refused(attempt: &Attempt) -> bool {
    *attempt == Attempt::NotConnected { errno: Some(EPERM) }
}
