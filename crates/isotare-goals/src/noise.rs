//! Simulated sessions: noise shared by neighbouring slots, noise of single trials, random or fixed order.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What disturbs a session besides the independent noise of its trials (log scale).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Nothing; trials have normal noise of 2 %.
    Normal,
    /// Nothing; trials are prolonged by a lognormal time of median 2 %.
    Skewed,
    /// AR(1), phi 0.95, 3 %; as below, trials have 1 %.
    Autoregressive,
    /// Level drawn anew (4 %) about every 25 slots.
    Step,
    /// From -6 % to +6 % over the session.
    Trend,
    /// Every other slot 3 % up, every other 3 % down.
    PeriodTwo,
    /// AR(1) of phi 0.9 and 2 %, steps of 3 %, bursts of about 3 slots and 15 % starting in 2 % of slots.
    Mix,
}

/// Every model.
pub const ALL: [Model; 7] = [
    Model::Normal,
    Model::Skewed,
    Model::Autoregressive,
    Model::Step,
    Model::Trend,
    Model::PeriodTwo,
    Model::Mix,
];

/// Seeded source of the variates that the models need.
pub struct Source(ChaCha8Rng);

impl Source {
    /// The source of this seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform in `(0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// Standard normal, Box and Muller.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn shuffle(&mut self, items: &mut [usize]) {
        for i in (1..items.len()).rev() {
            #[expect(clippy::cast_possible_truncation, reason = "at most `i`")]
            let other = (self.0.next_u64() % (i as u64 + 1)) as usize;
            items.swap(i, other);
        }
    }

    fn shared(&mut self, model: Model, slots: usize) -> Vec<f64> {
        let (mut level, mut wave, mut burst) = (0.04 * self.normal(), self.normal(), 0.0);
        (0..slots)
            .map(|slot| match model {
                Model::Normal | Model::Skewed => 0.0,
                Model::Autoregressive => {
                    wave = 0.95 * wave + (1.0_f64 - 0.95 * 0.95).sqrt() * self.normal();
                    0.03 * wave
                }
                Model::Step => {
                    if self.uniform() < 1.0 / 25.0 {
                        level = 0.04 * self.normal();
                    }
                    level
                }
                Model::Trend => 0.12 * (slot as f64 / slots as f64 - 0.5),
                Model::PeriodTwo => [0.03, -0.03][slot % 2],
                Model::Mix => {
                    wave = 0.9 * wave + (1.0_f64 - 0.9 * 0.9).sqrt() * self.normal();
                    if self.uniform() < 1.0 / 25.0 {
                        level = 0.03 * self.normal();
                    }
                    if self.uniform() < 0.02 {
                        burst = -0.15 * self.uniform().ln();
                    } else if self.uniform() < 1.0 / 3.0 {
                        burst = 0.0;
                    }
                    0.02 * wave + level + burst
                }
            })
            .collect()
    }

    /// The log-scale noise of one trial by itself.
    fn own(&mut self, model: Model) -> f64 {
        match model {
            Model::Normal => 0.02 * self.normal(),
            Model::Skewed => (0.02 * self.normal().exp()).ln_1p(),
            _ => 0.01 * self.normal(),
        }
    }

    /// Values of the baseline and of one condition per entry of `effects` (log ratios): `[arm][block]`, arm 0
    /// the baseline, each block's trials in random order.
    pub fn session(&mut self, model: Model, blocks: usize, effects: &[f64]) -> Vec<Vec<f64>> {
        let arms = effects.len() + 1;
        let shared = self.shared(model, blocks * arms);
        let mut values = vec![Vec::with_capacity(blocks); arms];
        let mut order: Vec<usize> = (0..arms).collect();
        for slots in shared.chunks(arms) {
            self.shuffle(&mut order);
            for (arm, slot) in order.iter().zip(slots) {
                let effect = if *arm == 0 { 0.0 } else { effects[*arm - 1] };
                values[*arm].push((slot + self.own(model) + effect).exp());
            }
        }
        values
    }

    /// The same two arms one after the other, as tools without blocks run them: first all of the baseline.
    pub fn sequential(&mut self, model: Model, trials: usize, effect: f64) -> [Vec<f64>; 2] {
        let shared = self.shared(model, 2 * trials);
        let mut values = shared.iter().enumerate().map(|(slot, level)| {
            let effect = if slot < trials { 0.0 } else { effect };
            (level + self.own(model) + effect).exp()
        });
        let baseline = values.by_ref().take(trials).collect();
        [baseline, values.collect()]
    }

    /// A permutation of `0..arms`.
    pub fn order(&mut self, arms: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..arms).collect();
        self.shuffle(&mut order);
        order
    }
}

/// `(condition, baseline)` per block of condition `k` (from 0) of a session.
pub fn pairs(session: &[Vec<f64>], k: usize) -> Vec<(f64, f64)> {
    session[k + 1].iter().copied().zip(session[0].iter().copied()).collect()
}
