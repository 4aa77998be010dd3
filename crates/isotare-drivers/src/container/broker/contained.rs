//! One container inside the broker: its layers, its handle in the runtime, its process.

use super::error::{BrokerError, Step, runtime};
use super::executor::Filtered;
use super::layers::Layers;
use crate::container::wire::{Order, Terms};
use crate::oci::{self, Privilege};
use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::oci_spec::OciSpecError;
use libcontainer::oci_spec::runtime::{MountBuilder, Spec};
use libcontainer::syscall::syscall::SyscallType;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};
use seccompiler::sock_filter;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// A created container.
pub(super) struct Contained {
    container: Container,
    pid: Pid,
    pidfd: OwnedFd,
    layers: Layers,
    reaped: bool,
    /// How the runtime would find its cgroup, if the cgroup has to stay.
    group_record: Option<PathBuf>,
}

impl Contained {
    /// Mounts the root file system and creates the container. Its init process then waits for
    /// [`Contained::start`]. It inherits the network namespace in which the broker is.
    pub(super) fn create(
        terms: &Terms,
        privilege: Privilege,
        order: &Order,
        filter: Arc<[sock_filter]>,
        [stdin, stdout, stderr]: [OwnedFd; 3],
    ) -> Result<Self, BrokerError> {
        let state = &terms.state;
        let layers = Layers::mount(state, order, privilege)?;
        let specified = oci::Container {
            id: &order.id,
            rootfs: &layers.rootfs(),
            args: &order.args,
            bind: (&order.bind.0, &order.bind.1),
            group: order.group.as_ref(),
            privilege,
            // It inherits the one that the broker prepared for it, see `network`. `Filtered` loads the
            // filter.
            own_network: false,
            network: None,
            filtered: false,
        };
        oci::build(&specified)
            .and_then(|spec| {
                if terms.host_network && privilege == Privilege::Rootless { bind_sys(spec) } else { Ok(spec) }
            })
            .and_then(|spec| spec.save(layers.bundle().join("config.json")))
            .map_err(|error| BrokerError::Spec(error.into()))?;
        let container = ContainerBuilder::new(order.id.clone(), SyscallType::default())
            .with_executor(Filtered::new(filter))
            .with_root_path(state.join("runtime"))
            .map_err(runtime("state folder"))?
            .with_stdin(stdin)
            .with_stdout(stdout)
            .with_stderr(stderr)
            .as_init(layers.bundle())
            .with_systemd(false)
            .with_detach(true)
            .build()
            .map_err(runtime("create"))?;
        let pid = container.pid().and_then(|pid| Pid::from_raw(pid.as_raw())).ok_or(BrokerError::Protocol)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).step("open the init process")?;
        let group_record =
            order.keep_group.then(|| state.join("runtime").join(&order.id).join("youki_config.json"));
        Ok(Self { container, pid, pidfd, layers, reaped: false, group_record })
    }

    /// The init process: becomes readable when it ends.
    pub(super) fn pidfd(&self) -> &OwnedFd {
        &self.pidfd
    }

    /// Its number on the host.
    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Lets the init process run its program.
    pub(super) fn start(&mut self) -> Result<(), BrokerError> {
        self.container.start().map_err(runtime("start"))
    }

    /// Waits for the end of the init process, which takes its whole process namespace with it.
    pub(super) fn reap(&mut self) -> Result<(), BrokerError> {
        if !self.reaped {
            waitpid(Some(self.pid), WaitOptions::empty()).step("wait for the init process")?;
            self.reaped = true;
        }
        Ok(())
    }

    /// Kills what still runs and removes the container, its cgroups and its layers.
    pub(super) fn delete(&mut self) -> Result<(), BrokerError> {
        if !self.reaped {
            match pidfd_send_signal(&self.pidfd, Signal::KILL) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error).step("kill the init process"),
            }
            self.reap()?;
        }
        if let Some(record) = &self.group_record {
            // The runtime then assumes that there is no cgroup to remove (`Container::delete`).
            match std::fs::remove_file(record) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).step("forget the cgroup");
                }
                _ => {}
            }
        }
        let deleted = self.container.delete(true).map_err(runtime("delete"));
        self.layers.remove().and(deleted)
    }
}

/// Shows the host's `/sys` in place of a new one, which only the owner of the network namespace may mount.
fn bind_sys(mut spec: Spec) -> Result<Spec, OciSpecError> {
    for mount in spec.mounts_mut().iter_mut().flatten() {
        if mount.destination() == "/sys" {
            *mount = MountBuilder::default()
                .destination("/sys")
                .typ("bind")
                .source("/sys")
                .options(["rbind", "nosuid", "noexec", "nodev", "ro"].map(str::to_owned))
                .build()?;
        }
    }
    Ok(spec)
}
