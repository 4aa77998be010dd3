//! Runs one lab and reads its results.

use super::machine::{Places, arguments};
use super::{Image, Lab, Program, payload, results};
use isotare_core::Interrupt;
use isotare_host::{Spawn, deadline_in, find_program};
use std::fs;
use std::path::Path;

/// Boots a lab with these programs. Returns its lines for the tally, and the durations of its steps. Its
/// console and its results stay in `folder`. The machine ends with the calling thread.
pub fn run(
    lab: &Lab,
    image: &Image,
    programs: &[Program],
    folder: &Path,
) -> Result<(Vec<String>, String), String> {
    let failed = |what: &str, error: &dyn std::fmt::Display| format!("lab {}: {what}: {error}", lab.name);
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| failed("remove the last run", &error))?;
    }
    fs::create_dir_all(folder).map_err(|error| failed("make its folder", &error))?;
    let [disk, console, output] = ["disk", "console", "results"].map(|name| folder.join(name));
    payload::write(lab, programs, folder, &disk)?;
    let places = Places { payload: &disk, console: &console, results: &output };
    let qemu = find_program("qemu-system-x86_64").ok_or("there is no qemu-system-x86_64")?;
    let log = folder.join("log");
    let spawn = Spawn::new(qemu).args(arguments(lab, image, &places)).output_to(&log);
    let mut machine = spawn.start().map_err(|error| failed("start QEMU", &error))?;
    let ended = machine.wait(&deadline_in(lab.deadline, &Interrupt::default()));
    drop(machine);
    // The serial line may contain any bytes.
    let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let text = read(&output);
    let judged = match ended {
        Ok(status) if status.success() => results::judge(lab, &text),
        Ok(status) => Err(failed("QEMU", &format!("{status}: {}", read(&log)))),
        Err(error) => Err(match results::judge(lab, &text) {
            Ok(_) => failed("switch off", &error),
            Err(why) => format!("{why}\n{}", failed("wait for its end", &error)),
        }),
    };
    match judged {
        Ok(lines) => Ok((lines, results::durations(lab, &text))),
        Err(why) => Err(format!(
            "{why}\nthe end of its console ({}):\n{}",
            console.display(),
            results::tail(&read(&console), 40)
        )),
    }
}
