//! Whether machines work here: boots one until its agent says hello. It is not enough that the device node
//! can be opened.

use super::environment::QemuEnvironment;
use super::spec::{Accelerator, Spec};
use crate::trial_life;
use isotare_core::{Image, PrepareContext, RuntimeInfo, Unavailable};
use std::collections::BTreeMap;
use std::time::Duration;

/// Timeout for the boot of a guest on KVM. A guest that works boots in a fraction of it.
const KVM_BOOT: Duration = Duration::from_secs(8);

/// Prepares and boots a machine as a trial would, with an empty image.
pub(super) fn probe(spec: Spec, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
    let accelerator = spec.accelerator;
    let environment = QemuEnvironment::prepare(spec, &Image::default(), cx)
        .map_err(|error| error.unavailable(remedy(accelerator)))?;
    let patience = if accelerator == Accelerator::Kvm { KVM_BOOT } else { Duration::MAX };
    trial_life::live(&environment, patience, cx)
        .map_err(|reason| Unavailable::new(reason, remedy(accelerator)))?;
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
            "use a host (or nested virtualisation) whose KVM boots a standard kernel, or use accel=tcg"
        }
        Accelerator::Tcg { .. } => "see docs/drivers/qemu.md; another kernel may help (kernel=PATH)",
    }
}
