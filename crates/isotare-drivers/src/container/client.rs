//! The session's side of the broker: a process, and requests with a deadline.

use super::rerun;
use super::wire::{Answer, Order, Question, Reply, Request, Terms, receive, send};
use isotare_core::{Cause, Deadline, DriverError, Interrupt, Ledger, Resource};
use isotare_host::{Child, Spawn, WaitError, deadline_in, identify, readable};
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, shutdown, socketpair};
use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a broker may take to remove its containers after its session has closed the connection.
const FAREWELL: Duration = Duration::from_secs(10);

/// A running broker. Dropping it ends the broker, which removes its containers first.
#[derive(Debug)]
pub(super) struct Client {
    socket: OwnedFd,
    child: Child,
    asked: u64,
    /// Of the containers that were created and not deleted yet.
    names: HashSet<String>,
    log: PathBuf,
}

/// A created container, seen from the session.
#[derive(Debug)]
pub(super) struct Created {
    /// Its init process on the host.
    pub pid: u32,
    /// Readable when that process has ended.
    pub pidfd: OwnedFd,
}

impl Client {
    /// Starts a broker with these terms. It writes its errors to `log`.
    pub(super) fn spawn(
        terms: &Terms,
        log: &Path,
        ledger: &dyn Ledger,
        deadline: &Deadline,
    ) -> Result<Self, DriverError> {
        let program = rerun::program().map_err(|e| DriverError::failed("start", "container broker", e))?;
        let failed = |error: Cause| {
            DriverError::failed("start container broker", program.display().to_string(), error)
        };
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (socket, theirs) = pair.map_err(|e| failed(e.into()))?;
        // No death signal: the broker has to outlive a session that was killed, to remove what is left.
        let spawn =
            Spawn::new(&program).arg(rerun::BROKER).input_from(theirs).output_to(log).outlives_thread();
        let child = spawn.start().map_err(|e| failed(e.into()))?;
        drop(spawn);
        if let Some(process) = identify(child.pid()) {
            ledger.record(&Resource::Process(process)).map_err(|e| failed(e.into()))?;
        }
        let mut client = Self { socket, child, asked: 0, names: HashSet::new(), log: log.to_owned() };
        let request = Request::Configure(terms.clone());
        client.ask(request, &[], ("start", "container broker"), deadline)?;
        Ok(client)
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Whether it has ended unexpectedly.
    pub(super) fn is_dead(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) {
        // A process that cannot be killed stays in the record of resources.
        let _unkillable = self.child.kill();
    }

    /// Its error messages.
    pub(super) fn log(&self) -> String {
        isotare_files::log_tail(&self.log)
    }

    /// Takes a name, which nobody else may have until [`Client::delete`] or [`Client::abandon`].
    pub(super) fn claim(&mut self, id: &str) -> Result<(), DriverError> {
        match self.names.insert(id.to_owned()) {
            true => Ok(()),
            false => Err(DriverError::failed("create container", id, "one of that name already exists")),
        }
    }

    /// Creates a container with these standard streams.
    pub(super) fn create(
        &mut self,
        order: Order,
        stdio: [BorrowedFd<'_>; 3],
        deadline: &Deadline,
    ) -> Result<Created, DriverError> {
        let id = order.id.clone();
        let about = ("create container", id.as_str());
        match self.ask(Request::Create(Box::new(order)), &stdio, about, deadline)? {
            (Answer::Created { pid }, mut fds) if fds.len() == 1 => match fds.pop() {
                Some(pidfd) => Ok(Created { pid, pidfd }),
                None => Err(misfit(about)),
            },
            _ => Err(misfit(about)),
        }
    }

    /// Runs its program.
    pub(super) fn start(&mut self, id: &str, deadline: &Deadline) -> Result<(), DriverError> {
        self.ask(Request::Start(id.to_owned()), &[], ("start container", id), deadline).map(drop)
    }

    /// Collects its init process, which has ended.
    pub(super) fn reap(&mut self, id: &str, deadline: &Deadline) -> Result<(), DriverError> {
        self.ask(Request::Reap(id.to_owned()), &[], ("stop container", id), deadline).map(drop)
    }

    /// Removes it.
    pub(super) fn delete(&mut self, id: &str, deadline: &Deadline) -> Result<(), DriverError> {
        self.ask(Request::Delete(id.to_owned()), &[], ("delete container", id), deadline)?;
        self.names.remove(id);
        Ok(())
    }

    /// Asks the broker to remove it, without waiting. For a creation whose answer is not awaited any more.
    pub(super) fn abandon(&mut self, id: &str) {
        self.names.remove(id);
        self.asked += 1;
        let question = Question { number: self.asked, request: Request::Delete(id.to_owned()) };
        // If the broker cannot be reached, it has ended, and then nothing of the container is left.
        let _unheard = send(&self.socket, &question, &[]);
    }

    fn ask(
        &mut self,
        request: Request,
        fds: &[BorrowedFd<'_>],
        about: (&'static str, &str),
        deadline: &Deadline,
    ) -> Result<(Answer, Vec<OwnedFd>), DriverError> {
        self.asked += 1;
        let number = self.asked;
        if let Err(error) = send(&self.socket, &Question { number, request }, fds) {
            return Err(self.dead(about, &error.to_string()));
        }
        loop {
            match readable(self.socket.as_fd(), Some(self.child.pidfd()), deadline) {
                Ok(()) => {}
                Err(WaitError::Died) => return Err(self.dead(about, "it ended")),
                Err(error) => return Err(error.during(about.0, about.1)),
            }
            match receive::<Reply>(&self.socket) {
                Ok(Some((reply, _))) if reply.number != number => {}
                Ok(Some((Reply { answer: Answer::Failed(cause), .. }, _))) => {
                    return Err(DriverError::failed(about.0, about.1, cause));
                }
                Ok(Some((reply, fds))) => return Ok((reply.answer, fds)),
                Ok(None) => return Err(self.dead(about, "it closed the connection")),
                Err(error) => return Err(self.dead(about, &error.to_string())),
            }
        }
    }

    /// The error for a broker that cannot be used any more, with its exit status and last output.
    fn dead(&mut self, about: (&'static str, &str), how: &str) -> DriverError {
        let deadline = deadline_in(Duration::from_millis(200), &Interrupt::default());
        let status = match self.child.wait(&deadline) {
            Ok(status) => status.to_string(),
            Err(_) => {
                self.kill();
                "killed".to_owned()
            }
        };
        let log = self.log();
        let words = log.lines().last().map(|line| format!(": {line}")).unwrap_or_default();
        DriverError::failed(
            about.0,
            about.1,
            format!("the container broker has ended ({how}, {status}){words}"),
        )
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // When the connection is closed, the broker removes everything and ends. If it does not react, the
        // child's own drop kills it.
        let _gone = shutdown(&self.socket, Shutdown::Both);
        let _deaf = self.child.wait(&deadline_in(FAREWELL, &Interrupt::default()));
    }
}

fn misfit(about: (&'static str, &str)) -> DriverError {
    DriverError::failed(about.0, about.1, "the container broker sent an unexpected answer")
}
