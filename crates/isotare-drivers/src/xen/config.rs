//! The configuration of one domain as text: xl.cfg(5). A pure function.

use std::fmt::Write;
use std::path::Path;

/// How a guest is virtualised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GuestType {
    /// Its kernel calls the hypervisor instead of using operations that the processor would have to
    /// virtualise.
    Pv,
    /// By the processor, without an emulated machine.
    Pvh,
    /// By the processor, with a machine that QEMU emulates.
    Hvm,
}

impl GuestType {
    /// Its name in xl.cfg(5) and in the settings.
    pub(super) fn word(self) -> &'static str {
        match self {
            GuestType::Pv => "pv",
            GuestType::Pvh => "pvh",
            GuestType::Hvm => "hvm",
        }
    }

    /// The parameters of the guest's kernel. Where there is an emulated serial port the kernel's messages go
    /// there, so that only the agent uses the other console.
    pub(super) fn kernel_parameters(self) -> String {
        let console = if self == GuestType::Hvm { "ttyS0" } else { "hvc0" };
        format!(
            "console={console} quiet panic=-1 random.trust_cpu=on cryptomgr.notests isotare.device=/dev/hvc0"
        )
    }
}

/// The content of a configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Config<'a> {
    pub(super) name: &'a str,
    pub(super) kind: GuestType,
    pub(super) kernel: &'a Path,
    pub(super) initramfs: &'a Path,
    pub(super) parameters: &'a str,
    /// Bytes, whole MiB.
    pub(super) memory: u64,
    pub(super) vcpus: u64,
    /// As `0-3,5`.
    pub(super) cpus: &'a str,
    /// What an emulated serial port writes.
    pub(super) console: &'a Path,
}

impl Config<'_> {
    /// As text. A string in it cannot hold its own quotation mark.
    pub(super) fn text(&self) -> Result<String, String> {
        let mut text = String::new();
        let mut add = |key: &str, value: &str| match value.contains(['"', '\n', '\\']) {
            false => {
                // Writing to a string does not fail.
                let _written = writeln!(text, "{key} = \"{value}\"");
                Ok(())
            }
            true => Err(format!("xl.cfg cannot hold {value}")),
        };
        add("name", self.name)?;
        add("type", self.kind.word())?;
        add("kernel", &self.kernel.to_string_lossy())?;
        add("ramdisk", &self.initramfs.to_string_lossy())?;
        add("cmdline", self.parameters)?;
        add("cpus", self.cpus)?;
        for event in ["on_poweroff", "on_reboot", "on_crash"] {
            add(event, "destroy")?;
        }
        if self.kind == GuestType::Hvm {
            add("serial", &format!("file:{}", self.console.display()))?;
            add("vga", "none")?;
        }
        let (memory, vcpus) = (self.memory >> 20, self.vcpus);
        // Without a device model's graphics nothing listens on the network.
        let last = if self.kind == GuestType::Hvm { "vnc = 0\nsdl = 0\n" } else { "" };
        let _written = write!(text, "memory = {memory}\nmaxmem = {memory}\nvcpus = {vcpus}\n{last}");
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(kind: GuestType, name: &str) -> Result<String, String> {
        Config {
            name,
            kind,
            kernel: Path::new("/k"),
            initramfs: Path::new("/i"),
            parameters: &kind.kernel_parameters(),
            memory: 256 << 20,
            vcpus: 2,
            cpus: "0-1",
            console: Path::new("/run/console.log"),
        }
        .text()
    }

    #[test]
    fn the_configuration_of_a_paravirtualised_guest_has_no_devices() {
        assert_eq!(
            config(GuestType::Pv, "t1").expect("a configuration"),
            "name = \"t1\"\ntype = \"pv\"\nkernel = \"/k\"\nramdisk = \"/i\"\n\
             cmdline = \"console=hvc0 quiet panic=-1 random.trust_cpu=on cryptomgr.notests isotare.device=/dev/hvc0\"\n\
             cpus = \"0-1\"\non_poweroff = \"destroy\"\non_reboot = \"destroy\"\non_crash = \"destroy\"\n\
             memory = 256\nmaxmem = 256\nvcpus = 2\n"
        );
        assert!(config(GuestType::Pvh, "t1").is_ok_and(|text| text.contains("type = \"pvh\"\n")));
    }

    #[test]
    fn an_emulated_machine_has_a_serial_port_for_the_kernels_messages() {
        let text = config(GuestType::Hvm, "t1").expect("a configuration");
        for part in ["type = \"hvm\"", "console=ttyS0 ", "serial = \"file:/run/console.log\"", "vnc = 0"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn values_that_the_format_cannot_contain_are_refused() {
        assert!(config(GuestType::Pv, "a\"b").is_err());
    }
}
