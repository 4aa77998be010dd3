//! The other side: `crun run` on a bundle that asks for the same isolation.

use crate::Result;
use crate::embedded::{MEMORY, cpus};
use isotare_core::{AGENT_PATH, CONTROL_DIR, DATA_DIR, Image, Interrupt, Source};
use isotare_host::{AgentClient, Spawn, accept, deadline_in, find_program, lay_out, now};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use serde_json::{Value, json};
use std::ffi::CString;
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// A bundle, and the program to run it.
pub struct Crun {
    program: PathBuf,
    bundle: PathBuf,
    control: PathBuf,
}

/// Leaves the mount namespace, and there unmounts a version 2 hierarchy that lies beside version 1.
pub fn hide_unified() -> Result<()> {
    // SAFETY: the flag unshares neither memory nor file descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?;
    if Path::new(UNIFIED).join("cgroup.procs").exists() {
        unmount(UNIFIED, UnmountFlags::DETACH)?;
    }
    Ok(())
}

impl Crun {
    /// `None`: there is no crun.
    pub fn prepare(agent: &Path, folder: &Path) -> Result<Option<Self>> {
        let Some(program) = find_program("crun") else { return Ok(None) };
        let (bundle, control) = (folder.join("bundle"), folder.join("control"));
        let [lower, upper, work] = ["lower", "upper", "overlay"].map(|name| bundle.join(name));
        let rootfs = bundle.join("rootfs");
        for path in [&lower, &upper, &work, &rootfs, &control] {
            fs::create_dir_all(path)?;
        }
        let mut image = Image::default();
        for path in ["/proc", "/sys", "/dev", "/tmp", CONTROL_DIR, DATA_DIR] {
            image.add(Path::new(path), Source::Folder, 0o755);
        }
        image.add(Path::new(AGENT_PATH), Source::Host(agent.to_owned()), 0o755);
        lay_out(&image, &lower)?;
        let options =
            format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
        let options = CString::new(options)?;
        mount("overlay", &rootfs, "overlay", MountFlags::empty(), options.as_c_str())?;
        fs::write(bundle.join("config.json"), serde_json::to_vec_pretty(&config(&control))?)?;
        Ok(Some(Self { program, bundle, control }))
    }

    /// One life.
    pub fn live(&mut self, round: usize) -> Result<Duration> {
        let deadline = deadline_in(Duration::from_secs(30), &Interrupt::default());
        let (socket, log) = (self.control.join("agent.sock"), self.bundle.join("log"));
        let begin = now();
        let listener = UnixListener::bind(&socket)?;
        let spawn = Spawn::new(&self.program)
            .args(["run", "--bundle"])
            .arg(&self.bundle)
            .arg(format!("isotare-life-{}-{round}", std::process::id()))
            .output_to(&log);
        let mut child = spawn.start()?;
        let stream = accept(&listener, Some(child.pidfd()), &deadline)
            .map_err(|error| format!("{error}: {}", fs::read_to_string(&log).unwrap_or_default()))?;
        AgentClient::greet(stream, &deadline)?.power_off(&deadline)?;
        let status = child.wait(&deadline)?;
        let took = now().since(begin);
        fs::remove_file(&socket)?;
        match status.success() {
            true => Ok(took),
            false => Err(format!("crun: {status}: {}", fs::read_to_string(&log).unwrap_or_default()).into()),
        }
    }
}

impl Drop for Crun {
    fn drop(&mut self) {
        // The mount ends with this process's namespace at the latest.
        let _busy = unmount(self.bundle.join("rootfs"), UnmountFlags::DETACH);
        // crun also makes groups in the hierarchy that is systemd's.
        for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            let _absent =
                fs::remove_dir(hierarchy.path().join(format!("isotare/life-{}", std::process::id())));
        }
    }
}

