//! Tests of the drivers `firecracker` and `cloud-hypervisor` with servers that have the used part of the
//! published interfaces.
//!
//! The driver starts this program in place of the monitor, and this program is the server. It accepts each
//! request only in the right order, and only with the members that the description of the interface names. At
//! the end, the agent runs on the host in place of the guest. No guest runs here. That the real monitors work
//! is shown by another test.

use isotare_core::{Driver, Image, Settings};
use isotare_protocol::{Builtin, Job, Kind, Limit};
use isotare_testkit::bed::Bed;
use isotare_testkit::tally;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Checks the body of a request. May return the path of the vsock's sockets.
type Check = fn(&Value) -> Result<Option<String>, String>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--version"] => {
            // The driver reads the version from stdout or stderr, whichever contains it.
            let _unread = writeln!(std::io::stdout(), "stand-in 1");
            ExitCode::SUCCESS
        }
        ["--api-sock", socket] => serve(socket, FIRECRACKER),
        ["--api-socket", socket] => serve(socket.trim_start_matches("path="), CLOUD_HYPERVISOR),
        _ => {
            let tests = ["firecracker", "cloud-hypervisor"];
            let lives =
                tests.map(|name| Trial::test(format!("{name} is told what it wants"), || lives(name)));
            let refused = Trial::test("a refusal is told in the monitor's words", refused);
            libtest_mimic::run(&Arguments::from_args(), lives.into_iter().chain([refused]).collect())
                .exit_code()
        }
    }
}

// The drivers.

fn settings(driver: &dyn Driver, more: &[(&str, &str)]) -> Result<Settings, Failed> {
    let this = std::env::current_exe()?.display().to_string();
    let pairs = [("binary", this.as_str())].into_iter().chain(more.iter().copied());
    Ok(Settings::check(driver.name(), driver.settings(), pairs).map_err(|error| error.to_string())?)
}

/// A prepared bed for the driver; `None`: it cannot be prepared here.
fn ready(name: &str, more: &[(&str, &str)]) -> Result<Option<Bed<'static>>, Failed> {
    let driver = isotare_drivers::find(name).map_err(|error| error.to_string())?;
    let mut bed = Bed::new(Path::new(env!("ISOTARE_AGENT")))?;
    let prepared = bed.prepare(driver, &settings(driver, more)?, &Image::default());
    match prepared {
        Ok(()) => Ok(Some(bed)),
        // The drivers open it first.
        Err(why) if why.contains("/dev/kvm") => {
            tally::skip(&format!("{name} against a server of its interface"), &why, false)?;
            Ok(None)
        }
        Err(why) => Err(why.into()),
    }
}

fn lives(name: &str) -> Result<(), Failed> {
    let Some(mut bed) = ready(name, &[])? else { return Ok(()) };
    let mut life = bed.begin()?;
    if life.instance.footprint().members.len() != 1 {
        return Err(format!("{:?}", life.instance.footprint()).into());
    }
    let limit = Limit { duration_ms: Some(10), events: None };
    let kind = Kind::Cpu { max_prime: 100 };
    life.run(Job::Builtin(Builtin { kind, threads: 1, limit, warmup_ms: 1, interval_ms: 10 }))?;
    life.end()?;
    bed.create()?.abandon()?;
    bed.started()?.abandon()?;
    Ok(bed.leave(isotare_drivers::find(name).map_err(|error| error.to_string())?)?)
}

fn refused() -> Result<(), Failed> {
    let Some(mut bed) = ready("firecracker", &[("vcpus", "3")])? else { return Ok(()) };
    let error = bed.started().err().ok_or("three virtual CPUs were taken")?;
    let driver = isotare_drivers::find("firecracker").map_err(|error| error.to_string())?;
    let swept = bed.leave(driver);
    match error.contains("PUT /machine-config: {\"fault_message\":\"vcpu_count: 3")
        && error.contains("(HTTP 400)")
    {
        true => Ok(()),
        false => Err(format!("{error}; {swept:?}").into()),
    }
}

