//! Reads the output of sysbench 1.0 with the decoder for imported outputs, and verifies that it belongs to
//! the requested test.

use isotare_import::{FileRead, Run, Status, read, tools};

/// The run in the output of `sysbench … run`, with metrics by name.
pub struct Output {
    run: Run,
}

/// What sysbench gives as the reason of a failure: it prints it to its standard output.
pub fn complaint(text: &str) -> Option<&str> {
    text.lines().find(|line| line.starts_with("FATAL:")).map(str::trim)
}

impl Output {
    /// Reads the output of `sysbench … run` and verifies it against what was asked for.
    pub fn read(text: &str, test: &str, threads: u64) -> Result<Self, String> {
        if !text.starts_with("sysbench 1.0.") {
            let first = text.lines().next().unwrap_or("");
            return Err(format!("this is not the output of sysbench 1.0: it begins with '{first}'"));
        }
        let FileRead { runs, .. } = read("", text.as_bytes(), tools::find("sysbench"));
        let [run] = runs
            .try_into()
            .map_err(|runs: Vec<Run>| format!("it contains {} runs of sysbench", runs.len()))?;
        let output = Self { run };
        output.verify(test, threads)?;
        Ok(output)
    }

    /// If the figures contradict each other, the run is not complete.
    fn verify(&self, test: &str, threads: u64) -> Result<(), String> {
        let label = |name: &str| self.run.labels.get(name).map(String::as_str);
        if let Some(ran) = label("threads").filter(|ran| *ran != threads.to_string()) {
            return Err(format!("sysbench ran {ran} threads instead of {threads}"));
        }
        if self.run.status != Status::Complete {
            return Err(self.run.reason.clone().unwrap_or_default());
        }
        let has = |name: &str| self.value(name).is_some();
        let is_its_own = match test {
            "cpu" => label("test") == Some("cpu"),
            "memory" => label("test") == Some("memory") && has("throughput"),
            "mutex" => self.value("events") == Some(threads as f64),
            "fileio" => {
                label("test") == Some("fileio") && (has("reads_per_second") || has("writes_per_second"))
            }
            _ => true,
        };
        match is_its_own {
            true => Ok(()),
            false => Err(format!("the figures do not belong to sysbench's test {test}: {:?}", self.run)),
        }
    }

    /// The metric of this name. A latency below the printed resolution and a rate of what a mode does not do
    /// are none.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.run.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value)
    }
}
