//! An imported image, and the description of containers made of it.

use super::engine::Engine;
use super::image::Imported;
use super::info::places_by_path;
use super::instance::DockerInstance;
use super::ports::Ports;
use super::reached::{Private, Reached};
use super::removal::{INSTANCE_LABEL, SESSION_LABEL, What, resource};
use crate::oci::gvisor;
use crate::oci::profile::MASKED;
use crate::root::closed;
use crate::spawned::{session_group, usable_cgroups};
use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountBindOptions, MountType,
};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use isotare_core::{
    AGENT_PATH, Base, CONTROL_DIR, Cause, DATA_DIR, DriverError, Environment, HOST_FOLDERS, Image, Instance,
    InstanceContext, PrepareContext, Settings,
};
use isotare_host::listen;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) struct DockerEnvironment {
    engine: Arc<Engine>,
    image: Imported,
    runtime: Option<String>,
    network: String,
    /// Folders of the host that are shown at their own paths, read-only.
    shown: Vec<String>,
    /// Paths to hide, with those that the daemon hides of its own accord; `None`: only those.
    masked: Option<Vec<String>>,
    /// Whether a container's cgroup can be put below the session's.
    placed: bool,
    publish: Option<Ports>,
    warnings: Mutex<Vec<String>>,
    // Dropped last.
    _private: Option<Private>,
}

impl DockerEnvironment {
    pub(super) fn prepare(
        reached: Reached,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Self, DriverError> {
        let Reached { engine, said, private } = reached;
        let engine = Arc::new(engine);
        let hierarchies = places_by_path(&said).then(|| usable_cgroups().ok()).flatten();
        if let Some(hierarchies) = &hierarchies {
            session_group(hierarchies, cx)?;
        }
        Ok(Self {
            image: Imported::new(Arc::clone(&engine), image, cx)?,
            engine,
            runtime: settings.text("runtime").map(str::to_owned),
            network: settings.text("network").unwrap_or("none").to_owned(),
            placed: hierarchies.is_some(),
            publish: Ports::of(settings)?,
            shown: if image.base == Base::Host { host_folders() } else { Vec::new() },
            masked: if image.base == Base::Host { Some(masked()?) } else { None },
            warnings: Mutex::default(),
            _private: private,
        })
    }

    fn container(&self, cx: &InstanceContext<'_>) -> Result<ContainerCreateBody, DriverError> {
        let socket = format!("{CONTROL_DIR}/agent.sock");
        let command = [AGENT_PATH, "--socket", &socket, "--data", DATA_DIR];
        let labels = [(SESSION_LABEL, cx.session), (INSTANCE_LABEL, cx.instance)];
        Ok(ContainerCreateBody {
            image: Some(self.image.name.clone()),
            entrypoint: Some(command.map(str::to_owned).to_vec()),
            exposed_ports: self.publish.as_ref().map(|ports| vec![ports.key()]),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            // Process 1 of a container ignores SIGTERM unless it handles it.
            stop_signal: Some("SIGKILL".to_owned()),
            host_config: Some(self.host_config(cx)?),
            ..Default::default()
        })
    }

    fn host_config(&self, cx: &InstanceContext<'_>) -> Result<HostConfig, DriverError> {
        let memory = i64::try_from(cx.budget.memory)
            .map_err(|error| DriverError::failed("limit memory of", cx.instance, error))?;
        let source = cx.control().into_os_string().into_string().map_err(|path| {
            DriverError::failed("mount", path.display().to_string(), "the path is not UTF-8")
        })?;
        let control = Mount {
            typ: Some(MountType::BIND),
            source: Some(source),
            target: Some(CONTROL_DIR.to_owned()),
            read_only: Some(true),
            ..Default::default()
        };
        Ok(HostConfig {
            cpuset_cpus: Some(cx.budget.cpus.to_string()),
            memory: Some(memory),
            // The sum of memory and swap: no swap.
            memory_swap: Some(memory),
            pids_limit: cx.budget.processes.map(i64::from),
            cgroup_parent: self.placed.then(|| format!("/{}", parent_of(cx.cgroup))),
            port_bindings: self.publish.as_ref().map(Ports::bindings),
            mounts: Some(self.shown.iter().map(|folder| shown(folder)).chain([control]).collect()),
            masked_paths: self.masked.clone(),
            network_mode: Some(self.network.clone()),
            runtime: self.runtime.clone(),
            // Output of the agent outside its connection is read from there if a trial failed.
            log_config: Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: None }),
            auto_remove: Some(false),
            init: Some(false),
            ..Default::default()
        })
    }
}

impl Environment for DockerEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        let failed = |what, error: Cause| DriverError::failed(what, cx.instance, error);
        let listener = listen(&cx.control_socket()).map_err(|e| failed("listen for agent of", e.into()))?;
        let body = self.container(cx)?;
        cx.ledger
            .record(&resource(What::Container, &self.engine.address, cx.instance))
            .map_err(|e| failed("record container", e.into()))?;
        let options = CreateContainerOptionsBuilder::new().name(cx.instance).build();
        let created = self
            .engine
            .call(&cx.deadline, |docker| docker.create_container(Some(options), body))
            .map_err(|error| error.during("create container", cx.instance))?;
        *self.warnings.lock().unwrap_or_else(PoisonError::into_inner) = created.warnings;
        Ok(Box::new(DockerInstance::new(Arc::clone(&self.engine), created.id, listener)))
    }

    fn unattached(&self) -> Option<&'static str> {
        gvisor::unattached(self.runtime.as_deref())
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let placed = if self.placed { "session" } else { "daemon's default" };
        BTreeMap::from([
            ("budget.enforced".to_owned(), "cgroup".to_owned()),
            ("cgroup.parent".to_owned(), placed.to_owned()),
            (
                "docker.warnings".to_owned(),
                self.warnings.lock().unwrap_or_else(PoisonError::into_inner).join("; "),
            ),
        ])
    }
}

/// The host's userland, less what is a link at its root: the image has those.
fn host_folders() -> Vec<String> {
    let is_folder = |path: &String| std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    HOST_FOLDERS.iter().map(|folder| format!("/{folder}")).filter(is_folder).collect()
}

/// The parts of the host's folders that instances must not see, in addition to the daemon's own list, which
/// this list replaces.
fn masked() -> Result<Vec<String>, DriverError> {
    let closed = closed(Path::new("/"))
        .map_err(|error| DriverError::failed("look for closed files in", "the host's userland", error))?;
    let closed = closed.into_iter().map(|path| path.display().to_string());
    Ok(MASKED.map(String::from).into_iter().chain(closed).collect())
}

/// An import of the host would be gigabytes, so its folders are mounted, without the file systems that are
/// mounted on them.
fn shown(folder: &str) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(folder.to_owned()),
        target: Some(folder.to_owned()),
        read_only: Some(true),
        bind_options: Some(MountBindOptions { non_recursive: Some(true), ..Default::default() }),
        ..Default::default()
    }
}

/// The session's cgroup, in which the daemon puts containers, next to the instances of other environments.
fn parent_of(cgroup: &str) -> &str {
    cgroup.rsplit_once('/').map_or(cgroup, |(parent, _)| parent)
}
