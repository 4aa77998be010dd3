//! A CPU quota: scheduler/sched-bwc.rst and `cpu.max` in admin-guide/cgroup-v2.rst of the kernel's
//! documentation.

use crate::{Cgroup, CgroupError, files};
use std::io;
use std::time::Duration;

impl Cgroup {
    /// Lets the group use `quota` of CPU time in every `period`, on all its CPUs together; the kernel takes
    /// periods from 1 ms to 1 s. Budgets do not use it. The self-test uses it to slow something down by a
    /// known factor.
    pub fn throttle(&self, quota: Duration, period: Duration) -> Result<(), CgroupError> {
        let (quota, period) = (quota.as_micros(), period.as_micros());
        if let Some(dir) = self.v1_dir("cpu") {
            files::write(&dir.join("cpu.cfs_period_us"), &period.to_string())?;
            return files::write(&dir.join("cpu.cfs_quota_us"), &quota.to_string());
        }
        let Some(dir) = &self.v2 else {
            let why = io::Error::new(io::ErrorKind::Unsupported, "no hierarchy has the controller cpu");
            return Err(CgroupError::of("limit", "CPU time", why));
        };
        files::write(&dir.join("cpu.max"), &format!("{quota} {period}"))
    }
}
