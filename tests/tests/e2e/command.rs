//! `weir run` as a command: stdio, exit code, summary, and what must never be written.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use weir_tests::rig::wait_until;
use weir_tests::{Provider, Rig, Weir, Workload, canned};

use crate::rig;

const KEY: &str = "sk-rig-key-that-must-not-be-written";
const PROMPT: &str = "a prompt that must not be written";

#[test]
fn curl_is_answered_and_counted() {
    let Some((rig, host)) = stage() else { return };
    for http in ["--http1.1", "--http2"] {
        let run = Weir::on(&host, &rig).run(&ask(http)).unwrap();
        assert!(run.status.success(), "{}", run.stderr);
        let answer: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(answer["usage"]["prompt_tokens"], 19, "stdout is curl's alone");
        assert!(
            run.stderr.contains("gpt-4o-mini") && run.stderr.contains("openai"),
            "{}",
            run.stderr
        );
        let record = run.records.exchange().unwrap();
        assert_eq!((&record["total_input"], &record["total_output"]), (&19.into(), &13.into()));
        assert!(record["cost"]["nanodollars"].as_u64().is_some_and(|cost| cost > 0), "{record:#}");
    }
}

#[test]
fn the_exit_code_is_the_commands() {
    let Some((rig, host)) = stage() else { return };
    for code in [0, 3, 77] {
        let run = Weir::on(&host, &rig).run(&["sh", "-c", &format!("exit {code}")]).unwrap();
        assert_eq!(run.status.code(), Some(code), "{}", run.stderr);
    }
}

#[test]
fn quiet_says_nothing_and_json_is_one_document() {
    let Some((rig, host)) = stage() else { return };
    let quiet = Weir::on(&host, &rig).option(&["--quiet"]).run(&ask("--http1.1")).unwrap();
    assert_eq!(quiet.stderr, "");
    let json = Weir::on(&host, &rig).option(&["--output", "json"]).run(&ask("--http1.1")).unwrap();
    let summary: Value =
        serde_json::from_str(&json.stderr).unwrap_or_else(|_| panic!("{}", json.stderr));
    assert!(summary.is_object(), "{summary}");
}

#[test]
fn neither_key_nor_text_is_written() {
    let Some((rig, host)) = stage() else { return };
    let run = Weir::on(&host, &rig).run(&ask("--http1.1")).unwrap();
    let records = format!("{:?}", run.records);
    for secret in [KEY, PROMPT, "low dam"] {
        assert!(!records.contains(secret) && !run.stderr.contains(secret), "{secret} was written");
    }
}

#[test]
fn stdin_reaches_the_command() {
    let Some((rig, host)) = stage() else { return };
    let mut running = Weir::on(&host, &rig).start(&["cat"], Stdio::piped()).unwrap();
    let mut stdin = running.child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"to and fro").unwrap();
    drop(stdin);
    assert_eq!(running.finish().unwrap().stdout, b"to and fro");
}

#[test]
fn an_unknown_model_has_no_price() {
    let Some(rig) = rig() else { return };
    let body = include_str!("../../src/canned/openai-chat.json")
        .replace("gpt-4o-mini-2024-07-18", "dreamt-up-1");
    let answer = move |_: &weir_tests::Received| weir_tests::Answer::json(body.clone());
    rig.serve(Provider::named("api.openai.com").behaves(answer)).unwrap();
    let host = rig.workload().unwrap();
    let mut command = ask("--http1.1");
    *command.iter_mut().rfind(|word| word.starts_with('{')).unwrap() = r#"{"model":"dreamt-up"}"#;
    let run = Weir::on(&host, &rig).run(&command).unwrap();
    let record = run.records.exchange().unwrap();
    assert_eq!(
        (&record["model"], &record["cost"]["nanodollars"]),
        (&"dreamt-up-1".into(), &Value::Null)
    );
}

#[test]
fn a_run_leaves_nothing_behind() {
    let Some((rig, host)) = stage() else { return };
    let run = Weir::on(&host, &rig).run(&["cat", "/proc/self/cgroup"]).unwrap();
    let own = own_cgroup(&run.stdout).expect("the command runs in a cgroup of its own");
    assert!(!own.exists(), "{} is still there", own.display());
}

#[test]
fn a_run_clears_up_after_one_that_was_killed() {
    let Some((rig, host)) = stage() else { return };
    let mut killed =
        Weir::on(&host, &rig).start(&["cat", "/proc/self/cgroup", "-"], Stdio::piped()).unwrap();
    let stdin = killed.child.stdin.take();
    assert!(wait_until(Duration::from_secs(30), || own_cgroup(&killed.stdout()).is_some()));
    let left = own_cgroup(&killed.stdout()).unwrap();
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    assert!(left.exists(), "nobody was there to remove it");

    // The command outlives its weir, and its cgroup stays with it.
    assert!(Weir::on(&host, &rig).run(&["true"]).unwrap().status.success());
    assert!(left.exists(), "a command still runs in it");
    drop(stdin);
    assert!(wait_until(Duration::from_secs(30), || is_empty(&left)));
    assert!(Weir::on(&host, &rig).run(&["true"]).unwrap().status.success());
    assert!(!left.exists(), "{} is still there", left.display());
}

