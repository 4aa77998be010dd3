//! `native` behind a loopback link of known delay or rate.
//!
//! The environment has a network namespace of its own, whose loopback link is slowed down by a queueing
//! discipline: netem(8) for delays, tbf(8) for rates. The messages of a workload pass it twice in each round
//! trip.

use isotare_core::{
    Capabilities, Deadline, Driver, DriverError, Environment, Image, Instance, InstanceContext, Interrupt,
    Isolation, Kind, Ledger, PrepareContext, Resource, RuntimeInfo, SettingDef, Settings, Unavailable,
};
use isotare_drivers::Native;
use isotare_host::{deadline_in, find_program, output_of, sweep};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where named namespaces are: ip-netns(8).
const NAMESPACES: &str = "/run/netns";
/// Largest packet of the link, bytes, as on an Ethernet; a loopback link's own is 64 KiB.
const MTU: &str = "1500";
/// Bytes that may pass at once after a pause: four packets. So after the pause before the measured part, only
/// few bytes can pass at once. This number is the same for all rates, so the ratio of two rates does not
/// change.
const BURST: u32 = 6000;
/// Time that removing a namespace may take.
const REMOVAL: Duration = Duration::from_secs(10);

/// Plain processes of the host whose loopback link is slow.
#[derive(Debug)]
pub struct Link;

const SETTINGS: &[SettingDef] = &[
    SettingDef { key: "delay", kind: Kind::Duration, default: None, help: "delay of every packet" },
    SettingDef {
        key: "rate",
        kind: Kind::Number,
        default: None,
        help: "rate of both directions together, Mbit/s",
    },
];

struct LinkEnvironment {
    native: Box<dyn Environment>,
    namespace: Namespace,
    shaping: Shaping,
}

/// How the link is slowed down.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shaping {
    /// Delay of every packet.
    Delay(Duration),
    /// Rate in bits per second.
    Rate(f64),
}

impl Shaping {
    fn of(settings: &Settings) -> Result<Self, DriverError> {
        match (settings.duration("delay"), settings.number("rate")) {
            (Some(delay), None) => Ok(Shaping::Delay(delay)),
            (None, Some(rate)) => Ok(Shaping::Rate(rate * 1e6)),
            _ => Err(DriverError::failed(
                "understand",
                "environment link",
                "it can have a delay or a rate, but not both",
            )),
        }
    }

    /// The queueing discipline with its parameters, as tc(8) takes them.
    fn words(self) -> Vec<String> {
        let text = match self {
            Shaping::Delay(delay) => format!("netem delay {}us limit 100000", delay.as_micros()),
            Shaping::Rate(bits) => format!("tbf rate {bits:.0}bit burst {BURST} latency 1s"),
        };
        text.split(' ').map(str::to_owned).collect()
    }
}

/// A network namespace of ours. Dropping it removes it.
struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes it, with a loopback link that is up and shaped.
    fn make(
        name: &str,
        shaping: Shaping,
        ledger: &dyn Ledger,
        deadline: &Deadline,
    ) -> Result<Self, DriverError> {
        let namespace = Self { name: name.to_owned() };
        for resource in namespace.resources() {
            ledger.record(&resource).map_err(|error| DriverError::failed("record namespace", name, error))?;
        }
        run("ip", &["netns", "add", name], deadline)?;
        run("ip", &["-n", name, "link", "set", "lo", "mtu", MTU, "up"], deadline)?;
        let words = shaping.words();
        let mut arguments = vec!["-n", name, "qdisc", "add", "dev", "lo", "root"];
        arguments.extend(words.iter().map(String::as_str));
        run("tc", &arguments, deadline)?;
        Ok(namespace)
    }

    fn path(&self) -> PathBuf {
        Path::new(NAMESPACES).join(&self.name)
    }

    /// Its resources on the host, in the order in which they are created.
    fn resources(&self) -> [Resource; 2] {
        [Resource::Path { path: self.path() }, Resource::Mount { path: self.path() }]
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let deadline = deadline_in(REMOVAL, &Interrupt::default());
        for resource in self.resources().iter().rev() {
            // It is also in the session's record, and the session reports what could not be removed.
            let _told_later = sweep(resource, &deadline);
        }
    }
}

