//! The lines with the options of a run, and lines without a key.

use super::block::{Block, Section};
use super::numbers::{first, size};

impl<'a> Block<'a> {
    pub(super) fn field(&mut self, key: &str, value: &'a str) {
        match (self.section, key) {
            (Section::Options, "Number of threads") => {
                self.put(value.parse().ok(), |figures| &mut figures.threads);
                self.label("threads", value);
            }
            (Section::Options, "Target transaction rate") => {
                self.figures.has_queue = true;
                self.label("rate", value.trim_end_matches("/sec"));
            }
            (
                Section::Options | Section::Other,
                "Prime numbers limit" | "Primer numbers limit" | "Maximum prime number checked in CPU test",
            ) => {
                self.label("test", "cpu");
                self.label("max_prime", value);
            }
            (Section::Options, "Running memory speed test with the following options") => {
                self.label("test", "memory");
                self.section = Section::Memory;
            }
            (Section::Options | Section::Memory, "block size" | "Memory block size") => {
                self.label("block_size", value);
            }
            (Section::Options | Section::Memory, "total size" | "Memory transfer size") => {
                self.label("total_size", value);
            }
            (Section::Memory, "operation") | (Section::Options, "Memory operations type") => {
                self.label("operation", value);
            }
            (Section::Memory, "scope") | (Section::Options, "Memory scope type") => {
                self.label("scope", value)
            }
            (Section::Options, "Extra file open flags") => {
                self.label("test", "fileio");
                if !matches!(value, "(none)" | "0") {
                    self.label("flags", value);
                }
            }
            (Section::Options, "Read/Write ratio for combined random IO test") => {
                self.label("read_write_ratio", value)
            }
            // These are lines of `help`.
            (Section::Options, _) if value.is_empty() && key.ends_with(" options") => self.is_aside = true,
            (_, "Total operations" | "Operations performed") => self.operations(value),
            _ => self.figure(key, value),
        }
    }

    /// Reads `1024 (14097.04 per second)` and `1024 ( 1932.18 ops/sec)` of the test `memory`, and `60 Read,
    /// 40 Write, 12 Other = 112 Total` and `60 reads, 40 writes, …` of the test `fileio`.
    fn operations(&mut self, value: &str) {
        let mut counts = value.split(['=', ',']).map(str::trim);
        let mut count = |units: [&str; 2]| {
            let (number, unit) = counts.next()?.split_once(' ')?;
            units.contains(&unit).then(|| number.parse().ok())?
        };
        if let (Some(reads), Some(writes)) = (count(["Read", "reads"]), count(["Write", "writes"])) {
            self.put(Some(reads), |figures| &mut figures.read_count);
            self.put(Some(writes), |figures| &mut figures.write_count);
        } else {
            self.label("test", "memory");
            self.put(first(value), |figures| &mut figures.operations);
        }
    }

    /// Reads a line without a key.
    pub(super) fn sentence(&mut self, text: &'a str) {
        if let Some(doing) = text.strip_prefix("Doing ") {
            let doing = doing.trim_end_matches('.');
            match doing {
                "CPU performance benchmark" => self.label("test", "cpu"),
                "memory operations speed test" => self.label("test", "memory"),
                "thread subsystem performance test" => self.label("test", "threads"),
                "mutex performance test" => self.label("test", "mutex"),
                "OLTP test" => self.label("test", "oltp"),
                _ if self.labels.get("test") == Some(&"fileio") => {
                    self.label("mode", doing.trim_end_matches(" test"));
                }
                _ => {}
            }
        } else if let Some((_, rate)) = text.split_once(" transferred (") {
            let rate = rate.strip_suffix("/sec)");
            let mib = rate.and_then(|rate| rate.strip_suffix("MiB").or_else(|| rate.strip_suffix("MB")));
            self.put(mib.and_then(first), |figures| &mut figures.memory_mib);
        } else if let (Some((_, rate)), true) = (text.rsplit_once('('), text.starts_with("Read ")) {
            // For example `Read 93.75Mb  Written 62.5Mb  Total transferred 156.25Mb  (3.2Mb/sec)` of 0.4 and
            // 0.5.
            self.put(rate.strip_suffix("b/sec)").and_then(size), |figures| &mut figures.file_bytes);
        } else if let Some(size) = text.strip_suffix(" total file size") {
            self.label("total_size", size);
        } else if let Some(size) = text.strip_prefix("Block size ") {
            self.label("block_size", size);
        } else if let Some((files, _)) = text.split_once(" files, ") {
            self.label("files", files);
        } else if let Some(mode) = text.strip_prefix("Using ").and_then(|text| text.strip_suffix(" I/O mode"))
        {
            self.label("io_mode", mode);
        } else if let Some(requests) = text.strip_prefix("Periodic FSYNC enabled, calling fsync() each ") {
            self.label("fsync_each", requests.trim_end_matches(" requests."));
        } else if text.starts_with("Calling fsync() after each write operation") {
            self.label("fsync_each", "1");
        } else if text.starts_with("Report checkpoint(s) at ") {
            self.part = Some(1);
        } else if text.starts_with("Removing ")
            || text.starts_with("Creating ")
            || text.starts_with("Dropping ")
        {
            self.is_aside = true;
        }
    }
}
