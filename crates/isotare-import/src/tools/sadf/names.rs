//! The names in the output of sadf, and those of sar.

/// Columns of `-p` that describe network interfaces. Nothing else in the line shows this.
pub const OF_IFACE: &[&str] = &[
    "rxpck/s", "txpck/s", "rxkB/s", "txkB/s", "rxcmp/s", "txcmp/s", "rxmcst/s", "%ifutil", "rxerr/s",
    "txerr/s", "coll/s", "rxdrop/s", "txdrop/s", "txcarr/s", "rxfram/s", "rxfifo/s", "txfifo/s",
];
/// Columns of `-p` that describe file systems.
pub const OF_FILESYSTEM: &[&str] =
    &["MBfsfree", "MBfsused", "%fsused", "%ufsused", "Ifree", "Iused", "%Iused"];

/// The column of sar for a key of the JSON.
pub fn name(section: &str, key: &str) -> Option<String> {
    Some(match (section, key.strip_suffix("-percent")) {
        (_, Some(share)) => format!("%{share}"),
        ("cpu-load" | "cpu-load-all", None) => format!("%{key}"),
        ("memory", None) if key == "inactive" => "kbinact".to_owned(),
        ("memory" | "hugepages", None) => format!("kb{key}"),
        ("disk", None) if matches!(key, "rkB" | "wkB" | "dkB") => format!("{key}/s"),
        ("net-dev" | "net-edev" | "paging" | "swap-pages" | "process-and-context-switch", None) => {
            format!("{key}/s")
        }
        _ => key.to_owned(),
    })
}

/// Columns of `-d` that identify what a row describes, and their labels.
pub const IDS: &[(&str, &str)] = &[
    ("CPU", "cpu"),
    ("IFACE", "iface"),
    ("DEV", "device"),
    ("TTY", "tty"),
    ("INTR", "interrupt"),
    ("FILESYSTEM", "filesystem"),
    ("MOUNTPOINT", "filesystem"),
    ("BUS", "bus"),
    ("FAN", "fan"),
    ("TEMP", "sensor"),
    ("IN", "sensor"),
    ("BAT", "battery"),
    ("FCHOST", "device"),
];