#[test]
fn two_runs_share_a_host_and_keep_their_calls_apart() {
    let Some((rig, host)) = stage() else { return };
    let call =
        ask("--http1.1").iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    // Each says when it runs, waits for the other, and then calls.
    let script = format!("echo here; read line; {call}");
    let start = || Weir::on(&host, &rig).start(&["sh", "-c", &script], Stdio::piped()).unwrap();
    let mut runs = [start(), start()];
    for run in &runs {
        let here = wait_until(Duration::from_secs(30), || run.stdout().starts_with(b"here"));
        assert!(here, "{}", run.stderr());
    }
    for run in &mut runs {
        let mut stdin = run.child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, b"go\n").unwrap();
    }
    for run in runs {
        let run = run.finish().unwrap();
        assert!(run.status.success(), "{}", run.stderr);
        assert_eq!(run.records.exchange().unwrap()["total_input"], 19);
        assert_eq!(run.records.connections.len(), 1);
    }
}

#[test]
fn a_signal_reaches_the_command() {
    let Some((rig, host)) = stage() else { return };
    let script = "trap 'echo told; exit 7' TERM; echo here; while :; do sleep 0.1; done";
    let mut running = Weir::on(&host, &rig).start(&["sh", "-c", script], Stdio::null()).unwrap();
    assert!(wait_until(Duration::from_secs(30), || running.stdout() == b"here\n"));
    let pid = Pid::from_raw(i32::try_from(running.child.id()).unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    assert!(wait_until(Duration::from_secs(30), || running.has_ended()));
    let run = running.finish().unwrap();
    assert_eq!((run.status.code(), &run.stdout[..]), (Some(7), &b"here\ntold\n"[..]));
}

#[test]
fn curl_speaks_as_it_does_without() {
    let Some((rig, host)) = stage() else { return };
    rig.serve(Provider::named("api.anthropic.com").alpn(&["http/1.1"]).behaves(canned::anthropic))
        .unwrap();
    rig.serve(Provider::named("api.mistral.ai").alpn(&[]).behaves(canned::openai)).unwrap();
    let hosts = ["api.openai.com/v1/models", "api.anthropic.com/v1/x", "api.mistral.ai/v1/models"];
    let ways = [
        "-4 --http2",
        "-6 --http2",
        "-4 --http1.1",
        "-6 --no-alpn",
        "-4 --tls-max 1.2",
        "-6 --tlsv1.3",
        "-4 --http1.0",
    ];
    for flags in ways {
        for url in hosts {
            let mut command = vec!["curl", "--silent", "--show-error", "--output", "/dev/null"];
            command.extend([
                "--write-out",
                "%{http_version} %{http_code} %{size_download} %{remote_ip}:%{remote_port}",
            ]);
            command.extend(flags.split(' '));
            let url = format!("https://{url}");
            command.push(&url);
            let direct = host.command(command[0]).args(&command[1..]).output().unwrap();
            let run = Weir::on(&host, &rig).run(&command).unwrap();
            let told = String::from_utf8_lossy(&run.stdout);
            assert_eq!(
                told,
                String::from_utf8_lossy(&direct.stdout),
                "{flags} {url} {}",
                run.stderr
            );
            let connection = run.records.connection().unwrap();
            // `http/1.0` as ALPN is not for weir to answer.
            let reason = if flags.contains("http1.0") { "foreign_alpn" } else { "llm_name" };
            assert_eq!(connection["reason"], reason, "{flags} {url}");
        }
    }
}

/// The cgroup v2 directory that a `/proc/self/cgroup` names.
fn own_cgroup(text: &[u8]) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(text);
    let own =
        text.lines().find_map(|line| line.strip_prefix("0::/")).filter(|own| !own.is_empty())?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts.lines().find(|line| line.contains(" cgroup2 "))?.split(' ').nth(1)?;
    Some(Path::new(mount).join(own))
}

fn is_empty(cgroup: &Path) -> bool {
    // Another run on this machine may have removed it already.
    std::fs::read_to_string(cgroup.join("cgroup.procs")).map_or(true, |procs| procs.is_empty())
}

/// A call with a key and a prompt.
fn ask(http: &str) -> Vec<&'static str> {
    let http = if http == "--http2" { "--http2" } else { "--http1.1" };
    let key = const_str(format!("Authorization: Bearer {KEY}"));
    let body = const_str(format!(
        r#"{{"model":"gpt-4o-mini","messages":[{{"role":"user","content":"{PROMPT}"}}]}}"#
    ));
    vec![
        "curl",
        "--silent",
        "--show-error",
        http,
        "-H",
        key,
        "-H",
        "Content-Type: application/json",
        "-d",
        body,
        "https://api.openai.com/v1/chat/completions",
    ]
}

/// Command lines are few and short: let them live.
fn const_str(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn stage() -> Option<(Rig, Workload)> {
    let rig = rig()?;
    rig.serve(Provider::named("api.openai.com").behaves(canned::openai)).unwrap();
    let host = rig.workload().unwrap();
    Some((rig, host))
}
