//! The requests to Cloud Hypervisor: <https://github.com/cloud-hypervisor/cloud-hypervisor>,
//! `vmm/src/api/openapi/cloud-hypervisor.yaml`.

use crate::guest::Shape;
use crate::vmm::{Dialect, Places, Request};
use isotare_core::{Role, Settings};
use serde_json::json;
use std::ffi::OsString;
use std::path::Path;

/// Its devices are on virtio-pci. A restart of the guest does not end it, but a power-off does.
pub(super) const DIALECT: Dialect = Dialect {
    name: "Cloud Hypervisor",
    program: "cloud-hypervisor",
    package: "a release from github.com/cloud-hypervisor/cloud-hypervisor, in PATH or by binary=PATH",
    modules: &["virtio_pci", "vmw_vsock_virtio_transport", "virtio_blk", "ext4"],
    parameters: "isotare.end=off",
    // A device's thread is named after the device. Names that Cloud Hypervisor chooses begin with an
    // underscore: `_disk0_q0`.
    threads: &[("vcpu", Role::Vcpu), ("_", Role::Io)],
    console_on_output: false,
    arguments,
    requests,
};

fn arguments(socket: &Path) -> Vec<OsString> {
    let mut path = OsString::from("path=");
    path.push(socket);
    vec!["--api-socket".into(), path]
}

fn requests(settings: &Settings, shape: Shape, places: &Places<'_>) -> Vec<Request> {
    let mut machine = json!({
        "cpus": {"boot_vcpus": shape.vcpus, "max_vcpus": shape.vcpus},
        "memory": {"size": shape.memory},
        "payload": {"kernel": places.kernel, "initramfs": places.initramfs, "cmdline": places.parameters},
        "vsock": {"cid": 3, "socket": places.vsock},
        "serial": {"mode": "File", "file": places.console},
        "console": {"mode": "Off"},
    });
    if let Some(disk) = places.disk {
        // The disk format is given, because the first sector of a disk is not writable if its format had to
        // be detected.
        let direct = settings.text("cache") != Some("writeback");
        machine["disks"] = json!([{"path": disk, "direct": direct, "image_type": "Raw"}]);
    }
    vec![Request::put("/api/v1/vm.create", machine), Request::put("/api/v1/vm.boot", None)]
}
