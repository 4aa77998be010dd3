//! Information from a daemon: whether it supports these settings, and facts that affect its speed.

use super::engine::{CallError, Engine};
use bollard::models::{SystemInfo, SystemInfoCgroupDriverEnum};
use isotare_core::{Deadline, DriverError, RuntimeInfo, Settings, Unavailable};
use std::collections::BTreeMap;

/// API with which any containerd shim can be named as a runtime: of Docker 23.
const SHIMS_BY_NAME: (usize, usize) = (1, 42);

/// The daemon's information about itself.
pub(super) fn ask(engine: &Engine, deadline: &Deadline) -> Result<SystemInfo, DriverError> {
    engine
        .call(deadline, bollard::Docker::info)
        .map_err(|error| error.during("ask for facts the Docker daemon at", engine.address.to_string()))
}

/// Whether instances of these settings can be made and reached.
pub(super) fn check(
    engine: &Engine,
    info: &SystemInfo,
    settings: &Settings,
    deadline: &Deadline,
) -> Result<(), DriverError> {
    check_kernel(engine, info)?;
    check_runtime(engine, info, settings)?;
    if settings.text("network") == Some("bridge") {
        match engine.call(deadline, |docker| docker.inspect_network("bridge", None)) {
            Ok(_) => {}
            Err(error @ CallError::Refused { status: 404, .. }) => {
                return Err(DriverError::Unavailable(Unavailable::new(
                    format!("the Docker daemon at {} has no bridge network: {error}", engine.address),
                    "start it without --bridge=none, or use network=none or network=host",
                )));
            }
            Err(error) => return Err(error.during("look at network", "bridge")),
        }
    }
    Ok(())
}

fn check_kernel(engine: &Engine, info: &SystemInfo) -> Result<(), Unavailable> {
    let ours = rustix::system::uname().release().to_string_lossy().into_owned();
    let theirs = info.kernel_version.as_deref().unwrap_or("unknown");
    if theirs != ours {
        return Err(Unavailable::new(
            format!("the Docker daemon at {} runs on another kernel ({theirs}, here {ours})", engine.address),
            "use a daemon that runs on this machine itself, not in a virtual machine",
        ));
    }
    if security(info).any(|option| option.starts_with("name=userns")) {
        return Err(Unavailable::new(
            format!("the Docker daemon at {} maps users (userns-remap)", engine.address),
            "use a daemon without userns-remap; with it, an instance cannot open its control socket",
        ));
    }
    Ok(())
}

fn check_runtime(engine: &Engine, info: &SystemInfo, settings: &Settings) -> Result<(), Unavailable> {
    let Some(wanted) = settings.text("runtime") else { return Ok(()) };
    let known: Vec<&str> = info.runtimes.iter().flatten().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
    let shim = wanted.starts_with("io.containerd.") && engine.version >= SHIMS_BY_NAME;
    if known.contains(&wanted) || shim {
        return Ok(());
    }
    let mut known = known;
    known.sort_unstable();
    Err(Unavailable::new(
        format!(
            "the Docker daemon at {} does not know the runtime '{wanted}'; it has {}",
            engine.address,
            known.join(", ")
        ),
        "add it to \"runtimes\" in /etc/docker/daemon.json and restart the daemon",
    ))
}

/// Version and details, for the report.
pub(super) fn describe(
    engine: &Engine,
    info: &SystemInfo,
    settings: &Settings,
    deadline: &Deadline,
) -> Result<RuntimeInfo, DriverError> {
    let version = engine.call(deadline, bollard::Docker::version).map_err(|error| {
        error.during("ask for the version the Docker daemon at", engine.address.to_string())
    })?;
    let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    let mut details = BTreeMap::new();
    let mut add = |name: &str, value: String| details.insert(name.to_owned(), value);
    add("storage.driver", said(&info.driver));
    add("storage.root", said(&info.docker_root_dir));
    for pair in info.driver_status.iter().flatten() {
        if let [name, value] = pair.as_slice()
            && name == "Backing Filesystem"
        {
            add("storage.backing", value.clone());
        }
    }
    add("cgroup.driver", info.cgroup_driver.map_or("unknown".to_owned(), |driver| driver.to_string()));
    add("cgroup.version", info.cgroup_version.map_or("unknown".to_owned(), |version| version.to_string()));
    add("runtime", settings.text("runtime").map_or_else(|| said(&info.default_runtime), str::to_owned));
    add("network", settings.text("network").unwrap_or("none").to_owned());
    add("kernel", said(&info.kernel_version));
    add("api.version", format!("{}.{}", engine.version.0, engine.version.1));
    add("seccomp", seccomp(info));
    add("security", security(info).collect::<Vec<_>>().join(" "));
    for component in version.components.iter().flatten() {
        if matches!(component.name.as_str(), "containerd" | "runc") {
            add(&format!("{}.version", component.name), component.version.clone());
        }
    }
    Ok(RuntimeInfo { version: version.version.unwrap_or_else(|| said(&info.server_version)), details })
}

/// Whether a cgroup's parent is a path (`cgroupfs`) and not a slice of systemd.
pub(super) fn places_by_path(info: &SystemInfo) -> bool {
    info.cgroup_driver == Some(SystemInfoCgroupDriverEnum::CGROUPFS)
}

fn security(info: &SystemInfo) -> impl Iterator<Item = &str> {
    info.security_options.iter().flatten().map(String::as_str)
}

/// The profile in `name=seccomp,profile=default`.
fn seccomp(info: &SystemInfo) -> String {
    let option = security(info).find_map(|option| option.strip_prefix("name=seccomp"));
    match option {
        None => "none".to_owned(),
        Some(rest) => rest.trim_start_matches(",profile=").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seccomp_profile_is_found_among_the_security_options() {
        let with = |options: &[&str]| SystemInfo {
            security_options: Some(options.iter().map(|option| (*option).to_owned()).collect()),
            ..Default::default()
        };
        assert_eq!(seccomp(&with(&["name=apparmor", "name=seccomp,profile=builtin"])), "builtin");
        assert_eq!(seccomp(&with(&["name=apparmor"])), "none");
    }
}
