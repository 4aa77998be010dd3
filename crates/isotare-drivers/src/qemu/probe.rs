//! Whether machines work here: boots one until its agent says hello. That a device node opens proves nothing.

use super::environment::QemuEnvironment;
use super::instance::QemuInstance;
use super::spec::{Accelerator, Spec};
use isotare_core::{DriverError, Image, Instance, PrepareContext, RuntimeInfo, TrialContext, Unavailable};
use isotare_host::now;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// A guest on KVM boots in a fraction of this, or never.
const KVM_BOOT: Duration = Duration::from_secs(8);

/// Prepares and boots a machine as a trial would, with an empty image.
pub(super) fn probe(spec: Spec, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
    let accelerator = spec.accelerator;
    let environment = QemuEnvironment::prepare(spec, &Image::default(), cx).map_err(|error| match error {
        DriverError::Unavailable(unavailable) => unavailable,
        other => Unavailable::new(other.to_string(), remedy(accelerator)),
    })?;
    boot(&environment, cx).map_err(|reason| Unavailable::new(reason, remedy(accelerator)))?;
    let spec = &environment.spec;
    let mut details = BTreeMap::from([
        ("accelerator".to_owned(), accelerator.word().to_owned()),
        ("machine".to_owned(), spec.machine.word().to_owned()),
        ("firmware".to_owned(), spec.machine.firmware().to_owned()),
        ("cpu".to_owned(), spec.cpu.clone()),
        ("guest kernel".to_owned(), format!("{} ({})", environment.release, environment.booted)),
    ]);
    if let Err(why) = &environment.hierarchies {
        details.insert("budget".to_owned(), format!("not enforced: {why}"));
    }
    Ok(RuntimeInfo { version: environment.version.clone(), details })
}

fn remedy(accelerator: Accelerator) -> &'static str {
    match accelerator {
        Accelerator::Kvm => {
            "use a host (or nested virtualisation) whose KVM boots a stock kernel, or accel=tcg"
        }
        Accelerator::Tcg => "see docs/drivers/qemu.md; another kernel may help: kernel=PATH",
    }
}

fn boot(environment: &QemuEnvironment, cx: &PrepareContext<'_>) -> Result<(), String> {
    let (work, run) = (cx.work.join("probe"), cx.work.join("run"));
    for folder in [&work, &run] {
        fs::create_dir_all(folder).map_err(|e| format!("make {}: {e}", folder.display()))?;
    }
    let instance = format!("{}-probe", cx.session);
    // Not below the session's group: that may not exist, and then nobody would remove it.
    let cgroup = format!("isotare/{instance}");
    let begin = now();
    let mut deadline = cx.deadline.clone();
    if environment.spec.accelerator == Accelerator::Kvm {
        deadline.at = deadline.at.min(begin.plus(KVM_BOOT));
    }
    let trial = TrialContext {
        session: cx.session,
        instance: &instance,
        cgroup: &cgroup,
        work: &work,
        run: &run,
        budget: cx.budget,
        ledger: cx.ledger,
        deadline,
        mark: &|_| {},
    };
    let mut machine = QemuInstance::create(environment, &trial).map_err(|error| error.to_string())?;
    let booted = match machine.start(&trial).and_then(|()| machine.wait_ready(&trial)) {
        Ok(_agent) => Ok(()),
        Err(DriverError::TimedOut { .. }) => {
            let time = now().since(begin).as_secs_f64();
            Err(format!("a guest did not come up within {time:.1} s; {}", machine.standing()))
        }
        Err(error) => Err(format!("a guest did not come up: {error}")),
    };
    let deleted = machine.delete(&trial).map_err(|error| error.to_string());
    for folder in [&work, &run] {
        // They are in the environment's work folder, which its owner removes as well.
        let _left = fs::remove_dir_all(folder);
    }
    booted.and(deleted)
}
