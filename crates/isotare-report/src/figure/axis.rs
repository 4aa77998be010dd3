//! Axes: the mapping from values to pixels, and the positions of the ticks.

/// A logarithmic or linear mapping of `low..=high` onto pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    pub low: f64,
    pub high: f64,
    pub from: f64,
    pub to: f64,
    pub log: bool,
}

impl Axis {
    /// The pixel of a value, which may be outside the axis.
    pub fn pixel(&self, value: f64) -> f64 {
        let place = |v: f64| if self.log { v.max(f64::MIN_POSITIVE).ln() } else { v };
        let span = place(self.high) - place(self.low);
        let share = if span > 0.0 { (place(value) - place(self.low)) / span } else { 0.5 };
        self.from + share * (self.to - self.from)
    }

    /// Whether a value is on the axis.
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Values to mark, about `count` of them, with their labels.
    pub fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let wide = self.log && self.high / self.low > 3.0;
        let values = if wide { self.series(count) } else { self.steps(count) };
        values.into_iter().map(|value| (value, label(value))).collect()
    }

    /// 1, 2, 5, 10, …, or only decades if these are too many.
    fn series(&self, count: usize) -> Vec<f64> {
        let exponents = (-12..=12).filter(|e| self.holds_decade(*e));
        let fine: Vec<f64> = exponents
            .flat_map(|e| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powi(e)))
            .filter(|value| self.holds(*value))
            .collect();
        if fine.len() <= count + 1 {
            return fine;
        }
        (-12..=12).map(|e| 10_f64.powi(e)).filter(|value| self.holds(*value)).collect()
    }

    fn holds_decade(&self, exponent: i32) -> bool {
        10_f64.powi(exponent + 1) >= self.low && 10_f64.powi(exponent) <= self.high
    }

    /// Multiples of a round step.
    fn steps(&self, count: usize) -> Vec<f64> {
        let rough = (self.high - self.low) / count.max(1) as f64;
        if !(rough.is_finite() && rough > 0.0) {
            return vec![self.low];
        }
        let magnitude = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * magnitude).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * magnitude);
        let first = (self.low / step).ceil();
        (0..=2 * count).map(|i| (first + i as f64) * step).take_while(|value| *value <= self.high).collect()
    }
}

/// A number without unnecessary zeros.
fn label(value: f64) -> String {
    let text = match value.abs() {
        v if v >= 1e6 => format!("{value:.0e}"),
        v if v > 0.0 && v < 1e-4 => format!("{value:.0e}"),
        _ => format!("{value:.4}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        let labels = |low, high, log| {
            let axis = Axis { low, high, from: 0.0, to: 100.0, log };
            axis.ticks(5).into_iter().map(|(_, label)| label).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(0.95, 1.12, true), "0.95 1 1.05 1.1");
        assert_eq!(labels(0.9, 21.0, true), "1 2 5 10 20");
        assert_eq!(labels(0.5, 4000.0, true), "1 10 100 1000");
        assert_eq!(labels(0.0, 3.7, false), "0 1 2 3");
        assert_eq!(labels(1.0, 1.0, false), "1");
    }
}
