//! What the system says of the gateway's own process.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What the process uses.
#[derive(Debug)]
pub(crate) struct Usage {
    /// Seconds of processor time.
    pub(crate) cpu: f64,
    /// Bytes in memory.
    pub(crate) memory: f64,
    /// Descriptors that are open.
    pub(crate) files: f64,
    /// Descriptors that may be open.
    pub(crate) files_most: f64,
    pub(crate) threads: f64,
    /// Seconds from 1970 to its start.
    pub(crate) started: f64,
}

/// Reads it; `None` where the system does not say.
#[expect(clippy::cast_precision_loss, reason = "none of these counts comes near 2^52")]
pub(crate) fn usage() -> Option<Usage> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name in parentheses that may hold blanks (proc(5)); the third is the first here.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    let ticks = clock_ticks_per_second() as f64;
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split(' ').next()?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    Some(Usage {
        cpu: (field(14)? + field(15)?) / ticks,
        memory: field(24)? * page_size() as f64,
        files: fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64,
        files_most: getrlimit(Resource::Nofile).current.map_or(f64::INFINITY, |most| most as f64),
        threads: field(20)?,
        started: now - uptime + field(22)? / ticks,
    })
}
