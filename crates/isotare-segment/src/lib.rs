//! Private network links (segments) between the instances of one trial and the host.
//!
//! A segment is a bridge in a network namespace of its own, where no firewall rule of the host applies. One
//! pair of interfaces connects it with the host, one with each instance. All addresses are in one net
//! 10.233.N.0/24 to which the host has no other route. The host does not forward what comes from there, so no
//! packet leaves the machine.
//!
//! Only file descriptors keep the namespaces alive. When isotare ends, also by SIGKILL, the kernel removes
//! them with the bridge, every pair and the host's end.

mod namespace;
mod shape;

pub use shape::Shape;

use isotare_core::{
    Attaching, Attachment, Cause, Deadline, DriverError, Instance, Interrupt, Ledger, Resource, Role,
    Unavailable,
};
use isotare_host::{deadline_in, find_program, output_of, sweep};
use namespace::Namespace;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bits of a segment's net.
const PREFIX: u8 = 24;
/// The most instances on a segment: what the net has, without the host and the first ten addresses.
const MOST: u8 = 240;
/// Longest time for removing the host's end.
const REMOVAL: Duration = Duration::from_secs(5);
/// Name of an instance's end inside.
const INSIDE: &str = "seg0";

/// A segment. It is removed with the last of its ends.
#[derive(Debug)]
pub struct Segment {
    /// Where the bridge is.
    namespace: Namespace,
    /// Name of the host's end.
    link: String,
    /// Third byte of its addresses.
    net: u8,
    shape: Shape,
    ip: PathBuf,
}

/// One instance's end of a segment.
#[derive(Debug)]
pub struct End {
    segment: Arc<Segment>,
    index: u8,
    /// The namespace that was made for it, which lives as long as this does.
    own: Mutex<Option<Namespace>>,
}

impl Segment {
    /// Makes a segment. `name` is unique on this host.
    pub fn make(
        name: &str,
        shape: Shape,
        ledger: &dyn Ledger,
        deadline: &Deadline,
    ) -> Result<Self, DriverError> {
        let failed = |what, cause: Cause| DriverError::failed(what, format!("segment {name}"), cause);
        if !rustix::process::geteuid().is_root() {
            let remedy = "run isotare as root, or use workloads with one instance";
            return Err(Unavailable::new("a network segment needs root, to make interfaces", remedy).into());
        }
        let ip = find_program("ip").ok_or_else(|| {
            Unavailable::new("a network segment needs the program 'ip'", "install it (Debian: iproute2)")
        })?;
        let mut hasher = DefaultHasher::new();
        (name, std::process::id()).hash(&mut hasher);
        let hash = hasher.finish();
        let link = format!("isos{:010x}", hash & 0xff_ffff_ffff);
        let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
        let net = free(hash.to_le_bytes()[7], &routes)
            .ok_or_else(|| failed("find net for", "all nets of 10.233.0.0/16 are in use".into()))?;
        let namespace = Namespace::new().map_err(|e| failed("make network namespace of", e.into()))?;
        ledger
            .record(&Resource::Link { name: link.clone() })
            .map_err(|e| failed("record interface of", e.into()))?;
        let segment = Self { namespace, link, net, shape, ip };
        let host = std::process::id();
        segment.inside(
            &format!(
                "link set lo up\nlink add br0 type bridge\nlink set br0 up\n\
                 link add host type veth peer name {} netns {host}\nlink set host master br0 up\n",
                segment.link
            ),
            deadline,
        )?;
        segment.shape_port("host", deadline)?;
        // What comes from the segment ends here: ip-sysctl, conf/INTERFACE/forwarding.
        let forwarding = format!("/proc/sys/net/ipv4/conf/{}/forwarding", segment.link);
        std::fs::write(&forwarding, "0").map_err(|e| failed("stop forwarding from", e.into()))?;
        let address = format!("{}/{PREFIX}", segment.host());
        segment.on_the_host(&["address", "add", &address, "dev", &segment.link], deadline)?;
        segment.on_the_host(&["link", "set", &segment.link, "up"], deadline)?;
        Ok(segment)
    }

