use super::*;
use crate::scenario::Figures;

fn sample(contender: Contender, round: usize, p50_us: f64, cpu_us: u64) -> Sample {
    let figures = Figures { answers: 10, units: 10, seconds: 2.0, p50_us, p99_us: p50_us * 2.0 };
    Sample { scenario: Scenario::Small1, contender, round, figures, cpu_ns: cpu_us * 10_000 }
}

#[test]
fn a_median_is_the_middle() {
    assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    assert_eq!(median(Vec::new()), None);
}

#[test]
fn ratios_compare_within_a_round() {
    let samples = vec![
        sample(Contender::Direct, 0, 50.0, 0),
        sample(Contender::Nginx, 0, 100.0, 20),
        sample(Contender::Weir, 0, 110.0, 30),
        // A round in which the whole machine was twice as slow changes no ratio.
        sample(Contender::Direct, 1, 100.0, 0),
        sample(Contender::Nginx, 1, 200.0, 40),
        sample(Contender::Weir, 1, 220.0, 60),
    ];
    let weir = row(&samples, Scenario::Small1, Contender::Weir).expect("a row");
    assert_eq!(weir.cpu_to_nginx, Some(1.5));
    assert_eq!(weir.cpu_us, Some(45.0));
    assert_eq!(weir.units_per_second, 5.0);
    assert_eq!(added_p50_to_nginx(&samples, Scenario::Small1), Some(1.2));
    assert!(row(&samples, Scenario::Chunk, Contender::Weir).is_none());
}

#[test]
fn memory_to_spare_at_the_start_hides_no_stream() {
    let memory = |pss_kib| Memory { rss_kib: pss_kib, pss_kib };
    let contender = Contender::Weir;
    let sample = MemorySample {
        contender,
        fresh: memory(50_000),
        half: memory(50_000),
        open: memory(80_000),
    };
    assert_eq!(sample.pss_per_stream_kib(2000), 30.0);
    let sample = MemorySample { fresh: memory(10_000), half: memory(60_000), ..sample };
    assert_eq!(sample.pss_per_stream_kib(2000), 35.0);
}
