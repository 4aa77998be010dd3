//! Podman's information about itself and about a store.

use super::store::Store;
use isotare_core::{Deadline, DriverError, RuntimeInfo};
use serde_json::Value;
use std::collections::BTreeMap;

/// Version and what else decides its speed.
pub(super) fn ask(store: &Store, deadline: &Deadline) -> Result<RuntimeInfo, DriverError> {
    let text = store.answer(&["info", "--format", "json"], deadline)?;
    let said: Value = serde_json::from_str(&text)
        .map_err(|error| DriverError::failed("read podman info", store.name(), error))?;
    Ok(describe(&said))
}

fn describe(said: &Value) -> RuntimeInfo {
    let mut details = BTreeMap::new();
    for (name, pointer) in [
        ("runtime", "/host/ociRuntime/name"),
        ("runtime.version", "/host/ociRuntime/version"),
        ("conmon.version", "/host/conmon/version"),
        ("storage.driver", "/store/graphDriverName"),
        ("storage.backing", "/store/graphStatus/Backing Filesystem"),
        ("network.backend", "/host/networkBackend"),
        ("cgroup.driver", "/host/cgroupManager"),
        ("cgroup.version", "/host/cgroupVersion"),
        ("kernel", "/host/kernel"),
    ] {
        if let Some(value) = said.pointer(pointer).and_then(Value::as_str) {
            details.insert(name.to_owned(), value.lines().next().unwrap_or_default().to_owned());
        }
    }
    if let Some(rootless) = said.pointer("/host/security/rootless").and_then(Value::as_bool) {
        details.insert("rootless".to_owned(), rootless.to_string());
    }
    let version = said.pointer("/version/Version").and_then(Value::as_str).unwrap_or("unknown");
    RuntimeInfo { version: version.to_owned(), details }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_the_output_of_podman_4_3() {
        let said = serde_json::json!({
            "host": {
                "cgroupManager": "cgroupfs", "cgroupVersion": "v1", "networkBackend": "netavark",
                "ociRuntime": { "name": "crun", "version": "crun version 1.8.1\ncommit: f8a096be" },
                "security": { "rootless": false },
            },
            "store": { "graphDriverName": "overlay", "graphStatus": { "Backing Filesystem": "extfs" } },
            "version": { "Version": "4.3.1" },
        });
        let info = describe(&said);
        assert_eq!(info.version, "4.3.1");
        assert_eq!(info.details["runtime.version"], "crun version 1.8.1");
        assert_eq!(info.details["storage.backing"], "extfs");
        assert_eq!(info.details["rootless"], "false");
    }
}
