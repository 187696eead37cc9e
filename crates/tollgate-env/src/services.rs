//! What is known of each service: a board that the scheduler's threads, the death watch and the evidence share.

use crate::ServiceReport;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tollgate_model::{Milliseconds, ServiceEvidence, ServiceName, ServiceState};

/// How many lines of a log are shown with a failure.
const TAIL_LINES: usize = 20;
/// How much of a log is read for them.
const TAIL_BYTES: u64 = 64 * 1024;

/// Where a service is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// Its dependencies' conditions don't hold yet.
    #[default]
    Waiting,
    /// The engine is starting it.
    Starting,
    /// It runs and was not seen ready yet; with what was last seen of it.
    Started(String),
    /// It is ready.
    Ready,
    /// It ran to its end with success.
    Completed,
    /// It could not be started, ended early, or did not become ready in time.
    Failed(String),
    /// It ended on its own after it was ready.
    Died(String),
    /// It was stopped on request; with what was last seen of it where it was not ready then.
    Stopped(Option<String>),
}

/// Size from which a log is cut, and how much of its end stays.
const LOG_MAX: u64 = 256 << 20;
const LOG_STAYS: u64 = 1 << 20;

/// One service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub(crate) phase: Phase,
    pub(crate) program: String,
    pub(crate) version: Option<String>,
    pub(crate) ready_ms: Option<Milliseconds>,
    /// How it died, if it ever did; it may have been started again since.
    pub(crate) died: Option<String>,
    /// It was ready or completed at some time.
    pub(crate) was_ready: bool,
    /// The end of its log when it was about to be stopped; what it says of its stopping tells nothing of a test.
    pub(crate) log_tail: Option<Vec<String>>,
}

/// The records, held.
pub(crate) type Records<'a> = MutexGuard<'a, BTreeMap<ServiceName, Record>>;

/// All services that were asked for, and a bell for changes.
#[derive(Debug, Default)]
pub(crate) struct Board {
    records: Mutex<BTreeMap<ServiceName, Record>>,
    changed: Condvar,
}

impl Board {
    /// The records, held until the guard is dropped.
    pub(crate) fn lock(&self) -> Records<'_> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes one record and wakes everybody who waits.
    pub(crate) fn update(&self, service: &ServiceName, change: impl FnOnce(&mut Record)) {
        change(self.lock().entry(service.clone()).or_default());
        self.changed.notify_all();
    }

    /// Puts a service into a phase.
    pub(crate) fn enter(&self, service: &ServiceName, phase: Phase) {
        self.update(service, |record| {
            record.was_ready |= matches!(phase, Phase::Ready | Phase::Completed);
            record.phase = phase;
        });
    }

    /// Puts a service into the phase of one that is stopped, and keeps what was seen of it where it was not ready.
    pub(crate) fn stopped(&self, service: &ServiceName) {
        self.update(service, |record| {
            record.phase = match &record.phase {
                Phase::Started(seen) => Phase::Stopped(Some(seen.clone())),
                _ => Phase::Stopped(None),
            };
        });
    }

    /// Keeps the ends of the logs of services that are about to be stopped.
    pub(crate) fn keep_logs(&self, run_dir: &Utf8Path) {
        for (name, record) in self.lock().iter_mut().filter(|(_, record)| record.phase == Phase::Ready) {
            record.log_tail = Some(log_tail(&log_file(run_dir, name)));
        }
    }

    /// Wakes everybody who waits.
    pub(crate) fn wake(&self) {
        self.changed.notify_all();
    }

    /// The phase of a service.
    pub(crate) fn phase(&self, service: &ServiceName) -> Phase {
        self.lock().get(service).map(|record| record.phase.clone()).unwrap_or_default()
    }

    /// Waits until something changes, at most this long.
    pub(crate) fn wait<'a>(&self, records: Records<'a>, limit: Duration) -> Records<'a> {
        self.changed.wait_timeout(records, limit).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits this long, or until `over` holds after a change.
    pub(crate) fn pause(&self, records: Records<'_>, limit: Duration, over: impl Fn() -> bool) {
        drop(self.changed.wait_timeout_while(records, limit, |_| !over()));
    }

    /// The services that are ready now.
    pub(crate) fn ready(&self) -> Vec<ServiceName> {
        let ready = |record: &Record| record.phase == Phase::Ready;
        self.lock().iter().filter(|(_, record)| ready(record)).map(|(name, _)| name.clone()).collect()
    }

    /// Notes that a service ended on its own; tells whether that is news.
    pub(crate) fn died(&self, service: &ServiceName, how: &str) -> bool {
        let mut records = self.lock();
        // one that was stopped meanwhile did not die
        let Some(record) = records.get_mut(service).filter(|record| record.phase == Phase::Ready) else { return false };
        record.phase = Phase::Died(how.to_owned());
        record.died = Some(how.to_owned());
        record.log_tail = None;
        drop(records);
        self.wake();
        true
    }

    /// What was last seen of each of these services that is not as it should be.
    pub(crate) fn reports(&self, services: &[ServiceName], run_dir: &Utf8Path) -> Vec<ServiceReport> {
        let records = self.lock();
        let report = |name: &ServiceName| {
            let last_seen = match records.get(name).map(|record| &record.phase) {
                Some(Phase::Ready | Phase::Completed) => return None,
                None | Some(Phase::Waiting) => "not started, since what it depends on is not there".to_owned(),
                Some(Phase::Starting) => "being started".to_owned(),
                Some(Phase::Stopped(_)) => "stopped".to_owned(),
                Some(Phase::Started(seen)) => format!("started, not ready: {seen}"),
                Some(Phase::Failed(seen)) => seen.clone(),
                Some(Phase::Died(how)) => format!("died: {how}"),
            };
            Some(ServiceReport { service: name.clone(), last_seen, log_tail: log_tail(&log_file(run_dir, name)) })
        };
        services.iter().filter_map(report).collect()
    }

    /// What became of each service.
    pub(crate) fn evidence(&self, run_dir: &Utf8Path) -> Vec<ServiceEvidence> {
        let records = self.lock();
        records.iter().map(|(name, record)| service_evidence(name, record, run_dir)).collect()
    }
}

