//! The broker's side: a single-threaded loop of requests and answers.

mod contained;
pub(crate) mod error;
mod executor;
mod isolation;
mod layers;
pub(crate) mod network;
pub(crate) mod seccomp;

use super::wire::{Answer, Order, Question, Reply, Request, Terms, receive, send};
use crate::oci::Privilege;
use contained::Contained;
use error::Step;
use isotare_core::with_sources;
use network::Home;
use seccompiler::sock_filter;
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

pub(super) use error::BrokerError;
pub(super) use isolation::ENTER;
pub(super) use layers::{OVERLAY, OWN};

struct Broker {
    terms: Terms,
    privilege: Privilege,
    home: Home,
    filter: Arc<[sock_filter]>,
    containers: HashMap<String, Contained>,
}

/// Serves the session at the other end of standard input until it closes the connection, then removes what is
/// left.
pub(super) fn serve() -> Result<(), BrokerError> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned().step("take over the socket")?;
    let Some((Question { number, request: Request::Configure(terms) }, _)) =
        receive(&socket).step("receive")?
    else {
        return Err(BrokerError::Protocol);
    };
    let mut broker = match Broker::new(terms) {
        Ok(broker) => broker,
        Err(error) => {
            let answer = Answer::Failed(with_sources(&error));
            return send(&socket, &Reply { number, answer }, &[]).step("send");
        }
    };
    let talked = send(&socket, &Reply { number, answer: Answer::Done }, &[])
        .step("send")
        .and_then(|()| broker.talk(&socket));
    broker.close().and(talked)
}

impl Broker {
    fn new(terms: Terms) -> Result<Self, BrokerError> {
        let privilege = isolation::enter(&terms)?;
        let home = Home::new()?;
        isolation::mount_state(&terms.state)?;
        std::fs::create_dir(terms.state.join("runtime")).step("make the state folder")?;
        let filter = seccomp::compile()?.into();
        Ok(Self { terms, privilege, home, filter, containers: HashMap::new() })
    }

    /// Answers until the session closes the connection or a message cannot be sent.
    fn talk(&mut self, socket: &OwnedFd) -> Result<(), BrokerError> {
        while let Some((Question { number, request }, fds)) = receive(socket).step("receive")? {
            let (answer, fd) = self
                .answer(request, fds)
                .unwrap_or_else(|error| (Answer::Failed(with_sources(&error)), None));
            let fds: Vec<_> = fd.iter().map(AsFd::as_fd).collect();
            send(socket, &Reply { number, answer }, &fds).step("send")?;
        }
        Ok(())
    }

    fn answer(
        &mut self,
        request: Request,
        fds: Vec<OwnedFd>,
    ) -> Result<(Answer, Option<OwnedFd>), BrokerError> {
        match request {
            Request::Configure(_) => return Err(BrokerError::Protocol),
            Request::Create(order) => return self.create(&order, fds),
            Request::Start(id) => self.get(&id)?.start()?,
            Request::Reap(id) => self.get(&id)?.reap()?,
            Request::Delete(id) => {
                if let Some(mut contained) = self.containers.remove(&id) {
                    contained.delete()?;
                }
            }
        }
        Ok((Answer::Done, None))
    }

    fn create(&mut self, order: &Order, fds: Vec<OwnedFd>) -> Result<(Answer, Option<OwnedFd>), BrokerError> {
        let stdio = <[OwnedFd; 3]>::try_from(fds).map_err(|_| BrokerError::Protocol)?;
        let filter = Arc::clone(&self.filter);
        let away = match self.terms.host_network {
            true => Ok(()),
            false => self.home.leave(order.link.as_ref(), &self.terms.state),
        };
        let created =
            away.and_then(|()| Contained::create(&self.terms, self.privilege, order, filter, stdio));
        if !self.terms.host_network {
            self.home.back()?;
        }
        let contained = created?;
        let pidfd = contained.pidfd().try_clone().step("copy the pidfd")?;
        let answer = Answer::Created { pid: contained.pid() };
        self.containers.insert(order.id.clone(), contained);
        Ok((answer, Some(pidfd)))
    }

    fn get(&mut self, id: &str) -> Result<&mut Contained, BrokerError> {
        self.containers.get_mut(id).ok_or_else(|| BrokerError::Unknown(id.to_owned()))
    }

    /// Deletes every container; mounts and state end with the process.
    fn close(mut self) -> Result<(), BrokerError> {
        let mut result = Ok(());
        for (_, mut contained) in self.containers.drain() {
            result = result.and(contained.delete());
        }
        result
    }
}
