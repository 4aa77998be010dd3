# Run by `cargo xtask dist --check` in namespaces of its own. $1: a clean Debian; $2: the package; $3: its version.
root=$1
cp "$2" "$root/tmp/isotare.deb"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# A proxy, and whatever else the host's apt was told of the mirror.
apt-config dump --no-empty Acquire | grep -E "^Acquire::(http|https|Check-[A-Za-z-]*)(::| )" > "$root/etc/apt/apt.conf.d/99host" || true
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }

inside apt-get -qq -o Dpkg::Use-Pty=0 update
inside apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends /tmp/isotare.deb
inside dpkg --verify isotare
inside isotare --version | grep -F "isotare $3"
# minbase leaves out no documents; each verb has its page.
for page in isotare isotare-compare isotare-import isotare-store; do
  inside sh -c "zcat /usr/share/man/man1/$page.1.gz" | grep -q '^\.TH'
done
inside bash -n /usr/share/bash-completion/completions/isotare
inside sh -c 'cd /usr/share/doc/isotare && ls copyright changelog.gz LICENSES-THIRD-PARTY.txt.gz && zcat LICENSES-THIRD-PARTY.txt.gz | grep -q "^pathrs "'
inside isotare doctor
inside isotare compare --env chroot --workload cpu:time=50ms --blocks 6 --out /tmp/page.html
inside test -s /tmp/page.html
inside isotare clean
inside apt-get -qq -o Dpkg::Use-Pty=0 purge isotare
! inside sh -c 'find / -xdev -name "*isotare*" -not -path "/proc/*" | grep -v -e ^/tmp/ -e ^/root/ -e ^/var/cache/apt -e ^/var/log -e ^/var/cache/isotare -e ^/var/lib/isotare'