    /// The host's address on it.
    pub fn host(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 233, self.net, 1)
    }

    /// The end of the instance of this number, counted from 0.
    pub fn end(self: &Arc<Self>, index: u8) -> Result<End, DriverError> {
        match index < MOST {
            true => Ok(End { segment: Arc::clone(self), index, own: Mutex::new(None) }),
            false => Err(DriverError::failed(
                "attach to",
                format!("segment {}", self.link),
                format!("it has room for {MOST} instances"),
            )),
        }
    }

    /// Delays, limits or drops what a port sends: to the instance, or to the host.
    fn shape_port(&self, port: &str, deadline: &Deadline) -> Result<(), DriverError> {
        let Some(words) = self.shape.words() else { return Ok(()) };
        let tc = find_program("tc")
            .ok_or_else(|| Unavailable::new("there is no program 'tc'", "install it (Debian: iproute2)"))?;
        let mut arguments = vec!["qdisc", "add", "dev", port, "root"];
        arguments.extend(words.split(' '));
        let done = self.namespace.within(|| output_of(&tc, &arguments, deadline));
        self.judge("shape segment", done).map_err(|error| match error.to_string().contains("is unknown") {
            true => Unavailable::new(
                error.to_string(),
                "use a kernel with netem (modprobe sch_netem, CONFIG_NET_SCH_NETEM), or no rate, delay and loss",
            )
            .into(),
            false => error,
        })
    }

    /// Runs commands of ip(8) in the bridge's namespace.
    fn inside(&self, commands: &str, deadline: &Deadline) -> Result<(), DriverError> {
        self.commands(&self.namespace, commands, deadline)
    }

    fn commands(
        &self,
        namespace: &Namespace,
        commands: &str,
        deadline: &Deadline,
    ) -> Result<(), DriverError> {
        for line in commands.lines() {
            let arguments: Vec<&str> = line.split(' ').collect();
            self.judge("set up segment", namespace.within(|| output_of(&self.ip, &arguments, deadline)))?;
        }
        Ok(())
    }

    fn on_the_host(&self, arguments: &[&str], deadline: &Deadline) -> Result<(), DriverError> {
        self.judge("set up segment", Ok(output_of(&self.ip, arguments, deadline)))
    }

    fn judge(
        &self,
        operation: &'static str,
        done: std::io::Result<Result<std::process::Output, isotare_host::WaitError>>,
    ) -> Result<(), DriverError> {
        let failed = |cause: Cause| DriverError::failed(operation, &self.link, cause);
        let output = done
            .map_err(|e| failed(e.into()))?
            .map_err(|error| error.during(operation, self.link.as_str()))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().into())),
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // It would go with its namespace, but a moment later.
        let link = Resource::Link { name: self.link.clone() };
        let _recorded = sweep(&link, &deadline_in(REMOVAL, &Interrupt::default()));
    }
}

impl End {
    /// Connects a namespace, given as ip(8) takes it, with a new pair of interfaces.
    fn connect(&self, target: &str, inside: &Namespace, deadline: &Deadline) -> Result<(), DriverError> {
        let port = format!("p{}", self.index);
        self.segment.inside(
            &format!(
                "link add {port} type veth peer name {INSIDE} netns {target}\nlink set {port} master br0 up\n"
            ),
            deadline,
        )?;
        self.segment.shape_port(&port, deadline)?;
        let address = self.address();
        self.segment.commands(
            inside,
            &format!("link set lo up\naddress add {address}/{PREFIX} dev {INSIDE}\nlink set {INSIDE} up\n"),
            deadline,
        )
    }
}

impl Attachment for End {
    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 233, self.segment.net, 10 + self.index)
    }

    fn prefix(&self) -> u8 {
        PREFIX
    }

    fn host(&self) -> Ipv4Addr {
        self.segment.host()
    }

    fn namespace(&self, deadline: &Deadline) -> Result<PathBuf, DriverError> {
        let failed = |e: std::io::Error| DriverError::failed("attach to", &self.segment.link, e);
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if own.is_none() {
            let namespace = Namespace::new().map_err(failed)?;
            self.connect(&namespace.path().display().to_string(), &namespace, deadline)?;
            *own = Some(namespace);
        }
        own.as_ref().map(Namespace::path).ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))
    }

    fn join(&self, pid: u32, deadline: &Deadline) -> Result<(), DriverError> {
        let namespace = Namespace::of(pid)
            .map_err(|e| DriverError::failed("open network namespace of process", pid.to_string(), e))?;
        if namespace.is_ours() {
            return Err(DriverError::Unsupported(
                "it uses the host's network, so it cannot be attached to a segment".to_owned(),
            ));
        }
        self.connect(&namespace.path().display().to_string(), &namespace, deadline)
    }

    fn tap(&self, deadline: &Deadline) -> Result<(String, PathBuf), DriverError> {
        let name = format!("tap{}", self.index);
        self.segment
            .inside(&format!("tuntap add dev {name} mode tap\nlink set {name} master br0 up\n"), deadline)?;
        self.segment.shape_port(&name, deadline)?;
        Ok((name, self.segment.namespace.path()))
    }

    fn on_host(&self, deadline: &Deadline) -> Result<(), DriverError> {
        let address = format!("{}/32", self.address());
        self.segment.on_the_host(&["address", "add", &address, "dev", &self.segment.link], deadline)
    }
}

/// Gives an instance its end, at the two moments at which its runtime may not do so itself: before it is
/// created (`running` is `None`), and when its agent is ready.
pub fn attach(
    end: &dyn Attachment,
    how: Attaching,
    running: Option<&dyn Instance>,
    deadline: &Deadline,
) -> Result<(), DriverError> {
    match (how, running) {
        (Attaching::Unsupported, _) => Err(DriverError::Unsupported(
            "this environment cannot be attached to a network segment".to_owned(),
        )),
        (Attaching::Host, None) => end.on_host(deadline),
        (Attaching::WhenReady, Some(instance)) => {
            let mut members = instance.footprint().members.into_iter();
            match members.find(|member| member.role == Role::Workload) {
                Some(member) => end.join(member.pid, deadline),
                None => Err(DriverError::failed("attach", "an instance", "its processes are not known")),
            }
        }
        _ => Ok(()),
    }
}

/// The first N, starting at `first`, for which no route has the destination 10.233.N.0. `/proc/net/route` has
/// addresses in hexadecimal in the byte order of the machine.
fn free(first: u8, routes: &str) -> Option<u8> {
    let taken = |number: u8| {
        let destination = format!("{:08X}", u32::from_ne_bytes([10, 233, number, 0]));
        routes.lines().any(|line| line.split('\t').nth(1) == Some(destination.as_str()))
    };
    (0..=u8::MAX).map(|step| first.wrapping_add(step)).find(|&number| !taken(number))
}
