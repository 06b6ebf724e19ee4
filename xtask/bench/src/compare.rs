//! The conductor: starts everybody, takes the measurements in turns, and hands them to the report.

use crate::contender::{Contender, Ground, Running, process};
use crate::measure::{self, Memory};
use crate::report::{self, Results};
use crate::scenario::{Figures, Order, Report, Scenario};
use crate::{site, tls};
use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::path::PathBuf;
use std::time::Duration;

/// Open files beside the two ends of each stream.
const OTHER_FILES: usize = 96;

/// Time for a proxy to finish what follows an answer (a log line, a record) before its clock is read.
const SETTLE: Duration = Duration::from_millis(30);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The weir binary
    #[arg(long)]
    weir: PathBuf,
    /// Measure only these scenarios
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Scenario>,
    /// Compare only these
    #[arg(long, value_delimiter = ',', value_enum)]
    contenders: Vec<Contender>,
    /// Rounds; every contender takes its turn in each. Many short ones withstand a busy machine better than few long
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Seconds of each measured stretch
    #[arg(long, default_value_t = 0.6)]
    seconds: f64,
    /// Streams held open while memory is measured
    #[arg(long, default_value_t = 2000)]
    streams: usize,
    /// One short round: shows that everything works, not how fast it is
    #[arg(long)]
    quick: bool,
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// A program that measures connect() with and without the kernel half, printing JSON
    #[arg(long)]
    connect_cost: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

/// One measured stretch.
pub(crate) struct Sample {
    pub(crate) scenario: Scenario,
    pub(crate) contender: Contender,
    pub(crate) round: usize,
    pub(crate) figures: Figures,
    pub(crate) cpu_ns: u64,
}

/// Memory of one contender.
pub(crate) struct MemorySample {
    pub(crate) contender: Contender,
    pub(crate) fresh: Memory,
    /// With half of the streams open
    pub(crate) half: Memory,
    pub(crate) open: Memory,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let plan = Plan::from(arguments);
    raise_open_files(plan.streams)?;
    site::enter()?;
    let folder = tempfile::Builder::new().prefix("weir-bench-").tempdir()?;
    tls::write_keys(folder.path())?;
    site::furnish(folder.path())?;
    let _provider = process::provider(folder.path())?;
    let ground = Ground { folder: folder.path(), weir: &arguments.weir };

    let bar = ProgressBar::new(plan.steps())
        .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}")?);
    let mut results = Results::new(plan.rounds, plan.stretch, plan.streams);
    results.samples = take_turns(&plan, &ground, &bar, &mut results.notes)?;
    results.memory = weigh(&plan, &ground, &bar)?;
    results.connect = arguments.connect_cost.as_deref().map(report::connect_cost).transpose()?;
    bar.finish_and_clear();
    match arguments.output {
        Output::Text => report::print_text(&results),
        Output::Json => report::print_json(&results),
    }
}

/// What will be measured.
struct Plan {
    scenarios: Vec<Scenario>,
    contenders: Vec<Contender>,
    rounds: usize,
    stretch: Duration,
    streams: usize,
}

impl From<&Arguments> for Plan {
    fn from(arguments: &Arguments) -> Self {
        let chosen =
            |scenario: &Scenario| arguments.only.is_empty() || arguments.only.contains(scenario);
        let takes_part =
            |one: &Contender| arguments.contenders.is_empty() || arguments.contenders.contains(one);
        let quick = arguments.quick;
        Self {
            scenarios: Scenario::ALL.into_iter().filter(chosen).collect(),
            contenders: Contender::ALL.into_iter().filter(takes_part).collect(),
            rounds: if quick { 1 } else { arguments.rounds.max(1) },
            stretch: Duration::from_secs_f64(if quick { 0.3 } else { arguments.seconds }),
            streams: if quick { arguments.streams.min(100) } else { arguments.streams },
        }
    }
}

impl Plan {
    fn timed(&self) -> impl Iterator<Item = Scenario> {
        self.scenarios.iter().copied().filter(|scenario| *scenario != Scenario::Memory)
    }

    fn steps(&self) -> u64 {
        let memory = usize::from(self.scenarios.contains(&Scenario::Memory));
        let steps = self.contenders.len() * (self.timed().count() * self.rounds + memory);
        u64::try_from(steps).unwrap_or(u64::MAX)
    }
}

/// All rounds: in each, for each scenario, every contender has its turn, each time in another order.
fn take_turns(
    plan: &Plan,
    ground: &Ground<'_>,
    bar: &ProgressBar,
    notes: &mut Vec<String>,
) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    if plan.timed().next().is_none() {
        return Ok(samples);
    }
    let mut field = Vec::new();
    for &contender in &plan.contenders {
        field.push(
            Running::start(contender, ground)
                .with_context(|| format!("start {}", contender.name()))?,
        );
    }
    for round in 0..plan.rounds {
        for scenario in plan.timed() {
            let shift = usize::from(field.len() > 1);
            field.rotate_left(shift);
            for running in &mut field {
                bar.set_message(format!(
                    "round {}, {}: {}",
                    round + 1,
                    scenario.title(),
                    running.contender.name()
                ));
                samples.push(measure_one(running, scenario, round, plan.stretch)?);
                bar.inc(1);
            }
        }
    }
    if let Some(records) = field.iter().find_map(|running| running.records.clone()) {
        drop(field);
        notes.push(report::describe_records(&records, &samples)?);
    }
    Ok(samples)
}

fn measure_one(
    running: &mut Running,
    scenario: Scenario,
    round: usize,
    stretch: Duration,
) -> Result<Sample> {
    running.tell(&Order::Prepare(scenario))?;
    std::thread::sleep(SETTLE);
    let before = measure::cpu_ns(&running.pids)?;
    let report = running.tell(&Order::Go { millis: u64::try_from(stretch.as_millis())? })?;
    std::thread::sleep(SETTLE);
    let cpu_ns = measure::cpu_ns(&running.pids)? - before;
    running.tell(&Order::Release)?;
    let Report::Done(figures) = report else { bail!("figures were expected, not {report:?}") };
    Ok(Sample { scenario, contender: running.contender, round, figures, cpu_ns })
}

/// Memory of each contender, just started and with many streams open.
fn weigh(plan: &Plan, ground: &Ground<'_>, bar: &ProgressBar) -> Result<Vec<MemorySample>> {
    let mut samples = Vec::new();
    if !plan.scenarios.contains(&Scenario::Memory) {
        return Ok(samples);
    }
    for &contender in plan.contenders.iter().filter(|contender| **contender != Contender::Direct) {
        bar.set_message(format!("{} streams open: {}", plan.streams, contender.name()));
        let mut running = Running::start(contender, ground)?;
        let fresh = measure::memory(&running.pids)?;
        let half_streams = plan.streams / 2;
        running.tell(&Order::Hold { streams: half_streams })?;
        let half = measure::memory(&running.pids)?;
        running.tell(&Order::Hold { streams: plan.streams - half_streams })?;
        let open = measure::memory(&running.pids)?;
        running.tell(&Order::Release)?;
        samples.push(MemorySample { contender, fresh, half, open });
        bar.inc(1);
    }
    Ok(samples)
}

/// Allow as many open files as this user may have; a proxy needs two for each stream.
fn raise_open_files(streams: usize) -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("allow many open files")?;
    let needed = u64::try_from(streams * 2 + OTHER_FILES)?;
    ensure!(
        hard >= needed,
        "{streams} streams need {needed} open files, and the limit is {hard} (`ulimit -Hn`)"
    );
    Ok(())
}
