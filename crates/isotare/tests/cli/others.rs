//! Tests of files and names from other users: only regular files are read, and no name can control the
//! terminal of the reader.

use crate::place::{Place, text};
use isotare_core::is_hidden;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

const DD: &str =
    "100+0 records in\n100+0 records out\n104857600 bytes (105 MB, 100 MiB) copied, 0.1 s, 1.0 GB/s\n";
/// A formula, escapes that set the title of a window and erase the screen, reversed text, a line feed and an
/// invisible character.
const EVIL: &str = "=\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\n\u{200b}";

fn fifo(place: &Place, name: &str) -> String {
    let path = place.path(name);
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    path.display().to_string()
}

#[test]
fn only_regular_files_are_read() {
    let place = Place::new();
    let fifo = fifo(&place, "fifo");
    let good = place.write("good.txt", DD).display().to_string();
    for path in [fifo.as_str(), "/dev/zero"] {
        for arguments in [
            &["import", path][..],
            &["import", &good, "--manifest", path],
            &["analyze", path],
            &["plan", path],
            &["run", path],
            &["report", "--store", path],
        ] {
            let output = place.run(arguments);
            let shown = text(&output).replace("\n  │ ", " ");
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {shown}");
            assert!(shown.contains("regular file"), "{arguments:?}: {shown}");
        }
    }
    symlink(&good, place.path("alias.txt")).unwrap();
    let alias = place.path("alias.txt").display().to_string();
    assert_eq!(place.run(&["import", &alias]).status.code(), Some(0), "a link that the user named");
}

#[test]
fn a_folder_that_somebody_filled_is_read_without_harm() {
    let place = Place::new();
    let folder = place.path("results");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("good.txt"), DD).unwrap();
    fifo(&place, "results/fifo");
    symlink("/dev/zero", folder.join("zero")).unwrap();
    let secret = place.write("secret", "root:$6$hash\n");
    symlink(&secret, folder.join("link.txt")).unwrap();
    symlink(place.path("."), folder.join("loop")).unwrap();
    File::create(folder.join("sparse")).and_then(|file| file.set_len(20 << 30)).unwrap();
    fs::write(folder.join("unknown.txt"), "a secret of the folder's owner\n").unwrap();
    let (status, json) = place.json(&["import", &folder.display().to_string(), "--format", "json"]);
    let reason = |name: &str| {
        let files = json["files"].as_array().unwrap();
        let file = files.iter().find(|file| file["file"].as_str().unwrap().ends_with(name)).expect(name);
        file["runs"][0]["reason"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!((status, reason("good.txt").as_str()), (1, ""), "{json:#}");
    assert!(reason("fifo").contains("a FIFO, not a regular file"), "{json:#}");
    for link in ["zero", "link.txt", "loop"] {
        assert!(reason(link).contains("a link, and links are not followed"), "{json:#}");
    }
    assert!(reason("sparse").contains("larger than 268435456 bytes"), "{json:#}");
    assert!(!json.to_string().contains("hash") && !json.to_string().contains("a secret"), "{json:#}");
}

#[test]
fn the_largest_file_size_can_be_set() {
    let place = Place::new();
    let csv = "block,condition,metric,value\n1,a,t,1\n1,b,t,1\n".to_owned() + &" \n".repeat(1000);
    let file = place.write("pairs.csv", &csv).display().to_string();
    for verb in ["import", "analyze"] {
        let refused = place.run(&[verb, &file, "--max-size", "1K"]);
        let shown = text(&refused).replace("\n  │ ", " ");
        assert_eq!(refused.status.code(), Some(2), "{shown}");
        assert!(shown.contains("larger than 1024 bytes") && shown.contains("--max-size"), "{shown}");
        let piped = File::open("/dev/zero").unwrap();
        let piped = place.isotare(&[verb, "-", "--max-size", "1M"]).stdin(piped).output().unwrap();
        assert_eq!(piped.status.code(), Some(2), "{}", text(&piped));
        assert!(text(&piped).contains("larger than 1048576 bytes"), "{}", text(&piped));
    }
    let whole = place.run(&["analyze", &file, "--max-size", "1M"]);
    assert!(!text(&whole).contains("larger than"), "{}", text(&whole));
}

#[test]
fn names_of_files_are_shown_as_plain_text() {
    let place = Place::new();
    fs::create_dir(place.path("results")).unwrap();
    let name = [EVIL.as_bytes(), b"\xff|`<b>.txt"].concat();
    fs::write(place.path("results").join(OsStr::from_bytes(&name)), DD).unwrap();
    let folder = place.path("results").display().to_string();
    for format in ["text", "markdown", "csv", "json"] {
        let out = place.path("out.txt");
        let shown =
            text(&place.run(&["import", &folder, "--format", format, "--out", out.to_str().unwrap()]));
        assert!(!shown.contains(is_hidden), "{format}: {shown:?}");
        assert!(shown.contains("\\xff"), "{format}: {shown}");
        assert!(!fs::read_to_string(&out).unwrap().contains(is_hidden), "{format}");
    }
    let (_, json) = place.json(&["import", &folder, "--format", "json"]);
    let file = json["files"][0]["file"].as_str().unwrap();
    assert!(file.contains(EVIL), "a program reads the name as it is: {file:?}");
    // Errors that name a file, quote a file, or quote the command line.
    let quoted = place.write("experiment.toml", &format!("environments = [\"{}\"]\n", "\u{202e}x\u{9b}"));
    let missing = place.path("missing\u{1b}[2J").display().to_string();
    let option = format!("--{EVIL}");
    for arguments in
        [&["plan", quoted.to_str().unwrap()][..], &["import", &missing], &["import", "x", &option]]
    {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(!text(&output).contains(is_hidden), "{arguments:?}: {:?}", text(&output));
    }
}

#[test]
fn names_of_processes_are_shown_as_plain_text() {
    let place = Place::new();
    let program = place.path("=\u{1b}]2;\u{202e}\n");
    symlink("/bin/sleep", &program).unwrap();
    let mut child = Command::new(&program).arg("600").stdout(Stdio::null()).spawn().unwrap();
    let pid = child.id().to_string();
    let sample = |format: &str| {
        place.run(&["sample", "--pid", &pid, "--interval", "20ms", "--count", "1", "--format", format])
    };
    let outputs = ["text", "csv", "json"].map(|format| (format, sample(format)));
    child.kill().and_then(|()| child.wait()).unwrap();
    for (format, output) in outputs {
        let shown = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(output.status.code(), Some(0), "{format}: {}", text(&output));
        assert!(!text(&output).contains(is_hidden), "{format}: {shown:?}");
        match format {
            "json" => {
                let row: serde_json::Value = serde_json::from_str(&shown).unwrap();
                assert_eq!(row["command"], "=\u{1b}]2;\u{202e}\n");
            }
            "csv" => assert!(shown.contains(",'=\\x1b]2;\\u{202e}\\n,"), "{shown}"),
            _ => assert!(shown.contains("=\\x1b]2;\\u{202e}\\n"), "{shown}"),
        }
    }
}
