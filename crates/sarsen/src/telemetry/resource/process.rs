//! The machine and the process, from `/proc` and the control group; what a system does not say is zero, never an error.

use super::parse::{self, Groups, Machine};
use crate::clock;
use crate::telemetry::ProcessFacts;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Most of one file that is read: what counts stands at its beginning.
const MOST_TEXT: usize = 4_096;
/// Where the kernel mounts the control groups.
const GROUPS: &str = "/sys/fs/cgroup";

/// Reads the facts; keeps the files open, so that a look costs some ten system calls.
#[derive(Debug)]
pub(super) struct Reader {
    files: Files,
    limits: Limits,
    disk: PathBuf,
    before: Counts,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Files {
    process: Kept,
    machine: Kept,
    io: Kept,
    pressure_cpu: Kept,
    pressure_io: Kept,
    pressure_memory: Kept,
}

/// What does not change while the process runs.
#[derive(Clone, Copy, Debug)]
struct Limits {
    cores: f64,
    memory: u64,
    descriptors: u64,
    page: u64,
}

/// What only ever rises.
#[derive(Clone, Copy, Debug)]
struct Counts {
    at: Instant,
    cpu: Duration,
    machine: Machine,
    major_faults: u64,
    written: u64,
}

/// A file of the kernel that is read again and again.
#[derive(Debug)]
struct Kept(Option<File>);

impl Kept {
    fn open(path: impl AsRef<Path>) -> Self {
        Self(File::open(path).ok())
    }

    /// Its beginning, as it is now.
    #[cfg(unix)]
    fn read<'a>(&self, buffer: &'a mut Vec<u8>) -> &'a str {
        use std::os::unix::fs::FileExt;
        buffer.resize(MOST_TEXT, 0);
        let read = self.0.as_ref().and_then(|file| file.read_at(buffer, 0).ok()).unwrap_or(0);
        std::str::from_utf8(&buffer[..read]).unwrap_or_default()
    }

    #[cfg(not(unix))]
    fn read<'a>(&self, _: &'a mut Vec<u8>) -> &'a str {
        ""
    }
}

impl Reader {
    /// Also says how much room there is where `disk` is.
    pub(super) fn open(disk: PathBuf) -> Self {
        let groups = parse::groups(&text_of("/proc/self/cgroup"));
        let files = Files {
            process: Kept::open("/proc/self/stat"),
            machine: Kept::open("/proc/stat"),
            io: Kept::open("/proc/self/io"),
            pressure_cpu: pressure(&groups, "cpu"),
            pressure_io: pressure(&groups, "io"),
            pressure_memory: pressure(&groups, "memory"),
        };
        let mut buffer = Vec::new();
        let (before, _) = files.counts(&mut buffer);
        Self { files, limits: limits(&groups), disk, before, buffer }
    }

