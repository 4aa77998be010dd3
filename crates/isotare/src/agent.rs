//! The agent's program, which is embedded in this program.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The static program that runs in every instance.
static PROGRAM: &[u8] = include_bytes!(env!("ISOTARE_AGENT"));

/// Writes the agent's program into a folder.
pub fn unpack(folder: &Path) -> io::Result<PathBuf> {
    let path = folder.join("agent");
    fs::write(&path, PROGRAM)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}
