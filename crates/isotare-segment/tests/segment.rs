//! Segments on the real kernel. They need root and iproute2; `make test` installs it.

use isotare_core::{Attachment, Deadline, Interrupt, NoLedger};
use isotare_host::deadline_in;
use isotare_segment::{Segment, Shape};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

fn soon() -> Deadline {
    deadline_in(Duration::from_secs(60), &Interrupt::default())
}

fn segment(name: &str) -> Arc<Segment> {
    let name = format!("{name}-{}", std::process::id());
    let made = Segment::make(&name, Shape::default(), &NoLedger, &soon());
    Arc::new(made.unwrap_or_else(|error| panic!("{error}")))
}

/// Runs a shell's script in the namespace that this path opens.
fn inside(namespace: &std::path::Path, script: &str) -> std::process::Output {
    let net = format!("--net={}", namespace.display());
    Command::new("nsenter").args([&net, "--", "sh", "-c", script]).output().expect("nsenter runs")
}

/// A process in a new network namespace, until it is dropped.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "echo; exec cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("unshare runs");
        let mut line = [0];
        std::io::Read::read_exact(child.stdout.as_mut().expect("a pipe"), &mut line).expect("it is there");
        Self(child)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ended = self.0.wait();
    }
}

#[test]
fn instances_reach_each_other_and_the_host() {
    let segment = segment("reach");
    let [first, second, third] = [0, 1, 2].map(|index| segment.end(index).expect("there is room"));
    let path = first.namespace(&soon()).expect("attached");
    assert_eq!(path, first.namespace(&soon()).expect("once"), "it is made once");
    let sleeper = Sleeper::new();
    second.join(sleeper.0.id(), &soon()).expect("attached");
    third.on_host(&soon()).expect("attached");
    assert_eq!([first.address(), third.address()].map(|it| it.octets()[3]), [10, 12]);
    for target in [second.address(), segment.host(), third.address()] {
        // Nobody listens there, and the refusal comes from the other end.
        let output = inside(&path, &format!("exec 2>&1; timeout 20 bash -c 'echo x > /dev/tcp/{target}/9'"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("Connection refused"), "{target}: {said}");
    }
    let refused = TcpStream::connect((first.address(), 9)).expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "{refused}");
    let refused = TcpStream::connect((second.address(), 9)).expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "{refused}");
}

#[test]
fn nothing_leaves_the_machine_and_nothing_is_left() {
    let segment = segment("leaves");
    let end = segment.end(0).expect("room");
    let path = end.namespace(&soon()).expect("attached");
    // A net beyond the host, as an uplink would have. It is in a test's own range (RFC 5737).
    let [dummy, peer] = ["isod", "isoe"].map(|name| format!("{name}{:08x}", std::process::id()));
    let ip = |arguments: &[&str]| {
        let status = Command::new("ip").args(arguments).status().expect("ip runs");
        assert!(status.success(), "ip {arguments:?}");
    };
    ip(&["link", "add", &dummy, "type", "veth", "peer", "name", &peer]);
    ip(&["link", "set", &peer, "up"]);
    // Where it goes is known, so that every packet is sent at once.
    let neighbour = ["neighbour", "add", "198.51.100.9", "lladdr", "02:00:00:00:00:09", "dev", &dummy];
    ip(&["address", "add", "198.51.100.1/24", "dev", &dummy]);
    ip(&["link", "set", &dummy, "up"]);
    ip(&neighbour);
    let sent = || {
        let text = std::fs::read_to_string(format!("/sys/class/net/{dummy}/statistics/tx_packets"));
        text.expect("counted").trim().parse::<u64>().expect("a number")
    };
    // The host itself reaches that net, which shows that the counter counts.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("bound");
    let before = sent();
    // The link's carrier comes up a moment after the link.
    for _ in 0..1000 {
        if sent() > before {
            break;
        }
        socket.send_to(b"x", "198.51.100.9:9").expect("sent");
        std::thread::sleep(Duration::from_millis(10));
    }
    let by_host = sent();
    assert!(by_host > before, "the host's packets are counted");
    let host = segment.host();
    let script = format!(
        "ip route add default via {host} && exec bash -c 'echo x > /dev/udp/198.51.100.9/9; echo x > /dev/udp/{host}/9'"
    );
    let output = inside(&path, &script);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // An answer from the host comes after what was sent before it.
    let after_that = inside(&path, &format!("timeout 20 bash -c 'echo x > /dev/tcp/{host}/9'"));
    assert!(String::from_utf8_lossy(&after_that.stderr).contains("refused"));
    assert_eq!(sent(), by_host, "nothing was forwarded");
    ip(&["link", "delete", &dummy]);
    let links = |text: &str| text.lines().filter(|line| line.contains("isos")).count();
    let shown = || {
        let output = Command::new("ip").args(["-o", "link"]).output().expect("ip runs").stdout;
        String::from_utf8_lossy(&output).into_owned()
    };
    let there = links(&shown());
    drop(end);
    drop(segment);
    assert!(links(&shown()) < there);
}

#[test]
fn an_instance_of_the_hosts_network_is_refused() {
    let segment = segment("host");
    let error = segment.end(3).expect("room").join(std::process::id(), &soon()).expect_err("refused");
    assert!(error.to_string().contains("uses the host's network"), "{error}");
    assert!(segment.end(240).is_err());
}
