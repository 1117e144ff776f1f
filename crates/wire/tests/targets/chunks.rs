//! Cutting a stream into chunks of sizes that one number determines.

/// Streams up to this length may come in single bytes.
const SHORT: usize = 4096;

/// The chunks of `stream`: all in one for seed 0, single bytes for 1, else sizes drawn from the seed.
pub(crate) fn chunks(stream: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut state = u64::from(seed);
    let mut rest = stream;
    let mut found = Vec::new();
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let drawn = usize::try_from(state >> 33).unwrap_or_default();
        // Mostly small, now and then large.
        let drawn = if drawn.is_multiple_of(7) { drawn % 50_000 } else { drawn % 40 };
        let size = match seed {
            0 => rest.len(),
            1 if stream.len() <= SHORT => 1,
            _ => (drawn + 1).min(rest.len()),
        };
        let (now, later) = rest.split_at(size);
        found.push(now);
        rest = later;
    }
    found
}
