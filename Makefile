# Two commands do all set-up on a fresh Debian 12 as root: `make demo` and `make test`.
# Elsewhere, install what PACKAGES stands for (a C compiler with a static libc, Docker, QEMU, a Linux kernel with
# modules, sysbench, mkfs.ext4, ip) by other means; what is missing is reported as unavailable, with its reason.

PACKAGES := btrfs-progs bubblewrap build-essential ca-certificates conmon containerd crun docker.io e2fsprogs fuse-overlayfs \
  iproute2 kmod libvirt-clients libvirt-daemon linux-image-amd64 linux-image-cloud-amd64 lxc mmdebstrap netavark openssh-client openssh-server podman procps runc sysbench systemd-container uidmap util-linux
# For building youki, which no package has.
PACKAGES += libdbus-1-dev libelf-dev libseccomp-dev pkg-config
# In Debian 12 only as backports, or too old without: its gVisor has no systrap.
BACKPORTS := incus-base runsc
QEMU := qemu-system-x86 qemu-utils
JOBS ?= 2
export CARGO_BUILD_JOBS ?= $(JOBS)

.PHONY: demo test setup bench
demo: setup
	cargo xtask demo

test: setup
	cargo xtask test

# Repeats the comparisons with hyperfine, crun and pidstat (see benchmarks/README.md).
bench: setup
	[ "$$(id -u)" != 0 ] || DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends crun hyperfine sysstat
	cargo xtask bench

# QEMU comes from backports only where another part of it did.
setup:
	@command -v dpkg-query >/dev/null || { echo 'not a Debian system: see the head of the Makefile for what is needed'; exit 0; }; \
	absent() { for p; do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done; }; \
	missing=$$(absent $(PACKAGES)); newer=$$(absent $(BACKPORTS)); qemu=$$(absent $(QEMU)); \
	[ -z "$$missing$$newer$$qemu" ] && exit 0; \
	[ "$$(id -u)" = 0 ] || { echo "not root: cannot install $$missing $$newer $$qemu; what needs them will be skipped"; exit 0; }; \
	export DEBIAN_FRONTEND=noninteractive; set -e; \
	get() { apt-get install -y --no-install-recommends "$$@"; }; \
	backports() { \
	  echo 'deb http://deb.debian.org/debian bookworm-backports main' > /etc/apt/sources.list.d/isotare-backports.list; \
	  apt-get update; get -t bookworm-backports "$$@"; }; \
	apt-get update; \
	[ -z "$$missing" ] || get $$missing; \
	[ -z "$$newer" ] || backports $$newer; \
	[ -z "$$qemu" ] || get $$qemu || backports $$qemu
