//! What would change in a file, for people to read, with secrets masked.

use std::fmt::Write;
use std::ops::Range;

use super::located::splice;
use super::{Format, places};

/// Unchanged lines shown around a change.
const AROUND: usize = 3;

/// A unified diff of two versions of a file. Values for which `hidden` is true (given the keys that lead to them) are
/// masked; a line in which nothing else changed is shown as changed all the same. Empty if both are the same.
pub fn diff(name: &str, before: &str, after: &str, format: Format, hidden: &dyn Fn(&[&str], &str) -> bool) -> String {
    if before == after {
        return String::new();
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let (old_shown, new_shown) = (masked(before, format, hidden), masked(after, format, hidden));
    let (old_shown, new_shown): (Vec<&str>, Vec<&str>) = (old_shown.lines().collect(), new_shown.lines().collect());
    let mut out = format!("--- {name}\n+++ {name}\n");
    let changes = changes(&old, &new);
    let mut rest = changes.as_slice();
    while let Some(count) = hunk(rest) {
        write_hunk(&mut out, &rest[..count], &old_shown, &new_shown);
        rest = &rest[count..];
    }
    out
}

/// The text with hidden values masked. Each stays in as many lines as it was.
fn masked(text: &str, format: Format, hidden: &dyn Fn(&[&str], &str) -> bool) -> String {
    let mask = |span: Range<usize>| {
        let lines = text[span.clone()].matches('\n').count();
        (span, format!("***{}", "\n***".repeat(lines)))
    };
    splice(text, places(text, format, hidden).into_iter().map(mask).collect())
}

/// Lines of the old text, by what there is instead of them in the new one.
struct Change {
    old: Range<usize>,
    new: Range<usize>,
}

/// The changes between two texts, each as small as a look at common lines from both ends makes it.
fn changes(old: &[&str], new: &[&str]) -> Vec<Change> {
    let mut found = Vec::new();
    let (mut at, mut other) = (0, 0);
    while at < old.len() || other < new.len() {
        if at < old.len() && other < new.len() && old[at] == new[other] {
            (at, other) = (at + 1, other + 1);
            continue;
        }
        // The nearest pair of lines from which both go on alike.
        let (skip_old, skip_new) = nearest(&old[at..], &new[other..]);
        found.push(Change { old: at..at + skip_old, new: other..other + skip_new });
        (at, other) = (at + skip_old, other + skip_new);
    }
    found
}

fn nearest(old: &[&str], new: &[&str]) -> (usize, usize) {
    for total in 1..old.len() + new.len() {
        for skip_new in 0..=total.min(new.len()) {
            let skip_old = total - skip_new;
            let alike = |count: usize| {
                let (a, b) = (&old[skip_old.min(old.len())..], &new[skip_new..]);
                a.len().min(b.len()) >= 1 && a.iter().zip(b).take(count).all(|(a, b)| a == b)
            };
            if skip_old <= old.len() && alike(AROUND) {
                return (skip_old, skip_new);
            }
        }
    }
    (old.len(), new.len())
}

/// How many of the changes stand so close together that they are shown as one.
fn hunk(changes: &[Change]) -> Option<usize> {
    let apart = |pair: &[Change]| pair[1].old.start - pair[0].old.end > 2 * AROUND;
    (!changes.is_empty()).then(|| changes.windows(2).position(apart).map_or(changes.len(), |at| at + 1))
}

fn write_hunk(out: &mut String, changes: &[Change], old: &[&str], new: &[&str]) {
    let (first, last) = (&changes[0], &changes[changes.len() - 1]);
    let lead = first.old.start.min(AROUND);
    let trail = (old.len() - last.old.end).min(AROUND);
    let (from, to) = (first.old.start - lead, last.old.end + trail);
    let (new_from, new_to) = (first.new.start - lead, last.new.end + trail);
    let begin = |from: usize, to: usize| if from == to { from } else { from + 1 };
    let (old_begin, new_begin) = (begin(from, to), begin(new_from, new_to));
    let _ = writeln!(out, "@@ -{old_begin},{} +{new_begin},{} @@", to - from, new_to - new_from);
    let mut lines = |mark: char, lines: &[&str]| {
        for line in lines {
            let _ = writeln!(out, "{mark}{line}");
        }
    };
    let mut at = from;
    for change in changes {
        lines(' ', &old[at..change.old.start]);
        lines('-', &old[change.old.clone()]);
        lines('+', &new[change.new.clone()]);
        at = change.old.end;
    }
    lines(' ', &old[at..to]);
}
