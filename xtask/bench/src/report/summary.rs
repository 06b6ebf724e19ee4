//! From samples to medians. Pure.

use super::Results;
use crate::compare::{MemorySample, Sample};
use crate::contender::Contender;
use crate::measure::Memory;
use crate::scenario::Scenario;
use serde::Serialize;

/// The medians of one contender in one scenario.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) scenario: Scenario,
    pub(super) contender: Contender,
    unit: &'static str,
    pub(super) units_per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// Beyond direct, in the same round
    pub(super) added_p50_us: Option<f64>,
    pub(super) added_p99_us: Option<f64>,
    /// Processor time of the proxy for one unit
    pub(super) cpu_us: Option<f64>,
    /// That, divided by nginx's in the same round
    pub(super) cpu_to_nginx: Option<f64>,
}

pub(super) fn rows(results: &Results) -> Vec<Row> {
    let mut rows = Vec::new();
    for scenario in Scenario::ALL {
        for contender in Contender::ALL {
            rows.extend(row(&results.samples, scenario, contender));
        }
    }
    rows
}

fn row(samples: &[Sample], scenario: Scenario, contender: Contender) -> Option<Row> {
    let own: Vec<&Sample> = samples
        .iter()
        .filter(|sample| sample.scenario == scenario && sample.contender == contender)
        .collect();
    let over_rounds =
        |value: &dyn Fn(&Sample) -> f64| median(own.iter().map(|sample| value(sample)).collect());
    let beside = |other: Contender, value: &dyn Fn(&Sample, &Sample) -> f64| {
        median(
            own.iter()
                .filter_map(|sample| Some(value(sample, rival(samples, sample, other)?)))
                .collect(),
        )
    };
    let is_proxy = contender != Contender::Direct;
    Some(Row {
        scenario,
        contender,
        unit: scenario.unit(),
        units_per_second: over_rounds(&|sample| units(sample) / sample.figures.seconds)?,
        p50_us: over_rounds(&|sample| sample.figures.p50_us)?,
        p99_us: over_rounds(&|sample| sample.figures.p99_us)?,
        added_p50_us: beside(Contender::Direct, &|own, direct| {
            own.figures.p50_us - direct.figures.p50_us
        })
        .filter(|_| is_proxy),
        added_p99_us: beside(Contender::Direct, &|own, direct| {
            own.figures.p99_us - direct.figures.p99_us
        })
        .filter(|_| is_proxy),
        cpu_us: over_rounds(&cpu_us).filter(|_| is_proxy),
        cpu_to_nginx: beside(Contender::Nginx, &|own, nginx| cpu_us(own) / cpu_us(nginx))
            .filter(|_| is_proxy),
    })
}

/// weir's added latency divided by nginx's, round by round.
pub(super) fn added_p50_to_nginx(samples: &[Sample], scenario: Scenario) -> Option<f64> {
    let own = samples
        .iter()
        .filter(|sample| sample.scenario == scenario && sample.contender == Contender::Weir);
    let ratio = |weir: &Sample| {
        let nginx = rival(samples, weir, Contender::Nginx)?.figures.p50_us;
        let direct = rival(samples, weir, Contender::Direct)?.figures.p50_us;
        Some((weir.figures.p50_us - direct) / (nginx - direct))
    };
    median(own.filter_map(ratio).collect())
}

/// What `other` showed in the same scenario and round.
fn rival<'a>(samples: &'a [Sample], sample: &Sample, other: Contender) -> Option<&'a Sample> {
    let same = |one: &&Sample| {
        one.scenario == sample.scenario && one.round == sample.round && one.contender == other
    };
    samples.iter().find(same)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn units(sample: &Sample) -> f64 {
    sample.figures.units as f64
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a run are far below 2^52")]
fn cpu_us(sample: &Sample) -> f64 {
    sample.cpu_ns as f64 / 1000.0 / units(sample)
}

impl MemorySample {
    /// What a stream adds. A process that starts with memory to spare shows nothing at first, so the growth over the
    /// second half of the streams counts where it is more than the growth over all.
    #[expect(clippy::cast_precision_loss, reason = "kibibytes of a machine are far below 2^52")]
    pub(super) fn pss_per_stream_kib(&self, streams: usize) -> f64 {
        let growth = |before: Memory, more: usize| {
            self.open.pss_kib.saturating_sub(before.pss_kib) as f64 / more.max(1) as f64
        };
        growth(self.fresh, streams).max(growth(self.half, streams - streams / 2))
    }

    #[expect(clippy::cast_precision_loss, reason = "kibibytes of a machine are far below 2^52")]
    pub(super) fn fresh_pss_mib(&self) -> f64 {
        self.fresh.pss_kib as f64 / 1024.0
    }
}

/// The middle value, or the mean of the two middle ones.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get(values.len() / 2 - 1).map(|lower| f64::midpoint(*lower, upper))
}

#[cfg(test)]
mod tests;