/// The same as the driver asks of its runtime.
fn config(control: &Path) -> Value {
    let capabilities: Vec<String> =
        "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP \
                                     NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
            .split_whitespace()
            .map(|name| format!("CAP_{name}"))
            .collect();
    let mount = |to: &str, kind: &str, options: &str| {
        let options: Vec<&str> = options.split(',').collect();
        json!({"destination": to, "type": kind, "source": kind, "options": options})
    };
    let device = |kind: &str, major: Option<u32>, minor: Option<u32>, access: &str| {
        let mut rule = json!({"allow": true, "type": kind, "access": access});
        for (key, number) in [("major", major), ("minor", minor)] {
            if let Some(number) = number {
                rule[key] = json!(number);
            }
        }
        rule
    };
    let mut devices = vec![json!({"allow": false, "access": "rwm"})];
    devices.extend(["c", "b"].map(|kind| device(kind, None, None, "m")));
    let known = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)];
    devices.extend(known.map(|(major, minor)| device("c", Some(major), Some(minor), "rwm")));
    devices.push(device("c", Some(136), None, "rwm"));
    let namespaces = ["pid", "mount", "uts", "ipc", "network", "cgroup"].map(|kind| json!({"type": kind}));
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false, "user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"], "noNewPrivileges": true,
            "args": [AGENT_PATH, "--socket", format!("{CONTROL_DIR}/agent.sock"), "--data", DATA_DIR],
            "capabilities": {"bounding": &capabilities, "effective": &capabilities, "permitted": &capabilities},
        },
        "root": {"path": "rootfs", "readonly": false},
        "hostname": "isotare",
        "mounts": [
            mount("/proc", "proc", "nosuid,noexec,nodev"),
            mount("/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
            mount("/dev/pts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
            mount("/sys", "sysfs", "nosuid,noexec,nodev,ro"),
            mount("/sys/fs/cgroup", "cgroup", "ro,nosuid,noexec,nodev"),
            mount("/dev/mqueue", "mqueue", "nosuid,noexec,nodev"),
            mount("/dev/shm", "tmpfs", "nosuid,noexec,nodev,mode=1777,size=65536k"),
            {"destination": CONTROL_DIR, "type": "bind", "source": control, "options": ["rbind", "rw"]},
        ],
        "linux": {
            "cgroupsPath": format!("/isotare/life-{}/crun", std::process::id()),
            "resources": {"cpu": {"cpus": cpus()}, "memory": {"limit": MEMORY}, "devices": devices},
            "namespaces": namespaces,
            "seccomp": {
                "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "architectures": ["SCMP_ARCH_X86_64"],
                "syscalls": filter(include_str!("../../src/container/broker/seccomp-default.txt")),
            },
            "maskedPaths": ["/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
                "/sys/firmware", "/sys/devices/virtual/powercap"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}

/// The driver's table of system calls in crun's words.
fn filter(table: &str) -> Vec<Value> {
    let rules =
        table.lines().filter_map(|line| match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["allow", names @ ..] => Some(json!({"names": names, "action": "SCMP_ACT_ALLOW"})),
            ["errno", name, _] => Some(json!({"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": 38})),
            ["allow-if", name, argument, condition @ ..] => {
                let index: u32 = argument.strip_prefix("arg")?.parse().ok()?;
                let argument = match condition {
                    ["&", mask, "=", value] => json!({"index": index, "op": "SCMP_CMP_MASKED_EQ",
                    "value": integer(mask)?, "valueTwo": integer(value)?}),
                    [operator, value] => {
                        let name = match *operator {
                            "<" => "SCMP_CMP_LT",
                            "=" => "SCMP_CMP_EQ",
                            _ => "SCMP_CMP_GT",
                        };
                        json!({"index": index, "op": name, "value": integer(value)?})
                    }
                    _ => return None,
                };
                Some(json!({"names": [name], "action": "SCMP_ACT_ALLOW", "args": [argument]}))
            }
            _ => None,
        });
    rules.collect()
}

fn integer(text: &str) -> Option<u64> {
    text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| u64::from_str_radix(hex, 16).ok())
}
