//! Numbers with units that people can read: `1.23 ms`, `45.6 MiB/s`, `12.3 k/s`.

/// A unit to write values in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    factor: f64,
    name: &'static str,
    /// The unit of the metric, if there is no better name.
    plain: bool,
}

const TIME: [Scale; 4] = [scale(1.0, "s"), scale(1e-3, "ms"), scale(1e-6, "µs"), scale(1e-9, "ns")];
const RATE: [Scale; 4] = [scale(1e9, "G/s"), scale(1e6, "M/s"), scale(1e3, "k/s"), scale(1.0, "/s")];
const BYTE_RATE: [Scale; 4] =
    [scale(GIB, "GiB/s"), scale(MIB, "MiB/s"), scale(KIB, "KiB/s"), scale(1.0, "B/s")];
const BYTES: [Scale; 4] = [scale(GIB, "GiB"), scale(MIB, "MiB"), scale(KIB, "KiB"), scale(1.0, "B")];
const COUNT: [Scale; 4] = [scale(1e9, "G"), scale(1e6, "M"), scale(1e3, "k"), scale(1.0, "")];
const KIB: f64 = 1024.0;
const MIB: f64 = KIB * KIB;
const GIB: f64 = KIB * MIB;

const fn scale(factor: f64, name: &'static str) -> Scale {
    Scale { factor, name, plain: false }
}

/// The scales of a unit, largest first.
fn scales(unit: &str) -> Option<&'static [Scale]> {
    Some(match unit {
        "s" => &TIME,
        "1/s" => &RATE,
        "B/s" => &BYTE_RATE,
        "B" => &BYTES,
        "" | "1" => &COUNT,
        _ => return None,
    })
}

/// A common scale for the values of one column: the largest scale in which the smallest value is not below 1,
/// unless the largest value would then have more than five digits.
pub(crate) fn common_scale(unit: &str, values: impl Iterator<Item = f64>) -> Option<Scale> {
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    for value in values.filter(|value| value.is_finite() && *value > 0.0) {
        (least, most) = (least.min(value), most.max(value));
    }
    let Some(scales) = scales(unit) else { return Some(Scale { factor: 1.0, name: "", plain: true }) };
    let fitting = match least.is_finite() {
        true => scales.iter().find(|scale| least >= scale.factor).or(scales.last())?,
        false => scales.iter().find(|scale| scale.factor == 1.0)?,
    };
    (most < 1e5 * fitting.factor || !least.is_finite()).then_some(*fitting)
}

/// A value in its unit; `common`: the scale to use, else the value's own.
pub(crate) fn quantity(value: f64, unit: &str, common: Option<Scale>) -> String {
    if !value.is_finite() {
        return "none".to_owned();
    }
    let Some(scale) = common.or_else(|| common_scale(unit, std::iter::once(value.abs()))) else {
        return format!("{value:.4e} {unit}");
    };
    let name = if scale.plain { unit } else { scale.name };
    let number = digits(value / scale.factor);
    match name {
        "" => number,
        name if name.starts_with('/') => format!("{number} {name}"),
        name => format!("{number} {name}"),
    }
}

/// Bytes without unnecessary zeros: `1 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    let text = quantity(bytes as f64, "B", None);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// Four significant digits, without an exponent if possible.
fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        v if !(1e-4..1e7).contains(&v) => format!("{value:.3e}"),
        v if v >= 1000.0 => format!("{value:.0}"),
        v if v >= 100.0 => format!("{value:.1}"),
        v if v >= 10.0 => format!("{value:.2}"),
        v if v >= 1.0 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_follows_from_the_magnitude() {
        for (value, unit, text) in [
            (0.001234, "s", "1.234 ms"),
            (12.5e-6, "s", "12.50 µs"),
            (90.0, "s", "90.00 s"),
            (1234.5, "1/s", "1.234 k/s"),
            (48.0 * MIB, "B/s", "48.00 MiB/s"),
            (0.0, "s", "0 s"),
            (0.0, "B/s", "0 B/s"),
            (7.25, "widgets", "7.250 widgets"),
            (f64::NAN, "s", "none"),
        ] {
            assert_eq!(quantity(value, unit, None), text);
        }
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!([1 << 30, 1536 << 20, 0, 100 << 20].map(size), ["1 GiB", "1.5 GiB", "0 B", "100 MiB"]);
    }

    #[test]
    fn a_column_has_one_unit_unless_its_values_differ_too_much() {
        let scale = common_scale("s", [0.5e-3, 0.02].into_iter());
        assert_eq!(quantity(0.02, "s", scale), "20000 µs");
        assert_eq!(common_scale("s", [1e-8, 2.0].into_iter()), None);
    }
}
