//! The requests to Firecracker: <https://github.com/firecracker-microvm/firecracker>,
//! `src/firecracker/swagger/firecracker.yaml`.

use crate::guest::Shape;
use crate::vmm::{Dialect, Places, Request};
use isotare_core::{Role, Settings};
use serde_json::json;
use std::ffi::OsString;
use std::path::Path;

/// Its devices are on virtio-mmio, which the kernel learns of by ACPI. Only a restart through the keyboard
/// controller lets a guest end it (`docs/getting-started.md` there).
pub(super) const DIALECT: Dialect = Dialect {
    name: "Firecracker",
    program: "firecracker",
    package: "a release from github.com/firecracker-microvm/firecracker, in PATH or by binary=PATH",
    modules: &["virtio_mmio", "vmw_vsock_virtio_transport", "virtio_blk", "ext4"],
    parameters: "reboot=k",
    threads: &[("fc_vcpu", Role::Vcpu)],
    console_on_output: true,
    arguments,
    requests,
};

fn arguments(socket: &Path) -> Vec<OsString> {
    vec!["--api-sock".into(), socket.into()]
}

fn requests(settings: &Settings, shape: Shape, places: &Places<'_>) -> Vec<Request> {
    let mut list = vec![
        Request::put(
            "/machine-config",
            json!({"vcpu_count": shape.vcpus, "mem_size_mib": shape.memory >> 20}),
        ),
        Request::put(
            "/boot-source",
            json!({
                "kernel_image_path": places.kernel,
                "initrd_path": places.initramfs,
                "boot_args": places.parameters,
            }),
        ),
    ];
    if let Some(disk) = places.disk {
        let cache = if settings.text("cache") == Some("unsafe") { "Unsafe" } else { "Writeback" };
        let engine = if settings.text("io") == Some("async") { "Async" } else { "Sync" };
        let drive = json!({
            "drive_id": "data",
            "path_on_host": disk,
            "is_root_device": false,
            "is_read_only": false,
            "cache_type": cache,
            "io_engine": engine,
        });
        list.push(Request::put("/drives/data", drive));
    }
    list.push(Request::put("/vsock", json!({"guest_cid": 3, "uds_path": places.vsock})));
    list.push(Request::put("/actions", json!({"action_type": "InstanceStart"})));
    list
}
