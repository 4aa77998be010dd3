//! A root file system as an archive, for engines that import it into a store of their own.

use crate::sparse::{Going, until};
use isotare_core::{
    AGENT_PATH, Base, CONTROL_DIR, DATA_DIR, DriverError, HOST_FOLDERS, Image, PrepareContext, Source,
    Unavailable,
};
use isotare_host::{WaitError, write_tar};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Folders that a container's root must have, in addition to those of the image.
const FOLDERS: [&str; 7] = [CONTROL_DIR, DATA_DIR, "/tmp", "/proc", "/sys", "/dev", "/etc"];

/// Writes the image, completed with the agent and the folders of a root, into the environment's folder. The
/// host's userland is not part of it: `shows_host` says that the engine shows it separately.
pub(crate) fn archive(
    image: &Image,
    shows_host: bool,
    cx: &PrepareContext<'_>,
) -> Result<PathBuf, DriverError> {
    if image.base == Base::Host && !shows_host {
        let remedy = "choose an image with a file tree, such as debian or dir:PATH";
        return Err(Unavailable::new("the host's userland is not imported into a store", remedy).into());
    }
    let path = cx.work.join("image.tar");
    File::create(&path)
        .and_then(|file| {
            write_tar(&completed(image, cx.agent), BufWriter::new(InTime(file, &until(&cx.deadline))))
        })
        .map_err(|error| WaitError::from_io(error).during("write image", path.display().to_string()))?;
    Ok(path)
}

/// Checks before each piece whether to continue.
struct InTime<'a>(File, Going<'a>);

impl Write for InTime<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.1()?;
        self.0.write(piece)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn completed(image: &Image, agent: &Path) -> Image {
    let mut image = image.clone();
    for folder in FOLDERS {
        let mode = if folder == "/tmp" { 0o1777 } else { 0o755 };
        image.add(Path::new(folder), Source::Folder, mode);
    }
    image.add(Path::new(AGENT_PATH), Source::Host(agent.to_owned()), 0o755);
    if image.base == Base::Host {
        for folder in HOST_FOLDERS.map(|name| Path::new("/").join(name)) {
            if let Ok(target) = std::fs::read_link(&folder) {
                image.add(&folder, Source::Link(target), 0o777);
            }
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_gets_the_agent_and_the_folders_of_a_root() {
        let image = completed(&Image::default(), Path::new("/host/agent"));
        let has = |path: &str| image.files.iter().any(|file| file.path == Path::new(path));
        assert!(FOLDERS.into_iter().chain([AGENT_PATH, "/isotare"]).all(has));
    }
}
