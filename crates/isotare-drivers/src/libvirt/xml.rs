//! The definition of a trial's domain, made from that of another. A pure function.
//!
//! Format: <https://libvirt.org/formatdomain.html>.

use quick_xml::escape::escape;
use quick_xml::events::{BytesText, Event};
use quick_xml::{Reader, Writer, XmlVersion};
use std::path::Path;

/// The parts of a definition about its identity, its size, where it may run, and what happens at its end.
/// Isotare sets all of them.
const REPLACED: &[&str] = &[
    "name",
    "uuid",
    "genid",
    "title",
    "description",
    "metadata",
    "memory",
    "currentMemory",
    "maxMemory",
    "vcpu",
    "vcpus",
    "iothreads",
    "iothreadids",
    "cputune",
    "numatune",
    "blkiotune",
    "memtune",
    "resource",
    "sysinfo",
    "on_poweroff",
    "on_reboot",
    "on_crash",
    "seclabel",
];
/// The devices that are kept: those that belong to the machine, and not to its software or to the host.
const KEPT_DEVICES: &[&str] = &["emulator", "memballoon", "rng", "iommu"];
/// What depends on the number of processors.
const REPLACED_CPU: &[&str] = &["topology", "numa"];

/// The properties of a trial's domain, in addition to the machine that the definition describes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ours<'a> {
    pub(super) name: &'a str,
    /// Bytes.
    pub(super) memory: u64,
    pub(super) vcpus: u64,
    pub(super) kernel: &'a Path,
    pub(super) initramfs: &'a Path,
    pub(super) parameters: &'a str,
    /// The agent's socket, on which we listen.
    pub(super) control: &'a Path,
    /// The name of its port in the guest.
    pub(super) port: &'a str,
    pub(super) console: &'a Path,
    /// The data disk and its cache, if there is one.
    pub(super) disk: Option<(&'a Path, &'a str)>,
    /// Of the daemon: whether it would otherwise give the machine to another user, who cannot reach our
    /// files.
    pub(super) as_root: bool,
}

/// A domain that is used if no domain is named.
pub(super) fn plain(kind: &str, machine: &str) -> String {
    let cpu = if kind == "kvm" { "host-passthrough" } else { "maximum" };
    format!(
        "<domain type='{kind}'><os><type arch='x86_64' machine='{machine}'>hvm</type></os>\
         <features><acpi/><apic/></features><cpu mode='{cpu}'/><clock offset='utc'/>\
         <devices><memballoon model='none'/></devices></domain>"
    )
}

/// What executes the domain: the attribute `type` of the definition, such as `kvm`.
pub(super) fn kind(definition: &str) -> Option<String> {
    let mut reader = Reader::from_str(definition);
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) if element.name().as_ref() == "domain" => {
                let kind = element.try_get_attribute("type").ok()??;
                return Some(kind.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned());
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

/// The definition with its parts replaced by ours.
pub(super) fn rewrite(definition: &str, ours: &Ours<'_>) -> Result<String, quick_xml::Error> {
    let mut reader = Reader::from_str(definition);
    reader.config_mut().trim_text(true);
    let mut writer = Writer::new(Vec::new());
    let mut above: Vec<String> = Vec::new();
    loop {
        let event = reader.read_event()?;
        match &event {
            Event::Eof => break,
            Event::Start(element) => {
                let name = element.name().as_ref().to_owned();
                if !is_kept(&above, &name) {
                    let end = element.to_end().into_owned();
                    reader.read_to_end(end.name())?;
                    continue;
                }
                writer.write_event(event.borrow())?;
                above.push(name);
                if above == ["domain"] {
                    insert(&mut writer, &head(ours))?;
                }
            }
            Event::Empty(element) => {
                if is_kept(&above, element.name().as_ref()) {
                    writer.write_event(event.borrow())?;
                }
            }
            Event::End(_) => {
                match above.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                    ["domain", "os"] => insert(&mut writer, &boot(ours))?,
                    ["domain", "devices"] => insert(&mut writer, &devices(ours))?,
                    ["domain"] => insert(&mut writer, &tail(ours))?,
                    _ => {}
                }
                above.pop();
                writer.write_event(event.borrow())?;
            }
            Event::Comment(_) | Event::Decl(_) => {}
            _ => writer.write_event(event.borrow())?,
        }
    }
    Ok(String::from_utf8_lossy(&writer.into_inner()).into_owned())
}

fn is_kept(above: &[String], name: &str) -> bool {
    match above.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["domain"] => !REPLACED.contains(&name),
        ["domain", "os"] => name == "type",
        ["domain", "cpu"] => !REPLACED_CPU.contains(&name),
        ["domain", "devices"] => KEPT_DEVICES.contains(&name),
        _ => true,
    }
}