    /// What is so now, and what came since the last time, by the second.
    pub(super) fn read(&mut self) -> ProcessFacts {
        let (now, resident_pages) = self.files.counts(&mut self.buffer);
        let before = std::mem::replace(&mut self.before, now);
        let seconds = now.at.saturating_duration_since(before.at).as_secs_f64().max(1e-3);
        let ticks = count(now.machine.all.saturating_sub(before.machine.all)).max(1.0);
        let idle = count(now.machine.idle.saturating_sub(before.machine.idle));
        let stolen = count(now.machine.stolen.saturating_sub(before.machine.stolen));
        let known = if now.machine.all > before.machine.all { 1.0 } else { 0.0 };
        let mut pressure = |file: &Kept| parse::pressure(file.read(&mut self.buffer)).unwrap_or(0.0);
        ProcessFacts {
            cores: self.limits.cores,
            cpu: now.cpu.saturating_sub(before.cpu).as_secs_f64() / seconds,
            machine_cpu: known * (1.0 - (idle + stolen) / ticks).clamp(0.0, 1.0),
            steal: stolen / ticks,
            resident: resident_pages * self.limits.page,
            memory_limit: self.limits.memory,
            major_faults: count(now.major_faults.saturating_sub(before.major_faults)) / seconds,
            pressure_cpu: pressure(&self.files.pressure_cpu),
            pressure_io: pressure(&self.files.pressure_io),
            pressure_memory: pressure(&self.files.pressure_memory),
            descriptors: descriptors(),
            descriptor_limit: self.limits.descriptors,
            written: count(now.written.saturating_sub(before.written)) / seconds,
            disk_free: disk_free(&self.disk),
            ..ProcessFacts::default()
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are shown as rates, to a few digits")]
fn count(number: u64) -> f64 {
    number as f64
}

impl Files {
    /// The counts, and the resident pages that stand beside them.
    fn counts(&self, buffer: &mut Vec<u8>) -> (Counts, u64) {
        let process = parse::process(self.process.read(buffer)).unwrap_or_default();
        let machine = parse::machine(self.machine.read(buffer)).unwrap_or_default();
        let written = parse::number(self.io.read(buffer), "write_bytes").unwrap_or(0);
        let (at, cpu) = (clock::monotonic(), cpu_time());
        (Counts { at, cpu, machine, major_faults: process.major_faults, written }, process.resident_pages)
    }
}

fn text_of(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The control group's own pressure where the kernel keeps it, else the machine's.
fn pressure(groups: &Groups, what: &str) -> Kept {
    let own = groups.unified.as_deref().filter(|path| *path != "/");
    let own = own.map(|path| Kept::open(under(GROUPS, path).join(format!("{what}.pressure"))));
    own.filter(|kept| kept.0.is_some()).unwrap_or_else(|| Kept::open(format!("/proc/pressure/{what}")))
}

fn under(root: &str, path: &str) -> PathBuf {
    Path::new(root).join(path.trim_start_matches('/'))
}

/// The folders of a group and of those around it, up to the root of its tree.
fn with_parents(root: &str, path: &str) -> Vec<PathBuf> {
    let folder = under(root, path);
    folder.ancestors().take_while(|folder| folder.starts_with(root)).map(Path::to_path_buf).collect()
}

fn limits(groups: &Groups) -> Limits {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let quota = groups_quota(groups);
    let machine = parse::number(&text_of("/proc/meminfo"), "MemTotal").map_or(0, |kilobytes| kilobytes << 10);
    let memory = groups_memory(groups).filter(|limit| machine == 0 || *limit < machine).unwrap_or(machine);
    let cores = count(threads as u64);
    Limits {
        cores: quota.map_or(cores, |quota| quota.min(cores)),
        memory,
        descriptors: descriptor_limit(),
        page: page_size(),
    }
}

/// The smallest quota of CPU on the way to the root.
fn groups_quota(groups: &Groups) -> Option<f64> {
    let unified = folders(GROUPS, groups.unified.as_deref());
    let unified = unified.iter().filter_map(|folder| parse::cores(&text_of(folder.join("cpu.max"))));
    let older = folders("/sys/fs/cgroup/cpu", groups.cpu.as_deref());
    let older = older.iter().filter_map(|folder| {
        parse::share(&text_of(folder.join("cpu.cfs_quota_us")), &text_of(folder.join("cpu.cfs_period_us")))
    });
    unified.chain(older).reduce(f64::min)
}

/// The smallest limit of memory on the way to the root.
fn groups_memory(groups: &Groups) -> Option<u64> {
    let unified = folders(GROUPS, groups.unified.as_deref());
    let unified = unified.iter().filter_map(|folder| parse::limit(&text_of(folder.join("memory.max"))));
    let older = folders("/sys/fs/cgroup/memory", groups.memory.as_deref());
    let older = older.iter().filter_map(|folder| parse::limit(&text_of(folder.join("memory.limit_in_bytes"))));
    unified.chain(older).min()
}

fn folders(root: &str, path: Option<&str>) -> Vec<PathBuf> {
    path.map_or_else(Vec::new, |path| with_parents(root, path))
}

#[cfg(unix)]
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(not(unix))]
fn cpu_time() -> Duration {
    Duration::ZERO
}

#[cfg(unix)]
fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

#[cfg(not(unix))]
fn page_size() -> u64 {
    0
}

#[cfg(unix)]
fn descriptor_limit() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(0)
}

#[cfg(not(unix))]
fn descriptor_limit() -> u64 {
    0
}

/// Newer kernels give the number as the size of the folder; with others they are counted.
fn descriptors() -> u64 {
    let told = std::fs::metadata("/proc/self/fd").map_or(0, |folder| folder.len());
    if told > 0 { told } else { std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64) }
}

#[cfg(unix)]
fn disk_free(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn disk_free(_: &Path) -> u64 {
    0
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_the_process_does_is_seen() {
        let mut reader = Reader::open(PathBuf::from("."));
        let until = clock::monotonic() + Duration::from_millis(60);
        let mut sum = 0_u64;
        while clock::monotonic() < until {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let facts = reader.read();
        assert!(facts.cpu > 0.05, "{facts:?}");
        assert!(facts.cores >= 0.1 && facts.resident > 1 << 20 && facts.memory_limit > facts.resident, "{facts:?}");
        assert!(facts.descriptors >= 3 && facts.descriptor_limit >= facts.descriptors, "{facts:?}");
        assert!(facts.disk_free > 0 && facts.machine_cpu <= 1.0, "{facts:?}");
    }

    #[test]
    fn a_look_is_cheap() {
        let mut reader = Reader::open(PathBuf::from("."));
        let quickest = (0..50).map(|_| {
            let started = clock::monotonic();
            reader.read();
            clock::monotonic() - started
        });
        let quickest = quickest.min().unwrap_or_default();
        println!("the machine and the process: {quickest:?}");
        assert!(quickest < Duration::from_millis(1), "{quickest:?}");
    }

    #[test]
    fn a_group_lies_within_its_parents() {
        let folders = with_parents(GROUPS, "/a/b");
        assert_eq!(folders.len(), 3);
        assert_eq!(folders[2], Path::new(GROUPS));
    }
}
