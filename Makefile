# Two commands do all set-up on a fresh Debian 12 as root: `make demo` and `make test`.
# Elsewhere, install what PACKAGES stands for (a C compiler with a static libc, Docker, QEMU, a Linux kernel with
# modules, sysbench, mkfs.ext4, ip) by other means; what is missing is reported as unavailable, with its reason.

PACKAGES := build-essential ca-certificates docker.io e2fsprogs iproute2 linux-image-cloud-amd64 procps sysbench util-linux
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

# The backports suite is only needed where another part of QEMU was installed from it.
setup:
	@command -v dpkg-query >/dev/null || { echo 'not a Debian system: see the head of the Makefile for what is needed'; exit 0; }; \
	missing=$$(for p in $(PACKAGES); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	qemu=$$(for p in $(QEMU); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	[ -z "$$missing$$qemu" ] && exit 0; \
	[ "$$(id -u)" = 0 ] || { echo "not root: cannot install $$missing $$qemu; what needs them will be skipped"; exit 0; }; \
	export DEBIAN_FRONTEND=noninteractive; set -e; \
	apt-get update; \
	[ -z "$$missing" ] || apt-get install -y --no-install-recommends $$missing; \
	[ -z "$$qemu" ] || apt-get install -y --no-install-recommends $$qemu || { \
	  echo 'deb http://deb.debian.org/debian bookworm-backports main' > /etc/apt/sources.list.d/isotare-backports.list; \
	  apt-get update; apt-get install -y --no-install-recommends -t bookworm-backports $$qemu; }
