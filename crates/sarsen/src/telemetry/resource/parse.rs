//! What the kernel's text files say; each function reads one of them, and nothing else.

/// Of `/proc/self/stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) major_faults: u64,
    pub(super) resident_pages: u64,
}

/// Of `/proc/stat`: ticks of all cores together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) all: u64,
    pub(super) idle: u64,
    pub(super) stolen: u64,
}

/// Of `/proc/self/cgroup`: where the process is in each tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Groups {
    pub(super) unified: Option<String>,
    pub(super) memory: Option<String>,
    pub(super) cpu: Option<String>,
}

/// The name of the program is in parentheses and may hold anything: what counts comes after the last one.
pub(super) fn process(text: &str) -> Option<Process> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse().ok();
    Some(Process { major_faults: number(9)?, resident_pages: number(21)? })
}

/// The state of a thread, of its `stat`: `R`, `S`, `D`.
pub(super) fn state(text: &str) -> Option<char> {
    text.rsplit_once(')')?.1.trim_start().chars().next()
}

/// user nice system idle iowait irq softirq steal; guest time is counted in user already.
pub(super) fn machine(text: &str) -> Option<Machine> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_ascii_whitespace().take(8).map_while(|tick| tick.parse().ok()).collect();
    let tick = |at: usize| ticks.get(at).copied().unwrap_or(0);
    let machine = Machine { all: ticks.iter().sum(), idle: tick(3) + tick(4), stolen: tick(7) };
    (ticks.len() >= 4).then_some(machine)
}

/// Percent of the last 10 s in which something waited.
pub(super) fn pressure(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split_ascii_whitespace().find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
}

/// The number of a line `key: number`, a unit behind it left out.
pub(super) fn number(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// A limit of a control group: `max` is none.
pub(super) fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Cores, of `cpu.max`: `150000 100000` is one and a half.
pub(super) fn cores(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    share(quota, period)
}

/// Cores, of the two files of the older control groups: -1 is no limit.
pub(super) fn share(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

pub(super) fn groups(text: &str) -> Groups {
    let mut groups = Groups::default();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let has = |name: &str| controllers.split(',').any(|controller| controller == name);
        if controllers.is_empty() {
            groups.unified = Some(path.to_owned());
        }
        if has("memory") {
            groups.memory = Some(path.to_owned());
        }
        if has("cpu") {
            groups.cpu = Some(path.to_owned());
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stat_of_a_process_whose_name_holds_anything() {
        let text = "4711 (par) ley (x) S 1 4711 4711 0 -1 4194560 51034 0 37 0 912 430 0 0 20 0 9 0 \
                    2345678 1466732544 18021 18446744073709551615 1 1 0 0 0 0 0 4096 17642 0 0 0 17 1 0 0 0 0 0";
        assert_eq!(process(text), Some(Process { major_faults: 37, resident_pages: 18021 }));
        assert_eq!(state(text), Some('S'));
        assert_eq!((process("4711 (x"), process("4711 (x) S 1 2"), state("")), (None, None, None));
    }

    #[test]
    fn the_ticks_of_the_machine() {
        let text = "cpu  1066813 3112 318217 2514407 40124 0 15008 123456 77 0\n\
                    cpu0 533406 1556 159108 1257203 20062 0 7504 61728 38 0\nintr 1 2\nctxt 5\n";
        let expected = Machine { all: 4_081_137, idle: 2_554_531, stolen: 123_456 };
        assert_eq!(machine(text), Some(expected));
        assert_eq!(machine("cpu  1 2 3 4\n").map(|machine| machine.stolen), Some(0), "kernels without steal");
        assert_eq!(machine("intr 1\n"), None);
    }

    #[test]
    fn pressure_of_some() {
        let text = "some avg10=2.10 avg60=6.17 avg300=16.43 total=14397602148\n\
                    full avg10=1.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(pressure(text), Some(2.1));
        assert_eq!(pressure(""), None);
    }

    #[test]
    fn lines_with_a_key() {
        let io = "rchar: 323934931\nwchar: 323929600\nsyscr: 632687\nsyscw: 632675\nread_bytes: 0\n\
                  write_bytes: 323932160\ncancelled_write_bytes: 0\n";
        assert_eq!(number(io, "write_bytes"), Some(323_932_160));
        assert_eq!(number("MemTotal:        8137424 kB\nMemFree: 1 kB\n", "MemTotal"), Some(8_137_424));
        assert_eq!(number(io, "bytes"), None);
    }

    #[test]
    fn limits_of_control_groups() {
        assert_eq!((limit("536870912\n"), limit("max\n")), (Some(536_870_912), None));
        assert_eq!((cores("150000 100000\n"), cores("max 100000\n")), (Some(1.5), None));
        assert_eq!((share("50000\n", "100000\n"), share("-1\n", "100000\n")), (Some(0.5), None));
    }

    #[test]
    fn the_control_groups_of_both_kinds() {
        let unified = groups("0::/system.slice/parley.service\n");
        assert_eq!(unified.unified.as_deref(), Some("/system.slice/parley.service"));
        let older = groups("9:name=systemd:/\n4:memory:/api/07\n3:cpuset:/\n2:cpuacct,cpu:/x:y\n0::/\n");
        let expected = Groups { unified: Some("/".into()), memory: Some("/api/07".into()), cpu: Some("/x:y".into()) };
        assert_eq!(older, expected);
        assert_eq!(groups("nonsense"), Groups::default());
    }
}
