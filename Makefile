# Two commands do all set-up on a fresh Debian 12 as root: `make demo` and `make test`.
# Elsewhere, install what the lists of packages stand for by other means; what is missing is reported as unavailable,
# with its reason.

# What the build needs: a C compiler with a static libc.
COMPILER := ca-certificates gcc libc6-dev
# What `isotare compare` measures without arguments: Docker, and QEMU with one Linux kernel, its modules and mkfs.ext4.
DEMO_PACKAGES := docker.io e2fsprogs iproute2 kmod linux-image-cloud-amd64 procps util-linux
DEMO_QEMU := qemu-system-x86
# What only the tests need.
TEST_PACKAGES := btrfs-progs bubblewrap build-essential conmon containerd crun fuse-overlayfs libvirt-clients libvirt-daemon \
  linux-image-amd64 lxc mmdebstrap netavark openssh-client openssh-server podman runc sysbench systemd-container uidmap
# For building youki, which no package has.
TEST_PACKAGES += libdbus-1-dev libelf-dev libseccomp-dev pkg-config
# In Debian 12 only as backports, or too old without: its gVisor has no systrap.
BACKPORTS := incus-base runsc
QEMU := $(DEMO_QEMU) qemu-utils
JOBS ?= 2
export CARGO_BUILD_JOBS ?= $(JOBS)
ifndef BEGAN
BEGAN := $(shell date +%s)
endif
export BEGAN
say = printf '\n== %d:%02d %s\n' $$((($$(date +%s) - BEGAN) / 60)) $$((($$(date +%s) - BEGAN) % 60))

.PHONY: demo demo-packages demo-build test setup setup-compiler setup-demo bench
# Packages are installed while the compiler works.
demo:
	@mkdir -p out
	@$(say) 'packages: a C compiler'
	@$(MAKE) --no-print-directory setup-compiler
	@$(MAKE) --no-print-directory -j2 demo-packages demo-build
	@$(say) 'measuring'
	@target/release/xtask demo

demo-packages:
	@$(say) 'packages: $(DEMO_PACKAGES) $(DEMO_QEMU) (apt writes to out/packages.log)'
	@$(MAKE) --no-print-directory setup-demo > out/packages.log 2>&1 || { tail -n 20 out/packages.log; exit 1; }
	@grep -e 'cannot install' -e 'not a Debian' out/packages.log || true
	@$(say) 'packages: done'

# Cargo counts its jobs itself.
demo-build:
	@$(say) 'build'
	@env -u MAKEFLAGS -u MFLAGS cargo build --release --package isotare --package xtask
	@$(say) 'build: done'

test: setup
	cargo xtask test

# Repeats the comparisons with hyperfine, crun and pidstat (see benchmarks/README.md).
bench: setup
	[ "$$(id -u)" != 0 ] || DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends crun hyperfine sysstat
	cargo xtask bench

setup: WANTED = $(COMPILER) $(DEMO_PACKAGES) $(TEST_PACKAGES)
setup: NEWER = $(BACKPORTS)
setup: EMULATOR = $(QEMU)
setup-compiler: WANTED = $(COMPILER)
setup-demo: WANTED = $(DEMO_PACKAGES)
setup-demo: EMULATOR = $(DEMO_QEMU)

# QEMU comes from backports only where another part of it did.
setup setup-compiler setup-demo:
	@command -v dpkg-query >/dev/null || { echo 'not a Debian system: see the head of the Makefile for what is needed'; exit 0; }; \
	absent() { for p; do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done; }; \
	missing=$$(absent $(WANTED)); newer=$$(absent $(NEWER)); qemu=$$(absent $(EMULATOR)); \
	[ -z "$$missing$$newer$$qemu" ] && exit 0; \
	[ "$$(id -u)" = 0 ] || { echo "not root: cannot install" $$missing $$newer $$qemu"; what needs them will be skipped"; exit 0; }; \
	export DEBIAN_FRONTEND=noninteractive; set -e; \
	get() { apt-get install -y --no-install-recommends "$$@"; }; \
	backports() { \
	  echo 'deb http://deb.debian.org/debian bookworm-backports main' > /etc/apt/sources.list.d/isotare-backports.list; \
	  apt-get update; get -t bookworm-backports "$$@"; }; \
	apt-get update; \
	[ -z "$$missing" ] || get $$missing; \
	[ -z "$$newer" ] || backports $$newer; \
	[ -z "$$qemu" ] || get $$qemu || backports $$qemu
