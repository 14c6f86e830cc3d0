//! What the system says of this process, as counters: from `/proc`, and nothing where there is none.

/// Facts of the process; zero where they are not known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProcessCounts {
    /// CPU seconds since it started.
    pub(super) cpu: f64,
    /// Resident bytes.
    pub(super) resident: u64,
    pub(super) descriptors: u64,
    pub(super) descriptor_limit: u64,
    /// Seconds since 1970.
    pub(super) started: f64,
}

/// Ticks in a second in `/proc`: fixed for programs, whatever the kernel does.
const TICKS: f64 = 100.0;

impl ProcessCounts {
    /// Reads them; a few small files.
    pub(super) fn read() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (stat, status, system) = (read("/proc/self/stat"), read("/proc/self/status"), read("/proc/stat"));
        let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        Self {
            descriptors: descriptors.try_into().unwrap_or(0),
            ..Self::parse(&stat, &status, &read("/proc/self/limits"), &system)
        }
    }

    fn parse(stat: &str, status: &str, limits: &str, system: &str) -> Self {
        // The name of the program may hold blanks and brackets; the fields follow its last bracket, the third one first.
        let fields: Vec<f64> = stat
            .rsplit_once(')')
            .map_or("", |(_, rest)| rest)
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0.0))
            .collect();
        let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0.0);
        let after = |text: &str, name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
        };
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
        let booted = after(system, "btime") as f64;
        Self {
            cpu: (field(14) + field(15)) / TICKS,
            resident: after(status, "VmRSS:") * 1024,
            descriptors: 0,
            descriptor_limit: after(limits, "Max open files"),
            started: if booted > 0.0 { booted + field(22) / TICKS } else { 0.0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_kernel_are_read() {
        let stat = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 1000 7 8";
        let limits =
            "Limit  Soft  Hard  Units\nMax open files            1024                 4096                 files";
        let read = ProcessCounts::parse(stat, "Name:\ta\nVmRSS:\t   2048 kB\n", limits, "cpu 1\nbtime 1700000000\n");
        assert_eq!((read.cpu, read.resident, read.descriptor_limit), (2.0, 2 << 20, 1024));
        assert!((read.started - 1_700_000_010.0).abs() < 1e-6);
    }
}
