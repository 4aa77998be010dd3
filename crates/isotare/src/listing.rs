//! The part of the help pages that is made from the registries: all environments and workloads with their
//! settings.

use isotare_core::SettingDef;
use std::fmt::Write;

/// Environments and workloads with their settings.
pub fn settings() -> String {
    let mut text = String::from("Environments:\n");
    for driver in isotare_drivers::DRIVERS {
        entry(&mut text, driver.name(), driver.summary(), driver.settings());
    }
    text.push_str("\nWorkloads:\n");
    for workload in isotare_workloads::workloads() {
        entry(&mut text, workload.name(), workload.summary(), workload.settings());
    }
    text
}

fn entry(text: &mut String, name: &str, summary: &str, settings: &[SettingDef]) {
    let lines = settings.iter().map(|def| {
        let default = def.default.map(|value| format!(" [default: {value}]")).unwrap_or_default();
        format!("      {}: {}; {}{default}\n", def.key, def.help, def.kind)
    });
    // Writing to a String cannot fail.
    let _infallible = write!(text, "  {name}: {summary}\n{}", lines.collect::<String>());
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_driver_and_workload_is_listed_with_its_settings() {
        let text = super::settings();
        for part in ["  native: ", "  qemu: ", "      machine: ", "  fileio: ", "      max-prime: "] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