fn service_evidence(name: &ServiceName, record: &Record, run_dir: &Utf8Path) -> ServiceEvidence {
    let state = match (&record.died, &record.phase) {
        (Some(how), _) | (None, Phase::Died(how)) => ServiceState::Died { how: how.clone() },
        (None, Phase::Completed) => ServiceState::Completed,
        (None, Phase::Ready) => ServiceState::Ready,
        (None, Phase::Stopped(_)) if record.was_ready => ServiceState::Ready,
        (None, Phase::Failed(seen) | Phase::Started(seen) | Phase::Stopped(Some(seen))) => {
            ServiceState::NeverReady { last_seen: seen.clone() }
        }
        (None, Phase::Starting) => ServiceState::NeverReady { last_seen: "being started".to_owned() },
        (None, Phase::Waiting | Phase::Stopped(None)) => ServiceState::NotStarted,
    };
    let log = log_file(run_dir, name);
    ServiceEvidence {
        name: name.clone(),
        program: record.program.clone(),
        version: record.version.clone(),
        ready_ms: record.ready_ms,
        log_tail: record.log_tail.clone().unwrap_or_else(|| log_tail(&log)),
        log: log.exists().then(|| Utf8PathBuf::from("services").join(format!("{name}.log"))),
        state,
    }
}

/// The log of a service.
pub(crate) fn log_file(run_dir: &Utf8Path, service: &ServiceName) -> Utf8PathBuf {
    run_dir.join("services").join(format!("{service}.log"))
}

/// Cuts a log that has grown without bounds down to its end, so that a chatty service does not fill the disk. Whoever writes
/// it appends, so it goes on behind what stays.
pub(crate) fn bound_log(file: &Utf8Path) {
    bound_log_to(file, LOG_MAX, LOG_STAYS);
}

fn bound_log_to(file: &Utf8Path, max: u64, stays: u64) {
    if fs::metadata(file).map_or(0, |metadata| metadata.len()) <= max {
        return;
    }
    let cut = || -> std::io::Result<()> {
        let mut log = File::options().read(true).append(true).open(file)?;
        let length = log.metadata()?.len();
        log.seek(SeekFrom::Start(length.saturating_sub(stays)))?;
        let mut end = Vec::new();
        (&log).take(stays).read_to_end(&mut end)?;
        log.set_len(0)?;
        writeln!(log, "[tollgate cut {} bytes here]", length - end.len() as u64)?;
        // The first line is only half there.
        let whole = end.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        log.write_all(&end[whole..])
    };
    // A log that can't be cut goes on growing, and the next look tries again.
    drop(cut());
}

/// The last lines of a log; none where it can't be read.
pub(crate) fn log_tail(file: &Utf8Path) -> Vec<String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|&line| line.to_owned()).collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_service_that_is_stopped_before_it_was_ready_was_never_ready() {
        let (board, name) = (Board::default(), ServiceName::new("shop").expect("a name"));
        let state = |phase| {
            board.enter(&name, phase);
            board.stopped(&name);
            board.evidence(Utf8Path::new("/none"))[0].state.clone()
        };
        assert_eq!(state(Phase::Waiting), ServiceState::NotStarted);
        assert_eq!(state(Phase::Started("503".into())), ServiceState::NeverReady { last_seen: "503".into() });
        assert_eq!(state(Phase::Ready), ServiceState::Ready);
    }

    #[test]
    fn a_log_that_grew_too_long_keeps_its_end_and_its_writer_goes_on() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = Utf8PathBuf::from_path_buf(directory.path().join("log")).expect("text");
        let mut writer = File::options().create(true).append(true).open(&file).expect("a file");
        let read = || fs::read_to_string(&file).expect("text");
        writer.write_all(b"one\ntwo\nthree\nfour\n").expect("written");
        bound_log_to(&file, 19, 8);
        assert_eq!(read(), "one\ntwo\nthree\nfour\n", "not longer than it may be");
        bound_log_to(&file, 18, 8);
        assert_eq!(read(), "[tollgate cut 11 bytes here]\nfour\n");
        writer.write_all(b"five\n").expect("written");
        assert_eq!(read(), "[tollgate cut 11 bytes here]\nfour\nfive\n");
    }
}
