//! Waiting with a deadline.

use crate::now;
use isotare_core::{Deadline, DriverError, Interrupt, Timestamp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::ClockId;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

/// Longest time until an interrupt is noticed.
const SLICE: Duration = Duration::from_millis(50);

/// Why a wait failed.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The deadline passed.
    #[error("not done by the deadline")]
    TimedOut,
    /// The user interrupted the session.
    #[error("interrupted")]
    Interrupted,
    /// The process that should have brought it about has ended.
    #[error("the process ended first")]
    Died,
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl WaitError {
    /// From work that ends with this error in an [`io::Error`] when it is stopped; other errors are
    /// [`WaitError::Io`].
    pub fn from_io(error: io::Error) -> Self {
        error.downcast::<WaitError>().unwrap_or_else(WaitError::Io)
    }

    /// The same as a driver's error: what was being done, to what.
    pub fn during(self, operation: &'static str, subject: impl Into<String>) -> DriverError {
        match self {
            WaitError::TimedOut => DriverError::TimedOut { operation, subject: subject.into() },
            WaitError::Interrupted => DriverError::Interrupted,
            WaitError::Died | WaitError::Io(_) => DriverError::failed(operation, subject, self),
        }
    }
}

/// Where an error came up.
#[derive(Debug, thiserror::Error)]
#[error("{place}")]
struct Placed {
    place: String,
    source: io::Error,
}

/// Says where an error came up: it is the source of the one that names the place, and has the same kind. What
/// stopped the work ([`in_time`]) is passed on as it is: it came up by chance there.
pub fn at(place: impl std::fmt::Display) -> impl FnOnce(io::Error) -> io::Error {
    move |source| match source.get_ref().is_some_and(|inner| inner.is::<WaitError>()) {
        true => source,
        false => io::Error::new(source.kind(), Placed { place: place.to_string(), source }),
    }
}

/// Fails at the deadline and when the user wants to stop: to be asked between the pieces of long work.
pub fn in_time(deadline: &Deadline) -> Result<(), WaitError> {
    match () {
        () if deadline.interrupt.is_raised() => Err(WaitError::Interrupted),
        () if now() >= deadline.at => Err(WaitError::TimedOut),
        () => Ok(()),
    }
}

/// Waits until `wanted` is readable, or fails with [`WaitError::Died`] when `watched` (a pidfd) becomes
/// readable first.
pub fn readable(
    wanted: BorrowedFd<'_>,
    watched: Option<BorrowedFd<'_>>,
    deadline: &Deadline,
) -> Result<(), WaitError> {
    first_readable(wanted, watched.as_slice(), deadline)
}

/// [`readable`] with any number of descriptors that are watched.
pub(crate) fn first_readable(
    wanted: BorrowedFd<'_>,
    watched: &[BorrowedFd<'_>],
    deadline: &Deadline,
) -> Result<(), WaitError> {
    loop {
        if deadline.interrupt.is_raised() {
            return Err(WaitError::Interrupted);
        }
        let left = deadline.at.since(now());
        let slice = left.min(SLICE);
        let timeout = Timespec { tv_sec: 0, tv_nsec: slice.subsec_nanos().into() };
        let mut fds = vec![PollFd::new(&wanted, PollFlags::IN)];
        fds.extend(watched.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) if left.is_zero() => return Err(WaitError::TimedOut),
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) if !fds[0].revents().is_empty() => return Ok(()),
            Ok(_) => return Err(WaitError::Died),
            Err(error) => return Err(WaitError::Io(error.into())),
        }
    }
}

/// Listens for an agent at this path. Every user who can reach the socket may connect, because root of a user
/// namespace is another user of the host. So the folders above it must not be accessible for others.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    // Connecting takes permission to write: unix(7), "Pathname socket ownership and permissions".
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Waits for one connection. `watched` is the pidfd of the process that has to connect, if there is one.
pub fn accept(
    listener: &UnixListener,
    watched: Option<BorrowedFd<'_>>,
    deadline: &Deadline,
) -> Result<UnixStream, WaitError> {
    readable(listener.as_fd(), watched, deadline)?;
    Ok(listener.accept()?.0)
}

/// Sleeps until a moment on the host's clock, as closely as its timers can: `clock_nanosleep(2)` on an
/// absolute time.
pub fn sleep_until(at: Timestamp, interrupt: &Interrupt) -> Result<(), WaitError> {
    let seconds = i64::try_from(at.0 / 1_000_000_000).unwrap_or(i64::MAX);
    let at = Timespec { tv_sec: seconds, tv_nsec: i64::try_from(at.0 % 1_000_000_000).unwrap_or(0) };
    loop {
        if interrupt.is_raised() {
            return Err(WaitError::Interrupted);
        }
        match clock_nanosleep_absolute(ClockId::Monotonic, &at) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(WaitError::Io(error.into())),
        }
    }
}

/// Sleeps for `time`, for the rare cases in which there is no event to wait for.
pub fn pause(time: Duration, deadline: &Deadline) -> Result<(), WaitError> {
    let end = now().plus(time);
    while now() < end {
        if deadline.interrupt.is_raised() {
            return Err(WaitError::Interrupted);
        }
        if now() >= deadline.at {
            return Err(WaitError::TimedOut);
        }
        std::thread::sleep(end.since(now()).min(SLICE));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::with_sources;
    use std::error::Error;

    #[test]
    fn a_place_is_put_before_an_error_and_what_stops_the_work_is_passed_on() {
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        let placed = at("b")(at("a")(refused()));
        assert_eq!(placed.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(with_sources(&placed), format!("b: a: {}", refused()));
        let cause = placed.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(cause.map(ToString::to_string), Some("a".to_owned()));
        let stopped = at("a")(io::Error::other(WaitError::TimedOut));
        assert!(matches!(WaitError::from_io(stopped), WaitError::TimedOut));
    }
}
