//! Which machine this is, so that a process that died on it is known to be dead at once.

use std::fs;

/// This boot of this machine and its namespace of processes; empty where that cannot be known.
///
/// Two containers may have one name, but not one namespace: a process id means something only within it.
pub(super) fn identity() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let namespace = fs::read_link("/proc/self/ns/pid");
    match (boot, namespace) {
        (Ok(boot), Ok(namespace)) => format!("{} {}", boot.trim(), namespace.display()),
        _ => String::new(),
    }
}

/// Whether the process of this machine is certainly gone.
#[cfg(unix)]
pub(super) fn is_gone(pid: i64) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
pub(super) fn is_gone(_: i64) -> bool {
    false
}
