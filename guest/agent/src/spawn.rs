//! Starts a program at low cost: `posix_spawn`, with everything prepared once that can be prepared.
//!
//! `std::process::Command` would do for a single run. For a timed loop the argument arrays, the file actions
//! and the attributes are the same each time, so they are built outside the timed part; and its `posix_spawn`
//! path depends on symbols that it looks up at run time, which a static program may not have.

#![expect(unsafe_code, reason = "posix_spawn(3) is an interface of C")]

use isotare_protocol::CommandJob;
use std::ffi::{CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::ptr;

/// A program with its arguments, environment and folder, in the form the kernel takes.
pub struct Program {
    path: CString,
    argv: Vec<CString>,
    env: Vec<CString>,
    directory: CString,
}

impl Program {
    /// Looks the program up, once, and checks that it can be started from its folder.
    pub fn resolve(job: &CommandJob, data: &Path) -> Result<Self, String> {
        let name = job.argv.first().filter(|name| !name.is_empty()).ok_or("the command is empty")?;
        let directory = job.directory.as_deref().map_or(data, Path::new);
        if !directory.is_dir() {
            return Err(format!("start {name}: its folder {} does not exist", directory.display()));
        }
        let path = match name.contains('/') {
            true => PathBuf::from(name),
            false => find(name, job).ok_or_else(|| format!("start {name}: not found in PATH"))?,
        };
        let text =
            |text: &str| CString::new(text).map_err(|_| format!("start {name}: {text:?} has a zero byte"));
        Ok(Self {
            path: CString::new(path.as_os_str().as_bytes()).map_err(|e| format!("start {name}: {e}"))?,
            argv: job.argv.iter().map(|word| text(word)).collect::<Result<_, _>>()?,
            env: job
                .env
                .iter()
                .map(|(key, value)| text(&format!("{key}={value}")))
                .collect::<Result<_, _>>()?,
            directory: CString::new(directory.as_os_str().as_bytes()).map_err(|e| e.to_string())?,
        })
    }

    /// What to call it in errors.
    pub fn name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}

fn find(name: &str, job: &CommandJob) -> Option<PathBuf> {
    let path = job.env.iter().find(|(key, _)| key == "PATH").map_or("/usr/bin:/bin", |(_, path)| path);
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|candidate| {
        candidate.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

/// A program ready to be started any number of times with the same standard streams.
pub struct Launch<'a> {
    program: &'a Program,
    argv: Vec<*mut c_char>,
    env: Vec<*mut c_char>,
    actions: Box<libc::posix_spawn_file_actions_t>,
    attributes: Box<libc::posix_spawnattr_t>,
}

impl<'a> Launch<'a> {
    /// Prepares starts with these as standard input, output and error.
    pub fn new(program: &'a Program, streams: [BorrowedFd<'a>; 3]) -> io::Result<Self> {
        // SAFETY: both are plain C structures that the init calls below fill in before any other use.
        let (actions, attributes) = unsafe { (Box::new(std::mem::zeroed()), Box::new(std::mem::zeroed())) };
        let mut launch =
            Self { program, argv: pointers(&program.argv), env: pointers(&program.env), actions, attributes };
        let (actions, attributes) = (&raw mut *launch.actions, &raw mut *launch.attributes);
        // SAFETY: the pointers are to live structures owned by `launch`, which destroys them when dropped;
        // strings and signal sets outlive the calls, which copy them.
        unsafe {
            check(libc::posix_spawn_file_actions_init(actions))?;
            check(libc::posix_spawnattr_init(attributes))?;
            for (stream, target) in streams.iter().zip(0..) {
                check(libc::posix_spawn_file_actions_adddup2(actions, stream.as_raw_fd(), target))?;
            }
            check(libc::posix_spawn_file_actions_addchdir_np(actions, program.directory.as_ptr()))?;
            // A group of its own, so that a signal reaches all of it; the signal state a program expects:
            // nothing blocked, and SIGPIPE, which Rust ignores, back at its default.
            check(libc::posix_spawnattr_setpgroup(attributes, 0))?;
            let mut set = std::mem::zeroed::<libc::sigset_t>();
            libc::sigemptyset(&raw mut set);
            check(libc::posix_spawnattr_setsigmask(attributes, &raw const set))?;
            libc::sigaddset(&raw mut set, libc::SIGPIPE);
            check(libc::posix_spawnattr_setsigdefault(attributes, &raw const set))?;
            let flags =
                libc::POSIX_SPAWN_SETPGROUP | libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
            check(libc::posix_spawnattr_setflags(attributes, i16::try_from(flags).unwrap_or(0)))?;
        }
        Ok(launch)
    }

    /// Starts it; returns its process id, which is its group's too.
    #[inline]
    pub fn start(&self) -> io::Result<i32> {
        let mut pid = 0;
        // SAFETY: all structures and the null-terminated arrays live in `self` and in the program it borrows.
        check(unsafe {
            libc::posix_spawn(
                &raw mut pid,
                self.program.path.as_ptr(),
                &raw const *self.actions,
                &raw const *self.attributes,
                self.argv.as_ptr(),
                self.env.as_ptr(),
            )
        })?;
        Ok(pid)
    }
}

impl Drop for Launch<'_> {
    fn drop(&mut self) {
        // SAFETY: zeroed or initialised in `new`, both of which glibc's destroy functions accept, and used no
        // more.
        unsafe {
            libc::posix_spawn_file_actions_destroy(&raw mut *self.actions);
            libc::posix_spawnattr_destroy(&raw mut *self.attributes);
        }
    }
}

fn pointers(strings: &[CString]) -> Vec<*mut c_char> {
    strings.iter().map(|string| string.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
}

fn check(code: i32) -> io::Result<()> {
    match code {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}
