//! The command line, or, of an init, the part of the kernel's that is ours. Parsed by hand: a parser would be most of
//! the program.

use std::path::PathBuf;

/// Folder for files of workloads, unless `--data` says otherwise.
pub const DATA: &str = "/isotare/data";

/// What the agent was started with.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// How to reach the host.
    pub channel: Channel,
    /// Writable folder for files that workloads make.
    pub data: PathBuf,
    /// Block device to mount on `data`; an init's only.
    pub disk: Option<PathBuf>,
}

/// A way to the host.
#[derive(Debug, PartialEq, Eq)]
pub enum Channel {
    /// A listening Unix socket.
    Socket(PathBuf),
    /// A virtio-serial port of this name.
    Port(String),
}

/// Reads `--socket PATH | --port NAME [--data DIR]`.
pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let (mut channel, mut data) = (None, PathBuf::from(DATA));
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--socket" => channel = Some(Channel::Socket(value?.into())),
            "--port" => channel = Some(Channel::Port(value?)),
            "--data" => data = value?.into(),
            _ => return Err(format!("unknown argument '{word}'; usage: {USAGE}")),
        }
    }
    let channel = channel.ok_or_else(|| format!("usage: {USAGE}"))?;
    Ok(Arguments { channel, data, disk: None })
}

const USAGE: &str = "isotare-agent (--socket PATH | --port NAME) [--data DIR]";

/// Reads `isotare.port=NAME` and `isotare.data=DEVICE` from the text of `/proc/cmdline`.
pub fn parse_kernel(cmdline: &str) -> Result<Arguments, String> {
    let value = |key: &str| {
        cmdline.split_ascii_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    };
    let port = value("isotare.port").ok_or("the kernel's command line has no isotare.port=NAME")?;
    Ok(Arguments {
        channel: Channel::Port(port.to_owned()),
        data: DATA.into(),
        disk: value("isotare.data").map(PathBuf::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_needed_and_the_data_folder_has_a_default() {
        let words = |text: &str| parse(text.split_whitespace().map(str::to_owned));
        let given = words("--socket /a --data /b").expect("valid");
        assert_eq!(given, Arguments { channel: Channel::Socket("/a".into()), data: "/b".into(), disk: None });
        assert_eq!(words("--port p").expect("valid").data, PathBuf::from(DATA));
        assert!(words("").is_err() && words("--port").is_err() && words("--what x").is_err());
    }

    #[test]
    fn an_init_finds_its_words_among_the_kernels() {
        let given =
            parse_kernel("console=ttyS0 isotare.port=control isotare.data=/dev/vda\n").expect("valid");
        assert_eq!(given.channel, Channel::Port("control".into()));
        assert_eq!(given.disk, Some("/dev/vda".into()));
        assert!(parse_kernel("quiet isotare.portal=1").is_err());
    }
}
