//! The cores, the threads of the runtime, and the machine below them.

use super::{Case, Culprit};
use crate::advisor::view::{self, Name, impact};
use crate::advisor::words;
use crate::telemetry::{Snapshot, Stall, WaitKind};

/// The line that held up a thread the longest.
fn longest<'a>(snapshot: &'a Snapshot, name: &Name, fits: impl Fn(&Stall) -> bool) -> Option<&'a Stall> {
    view::stalls(snapshot, name)
        .filter(|stall| fits(stall))
        .max_by_key(|stall| (!stall.site.is_empty(), stall.took * stall.times.max(1)))
}

fn at_line(subject: String, stall: Option<&Stall>) -> String {
    match stall.filter(|stall| !stall.site.is_empty()) {
        Some(stall) => format!("{subject} at {}", stall.site),
        None => subject,
    }
}

pub(super) fn cpu(case: Case<'_>) -> Culprit {
    let all = &case.operation.all;
    let apart = case.greatest(|cause| cause.kind == WaitKind::Blocking);
    let (inside, outside) = (all.each(all.account.on_cpu), all.each(all.account.of(WaitKind::Blocking)));
    if let Some(cause) = apart.filter(|_| outside > inside) {
        return Culprit::new(
            format!("`{}` of {}", cause.label, case.subject()),
            "do it less often, keep its result, or give the process more cores",
        )
        .shows("on threads for blocking work", words::time(outside));
    }
    let stall = longest(case.snapshot, &case.operation.id(), |stall| stall.on_core >= 0.6);
    let advice = match stall {
        Some(_) => "do less in that loop, keep its result, or move it to a job or to `telemetry::blocking`",
        None => "profile it; keep its result, or do it in a job",
    };
    let culprit = Culprit::new(at_line(case.subject(), stall), advice).shows("CPU of one", words::time(inside)).shows(
        "CPU of the process",
        format!("{:.1} of {:.0} cores", case.snapshot.process.cpu, case.snapshot.process.cores),
    );
    match stall {
        Some(stall) => culprit.shows("longest poll", words::time(stall.took as f64)),
        None => culprit,
    }
}

pub(super) fn blocking(case: Case<'_>) -> Culprit {
    let stall = longest(case.snapshot, &case.operation.id(), |stall| stall.on_core < 0.6);
    let advice = "put the call into `telemetry::blocking(…)`, or use its async form";
    let culprit = Culprit::new(at_line(case.subject(), stall), advice)
        .shows("longest poll", words::time(case.operation.all.account.longest_poll as f64));
    match stall {
        Some(stall) => culprit
            .shows("on a core", words::percent(stall.on_core))
            .shows("the kernel waits in", stall.waits_in.clone())
            .shows("times", stall.times.to_string()),
        None => culprit,
    }
}

/// Who keeps the threads of the runtime.
pub(super) fn runtime(case: Case<'_>) -> Culprit {
    let by_time = polls(case.snapshot);
    let all: f64 = by_time.iter().map(|(_, time)| time).sum();
    let Some((guilty, time)) = by_time.first() else {
        return Culprit::new("the threads of the runtime", "give the process more cores");
    };
    let part = time / all.max(1.0);
    let what = at_line(words::operation(guilty), longest(case.snapshot, guilty, |_| true));
    let advice = match case.operation.is(guilty) {
        true => "let it compute less at a time, or give the process more cores".to_owned(),
        false => format!(
            "move {} to a job of a worker process, or its long part to `telemetry::blocking`",
            words::operation(guilty)
        ),
    };
    let mut culprit = Culprit::new(format!("{what} ({} of the runtime's time)", words::percent(part)), advice)
        .done_by((!case.operation.is(guilty)).then(|| guilty.clone()))
        .shows("a new request waits unseen", words::time(case.snapshot.process.canary_p99 as f64));
    for (name, time) in by_time.iter().take(3) {
        let cores = words::number(impact(case.snapshot, *time));
        culprit = culprit.shows(
            &words::operation(name),
            format!("{} of the polls, {cores} threads", words::percent(time / all.max(1.0))),
        );
    }
    culprit
}

/// Operations by the time of their polls, the longest first.
pub(in crate::advisor) fn polls(snapshot: &Snapshot) -> Vec<(Name, f64)> {
    let all = snapshot.operations.iter().map(|operation| (operation.id(), view::polled(&operation.all.account) as f64));
    let mut all: Vec<_> = all.filter(|(_, time)| *time > 0.0).collect();
    all.sort_by(|one, other| other.1.total_cmp(&one.1));
    all
}

pub(super) fn host(case: Case<'_>) -> Culprit {
    let facts = &case.snapshot.process;
    Culprit::new(
        "the machine: other programs use its cores",
        "stop what runs beside it, or give it a bigger machine; other numbers of this time are not to be trusted",
    )
    .shows("the machine's cores", format!("{} used", words::percent(facts.machine_cpu)))
    .shows("this process", format!("{:.1} of {:.0} cores", facts.cpu, facts.cores))
    .shows("something waited for a core", format!("{:.0} % of the time", facts.pressure_cpu))
    .shows("taken by the host", words::percent(facts.steal))
}
