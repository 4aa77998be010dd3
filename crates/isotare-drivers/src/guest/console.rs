//! What a monitor and the guest's console have said, for reasons and failure reports.

use std::path::{Path, PathBuf};

/// How much of the end of each file is told.
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
    /// One line that tells most: the monitor's own complaint, else the console's last words.
    pub(crate) fn summary(&self) -> String {
        let said = |text: &str| telling_lines(text).next_back().map(str::to_owned);
        match (said(&tail(&self.output)), said(&tail(&self.console))) {
            (Some(line), _) => format!("{} said: {line}", self.monitor),
            (None, Some(line)) => format!("the guest's console ends with: {line}"),
            (None, None) => format!("{} and the guest's console are silent", self.monitor),
        }
    }

    /// The line with which the guest's kernel gave up. A monitor that ends instead of restarting then ends as after a power-off, with status 0.
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

/// Lines that say something; monitors warn of much that does no harm.
fn telling_lines(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains("warning:"))
}

/// The end of such a file, as far as it is told. It is read without trust: what stands in it is the guest's, or that of a
/// monitor that a guest may have taken over.
fn tail(path: &Path) -> String {
    // A file that is not there, or is none, has nothing to tell.
    String::from_utf8_lossy(&isotare_files::tail(path, TAIL).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_do_not_hide_what_the_guest_said_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let logs =
            Logs { monitor: "QEMU", output: folder.path().join("q"), console: folder.path().join("c") };
        assert_eq!(logs.summary(), "QEMU and the guest's console are silent");
        std::fs::write(&logs.output, "qemu: warning: TCG doesn't support x\n").expect("written");
        std::fs::write(&logs.console, "[1] a\n[2] Kernel panic - not syncing: b\r\n\n").expect("written");
        assert_eq!(logs.summary(), "the guest's console ends with: [2] Kernel panic - not syncing: b");
        assert_eq!(logs.panic().as_deref(), Some("[2] Kernel panic - not syncing: b"));
        std::fs::write(&logs.output, "qemu: could not open x\n").expect("written");
        assert_eq!(logs.summary(), "QEMU said: qemu: could not open x");
    }

    #[test]
    fn a_link_is_not_followed_and_only_the_end_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let logs =
            Logs { monitor: "QEMU", output: folder.path().join("q"), console: folder.path().join("c") };
        std::os::unix::fs::symlink("/etc/passwd", &logs.console).expect("linked");
        // A FIFO without a writer would be waited for without end.
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
