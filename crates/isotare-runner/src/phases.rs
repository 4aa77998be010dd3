//! Times of phases and marks, all measured with one clock.

use crate::course::SessionClock;
use isotare_core::{Phase, PhaseTime, Timestamp};
use isotare_host::now;
use std::cell::{Cell, RefCell};

/// Records the phases of one trial.
pub(crate) struct Phases {
    clock: SessionClock,
    under_way: Cell<Option<(Phase, Timestamp)>>,
    times: RefCell<Vec<PhaseTime>>,
}

impl Phases {
    pub(crate) fn new(clock: SessionClock) -> Self {
        Self { clock, under_way: Cell::new(None), times: RefCell::default() }
    }

    /// Runs a phase. A phase that fails is not recorded.
    pub(crate) fn time<T, E>(&self, phase: Phase, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let start = now();
        self.under_way.set(Some((phase, start)));
        let result = work();
        let took = now().since(start);
        self.under_way.set(None);
        if result.is_ok() {
            self.push(phase, None, start, took);
        }
        result
    }

    /// The moment of a driver's sub-step in the phase under way.
    pub(crate) fn mark(&self, name: &'static str) {
        if let Some((phase, start)) = self.under_way.get() {
            self.push(phase, Some(name.to_owned()), start, now().since(start));
        }
    }

    pub(crate) fn into_times(self) -> Vec<PhaseTime> {
        self.times.into_inner()
    }

    fn push(&self, phase: Phase, mark: Option<String>, start: Timestamp, took: std::time::Duration) {
        let nanos = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.times.borrow_mut().push(PhaseTime {
            phase,
            mark,
            at_ns: self.clock.at(start).0,
            took_ns: nanos(took),
        });
    }
}
