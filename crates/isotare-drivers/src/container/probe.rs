//! Whether containers work here: makes one and deletes it again.

use super::broker::{ENTER, OVERLAY};
use super::driver::RUNTIME;
use super::environment::{Choice, ContainerEnvironment, lock};
use isotare_core::{
    Cause, DriverError, Image, PrepareContext, Resource, RuntimeInfo, Unavailable, with_sources,
};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsFd;

/// Makes a container (which never starts) as a trial would, but without a budget to itself.
pub(super) fn probe(choice: Choice, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
    let environment = ContainerEnvironment::prepare(choice, &Image::default(), cx)
        .map_err(|error| diagnose(&error, &Kernel::read()))?;
    attempt(&environment, cx).map_err(|error| diagnose(&error, &Kernel::read()))?;
    let word = |rootless: bool| if rootless { "yes" } else { "no" }.to_owned();
    let mut details = BTreeMap::from([("rootless".to_owned(), word(!rustix::process::geteuid().is_root()))]);
    if let Err(why) = environment.hierarchies() {
        details.insert("budget".to_owned(), format!("not enforced: {why}"));
    }
    Ok(RuntimeInfo { version: RUNTIME.to_owned(), details })
}

fn attempt(environment: &ContainerEnvironment, cx: &PrepareContext<'_>) -> Result<(), DriverError> {
    let failed = |error: Cause| DriverError::failed("try a container in", cx.session, error);
    let (layers, control) = (cx.work.join("probe"), cx.work.join("probe-control"));
    for folder in [&layers, &control] {
        fs::create_dir_all(folder).map_err(|e| failed(e.into()))?;
    }
    let id = format!("{}-probe", cx.session);
    // Not below the session's group: that may not exist, and then nobody would remove it.
    let cgroup = environment.reused_group().map_or_else(|| format!("isotare/{id}"), str::to_owned);
    let mut order = environment.order(&id, (&cgroup, cx.budget), &layers, &control);
    order.link = None;
    let hierarchies = environment.hierarchies().ok().filter(|_| order.group.is_some() && !order.keep_group);
    if let Some(hierarchies) = hierarchies {
        cx.ledger.record(&Resource::Cgroup { path: cgroup.clone() }).map_err(|e| failed(e.into()))?;
        hierarchies.create(&cgroup, Some(cx.budget)).map_err(|e| failed(e.into()))?;
    }
    let null = File::options().read(true).write(true).open("/dev/null").map_err(|e| failed(e.into()))?;
    let client = environment.client();
    let mut client = lock(&client);
    let tried = client
        .create(order, [null.as_fd(); 3], &cx.deadline)
        .and_then(|_created| client.delete(&id, &cx.deadline));
    if let Some(hierarchies) = hierarchies {
        hierarchies.remove_tree(&cgroup).map_err(|e| failed(e.into()))?;
    }
    tried
}

/// The part of the kernel's state that can explain a failure.
#[derive(Debug, Default)]
struct Kernel {
    root: bool,
    overlay: bool,
    userns_clone: Option<String>,
    max_user_namespaces: Option<String>,
    apparmor_userns: Option<String>,
}

impl Kernel {
    fn read() -> Self {
        let sysctl = |name: &str| {
            fs::read_to_string(format!("/proc/sys/{name}")).ok().map(|text| text.trim().to_owned())
        };
        let file_systems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        Self {
            root: rustix::process::geteuid().is_root(),
            overlay: file_systems.lines().any(|line| line.ends_with("\toverlay")),
            userns_clone: sysctl("kernel/unprivileged_userns_clone"),
            max_user_namespaces: sysctl("user/max_user_namespaces"),
            apparmor_userns: sysctl("kernel/apparmor_restrict_unprivileged_userns"),
        }
    }
}

/// The reason and the remedy.
fn diagnose(error: &DriverError, kernel: &Kernel) -> Unavailable {
    let error = with_sources(error);
    let is = |value: &Option<String>, bad: &str| value.as_deref() == Some(bad);
    let sysctls = [
        (&kernel.userns_clone, "0", "kernel.unprivileged_userns_clone", "1"),
        (&kernel.max_user_namespaces, "0", "user.max_user_namespaces", "10000"),
        (&kernel.apparmor_userns, "1", "kernel.apparmor_restrict_unprivileged_userns", "0"),
    ];
    let forbids = sysctls.iter().find(|(value, bad, ..)| !kernel.root && is(value, bad));
    if let Some((_, bad, name, good)) = forbids {
        return Unavailable::new(
            format!("users may not create user namespaces here ({name} is {bad})"),
            format!("run isotare as root, or allow it: sysctl -w {name}={good}"),
        );
    }
    if error.contains(OVERLAY) {
        return match kernel.overlay {
            false => Unavailable::new(
                format!("the kernel has no overlayfs ({error})"),
                "load it: modprobe overlay (the kernel has to be built with it)",
            ),
            true => Unavailable::new(
                format!("overlayfs does not work in the data folder ({error})"),
                "choose a work folder on ext4, xfs or btrfs; without root a Linux of 5.11 or later is needed",
            ),
        };
    }
    if error.contains(ENTER) {
        return Unavailable::new(
            format!("namespaces are forbidden here ({error})"),
            "run isotare on the host itself, or inside a container that was started with --privileged",
        );
    }
    Unavailable::new(error, "docs/drivers/container.md says what the kernel has to allow")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_remedy() {
        let text = |cause: &str, kernel: Kernel| {
            diagnose(&DriverError::failed("create container", "x", cause), &kernel).to_string()
        };
        let user = Kernel { userns_clone: Some("0".into()), ..Kernel::default() };
        assert!(text(ENTER, user).contains("sysctl -w kernel.unprivileged_userns_clone=1"));
        let user = Kernel { max_user_namespaces: Some("0".into()), ..Kernel::default() };
        assert!(text(ENTER, user).contains("sysctl -w user.max_user_namespaces=10000"));
        let root = || Kernel { root: true, userns_clone: Some("0".into()), ..Kernel::default() };
        assert!(text(OVERLAY, root()).contains("modprobe overlay"));
        assert!(text(OVERLAY, Kernel { overlay: true, ..root() }).contains("ext4"));
        assert!(text(ENTER, root()).contains("--privileged"));
        assert!(text("anything else", root()).contains("anything else"));
    }
}
