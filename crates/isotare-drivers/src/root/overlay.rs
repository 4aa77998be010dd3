//! Options of an overlay mount.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The data argument of `mount(2)` for an overlay: read-only trees, the topmost first, below a writable layer
/// with its work folder, if any. `userxattr` is what a user namespace needs
/// (Documentation/filesystems/overlayfs.rst).
///
/// The writable layer is synced like any file there (no `volatile` option), so that `fsync` costs a workload
/// the same as natively.
pub(crate) fn options(
    lowers: &[PathBuf],
    writable: Option<(&Path, &Path)>,
    userxattr: bool,
) -> io::Result<CString> {
    let mut options = b"lowerdir=".to_vec();
    for (index, lower) in lowers.iter().enumerate() {
        if index > 0 {
            options.push(b':');
        }
        options.extend(escape(lower));
    }
    let writable =
        writable.into_iter().flat_map(|(upper, work)| [(",upperdir=", upper), (",workdir=", work)]);
    for (key, path) in writable {
        options.extend(key.as_bytes());
        options.extend(escape(path));
    }
    if userxattr {
        options.extend(b",userxattr");
    }
    CString::new(options).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a path with a zero byte"))
}

/// Overlayfs reads `:`, `,` and `\` as its own.
fn escape(path: &Path) -> Vec<u8> {
    let mut escaped = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        if matches!(byte, b':' | b',' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(byte);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_of_overlayfs_are_escaped() {
        let lowers = ["/a:b,c\\d e".into(), "/f".into()];
        let made = options(&lowers, Some((Path::new("/u"), Path::new("/w"))), true).expect("no zero byte");
        assert_eq!(made.to_bytes(), b"lowerdir=/a\\:b\\,c\\\\d e:/f,upperdir=/u,workdir=/w,userxattr");
    }
}
