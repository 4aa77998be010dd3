//! An imported image, and the containers made of it.

use super::instance::{Parts, PodmanInstance};
use super::store::Store;
use crate::oci::gvisor;
use crate::root::archive;
use crate::spawned::{session_group, usable_cgroups};
use isotare_cgroup::Hierarchies;
use isotare_core::{
    Cause, DriverError, Environment, Image, Instance, InstanceContext, PrepareContext, Resource,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Name of the image in the private store.
const IMAGE: &str = "localhost/isotare:trial";

pub(super) struct PodmanEnvironment {
    store: Arc<Store>,
    hierarchies: Result<Hierarchies, String>,
}

impl PodmanEnvironment {
    pub(super) fn prepare(store: Store, image: &Image, cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        let path = archive(image, false, cx)?;
        let about =
            |what, error: std::io::Error| DriverError::failed(what, path.display().to_string(), error);
        // A user can read it only from standard input: the folder is out of reach.
        let input = std::fs::File::open(&path).map_err(|error| about("read image", error))?;
        std::fs::remove_file(&path).map_err(|error| about("remove", error))?;
        let log = store.place.host.with_file_name("log");
        let words = ["import", "--quiet", "-", IMAGE].map(str::to_owned);
        let spawn = store.command(&words, &log)?.input_from(input.into());
        let imported = store.run(&spawn, "import image", IMAGE, &log, &cx.deadline);
        // Also where that failed.
        store.record_holder(cx)?;
        imported?;
        let hierarchies = usable_cgroups();
        if let (Ok(hierarchies), false) = (&hierarchies, store.options.rootless) {
            session_group(hierarchies, cx)?;
        }
        Ok(Self { store: Arc::new(store), hierarchies })
    }

    /// Podman makes the container's cgroup itself and limits it, except rootless, where it may not on version
    /// 1 and would need a delegated group on version 2 (podman(1), "Rootless mode"): then all of the
    /// container runs in a group made here.
    fn cgroup(
        &self,
        cx: &InstanceContext<'_>,
    ) -> Result<(Option<String>, Vec<std::path::PathBuf>), DriverError> {
        let Ok(hierarchies) = &self.hierarchies else { return Ok((None, Vec::new())) };
        cx.ledger
            .record(&Resource::Cgroup { path: cx.cgroup.to_owned() })
            .map_err(|error| DriverError::failed("record cgroup of", cx.instance, error))?;
        if !self.store.options.rootless {
            return Ok((Some(hierarchies.runtime_path(cx.cgroup)), Vec::new()));
        }
        let made = hierarchies
            .create(cx.cgroup, Some(cx.budget))
            .map_err(|error| DriverError::failed("create cgroup of", cx.instance, error))?;
        Ok((None, made.joining_files()))
    }
}

impl Environment for PodmanEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        let failed = |what, error: Cause| DriverError::failed(what, cx.instance, error);
        let place = self
            .store
            .place
            .of_instance(&self.store.options, cx)
            .map_err(|error| failed("make folder of", error.into()))?;
        let listener = place.listen().map_err(|error| failed("listen for agent of", error.into()))?;
        if let Ok(hierarchies) = &self.hierarchies {
            hierarchies.refuse_taken(cx.cgroup).map_err(|error| failed("create container", error.into()))?;
        }
        let (parent, joining) = self.cgroup(cx)?;
        let words = self.store.options.create(IMAGE, &place.seen, parent.as_deref(), cx)?;
        let log = cx.work.join("podman.log");
        let mut instance = PodmanInstance::new(Parts {
            store: Arc::clone(&self.store),
            name: cx.instance.to_owned(),
            folder: place.host,
            log: log.clone(),
            cgroup: self.hierarchies.is_ok().then(|| cx.cgroup.to_owned()),
            joining,
            listener,
        });
        let created = self
            .store
            .command(&words, &log)
            .and_then(|spawn| self.store.run(&spawn, "create container", cx.instance, &log, &cx.deadline));
        match created {
            Ok(()) => Ok(Box::new(instance)),
            Err(error) => {
                // A part of it may exist. The first error is reported.
                let _second = instance.delete(cx);
                Err(error)
            }
        }
    }

    fn unattached(&self) -> Option<&'static str> {
        gvisor::unattached(self.store.options.runtime.as_deref())
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let limited = match &self.hierarchies {
            Ok(_) => "cgroup".to_owned(),
            Err(why) => format!("none: {why}"),
        };
        let place: &Path = &self.store.place.host;
        BTreeMap::from([
            ("budget.enforced".to_owned(), limited),
            ("storage.root".to_owned(), place.display().to_string()),
        ])
    }
}
