//! Removes resources that a session recorded and did not remove.

use isotare_core::{Deadline, Driver, Resource, with_sources};
use isotare_host::{Swept, sweep};

/// What was done.
#[derive(Debug, Default)]
pub struct CleanReport {
    /// Resources that still existed and were removed.
    pub removed: Vec<Resource>,
    /// Resources that could not be removed, each with the reason.
    pub failed: Vec<(Resource, String)>,
}

/// Removes the `resources`, the latest first. `driver` finds the drivers of those that only a driver can
/// remove.
pub fn clean(
    resources: Vec<Resource>,
    driver: &dyn Fn(&str) -> Option<&'static dyn Driver>,
    deadline: &Deadline,
) -> CleanReport {
    let mut report = CleanReport::default();
    for resource in resources.into_iter().rev() {
        let swept = match (&resource, sweep(&resource, deadline)) {
            (Resource::Managed { driver: name, .. }, Swept::NeedsDriver) => match driver(name) {
                Some(driver) => match driver.release(&resource, deadline) {
                    Ok(true) => Swept::Removed,
                    Ok(false) => Swept::Absent,
                    Err(error) => Swept::Failed(with_sources(&error)),
                },
                None => Swept::Failed(format!("there is no driver '{name}' here")),
            },
            (_, swept) => swept,
        };
        match swept {
            Swept::Removed => report.removed.push(resource),
            Swept::Failed(why) => report.failed.push((resource, why)),
            Swept::Absent | Swept::NeedsDriver => {}
        }
    }
    report
}
