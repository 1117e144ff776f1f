//! Figures of several rounds as medians, and as a table with ratios.

use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// The median of every number the rounds have in common.
pub(super) fn median(rounds: &[Value]) -> Value {
    let mut medians = Map::new();
    for name in rounds.first().and_then(Value::as_object).into_iter().flat_map(Map::keys) {
        let mut values: Vec<f64> = rounds.iter().filter_map(|r| r[name].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let value = match values.len() {
            0 => continue,
            n if n % 2 == 1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        };
        medians.insert(name.clone(), json!(value));
    }
    Value::Object(medians)
}

/// One scenario: Janua, the server alone, their ratio, and how Janua did in an earlier run.
pub(super) fn table(name: &str, figures: &[&str], janua: &Value, direct: &Value, earlier: Option<&Value>) -> String {
    let mut table = format!("\n{name:<20}{:>12}{:>12}{:>9}", "janua", "direct", "ratio");
    if earlier.is_some() {
        let _ = write!(table, "{:>12}{:>9}", "earlier", "change");
    }
    table.push('\n');
    for figure in figures {
        let (ours, theirs) = (janua[figure].as_f64(), direct[figure].as_f64());
        let _ = write!(table, "{:<20}{:>12}{:>12}", unit(figure), number(ours), number(theirs));
        let _ = write!(table, "{:>9}", ratio(ours, theirs).map_or("-".into(), |r| format!("x{r:.2}")));
        if let Some(earlier) = earlier {
            let before = earlier[figure].as_f64();
            let change = ratio(ours, before).map_or("-".into(), |r| format!("{:+.0} %", (r - 1.0) * 100.0));
            let _ = write!(table, "{:>12}{change:>9}", number(before));
        }
        table.push('\n');
    }
    table
}

fn ratio(above: Option<f64>, below: Option<f64>) -> Option<f64> {
    Some(above? / below.filter(|b| *b > 0.0)?)
}

fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.2}"),
    }
}

/// A figure's name with its unit.
fn unit(figure: &str) -> &str {
    match figure {
        "cpu_us" => "CPU µs per call",
        "per_s" => "calls per s",
        "p50_us" => "median µs",
        "p99_us" => "99th percentile µs",
        "rss_kb" => "memory KB",
        "peak_kb" => "peak memory KB",
        "notifications_each" => "notified per call",
        "opened_per_s" => "sessions opened/s",
        "session_kb" => "KB per idle session",
        "goodput" => "left at ten times",
        "refusals_per_s" => "refusals per s",
        "refusal_p99_us" => "refused, 99th µs",
        "startup_ms" => "first answer ms",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_what_is_a_number() {
        let rounds = [json!({"a": 3, "b": null}), json!({"a": 1, "b": null}), json!({"a": 8, "b": null})];
        assert_eq!(median(&rounds), json!({"a": 3.0}));
        assert_eq!(median(&[json!({"a": 1}), json!({"a": 2})]), json!({"a": 1.5}));
        assert_eq!(median(&[]), json!({}));
    }

    #[test]
    fn the_table_shows_ratio_and_change() {
        let (janua, direct, earlier) = (json!({"cpu_us": 12.0}), json!({"cpu_us": 6.0}), json!({"cpu_us": 10.0}));
        let shown = table("call-c1", &["cpu_us", "per_s"], &janua, &direct, Some(&earlier));
        let lines: Vec<Vec<&str>> = shown.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["call-c1", "janua", "direct", "ratio", "earlier", "change"]);
        assert_eq!(lines[2], ["CPU", "µs", "per", "call", "12.00", "6.00", "x2.00", "10.00", "+20", "%"]);
        assert_eq!(lines[3], ["calls", "per", "s", "-", "-", "-", "-", "-"]);
    }
}
