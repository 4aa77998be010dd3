//! Numbers, units and times of day as monitors print them.

/// The largest number of decimals that monitors print.
const MOST_DECIMALS: usize = 2;

/// Powers of ten for the numbers that are read without `str::parse`.
const TENS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Reads `12`, `-0.50`, `0,50`: digits with at most one point or comma and at most two decimals, because
/// monitors print no more. `1,234` is refused, because the comma may separate thousands. Words such as `nan`
/// and `inf` are refused, too.
///
/// A number of up to 15 digits is a whole number below 2^53, divided by a power of ten. Both are exact as
/// floating-point numbers, so the quotient is the nearest one, as `str::parse` finds it. A comma does not
/// have to be replaced in a copy of the text for this.
pub fn number(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let decimals = digits.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    if decimals < digits.len() && decimals > MOST_DECIMALS {
        return None;
    }
    if digits.len() > 16 {
        return long(text);
    }
    let (mut whole, mut found, mut decimals) = (0_u64, 0_usize, None);
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                whole = whole * 10 + u64::from(byte - b'0');
                found += 1;
            }
            b'.' | b',' if decimals.is_none() => decimals = Some(found),
            _ => return None,
        }
    }
    let places = found - decimals.unwrap_or(found);
    match (found, TENS.get(places)) {
        (1.., Some(tens)) => {
            let value = whole as f64 / tens;
            Some(if negative { -value } else { value })
        }
        _ => None,
    }
}

fn long(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?.replace(',', ".");
    let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-'));
    plain.then(|| text.parse().ok())?
}

/// A number that may have its own unit after it, as with `--human`: `1.5M` in a column of `base` bytes, or
/// `12.5%`.
pub fn scaled(text: &[u8], base: Option<f64>) -> Option<f64> {
    if let Some(found) = number(text) {
        return Some(found);
    }
    let (&last, digits) = text.split_last()?;
    if last == b'%' {
        return number(digits);
    }
    // These are the letters of sysstat (common.c, `units`) and of top. `s` is a sector of 512 B. All others
    // are powers of 1024.
    let bytes = match last.to_ascii_lowercase() {
        b's' => 512.0,
        b'b' => 1.0,
        b'k' => 1024.0,
        b'm' => 1_048_576.0,
        b'g' => 1_073_741_824.0,
        b't' => 1_099_511_627_776.0,
        b'p' => 1_125_899_906_842_624.0,
        _ => return None,
    };
    Some(number(digits)? * (bytes / base?))
}

/// A time: seconds of the day, or seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Seconds of the day. At midnight they begin again at 0.
    Day(u64),
    /// Seconds since 1970.
    Epoch(u64),
}

/// `10:00:01`, `10:00:01 PM`, `10.00.01`, `10h00m01s`, `1498587221`.
pub fn moment(text: &str) -> Option<Moment> {
    let digits = |part: &&str| !part.is_empty();
    let parts = text.split(|letter: char| !letter.is_ascii_digit()).filter(digits);
    let mut parts = parts.map(str::parse::<u64>);
    let mut next = || parts.next()?.ok();
    let first = next()?;
    let Some(minute) = next() else { return (first > 86_400).then_some(Moment::Epoch(first)) };
    let second = next()?;
    let half = text.split_ascii_whitespace().find_map(half);
    let hour = match half {
        None => first,
        Some(later) => first % 12 + 12 * u64::from(later),
    };
    let is_time = hour < 24 && minute < 60 && second < 61;
    is_time.then(|| Moment::Day(hour * 3600 + minute * 60 + second))
}

/// Whether a text means the second half of the day: `AM`, `PM`, `p.m.`; `None`: it is another text.
pub fn half(text: &str) -> Option<bool> {
    match text {
        "AM" | "am" | "a.m." | "A.M." => Some(false),
        "PM" | "pm" | "p.m." | "P.M." => Some(true),
        _ => None,
    }
}

/// Seconds from one time to a later one; `None`: they are not of the same kind, or the clock went back.
pub fn seconds(from: Moment, to: Moment) -> Option<u64> {
    match (from, to) {
        (Moment::Epoch(from), Moment::Epoch(to)) => to.checked_sub(from),
        // A step of more than half a day means that the clock went back.
        (Moment::Day(from), Moment::Day(to)) => {
            Some((to + 86_400 - from) % 86_400).filter(|&gone| gone < 43_200)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_equal_those_of_the_standard_library() {
        for text in ["0", "0.00", "12", "99.99", "-1.00", "123456789012345", "1234567890123.45", ".5", "7."] {
            assert_eq!(number(text.as_bytes()), text.parse().ok(), "{text}");
        }
        for text in ["123456789012345678901", "1234567890123456789.12", "-12345678901234567.8"] {
            assert_eq!(number(text.as_bytes()), text.parse().ok(), "{text}");
        }
        assert_eq!(number(b"12,50"), Some(12.5));
        for text in [
            "",
            "-",
            ".",
            "nan",
            "inf",
            "1e3",
            "1.2.3",
            "0x1",
            "1 2",
            "--1",
            "1-2",
            "1,234",
            "1.234",
            "0,1234",
            "123456789012345678x",
        ] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn units_after_a_number_are_converted_to_that_of_the_column() {
        for (text, base, expect) in [
            ("1.5M", Some(1024.0), Some(1536.0)),
            ("2s", Some(1024.0), Some(1.0)),
            ("512B", Some(1024.0), Some(0.5)),
            ("12.5%", None, Some(12.5)),
            ("1,5g", Some(1024.0), Some(1_572_864.0)),
            ("1.5M", None, None),
            ("1.5x", Some(1024.0), None),
            ("%", None, None),
            ("", None, None),
        ] {
            assert_eq!(scaled(text.as_bytes(), base), expect, "{text}");
        }
    }

    #[test]
    fn times_in_many_languages_are_read() {
        for (text, expect) in [
            ("00:00:00", Some(Moment::Day(0))),
            ("12:00:01 AM", Some(Moment::Day(1))),
            ("12:00:01 PM", Some(Moment::Day(43_201))),
            ("11:59:59 PM", Some(Moment::Day(86_399))),
            ("10.00.01", Some(Moment::Day(36_001))),
            ("10時00分01秒", Some(Moment::Day(36_001))),
            ("1498587221", Some(Moment::Epoch(1_498_587_221))),
            ("25:00:00", None),
            ("12", None),
            ("10:00", None),
            ("Average:", None),
            ("99999999999999999999:0:0", None),
        ] {
            assert_eq!(moment(text), expect, "{text}");
        }
        assert_eq!(seconds(Moment::Day(86_399), Moment::Day(1)), Some(2));
        assert_eq!(seconds(Moment::Day(5), Moment::Day(4)), None);
        assert_eq!(seconds(Moment::Epoch(5), Moment::Day(9)), None);
    }
}
