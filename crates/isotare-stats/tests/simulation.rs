//! Whether intervals cover and error rates hold, on simulated sessions whose truth is known.
//!
//! The short runs belong to every `cargo test`; the long ones print the figures:
//! `cargo test --release -p isotare-stats --test simulation -- --ignored --nocapture`.

mod noise;

use isotare_stats::{
    Direction, Margin, Verdict, adjusted_p_values, judge, log_ratios, minimum_detectable_effect,
    ratio_of_pairs,
};
use noise::{ALL, Model, Source, pairs};

/// True ratio of the sessions whose coverage is counted.
const TRUTH: f64 = 1.02;

/// Share of `repeats` sessions whose 95 % interval holds the true ratio.
fn coverage(model: Model, blocks: usize, repeats: usize) -> f64 {
    let mut source = Source::new(blocks as u64);
    let hits = (0..repeats)
        .filter(|_| {
            let session = source.session(model, blocks, &[TRUTH.ln(), 0.0]);
            let estimate = ratio_of_pairs(&pairs(&session, 0), 0.95).expect("usable");
            estimate.low <= TRUTH && TRUTH <= estimate.high
        })
        .count();
    hits as f64 / repeats as f64
}

/// Share of sessions without any real difference in which some adjusted p is below 0.05.
fn family_wise_error(model: Model, columns: usize, blocks: usize, repeats: usize) -> f64 {
    let mut source = Source::new(99);
    let wrong = (0..repeats).filter(|seed| {
        let session = source.session(model, blocks, &vec![0.0; columns]);
        let ratios: Vec<_> = (0..columns).map(|k| log_ratios(&pairs(&session, k))).collect();
        adjusted_p_values(&ratios, *seed as u64).iter().any(|p| *p < 0.05)
    });
    wrong.count() as f64 / repeats as f64
}

/// Three Monte Carlo standard errors of a share near `p`.
fn slack(p: f64, repeats: usize) -> f64 {
    3.0 * (p * (1.0 - p) / repeats as f64).sqrt()
}

#[test]
fn intervals_cover() {
    const REPEATS: usize = 250;
    for blocks in [10, 20, 30] {
        let cells = ALL.map(|model| coverage(model, blocks, REPEATS));
        for (model, got) in ALL.iter().zip(cells) {
            let slack = slack(0.95, REPEATS);
            assert!((0.94 - slack..=0.965 + slack).contains(&got), "{model:?}, n={blocks}: {got}");
        }
        let (all, slack) =
            (cells.iter().sum::<f64>() / cells.len() as f64, slack(0.95, REPEATS * cells.len()));
        assert!((0.94 - slack..=0.965 + slack).contains(&all), "n={blocks}: {all}");
    }
}

#[test]
fn families_keep_their_error() {
    const REPEATS: usize = 400;
    for model in [Model::Normal, Model::Mix] {
        let got = family_wise_error(model, 4, 12, REPEATS);
        assert!(got <= 0.05 + slack(0.05, REPEATS), "{model:?}: {got}");
    }
}

#[test]
fn equivalence_is_rarely_claimed_at_the_margin() {
    const REPEATS: usize = 400;
    let got = claimed_equivalent(0.02, 20, REPEATS);
    assert!(got <= 0.05 + slack(0.05, REPEATS), "{got}");
}

/// Share of sessions judged equivalent within 2 % when the condition really costs `overhead` more.
fn claimed_equivalent(overhead: f64, blocks: usize, repeats: usize) -> f64 {
    let mut source = Source::new(5);
    let margin = Margin::new(0.02).expect("usable");
    let claimed = (0..repeats).filter(|_| {
        let session = source.session(Model::Autoregressive, blocks, &[overhead.ln_1p()]);
        let pairs = pairs(&session, 0);
        judge(&pairs, Direction::Lower, margin, 1.0, 0.95) == Verdict::Equivalent
    });
    claimed.count() as f64 / repeats as f64
}

/// Log ratios that are themselves an AR(1) series about zero, as pairs.
fn correlated_pairs(source: &mut Source, rho: f64, blocks: usize) -> Vec<(f64, f64)> {
    let mut d = source.normal();
    (0..blocks)
        .map(|_| {
            d = rho * d + (1.0 - rho * rho).sqrt() * source.normal();
            ((0.02 * d).exp(), 1.0)
        })
        .collect()
}

/// The same pairs in an order of negative lag-1 correlation, in which no interval is widened.
fn reordered(pairs: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = sorted.len() / 2;
    let (low, high) = sorted.split_at(half);
    let mut mixed: Vec<_> = low.iter().zip(high).flat_map(|(a, b)| [*a, *b]).collect();
    mixed.extend(&high[half..]);
    mixed
}

#[test]
#[ignore = "takes minutes; run in release for the figures"]
#[expect(clippy::print_stdout, reason = "the figures are the point of the long run")]
fn figures() {
    const REPEATS: usize = 10_000;
    for blocks in [6, 10, 20, 30, 60] {
        for model in ALL {
            println!("coverage {model:?} n={blocks}: {:.4}", coverage(model, blocks, REPEATS));
        }
    }
    for (columns, blocks, repeats) in [(4, 12, 4000), (5, 6, 4000), (5, 30, 1000), (4, 4, 4000)] {
        for model in [Model::Normal, Model::Skewed, Model::PeriodTwo, Model::Mix] {
            let got = family_wise_error(model, columns, blocks, repeats);
            println!("family-wise error {model:?} k={columns} n={blocks}: {got:.4}");
        }
    }
    for rho in [0.0, 0.2, 0.4, 0.6] {
        for blocks in [10, 20, 30, 60] {
            let mut source = Source::new(3);
            let (mut plain, mut widened, mut factor) = (0, 0, 0.0);
            for _ in 0..REPEATS {
                let pairs = correlated_pairs(&mut source, rho, blocks);
                let got = ratio_of_pairs(&pairs, 0.95).expect("usable");
                let base = ratio_of_pairs(&reordered(&pairs), 0.95).expect("usable");
                widened += usize::from(got.low <= 1.0 && 1.0 <= got.high);
                plain += usize::from(base.low <= 1.0 && 1.0 <= base.high);
                factor += (got.high - got.low) / (base.high - base.low);
            }
            let share = |hits: usize| hits as f64 / REPEATS as f64;
            println!(
                "rho={rho} n={blocks}: {:.4} plain, {:.4} widened, mean factor {:.3}",
                share(plain),
                share(widened),
                factor / REPEATS as f64
            );
        }
    }
    for blocks in [10, 20, 30] {
        println!(
            "claimed equivalent at the margin, n={blocks}: {}",
            claimed_equivalent(0.02, blocks, REPEATS)
        );
    }
    for blocks in [10, 30, 60] {
        let (mut found, mut source) = (0, Source::new(8));
        // The effect is the one that the true deviation of d, 2 % sqrt 2, makes detectable.
        let d: Vec<f64> = (0..blocks).map(|b| [1.0, -1.0][b % 2]).collect();
        let unit = minimum_detectable_effect(&d, 0.95).expect("usable").ln_1p();
        let sample_deviation = (blocks as f64 / (blocks as f64 - 1.0)).sqrt();
        let effect = unit / sample_deviation * 0.02 * 2.0_f64.sqrt();
        for _ in 0..REPEATS {
            let session = source.session(Model::Normal, blocks, &[effect]);
            let got = ratio_of_pairs(&pairs(&session, 0), 0.95).expect("usable");
            found += usize::from(got.low > 1.0);
        }
        println!("power at the MDE, n={blocks}: {:.4}", f64::from(found as u32) / REPEATS as f64);
    }
}