fn insert(writer: &mut Writer<Vec<u8>>, markup: &str) -> Result<(), quick_xml::Error> {
    Ok(writer.write_event(Event::Text(BytesText::from_escaped(markup)))?)
}

fn text(path: &Path) -> String {
    escape(path.to_string_lossy()).into_owned()
}

fn head(ours: &Ours<'_>) -> String {
    let name = escape(ours.name);
    let (memory, vcpus) = (ours.memory, ours.vcpus);
    format!("<name>{name}</name><memory unit='b'>{memory}</memory><vcpu>{vcpus}</vcpu>")
}

fn boot(ours: &Ours<'_>) -> String {
    let (kernel, initramfs) = (text(ours.kernel), text(ours.initramfs));
    let parameters = escape(ours.parameters);
    format!("<kernel>{kernel}</kernel><initrd>{initramfs}</initrd><cmdline>{parameters}</cmdline>")
}

fn devices(ours: &Ours<'_>) -> String {
    let (control, console, port) = (text(ours.control), text(ours.console), escape(ours.port));
    let mut devices = format!(
        "<channel type='unix'><source mode='connect' path='{control}'/>\
         <target type='virtio' name='{port}'/></channel>\
         <serial type='file'><source path='{console}'/><target port='0'/></serial>"
    );
    if let Some((disk, cache)) = ours.disk {
        let disk = text(disk);
        devices.push_str(&format!(
            "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='{cache}'/>\
             <source file='{disk}'/><target dev='vda' bus='virtio'/></disk>"
        ));
    }
    devices
}

/// A restart ends the domain. Our files are for root alone, so the machine runs as root, whatever `user` the
/// daemon's qemu.conf says; other confinement, such as AppArmor's, is still set by the daemon.
fn tail(ours: &Ours<'_>) -> String {
    let ends = "<on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot><on_crash>destroy</on_crash>";
    let labels = match ours.as_root {
        true => "<seclabel type='static' model='dac' relabel='no'><label>+0:+0</label></seclabel>",
        false => "",
    };
    format!("{ends}{labels}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Ours<'static> {
        Ours {
            name: "t1",
            memory: 256 << 20,
            vcpus: 2,
            kernel: Path::new("/k&1"),
            initramfs: Path::new("/i"),
            parameters: "quiet",
            control: Path::new("/c"),
            port: "isotare.control",
            console: Path::new("/s"),
            disk: Some((Path::new("/d"), "none")),
            as_root: false,
        }
    }

    #[test]
    fn the_machine_is_kept_and_its_devices_are_replaced() {
        // Shortened from `virsh dumpxml --inactive` of libvirt 9.0.
        let definition = "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>web</name>
  <uuid>5b1e2e3c-9d5e-4b5a-8f43-1a2b3c4d5e6f</uuid>
  <memory unit='KiB'>4194304</memory>
  <memoryBacking><hugepages/></memoryBacking>
  <vcpu placement='static' cpuset='4-7'>4</vcpu>
  <os>
    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
    <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader>
    <boot dev='hd'/>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='host-model' check='partial'><topology sockets='1' cores='4' threads='1'/><feature policy='disable' name='avx512f'/></cpu>
  <on_reboot>restart</on_reboot>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'><source file='/var/lib/libvirt/images/web.qcow2'/><target dev='vda'/></disk>
    <interface type='network'><source network='default'/></interface>
    <memballoon model='virtio'/>
  </devices>
</domain>";
        assert_eq!(kind(definition).as_deref(), Some("kvm"));
        assert_eq!(
            rewrite(definition, &ours()).expect("well-formed"),
            "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\
             <name>t1</name><memory unit='b'>268435456</memory><vcpu>2</vcpu>\
             <memoryBacking><hugepages/></memoryBacking>\
             <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type>\
             <kernel>/k&amp;1</kernel><initrd>/i</initrd><cmdline>quiet</cmdline></os>\
             <features><acpi/><apic/></features>\
             <cpu mode='host-model' check='partial'><feature policy='disable' name='avx512f'/></cpu>\
             <devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='virtio'/>\
             <channel type='unix'><source mode='connect' path='/c'/><target type='virtio' name='isotare.control'/></channel>\
             <serial type='file'><source path='/s'/><target port='0'/></serial>\
             <disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/><source file='/d'/>\
             <target dev='vda' bus='virtio'/></disk></devices>\
             <on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot><on_crash>destroy</on_crash></domain>"
        );
    }

    #[test]
    fn an_invalid_definition_is_an_error() {
        assert_eq!(kind("no xml"), None);
        assert!(rewrite("<domain><os></domain>", &ours()).is_err());
    }
}