/// Runs one of iproute2's programs; that the kernel or the user cannot do it makes the environment
/// unavailable.
fn run(program: &str, arguments: &[&str], deadline: &Deadline) -> Result<(), DriverError> {
    let found = find_program(program)
        .ok_or_else(|| Unavailable::new(format!("there is no {program}"), "install it (Debian: iproute2)"))?;
    let line = || format!("{program} {}", arguments.join(" "));
    let output =
        output_of(&found, arguments, deadline).map_err(|error| DriverError::failed("run", line(), error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    let remedy = match said.contains("qdisc kind is unknown") {
        true => "use a kernel that has it (modprobe sch_netem, CONFIG_NET_SCH_NETEM; for rates, sch_tbf)",
        false => "run isotare as root",
    };
    Err(Unavailable::new(format!("{}: {said}", line()), remedy).into())
}

/// A program that runs the agent in the namespace, for a driver that gets the path of the agent's program.
fn launcher(namespace: &Namespace, cx: &PrepareContext<'_>) -> Result<PathBuf, DriverError> {
    let nsenter = find_program("nsenter")
        .ok_or_else(|| Unavailable::new("there is no nsenter", "install it (Debian: util-linux)"))?;
    let path = cx.work.join("agent-behind-link");
    let mut script = OsString::from("#!/bin/sh\nexec ").into_vec();
    let net = [b"--net=".as_slice(), namespace.path().as_os_str().as_bytes()].concat();
    for word in [nsenter.as_os_str().as_bytes(), &net, b"--", cx.agent.as_os_str().as_bytes()] {
        script.extend(quoted(word));
        script.push(b' ');
    }
    script.extend(b"\"$@\"\n");
    let failed = |error| DriverError::failed("write", path.display().to_string(), error);
    std::fs::write(&path, script).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).map_err(failed)?;
    Ok(path)
}

/// A word as a shell takes it literally.
fn quoted(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for &byte in word {
        match byte {
            b'\'' => quoted.extend(b"'\\''"),
            byte => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

impl Driver for Link {
    fn name(&self) -> &'static str {
        "link"
    }

    fn summary(&self) -> &'static str {
        "the host itself, with a slow loopback link"
    }

    fn settings(&self) -> &'static [SettingDef] {
        SETTINGS
    }

    fn capabilities(&self) -> Capabilities {
        Native.capabilities()
    }

    fn isolation(&self) -> Isolation {
        Native.isolation()
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        let shaping = Shaping::of(settings).and_then(|shaping| {
            Namespace::make(&format!("isotare-{}-probe", cx.session), shaping, cx.ledger, &cx.deadline)
        });
        match shaping {
            Ok(_) => Native.probe(settings, cx),
            Err(error) => Err(error.unavailable("correct what it says")),
        }
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        let shaping = Shaping::of(settings)?;
        // The folder is this environment's alone.
        let place = cx.work.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("isotare-{}-{place}", cx.session);
        let namespace = Namespace::make(&name, shaping, cx.ledger, &cx.deadline)?;
        let agent = launcher(&namespace, cx)?;
        let inside = PrepareContext { agent: &agent, deadline: cx.deadline.clone(), ..*cx };
        let native = Native.prepare(settings, image, &inside)?;
        Ok(Box::new(LinkEnvironment { native, namespace, shaping }))
    }
}

impl Environment for LinkEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        self.native.create(cx)
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let mut facts = self.native.facts();
        facts.insert("network".to_owned(), format!("namespace {}", self.namespace.name));
        facts.insert("network.shaping".to_owned(), self.shaping.words().join(" "));
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaping(given: &[(&str, &str)]) -> Result<Shaping, String> {
        let settings = Settings::check("link", SETTINGS, given.iter().copied()).expect("valid");
        Shaping::of(&settings).map_err(|error| isotare_core::with_sources(&error))
    }

    #[test]
    fn a_link_has_a_delay_or_a_rate() {
        let words = |given: &[(&str, &str)]| shaping(given).expect("shapes").words().join(" ");
        assert_eq!(words(&[("delay", "7500us")]), "netem delay 7500us limit 100000");
        assert_eq!(words(&[("rate", "100")]), "tbf rate 100000000bit burst 6000 latency 1s");
        for wrong in [&[][..], &[("delay", "1ms"), ("rate", "5")]] {
            assert!(shaping(wrong).expect_err("refused").contains("a delay or a rate"));
        }
    }

    #[test]
    fn names_of_folders_are_quoted_for_scripts() {
        assert_eq!(quoted(b"/a b/it's"), b"'/a b/it'\\''s'");
    }
}
