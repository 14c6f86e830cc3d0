//! What the kernel says of processes: memory and time.

use std::fs;

use crate::Outcome;

/// Clock ticks a second in `/proc`, the same on every Linux.
const TICKS: f64 = 100.0;

/// The memory of a process, in megabytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Memory {
    /// All of it that is in RAM.
    pub(super) resident: f64,
    /// Its own: heap and stacks.
    pub(super) anonymous: f64,
    /// Of files: the program itself, and the mapped part of the database, which the kernel takes back when it needs it.
    pub(super) file: f64,
    /// The most that was resident so far.
    pub(super) peak: f64,
}

impl Memory {
    /// Of a process that runs.
    pub(super) fn of(process: u32) -> Outcome<Memory> {
        let path = format!("/proc/{process}/status");
        let status = fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
        Memory::from_status(&status).ok_or_else(|| format!("{path} does not say how much memory there is"))
    }

    /// Nothing for a process that has just ended.
    fn from_status(status: &str) -> Option<Memory> {
        let megabytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
            Some(line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()? / 1024.0)
        };
        Some(Memory {
            resident: megabytes("VmRSS")?,
            anonymous: megabytes("RssAnon")?,
            file: megabytes("RssFile")?,
            peak: megabytes("VmHWM")?,
        })
    }
}

/// Processor seconds of all processes that were started from here and have ended, theirs included.
pub(super) fn children_cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    cpu_of_children(&stat).unwrap_or(f64::NAN)
}

/// Fields 16 and 17; the second one, the name, may hold anything, but ends at the last parenthesis.
fn cpu_of_children(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    Some((ticks(16)? + ticks(17)?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_megabytes() {
        let status =
            "Name:\tx\nVmHWM:\t   40960 kB\nVmRSS:\t   20480 kB\nRssAnon:\t   10240 kB\nRssFile:\t   10240 kB\n";
        let expected = Memory { resident: 20.0, anonymous: 10.0, file: 10.0, peak: 40.0 };
        assert_eq!(Memory::from_status(status), Some(expected));
        assert_eq!(Memory::from_status("Name:\tzombie\n"), None);
        assert!(Memory::of(std::process::id()).unwrap().resident > 0.0);
    }

    #[test]
    fn the_time_of_children_is_found_behind_any_name() {
        let stat = "1 (a) b) S 4 5 6 7 8 9 10 11 12 13 14 15 250 50 18";
        assert_eq!(cpu_of_children(stat), Some(3.0));
    }
}
