//! A driver that works except for one fault. The conformance suite must find each fault.

use isotare_core::{
    Budget, Capabilities, CpuSet, Driver, DriverError, Environment, Footprint, Image, Instance,
    InstanceContext, Isolation, Ledger, NoLedger, PrepareContext, Resource, RuntimeInfo, SettingDef,
    Settings, Unavailable,
};
use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `delete` does nothing.
    DeletesNothing,
    /// The second `delete` fails.
    DeletesOnce,
    /// `stop` returns at once and reports success.
    StopsNothing,
    /// The footprint is empty.
    HidesProcesses,
    /// `create` starts the instance already, and `start` does nothing.
    StartsEarly,
    /// No resource is recorded.
    RecordsNothing,
    /// The instance gets all CPUs of the host.
    GivesCpus,
    /// The instance gets sixteen times its memory.
    GivesMemory,
    /// The instance may have any number of processes.
    GivesProcesses,
    /// A probe reports a program as available that does not exist.
    FindsAnything,
}

/// A driver with a fault.
pub struct Faulty {
    /// The driver that works.
    pub inner: &'static dyn Driver,
    /// The fault.
    pub fault: Fault,
}

struct FaultyEnvironment(Box<dyn Environment>, Fault);

struct FaultyInstance {
    inner: Box<dyn Instance>,
    fault: Fault,
    deleted: bool,
}

fn ledger(fault: Fault, ledger: &dyn Ledger) -> &dyn Ledger {
    if fault == Fault::RecordsNothing { &NoLedger } else { ledger }
}

fn budget(fault: Fault, given: &Budget) -> Budget {
    match fault {
        Fault::GivesCpus => {
            let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get());
            let cpus = u32::try_from(cpus).unwrap_or(1);
            Budget { cpus: CpuSet::new(0..cpus).unwrap_or_else(|| given.cpus.clone()), ..given.clone() }
        }
        Fault::GivesMemory => Budget { memory: 16 * given.memory, ..given.clone() },
        Fault::GivesProcesses => Budget { processes: None, ..given.clone() },
        _ => given.clone(),
    }
}

const BINARY: SettingDef = SettingDef {
    key: "binary",
    kind: isotare_core::Kind::Text,
    default: None,
    help: "a program, which nobody looks for",
};

impl Driver for Faulty {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    fn summary(&self) -> &'static str {
        self.inner.summary()
    }
    fn settings(&self) -> &'static [SettingDef] {
        match self.fault {
            Fault::FindsAnything => &[BINARY],
            _ => self.inner.settings(),
        }
    }
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn isolation(&self) -> Isolation {
        self.inner.isolation()
    }
    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        self.inner.probe(settings, cx)
    }
    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(FaultyEnvironment(self.inner.prepare(settings, image, cx)?, self.fault)))
    }
    fn release(&self, resource: &Resource, deadline: &isotare_core::Deadline) -> Result<bool, DriverError> {
        self.inner.release(resource, deadline)
    }
}

impl Environment for FaultyEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        let budget = budget(self.1, cx.budget);
        let cx = InstanceContext {
            ledger: ledger(self.1, cx.ledger),
            budget: &budget,
            ..cx.until(cx.deadline.at)
        };
        let mut inner = self.0.create(&cx)?;
        if self.1 == Fault::StartsEarly {
            inner.start(&cx)?;
        }
        Ok(Box::new(FaultyInstance { inner, fault: self.1, deleted: false }))
    }
    fn facts(&self) -> BTreeMap<String, String> {
        self.0.facts()
    }
}

impl Instance for FaultyInstance {
    fn start(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let budget = budget(self.fault, cx.budget);
        let cx = InstanceContext {
            ledger: ledger(self.fault, cx.ledger),
            budget: &budget,
            network: None,
            ..cx.until(cx.deadline.at)
        };
        match self.fault {
            Fault::StartsEarly => Ok(()),
            _ => self.inner.start(&cx),
        }
    }
    fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        self.inner.wait_ready(cx)
    }
    fn footprint(&self) -> Footprint {
        match self.fault {
            Fault::HidesProcesses => Footprint::default(),
            _ => self.inner.footprint(),
        }
    }
    fn stop(&mut self, grace: Duration, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        match self.fault {
            Fault::StopsNothing => Ok(()),
            _ => self.inner.stop(grace, cx),
        }
    }
    fn delete(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        match self.fault {
            Fault::DeletesNothing => Ok(()),
            Fault::DeletesOnce if std::mem::replace(&mut self.deleted, true) => {
                Err(DriverError::failed("delete", cx.instance, "it was deleted already"))
            }
            _ => self.inner.delete(cx),
        }
    }
    fn diagnostics(&self) -> String {
        self.inner.diagnostics()
    }
}
