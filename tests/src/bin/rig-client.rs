//! The client that runs inside a workload. Knows its command line; the rest is the library's.
#![expect(clippy::print_stdout, reason = "a report on stdout is what it is for")]

use std::fs::File;
use std::io::BufReader;
use std::net::ToSocketAddrs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use weir_tests::client::{Family, Plan, carry_out, probe};

const USAGE: &str = "rig-client [resolving NAME] plan FILE | connect|connect-nonblocking|connect-mapped ADDRESS | udp ADDRESS | say ADDRESS TEXT \
                     | race FILE FAMILY | turns HOST FAMILY";

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        // As a program that resolves a name and later connects to an address it got.
        ["resolving", name, ref then @ ..] => {
            let found = (name, 443).to_socket_addrs().with_context(|| format!("resolve {name}"))?;
            anyhow::ensure!(found.count() > 0, "{name} has no address");
            run(then)
        }
        ref all => run(all),
    }
}

fn run(words: &[&str]) -> Result<()> {
    let report = match words[..] {
        ["plan", file] => serde_json::to_string(&plan(Path::new(file))?)?,
        ["connect", address] => {
            serde_json::to_string(&probe::connect(address.parse()?, true, false)?)?
        }
        ["connect-nonblocking", address] => {
            serde_json::to_string(&probe::connect(address.parse()?, false, false)?)?
        }
        ["connect-mapped", address] => {
            serde_json::to_string(&probe::connect(address.parse()?, true, true)?)?
        }
        ["udp", address] => serde_json::to_string(&probe::datagrams(address.parse()?)?)?,
        ["say", address, text] => {
            let answer = probe::say(address.parse()?, text.as_bytes())?;
            serde_json::to_string(&String::from_utf8_lossy(&answer))?
        }
        ["race", file, family] => {
            let names = BufReader::new(File::open(file).with_context(|| format!("open {file}"))?);
            serde_json::to_string(&probe::race(names, parse_family(family)?)?)?
        }
        ["turns", host, family] => {
            let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
            return probe::take_turns(host, parse_family(family)?, stdin.lock(), stdout.lock());
        }
        _ => bail!("usage: {USAGE}"),
    };
    println!("{report}");
    Ok(())
}

fn plan(file: &Path) -> Result<weir_tests::client::Report> {
    let plan: Plan = serde_json::from_slice(&std::fs::read(file)?).context("read the plan")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(carry_out(plan))
}

fn parse_family(word: &str) -> Result<Family> {
    match word {
        "any" => Ok(Family::Any),
        "v4" => Ok(Family::V4),
        "v6" => Ok(Family::V6),
        _ => bail!("{word} is no address family: any, v4 or v6"),
    }
}
