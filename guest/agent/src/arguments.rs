//! The command line, or, of an init, the part of the kernel's that is ours. It is parsed by hand, because a
//! parser library would be larger than the rest of the program.

use crate::network::Address;
use std::fmt;
use std::path::PathBuf;

/// Folder for files of workloads, unless `--data` says otherwise.
pub const DATA: &str = "/isotare/data";

/// The agent's arguments.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// How to reach the host.
    pub channel: Channel,
    /// Writable folder for files that workloads make.
    pub data: PathBuf,
}

/// More arguments of an init.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Where the root is, unless it is the initramfs.
    pub root: Option<Root>,
    /// What to mount on the data folder.
    pub disk: Option<Disk>,
    /// The machine's address, if it has a network.
    pub address: Option<Address>,
}

/// A root file system.
#[derive(Debug, PartialEq, Eq)]
pub enum Root {
    /// ext4 on a block device.
    Disk(Disk),
    /// A folder of the host over 9P, by its tag.
    NineP(String),
    /// A folder of the host over virtiofs, by its tag.
    Virtiofs(String),
}

/// A block device with an ext4 file system.
#[derive(Debug, PartialEq, Eq)]
pub enum Disk {
    /// By its path.
    Device(PathBuf),
    /// By the name of its file system.
    Named(String),
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disk::Device(path) => path.display().fmt(f),
            Disk::Named(name) => name.fmt(f),
        }
    }
}

/// A way to the host.
#[derive(Debug, PartialEq, Eq)]
pub enum Channel {
    /// A listening Unix socket.
    Socket(PathBuf),
    /// A virtio-serial port of this name.
    Port(String),
    /// Standard input and output, which another program connects to the host.
    Stdio,
    /// A port of the host over vsock; an init's only.
    Vsock(u32),
    /// A serial line, such as `/dev/hvc1`; an init's only.
    Device(PathBuf),
}

/// Reads `--socket PATH | --port NAME | --stdio [--data DIR]`.
pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let (mut channel, mut data) = (None, PathBuf::from(DATA));
    while let Some(word) = words.next() {
        if word == "--stdio" {
            channel = Some(Channel::Stdio);
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--socket" => channel = Some(Channel::Socket(value?.into())),
            "--port" => channel = Some(Channel::Port(value?)),
            "--data" => data = value?.into(),
            _ => return Err(format!("unknown argument '{word}'; usage: {USAGE}")),
        }
    }
    let channel = channel.ok_or_else(|| format!("usage: {USAGE}"))?;
    Ok(Arguments { channel, data })
}

const USAGE: &str = "isotare-agent (--socket PATH | --port NAME | --stdio) [--data DIR]";

/// Reads the text of `/proc/cmdline`: `isotare.port=NAME`, `isotare.vsock=PORT` or `isotare.device=PATH`, and
/// where they are given `isotare.root=KIND:WHAT` (`disk`, `9p` or `virtiofs`), `isotare.data=DISK` and
/// `isotare.net=ADDRESS/PREFIX,GATEWAY`. A disk is a device's path or the name of an ext4 file system.
pub fn parse_kernel(cmdline: &str) -> Result<(Arguments, Machine), String> {
    let port = value(cmdline, "isotare.port").map(|name| Ok(Channel::Port(name.to_owned())));
    let vsock = || {
        let number = value(cmdline, "isotare.vsock")?;
        Some(
            number
                .parse()
                .map(Channel::Vsock)
                .map_err(|_| format!("isotare.vsock={number}: this is not a port")),
        )
    };
    let device = || value(cmdline, "isotare.device").map(|path| Ok(Channel::Device(path.into())));
    let channel = port.or_else(vsock).or_else(device).ok_or(
        "the kernel's command line contains neither isotare.port=NAME nor isotare.vsock=PORT nor \
         isotare.device=PATH",
    )?;
    let machine = Machine {
        root: value(cmdline, "isotare.root").map(root).transpose()?,
        disk: value(cmdline, "isotare.data").map(disk),
        address: value(cmdline, "isotare.net").map(str::parse).transpose()?,
    };
    Ok((Arguments { channel: channel?, data: DATA.into() }, machine))
}

fn root(text: &str) -> Result<Root, String> {
    match text.split_once(':') {
        Some(("disk", what)) => Ok(Root::Disk(disk(what))),
        Some(("9p", tag)) => Ok(Root::NineP(tag.to_owned())),
        Some(("virtiofs", tag)) => Ok(Root::Virtiofs(tag.to_owned())),
        _ => Err(format!("isotare.root={text}: it has to be disk:DISK, 9p:TAG or virtiofs:TAG")),
    }
}

fn disk(text: &str) -> Disk {
    match text.starts_with('/') {
        true => Disk::Device(text.into()),
        false => Disk::Named(text.to_owned()),
    }
}

/// Whether the machine is to be switched off in the end (`isotare.end=off`) rather than restarted.
pub fn ends_off(cmdline: &str) -> bool {
    value(cmdline, "isotare.end") == Some("off")
}

fn value<'text>(cmdline: &'text str, key: &str) -> Option<&'text str> {
    cmdline.split_ascii_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_needed_and_the_data_folder_has_a_default() {
        let words = |text: &str| parse(text.split_whitespace().map(str::to_owned));
        let given = words("--socket /a --data /b").expect("valid");
        assert_eq!(given, Arguments { channel: Channel::Socket("/a".into()), data: "/b".into() });
        assert_eq!(words("--port p").expect("valid").data, PathBuf::from(DATA));
        assert_eq!(words("--stdio --data /b").expect("valid").channel, Channel::Stdio);
        assert!(words("").is_err() && words("--port").is_err() && words("--what x").is_err());
    }

    #[test]
    fn an_init_reads_its_settings_from_the_kernel_command_line() {
        let (given, machine) =
            parse_kernel("console=ttyS0 isotare.port=control isotare.data=/dev/vda\n").expect("valid");
        assert_eq!(given.channel, Channel::Port("control".into()));
        let disk = Some(Disk::Device("/dev/vda".into()));
        assert_eq!(machine, Machine { disk, ..Machine::default() });
        assert!(parse_kernel("quiet isotare.portal=1").is_err());
        assert!(!ends_off("isotare.port=control"));
        let (given, machine) = parse_kernel("isotare.vsock=1024 isotare.end=off").expect("valid");
        assert_eq!((given.channel, machine), (Channel::Vsock(1024), Machine::default()));
        assert!(ends_off("isotare.vsock=1024 isotare.end=off"));
        let (given, _) = parse_kernel("isotare.device=/dev/hvc0").expect("valid");
        assert_eq!(given.channel, Channel::Device("/dev/hvc0".into()));
        assert!(parse_kernel("isotare.vsock=x").is_err());
    }

    #[test]
    fn a_root_and_a_network_are_read() {
        let text = "isotare.port=p isotare.root=disk:isotare-root isotare.net=10.0.2.15/24,10.0.2.2";
        let (_, machine) = parse_kernel(text).expect("valid");
        assert_eq!(machine.root, Some(Root::Disk(Disk::Named("isotare-root".into()))));
        assert!(machine.address.is_some() && machine.disk.is_none());
        for wrong in ["isotare.root=nfs:x", "isotare.root=disk", "isotare.net=10.0.2.15"] {
            assert!(parse_kernel(&format!("isotare.port=p {wrong}")).is_err(), "{wrong}");
        }
    }
}
