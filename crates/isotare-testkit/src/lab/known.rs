//! All labs.

use super::{Boot, Lab, Step};
use std::time::Duration;

/// The limit for a lab that hangs. A lab takes five to ten minutes on a quiet machine, and twice as long on a
/// busy one.
const DEADLINE: Duration = Duration::from_secs(1500);

/// All labs use the same packages, so that they share one image.
const PACKAGES: &[&str] = &[
    "apparmor",
    "bubblewrap",
    "crun",
    "dbus",
    "dbus-user-session",
    "docker.io",
    "e2fsprogs",
    "iproute2",
    "iptables",
    "kmod",
    "libpam-systemd",
    "linux-image-amd64",
    "lxc",
    "podman",
    "procps",
    "qemu-system-x86",
    "qemu-utils",
    "runc",
    "systemd-container",
    "systemd-sysv",
    "udev",
    "uidmap",
    "util-linux",
    "xen-hypervisor-4.17-amd64",
    "xen-utils-4.17",
];

/// A user whose service manager got all controllers, as isotare itself recommends. The user runs containers
/// of the embedded runtime in his part of the tree.
const USER: &str = r#"
mkdir -p /run/systemd/system/user@.service.d
printf '[Service]\nDelegate=cpu cpuset io memory pids\n' > /run/systemd/system/user@.service.d/delegate.conf
systemctl daemon-reload
systemctl start basic.target systemd-logind.service
useradd --create-home guest
loginctl enable-linger guest
systemctl start "user@$(id -u guest).service"
export XDG_RUNTIME_DIR="/run/user/$(id -u guest)"
: > /home/guest/tally
chown guest /home/guest/tally
run() {
  runuser -u guest -- systemd-run --user --quiet --collect --wait --pipe --setenv=PATH="$PATH" \
    --setenv=ISOTARE_AGENT="$ISOTARE_AGENT" --setenv=ISOTARE_TALLY=/home/guest/tally "$@"
}
run conformance --color never --exact native
run conformance --color never --exact container
sed 's/:/ of an ordinary user:/' /home/guest/tally > "$ISOTARE_TALLY"
"#;

/// The steps of a Debian host when it starts. Docker's profile is loaded by its daemon.
const APPARMOR: &str = r#"
systemctl start apparmor.service
grep -E '^(docker-default|lxc-container-default-cgns) \(enforce\)' /sys/kernel/security/apparmor/profiles
"#;

/// A link of known delay, which the host's kernel may not have. Times in a lab are not meaningful, but a
/// delay of 20 ms does not depend on the processor. So the ratio has to be near the true one, even if it is
/// not within its interval (exit code 5).
const NETEM: &str = r#"
modprobe sch_netem
isotare selftest --kind link:delay=20ms,percent=50 --blocks 6 --format json > /run/selftest || [ $? = 5 ]
cat /run/selftest
awk -F'[:,]' '$1 ~ /"ratio"/ { seen = 1; if ($2 < 1.25 || $2 > 1.8) wrong = 1 } END { exit wrong || !seen }' /run/selftest
"#;

/// Figures of a lab must be marked, so that they are not regarded as measurements.
const SESSION: &str = r#"
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
isotare compare --env qemu:accel=kvm,machine=q35 --no-null --blocks 6 --repeats 0 -w cpu:events=20 > /run/text 2> /run/progress || {
  status=$?
  cat /run/progress /run/text
  exit $status
}
cat /run/text
grep '^EMULATED MACHINE' /run/text
isotare report last --format json > /run/json
grep '"emulated": true' /run/json
! grep -E 'unavailable|not completed' /run/text
grep '"counter.kvm_exits": "counted"' /run/json
isotare export last > /run/csv
awk -F, '/,host_kvm_exits,/ { for (at = 1; at <= NF; at++) if ($at == "host_kvm_exits" && $(at + 3) > 0) seen = 1 } END { exit !seen }' /run/csv
"#;

/// The steps of a Debian host when it starts as the first domain of Xen, and a check of the result.
const XEN: &str = r#"
for module in xen-gntdev xen-gntalloc xen-evtchn xenfs xen-privcmd; do modprobe $module; done
mountpoint -q /proc/xen || mount -t xenfs xenfs /proc/xen
grep control_d /proc/xen/capabilities
systemctl start xen
xl list
"#;

/// All labs.
pub const LABS: &[Lab] = &[
    Lab {
        name: "cgroup-v2",
        packages: PACKAGES,
        boot: Boot::Linux,
        machine: "q35",
        cpu: "max",
        cpus: 2,
        memory: 2560,
        steps: &[
            Step::Script(
                "systemd on cgroup v2",
                "[ \"$(stat -fc %T /sys/fs/cgroup)\" = cgroup2fs ] && [ \"$(cat /proc/1/comm)\" = systemd ]",
            ),
            Step::Script("isotare-cgroup: tests on real groups", "exec cgroup-tests --color never"),
            Step::Script("isotare selftest: a link of known delay (netem)", NETEM),
            Step::Conformance("native"),
            Step::Conformance("container"),
            Step::Conformance("chroot"),
            Step::Conformance("runc"),
            Step::Conformance("crun"),
            Step::Conformance("bubblewrap"),
            Step::Conformance("nspawn"),
            Step::Conformance("ladder"),
            Step::Conformance("docker"),
            Step::Script("AppArmor's profiles are loaded", APPARMOR),
            Step::Conformance("ladder:upto=apparmor"),
            Step::Conformance("lxc"),
            Step::Script("an ordinary user with delegated groups", USER),
        ],
        deadline: DEADLINE,
    },
    Lab {
        name: "kvm",
        packages: PACKAGES,
        boot: Boot::Linux,
        machine: "q35",
        cpu: "max,+svm,+npt",
        cpus: 2,
        memory: 2560,
        steps: &[
            Step::Script("kvm-amd", "modprobe kvm-amd nested=1 && [ -c /dev/kvm ]"),
            Step::Conformance("qemu:accel=kvm"),
            Step::Script("qemu:accel=kvm,machine=q35: a session, marked as emulated", SESSION),
        ],
        deadline: DEADLINE,
    },
    Lab {
        name: "xen",
        packages: PACKAGES,
        boot: Boot::Xen,
        // Xen hangs on other machines that QEMU emulates.
        machine: "pc",
        cpu: "qemu64",
        cpus: 1,
        memory: 2560,
        steps: &[Step::Script("xl sees a running Xen", XEN), Step::Conformance("xen:type=pv")],
        deadline: DEADLINE,
    },
];
