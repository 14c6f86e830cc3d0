//! Who looks at what is recorded while an application runs: the log, the windows and their store, and who is told.

use super::Running;
use super::work::WORKER;
use crate::error::Result;
use crate::export::Export;
use crate::insight::{self, Collector};
use crate::lifecycle::{self, Lifecycle};
use crate::telemetry::{self, Facts, Operation, Recorder};
use std::fmt;
use tokio::task::JoinHandle;

/// The tasks that look; they end with [`Watching::end`], after everything else has stopped.
pub(crate) struct Watching {
    recorder: Recorder,
    lifecycle: Lifecycle,
    lines: bool,
    export: Export,
    writer: JoinHandle<()>,
    collector: Option<Collector>,
    /// Sending goes on until all is seen.
    sending: Lifecycle,
    exports: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching").field("exports", &self.exports.len()).finish_non_exhaustive()
    }
}

impl Running {
    /// Starts them.
    pub(crate) fn watch(&self) -> Result<Watching> {
        let (recorder, lifecycle, export) = (self.recorder().clone(), self.lifecycle().clone(), self.export().clone());
        let (lines, sending) = (self.config().log.operations, Lifecycle::default());
        if !lines && !export.is_wanted() {
            recorder.keep_failures_only();
        }
        let collector = self.collect()?;
        let writer = write(recorder.clone(), lifecycle.clone(), lines, export.clone());
        let (writer, exports) = (lifecycle::spawn_background(writer), export.start(&sending));
        Ok(Watching { recorder, lifecycle, lines, export, writer, collector, sending, exports })
    }

    fn collect(&self) -> Result<Option<Collector>> {
        let config = self.config();
        if !config.telemetry.enabled {
            return Ok(None);
        }
        self.insight().set_facts(Facts::start(config, self.lifecycle()));
        let collector = self.insight().start(insight::place(config)?)?;
        if config.process.roles.iter().any(|role| role == WORKER) {
            let (insight, jobs, lifecycle) = (self.insight().clone(), self.jobs().clone(), self.lifecycle().clone());
            lifecycle::spawn_background(insight::queues::watch(insight, jobs, lifecycle));
        }
        Ok(Some(collector))
    }
}

impl Watching {
    /// Looks at what is left, which is what the modules did on their way down, and tells it.
    pub(crate) async fn end(self) {
        let _ = self.writer.await;
        if let Some(collector) = self.collector {
            collector.stop().await;
        }
        write(self.recorder, self.lifecycle, self.lines, self.export).await;
        self.sending.stop();
        futures_util::future::join_all(self.exports).await;
    }
}

async fn write(recorder: Recorder, lifecycle: Lifecycle, lines: bool, export: Export) {
    telemetry::write_operations(recorder, lifecycle, lines, |operation: &Operation| export.see(operation)).await;
}
