//! Times, sizes and counts as people write them. Errors do not repeat the text, which may be a secret gone astray.

use std::time::Duration;

/// Reads a time: seconds, or numbers with `ms`, `s`, `m`, `h` or `d`, such as `1h30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    let mut first = true;
    while first || !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let factor = match unit {
            "ms" => 0.001,
            "" if first && after.is_empty() => 1.0,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            "" => return Err("a unit is missing: use ms, s, m, h or d".to_owned()),
            _ => return Err("unknown unit: use ms, s, m, h or d".to_owned()),
        };
        seconds += number.trim().parse::<f64>().map_err(|_| "not a number".to_owned())? * factor;
        rest = after.trim_start();
        first = false;
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("must be more than nothing".to_owned()),
    }
}

/// Reads a size in bytes, also with `k`, `M` or `G` (powers of 1024), `B` or `iB` added or not.
pub fn size(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let shift = match unit.trim_end_matches('B').trim_end_matches('i').to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return Err("unknown unit: use k, M or G".to_owned()),
    };
    let count = number.trim().parse::<usize>().map_err(|_| "not a whole number".to_owned())?;
    count.checked_mul(1 << shift).filter(|size| *size > 0).ok_or_else(|| "out of range".to_owned())
}

/// Reads a whole number.
pub(super) fn count(text: &str) -> Option<usize> {
    text.trim().replace('_', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes() {
        assert_eq!(duration("300"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("1d"), Ok(Duration::from_secs(86400)));
        for bad in ["5 parsecs", "-1", "0", "", "1h30", "m", "1e400s", "nan"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(size("16MiB"), Ok(16 << 20));
        assert_eq!(size("64k"), Ok(64 << 10));
        assert_eq!(size("4096"), Ok(4096));
        for bad in ["1T", "0", "x", "", "99999999999999999999", "-1"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