// The servers.

/// `src/firecracker/swagger/firecracker.yaml` of version 1.17.
const FIRECRACKER: &[(&str, Check)] = &[
    ("/machine-config", |body| {
        members(body, &["vcpu_count", "mem_size_mib"])?;
        let vcpus = number(body, "vcpu_count")?;
        match vcpus == 1 || (vcpus <= 32 && vcpus % 2 == 0) {
            true => number(body, "mem_size_mib").map(|_| None),
            false => Err(format!("vcpu_count: {vcpus} is neither 1 nor even and up to 32")),
        }
    }),
    ("/boot-source", |body| {
        members(body, &["kernel_image_path", "initrd_path", "boot_args"])?;
        begins(text(body, "kernel_image_path")?, b"\x7fELF")?;
        begins(text(body, "initrd_path")?, b"070701")?;
        parameters(text(body, "boot_args")?, "reboot=k")
    }),
    ("/drives/data", |body| {
        members(
            body,
            &["drive_id", "path_on_host", "is_root_device", "is_read_only", "cache_type", "io_engine"],
        )?;
        expect(text(body, "drive_id")?, &["data"])?;
        expect(text(body, "cache_type")?, &["Unsafe", "Writeback"])?;
        expect(text(body, "io_engine")?, &["Sync", "Async"])?;
        if body["is_root_device"] != false || body["is_read_only"] != false {
            return Err(format!("no data disk: {body}"));
        }
        is_ext4(text(body, "path_on_host")?)
    }),
    ("/vsock", |body| {
        members(body, &["guest_cid", "uds_path"])?;
        match number(body, "guest_cid")? {
            0..3 => Err("guest_cid below 3".to_owned()),
            _ => Ok(Some(text(body, "uds_path")?.to_owned())),
        }
    }),
    ("/actions", |body| {
        members(body, &["action_type"])?;
        expect(text(body, "action_type")?, &["InstanceStart"])
    }),
];

/// `vmm/src/api/openapi/cloud-hypervisor.yaml` of August 2026.
const CLOUD_HYPERVISOR: &[(&str, Check)] = &[
    ("/api/v1/vm.create", |body| {
        members(body, &["cpus", "memory", "payload", "vsock", "serial", "console", "disks"])?;
        members(&body["cpus"], &["boot_vcpus", "max_vcpus"])?;
        members(&body["memory"], &["size"])?;
        members(&body["payload"], &["kernel", "initramfs", "cmdline"])?;
        members(&body["vsock"], &["cid", "socket"])?;
        members(&body["serial"], &["mode", "file"])?;
        members(&body["console"], &["mode"])?;
        members(&body["disks"][0], &["path", "direct", "image_type"])?;
        if number(&body["cpus"], "boot_vcpus")? > number(&body["cpus"], "max_vcpus")? {
            return Err("more CPUs than max_vcpus".to_owned());
        }
        number(&body["memory"], "size")?;
        begins(text(&body["payload"], "kernel")?, b"\x7fELF")?;
        begins(text(&body["payload"], "initramfs")?, b"070701")?;
        parameters(text(&body["payload"], "cmdline")?, "isotare.end=off")?;
        expect(text(&body["serial"], "mode")?, &["File"])?;
        expect(text(&body["console"], "mode")?, &["Off"])?;
        expect(text(&body["disks"][0], "image_type")?, &["Raw"])?;
        is_ext4(text(&body["disks"][0], "path")?)?;
        match number(&body["vsock"], "cid")? {
            0..3 => Err("cid below 3".to_owned()),
            _ => Ok(Some(text(&body["vsock"], "socket")?.to_owned())),
        }
    }),
    ("/api/v1/vm.boot", |body| match body.is_null() {
        true => Ok(None),
        false => Err("vm.boot has no body".to_owned()),
    }),
];

