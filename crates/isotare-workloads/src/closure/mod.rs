//! Program closures: all files that a program of the host needs to start in a root that is otherwise empty.
//!
//! That is the program, the interpreter of a script, the ELF interpreter, and every library that is named as
//! needed, found where `ld.so` would find it, under the same paths and behind the same links as on the host.
//! The host's cache of libraries is included, so that starting a program needs the same look-ups in every
//! environment. Libraries that a program opens by itself later (name services, plug-ins) are not found.

mod cache;
mod libraries;
mod place;

use cache::LibraryCache;
use isotare_core::{Image, ImageFile, Source};
use libraries::{Binary, Search};
use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const CACHE: &str = "/etc/ld.so.cache";
/// The kernel follows no more interpreters of interpreters than this.
const DEEPEST_SCRIPT: usize = 5;

/// The closure of a program, given as a path or as a name to look up in `PATH`, and its absolute path.
pub fn closure(program: &str) -> Result<(PathBuf, Image), String> {
    let path = find(program)?;
    let mut image = Image::default();
    let cache = fs::read(CACHE).ok().map(|bytes| LibraryCache::parse(&bytes)).unwrap_or_default();
    let mut builder = Builder { image: &mut image, search: Search::new(cache), seen: HashSet::new() };
    builder.program(&path, 0)?;
    if builder.seen.len() > 1 && Path::new(CACHE).exists() {
        place::add(&mut image, Path::new(CACHE))?;
    }
    Ok((path, image))
}

/// The program and the files that it loads, the program first; none if it is not there.
pub fn files(program: &str) -> Vec<PathBuf> {
    let Ok((path, image)) = closure(program) else { return Vec::new() };
    let program = fs::canonicalize(&path).unwrap_or(path);
    let is_loaded = |file: &ImageFile| {
        matches!(file.source, Source::Host(_)) && file.path != program && file.path != Path::new(CACHE)
    };
    let loaded: Vec<PathBuf> = image.files.into_iter().filter(is_loaded).map(|file| file.path).collect();
    std::iter::once(program).chain(loaded).collect()
}

/// Programs whose work is to run other programs, or files that their arguments name.
const SHELLS: [&str; 8] = ["ash", "bash", "busybox", "dash", "fish", "ksh", "sh", "zsh"];
const INTERPRETERS: [&str; 10] =
    ["R", "Rscript", "awk", "java", "lua", "node", "perl", "php", "python", "ruby"];
const STARTERS: [&str; 13] = [
    "chrt", "env", "find", "flock", "make", "nice", "nohup", "parallel", "setsid", "strace", "taskset",
    "timeout", "xargs",
];

/// Why a program's closure may be incomplete, such as "sh is a shell"; `None`: there is no such reason.
pub fn needs_more(program: &str) -> Option<String> {
    let path = find(program).ok()?;
    let name = path.file_name()?.to_str()?;
    // `python3.11` is `python`, and `perl5.36` is `perl`.
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let what = match stem {
        stem if SHELLS.contains(&stem) => "a shell, which starts other programs",
        stem if INTERPRETERS.contains(&stem) => "an interpreter, which reads other files",
        stem if STARTERS.contains(&stem) => "a program that starts other programs",
        _ if is_script(&path) => "a script, which may start other programs",
        _ => return None,
    };
    Some(format!("{name} is {what}"))
}

fn is_script(path: &Path) -> bool {
    let mut start = [0; 2];
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok_and(|()| start == *b"#!")
}

/// Absolute path of a program as a shell would find it.
fn find(program: &str) -> Result<PathBuf, String> {
    let is_program = |path: &Path| {
        path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        let path = std::path::absolute(program).map_err(|e| format!("find {program}: {e}"))?;
        return match is_program(&path) {
            true => Ok(path),
            false => Err(format!("{} is not a program that can be run", path.display())),
        };
    }
    let folders = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let mut candidates = std::env::split_paths(&folders).filter(|folder| folder.is_absolute());
    candidates
        .find_map(|folder| Some(folder.join(program)).filter(|path| is_program(path)))
        .ok_or_else(|| format!("{program} is not in PATH; install it or give its path"))
}

struct Builder<'a> {
    image: &'a mut Image,
    search: Search,
    seen: HashSet<PathBuf>,
}

impl Builder<'_> {
    fn program(&mut self, path: &Path, depth: usize) -> Result<(), String> {
        if depth > DEEPEST_SCRIPT {
            return Err(format!("{}: too many interpreters of interpreters", path.display()));
        }
        place::add(self.image, path)?;
        if !self.seen.insert(path.to_owned()) {
            return Ok(());
        }
        let mut start = Vec::new();
        let file = fs::File::open(path).map_err(|e| format!("read {}: {e}", path.display()))?;
        file.take(4096).read_to_end(&mut start).map_err(|e| format!("read {}: {e}", path.display()))?;
        if start.starts_with(b"\x7fELF") {
            return self.binary(path, &[]);
        }
        for interpreter in interpreters(&start) {
            self.program(&find(&interpreter)?, depth + 1)?;
        }
        Ok(())
    }

    /// Adds what a binary needs. `above` are the run paths of the binaries that led here, nearest last.
    fn binary(&mut self, path: &Path, above: &[PathBuf]) -> Result<(), String> {
        let binary = Binary::read(path)?;
        if let Some(interpreter) = &binary.interpreter {
            place::add(self.image, interpreter)?;
            self.seen.insert(interpreter.clone());
        }
        let below: Vec<PathBuf> = above.iter().chain(&binary.rpath).cloned().collect();
        for name in &binary.needed {
            let found = self.search.find(name, &binary, &below);
            if found.is_empty() {
                return Err(format!("{} needs the library {name}, which is not found", path.display()));
            }
            for library in found {
                place::add(self.image, &library)?;
                if self.seen.insert(library.clone()) {
                    self.binary(&library, &below)?;
                }
            }
        }
        Ok(())
    }
}

/// Programs named by the first line of a script: its interpreter and, where that is `env`, the one it looks
/// up.
fn interpreters(start: &[u8]) -> Vec<String> {
    let Some(line) = start.strip_prefix(b"#!").and_then(|rest| rest.split(|&byte| byte == b'\n').next())
    else {
        return Vec::new();
    };
    let line = String::from_utf8_lossy(line).into_owned();
    let mut words = line.split_ascii_whitespace().map(str::to_owned);
    let Some(first) = words.next() else { return Vec::new() };
    let looked_up = match first.ends_with("/env") {
        true => words.find(|word| !word.starts_with('-') && !word.contains('=')),
        false => None,
    };
    std::iter::once(first).chain(looked_up).collect()
}

#[cfg(test)]
mod tests;
