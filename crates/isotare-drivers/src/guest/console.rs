//! The output of a monitor and of the guest's console, for reasons and failure reports.

use std::path::{Path, PathBuf};

/// How much of the end of each file is quoted.
const TAIL: u64 = 4096;

/// The files that a machine writes to.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    /// The monitor's name.
    pub(crate) monitor: &'static str,
    /// Its stdout and stderr.
    pub(crate) output: PathBuf,
    /// The guest's serial console.
    pub(crate) console: PathBuf,
}

impl Logs {
    /// The most useful line: the monitor's own error, otherwise the last line of the console.
    pub(crate) fn summary(&self) -> String {
        let said = |text: &str| telling_lines(text).next_back().map(str::to_owned);
        match (said(&tail(&self.output)), said(&tail(&self.console))) {
            (Some(line), _) => format!("{} said: {line}", self.monitor),
            (None, Some(line)) => format!("the guest's console ends with: {line}"),
            (None, None) => format!("{} and the guest's console wrote nothing", self.monitor),
        }
    }

    /// The line of the guest kernel's panic. A monitor that ends instead of restarting then ends with status
    /// 0, as after a power-off.
    pub(crate) fn panic(&self) -> Option<String> {
        let console = tail(&self.console);
        console.lines().find(|line| line.contains("Kernel panic")).map(|line| line.trim().to_owned())
    }

    /// Both, for a report.
    pub(crate) fn text(&self) -> String {
        let part = |name: &str, path: &Path| match tail(path) {
            text if text.trim().is_empty() => String::new(),
            text => format!("{name}:\n{}\n", text.trim_end()),
        };
        let output = part(self.monitor, &self.output);
        // Some monitors write the console to their standard output.
        if self.console == self.output { output } else { output + &part("guest's console", &self.console) }
    }
}

/// Lines that are useful. Monitors print many warnings that do not matter.
fn telling_lines(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains("warning:"))
}

/// The end of such a file, up to the limit. Its content is not trusted: it comes from the guest, or from a
/// monitor that a guest may have taken over.
fn tail(path: &Path) -> String {
    // If the file does not exist, or is not a regular file, the text is empty.
    String::from_utf8_lossy(&isotare_files::tail(path, TAIL).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_do_not_hide_the_last_message_of_the_guest() {
        let folder = tempfile::tempdir().expect("a folder");
        let logs =
            Logs { monitor: "QEMU", output: folder.path().join("q"), console: folder.path().join("c") };
        assert_eq!(logs.summary(), "QEMU and the guest's console wrote nothing");
        std::fs::write(&logs.output, "qemu: warning: TCG doesn't support x\n").expect("written");
        std::fs::write(&logs.console, "[1] a\n[2] Kernel panic - not syncing: b\r\n\n").expect("written");
        assert_eq!(logs.summary(), "the guest's console ends with: [2] Kernel panic - not syncing: b");
        assert_eq!(logs.panic().as_deref(), Some("[2] Kernel panic - not syncing: b"));
        std::fs::write(&logs.output, "qemu: could not open x\n").expect("written");
        assert_eq!(logs.summary(), "QEMU said: qemu: could not open x");
    }

    #[test]
    fn links_are_not_followed_and_only_the_end_is_quoted() {
        let folder = tempfile::tempdir().expect("a folder");
        let logs =
            Logs { monitor: "QEMU", output: folder.path().join("q"), console: folder.path().join("c") };
        std::os::unix::fs::symlink("/etc/passwd", &logs.console).expect("linked");
        // Reading a FIFO without a writer would never end.
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &logs.output,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .expect("made");
        assert_eq!((logs.text().as_str(), logs.panic()), ("", None));
        std::fs::remove_file(&logs.console).expect("removed");
        std::fs::write(&logs.console, [&b"secret"[..], &[b'a'; 100_000]].concat()).expect("written");
        assert!(logs.text().len() < 5000 && !logs.text().contains("secret"));
    }
}