/// Accepts the requests in their order on one connection. Then runs the agent as the guest, and ends with it.
fn serve(socket: &str, script: &[(&str, Check)]) -> ExitCode {
    let Ok(listener) = UnixListener::bind(socket) else { return ExitCode::FAILURE };
    let Ok((stream, _)) = listener.accept() else { return ExitCode::FAILURE };
    let mut reader = BufReader::new(&stream);
    let mut vsock = None;
    for (path, check) in script {
        let answer = request(&mut reader, path).and_then(|body| check(&body));
        let (status, body) = match &answer {
            Ok(_) => (204, String::new()),
            Err(why) => (400, serde_json::json!({"fault_message": why}).to_string()),
        };
        let length =
            if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let sent = write!(&stream, "HTTP/1.1 {status} \r\n{length}\r\n{body}");
        match (answer, sent) {
            (Ok(found), Ok(())) => vsock = found.or(vsock),
            _ => return ExitCode::FAILURE,
        }
    }
    let folder = Path::new(socket).with_file_name("data");
    let port = format!("{}_1024", vsock.unwrap_or_default());
    let agent = std::fs::create_dir(&folder).and_then(|()| {
        Command::new(env!("ISOTARE_AGENT")).args(["--socket", &port, "--data"]).arg(&folder).status()
    });
    match agent {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Reads one request, which must be a `PUT` to this path, and returns its body.
fn request(reader: &mut impl BufRead, path: &str) -> Result<Value, String> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).map_err(|error| error.to_string())?;
        Ok::<_, String>(line.trim_end().to_owned())
    };
    expect(&line()?, &[&format!("PUT {path} HTTP/1.1")])?;
    let (mut length, mut kind) = (0, String::new());
    loop {
        let header = line()?.to_ascii_lowercase();
        match header.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().map_err(|_| header.clone())?,
            Some(("content-type", value)) => value.clone_into(&mut kind),
            Some(_) => {}
            None => break,
        }
    }
    expect(&kind, &["application/json"])?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).map_err(|error| error.to_string())?;
    match body.is_empty() {
        true => Ok(Value::Null),
        false => serde_json::from_slice(&body).map_err(|error| error.to_string()),
    }
}

/// Checks that an object has exactly these members.
fn members(body: &Value, names: &[&str]) -> Result<(), String> {
    let object = body.as_object().ok_or_else(|| format!("no object: {body}"))?;
    let same = object.len() == names.len() && names.iter().all(|name| object.contains_key(*name));
    if same { Ok(()) } else { Err(format!("other members than {names:?}: {body}")) }
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, String> {
    body[name].as_str().ok_or_else(|| format!("{name} is no text: {body}"))
}

fn number(body: &Value, name: &str) -> Result<u64, String> {
    body[name].as_u64().filter(|&number| number > 0).ok_or_else(|| format!("{name} is no number: {body}"))
}

fn expect(found: &str, wanted: &[&str]) -> Result<Option<String>, String> {
    if wanted.contains(&found) { Ok(None) } else { Err(format!("{found} instead of {wanted:?}")) }
}

/// Checks that the kernel's parameters contain the words that the agent and the monitor need.
fn parameters(line: &str, own: &str) -> Result<Option<String>, String> {
    let missing = ["isotare.vsock=1024", "isotare.data=isotare-data", "console=ttyS0", own]
        .into_iter()
        .find(|wanted| !line.split(' ').any(|word| word == *wanted));
    missing.map_or(Ok(None), |word| Err(format!("no {word} in {line}")))
}

fn begins(path: &str, magic: &[u8]) -> Result<(), String> {
    let content = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    if content.starts_with(magic) { Ok(()) } else { Err(format!("{path} is something else")) }
}

/// The superblock is 1 KiB from the start, and its magic number 56 bytes further: ext4(5), kernel
/// documentation.
fn is_ext4(path: &str) -> Result<Option<String>, String> {
    let mut start = [0; 2048];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.map_err(|error| format!("{path}: {error}"))?;
    if start[1080..1082] == [0x53, 0xef] { Ok(None) } else { Err(format!("{path} has no ext4")) }
}
